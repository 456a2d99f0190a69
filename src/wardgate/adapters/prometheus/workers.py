"""One exposition for several processes: each worker's own metrics with its number, and what the parent counts of them.

A label instead of sums: a replaced worker begins at 0, which a rate over each series understands and a sum does not.
"""

import re
from collections.abc import Mapping

from prometheus_client import Counter, Gauge
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from wardgate.adapters.prometheus.instruments import Instruments

_SAMPLE = re.compile(r"([a-zA-Z_:][a-zA-Z0-9_:]*)(\{)?")


class WorkerMeter(Instruments):
    """Of the parent."""

    def __init__(self) -> None:
        super().__init__()
        self._up = Gauge("wardgate_workers_up", "Workers that answer calls.", registry=self.registry)
        self._lost = Counter("wardgate_workers_lost", "Workers that ended unasked.", registry=self.registry)
        self._calls = Counter(
            "wardgate_calls_lost", "Calls that were under way in a worker that ended unasked.", registry=self.registry
        )

    def up(self, number: int) -> None:
        self._up.set(number)

    def lost(self, calls: int) -> None:
        self._lost.inc()
        self._calls.inc(calls)

    def exposition(self, workers: Mapping[int, str]) -> tuple[bytes, str]:
        """The scrape's body, with what each worker has said, and its content type."""
        own = generate_latest(self.registry).decode()
        return (merged(workers) + own).encode(), CONTENT_TYPE_LATEST


def merged(expositions: Mapping[int, str]) -> str:
    """The samples of all, family by family, each labelled with its worker."""
    heads: dict[str, list[str]] = {}
    samples: dict[str, list[str]] = {}
    for number, text in expositions.items():
        family = ""
        for line in text.splitlines():
            if line.startswith("# "):
                _, kind, name, *_ = line.split(" ", 3)
                family = name if kind == "HELP" else family
                told = heads.setdefault(family, [])
                if line not in told:
                    told.append(line)
            elif line:
                samples.setdefault(family, []).append(_labelled(line, number))
    return "".join(f"{line}\n" for family in heads for line in (*heads[family], *samples.get(family, ())))


def _labelled(sample: str, number: int) -> str:
    name, brace = _SAMPLE.match(sample).groups()  # type: ignore[union-attr]  # a sample begins with its name
    rest = sample[len(name) + 1 :] if brace else f"}}{sample[len(name) :]}"
    return f'{name}{{worker="{number}"{"," if brace else ""}{rest}'
