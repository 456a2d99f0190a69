"""How an instrument is made here: its labels are names of the one list, and no value gets in that the list does not
allow. A child is bound once for each set of labels, since `labels()` costs more than `inc()`; so the check is free."""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from itertools import accumulate
from typing import Generic, TypeVar

import prometheus_client
from prometheus_client import CollectorRegistry, Counter, Gauge, disable_created_metrics
from prometheus_client.samples import Sample
from prometheus_client.utils import floatToGoString

from wardgate.domain.attributes import ATTRIBUTES, OTHER, Sink
from wardgate.domain.guard import Guard

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.55, 0.75, 1.0, 2.5, 5.0)
RELEASE = ("service_id", "model_name", "model_version")

_MOST = 4096
"""Children of each family that are kept at hand; more are looked up at each use."""


class Histogram(prometheus_client.Histogram):
    """The library's, at a tenth of its price: that takes two locks for each value and tries bucket after bucket, and a
    call gives eight. Values come from the thread of the event loop alone."""

    def _metric_init(self) -> None:
        self._counts, self._total = [0] * len(self._upper_bounds), 0.0

    def observe(self, amount: float, exemplar: dict[str, str] | None = None) -> None:
        self._counts[bisect_left(self._upper_bounds, amount)] += 1
        self._total += amount

    def _child_samples(self) -> Iterable[Sample]:
        counts = list(accumulate(self._counts))
        for bound, count in zip(self._upper_bounds, counts, strict=True):
            le: str = floatToGoString(bound)  # type: ignore[no-untyped-call]
            yield Sample("_bucket", {"le": le}, count, None, None)
        yield Sample("_count", {}, counts[-1], None, None)
        if self._upper_bounds[0] >= 0:  # else the sum may fall, as a counter must not
            yield Sample("_sum", {}, self._total, None, None)


Instrument = TypeVar("Instrument", Counter, Gauge, Histogram)


class Family(Generic[Instrument]):
    """`of` takes the labels' values in their order, and gives the child."""

    _instrument: Instrument

    def __init__(self, instrument: Instrument, labels: tuple[str, ...], guard: Guard) -> None:
        if unlisted := set(labels) - set(ATTRIBUTES):
            raise ValueError(f"not on the list of attributes: {', '.join(sorted(unlisted))}")
        self._instrument = instrument
        self._labels = labels
        self._guard = guard
        self.of: Callable[..., Instrument]
        self._bind()

    def _bind(self) -> None:
        self.of = lru_cache(maxsize=_MOST)(self._child)

    def _child(self, *values: str) -> Instrument:
        if not self._labels:
            return self._instrument
        value, sink = self._guard.value, Sink.METRICS
        checked = [value(sink, name, given) for name, given in zip(self._labels, values, strict=True)]
        child: Instrument = self._instrument.labels(*[OTHER if each is None else each for each in checked])
        return child

    def forget(self, labels: Mapping[str, str]) -> None:
        """Every child with these."""
        self._instrument.remove_by_labels(dict(labels))
        self._bind()


class Instruments:
    """What a subject's instruments are made with. Subjects are mixed into one meter (`meter.PrometheusMeter`), or made
    from it where the process has what they speak of."""

    def __init__(self, guard: Guard | None = None) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]  # a series more for each one, which nobody reads
        self.registry = CollectorRegistry()
        self._guard = guard or Guard()

    def counter(self, name: str, what: str, labels: tuple[str, ...]) -> Family[Counter]:
        return Family(Counter(name, what, labels, registry=self.registry), labels, self._guard)

    def gauge(self, name: str, what: str, labels: tuple[str, ...]) -> Family[Gauge]:
        return Family(Gauge(name, what, labels, registry=self.registry), labels, self._guard)

    def histogram(
        self, name: str, what: str, labels: tuple[str, ...], buckets: tuple[float, ...] = SECONDS
    ) -> Family[Histogram]:
        return Family(Histogram(name, what, labels, buckets=buckets, registry=self.registry), labels, self._guard)
