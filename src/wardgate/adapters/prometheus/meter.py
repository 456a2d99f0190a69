"""All instruments of a gateway process, and what a scrape gets of them."""

from collections.abc import Iterable, Iterator

from prometheus_client import Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.registry import Collector

from wardgate.adapters.prometheus.calls import CallMeter
from wardgate.adapters.prometheus.models import ModelMeter
from wardgate.adapters.prometheus.process import ProcessMeter


class _One(Collector):
    """A registry of one family."""

    def __init__(self, metric: Metric) -> None:
        self._metric = metric

    def collect(self) -> Iterable[Metric]:
        return (self._metric,)


class PrometheusMeter(CallMeter, ModelMeter, ProcessMeter):
    """Meets `gateway.ports.Meter`; one file for each subject."""

    content_type = CONTENT_TYPE_LATEST

    def pieces(self) -> Iterator[bytes]:
        """The scrape's body, family by family: all of it takes some 20 ms for ten services, and whoever serves calls
        beside it takes a breath after each piece."""
        for metric in self.registry.collect():
            yield generate_latest(_One(metric))

    def exposition(self) -> tuple[bytes, str]:
        """The scrape's body and its content type."""
        return b"".join(self.pieces()), self.content_type
