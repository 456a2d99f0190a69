"""What became of the calls of a load: counts, and latencies from when each was due."""

import re
from collections import Counter
from typing import Any

from wardgate.lab.load.engine import Call
from wardgate.lab.load.histogram import Histogram

QUANTILES = (0.5, 0.9, 0.99, 0.999)
_OUTCOME = re.compile(r'outcome;desc="([a-z_/]+)"')


class Tally:
    """`latencies` count from the due time; `service_times` from when the request went out, which is what a closed loop
    would have shown. Only answered calls have a latency."""

    def __init__(self, limit: float | None = None) -> None:
        self.latencies = Histogram()
        self.service_times = Histogram()
        self.statuses: Counter[int] = Counter()
        self.outcomes: Counter[str] = Counter()
        self.beyond = 0
        self._limit = limit

    def add(self, call: Call) -> None:
        self.statuses[call.status] += 1
        if not call.status:
            return
        self.latencies.add(call.done - call.due)
        self.service_times.add(call.done - call.sent)
        self.beyond += self._limit is not None and call.done - call.due > self._limit
        found = _OUTCOME.search(call.timing)
        self.outcomes[found[1] if found is not None else "not told"] += 1

    @property
    def unanswered(self) -> int:
        return self.statuses[0]

    def document(self, rate: float, seconds: float) -> dict[str, Any]:
        """For a file: milliseconds, counts, and both histograms as [upper bound, count]."""
        return {
            "rate": rate,
            "seconds": round(seconds, 3),
            "calls": self.statuses.total(),
            "unanswered": self.unanswered,
            "statuses": {str(status): count for status, count in sorted(self.statuses.items())},
            "outcomes": dict(self.outcomes.most_common()),
            "beyond_limit": self.beyond,
            "from_due_ms": _figures(self.latencies),
            "from_sent_ms": _figures(self.service_times),
        }


def _figures(histogram: Histogram) -> dict[str, Any]:
    return {
        "mean": round(histogram.mean * 1000, 3),
        **{f"p{q * 100:g}": round(histogram.quantile(q) * 1000, 3) for q in QUANTILES},
        "max": round(histogram.largest * 1000, 3),
        "buckets": [[round(upper * 1000, 3), count] for upper, count in histogram.buckets()],
    }
