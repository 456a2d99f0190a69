"""A histogram of latencies with buckets that grow as the values do (as HdrHistogram's): any value is known to within
1 %, from a microsecond to hours, in a few thousand counters; two histograms add up."""

from collections.abc import Iterator

_STEPS = 128  # buckets for each doubling: 1/128 is the error


class Histogram:
    """Values are seconds; negative ones count as 0."""

    def __init__(self) -> None:
        self._counts: dict[int, int] = {}
        self._total = 0
        self._sum = 0.0
        self._largest = 0.0

    def __len__(self) -> int:
        return self._total

    def add(self, seconds: float) -> None:
        seconds = max(0.0, seconds)
        place = _place(round(seconds * 1e6))
        self._counts[place] = self._counts.get(place, 0) + 1
        self._total += 1
        self._sum += seconds
        self._largest = max(self._largest, seconds)

    @property
    def mean(self) -> float:
        return self._sum / self._total if self._total else 0.0

    @property
    def largest(self) -> float:
        return self._largest

    def quantile(self, q: float) -> float:
        """The value that the share `q` of all values does not exceed, in seconds; 0 of an empty one."""
        wanted, seen = q * self._total, 0
        for upper, count in self.buckets():
            seen += count
            if seen >= wanted:
                return min(upper, self._largest)
        return self._largest

    def buckets(self) -> Iterator[tuple[float, int]]:
        """Upper bound in seconds and count, ascending; without empty ones."""
        for place in sorted(self._counts):
            yield _upper(place) / 1e6, self._counts[place]


def _place(value: int) -> int:
    """Below 2 * _STEPS each value has its own bucket; above, each doubling has _STEPS."""
    shift = max(0, value.bit_length() - _STEPS.bit_length())
    return shift * _STEPS + (value >> shift)


def _upper(place: int) -> int:
    if place < 2 * _STEPS:
        return place
    shift = place // _STEPS - 1
    return ((place - shift * _STEPS + 1) << shift) - 1
