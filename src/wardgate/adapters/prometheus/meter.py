"""All instruments of a gateway process, and what a scrape gets of them."""

from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from wardgate.adapters.prometheus.calls import CallMeter
from wardgate.adapters.prometheus.models import ModelMeter
from wardgate.adapters.prometheus.process import ProcessMeter


class PrometheusMeter(CallMeter, ModelMeter, ProcessMeter):
    """Meets `gateway.ports.Meter`; one file for each subject."""

    def exposition(self) -> tuple[bytes, str]:
        """The scrape's body and its content type."""
        return generate_latest(self.registry), CONTENT_TYPE_LATEST
