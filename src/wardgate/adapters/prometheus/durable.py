"""What is told of the durable store."""

from wardgate.adapters.prometheus.instruments import Instruments
from wardgate.records.archive import Kind


class DurableMeter:
    """From any thread."""

    def __init__(self, meter: Instruments) -> None:
        self._up = meter.gauge("wardgate_durable_store_up", "1 while the durable store answers.", ())
        self._purged = meter.counter("wardgate_purged", "Records whose time of keeping was over.", ("kind",))
        for kind in Kind:
            self._purged.of(kind)
        self._lost = meter.counter(
            "wardgate_identities_lost", "Identities that could not be kept for the custodian.", ()
        )

    def up(self, up: bool) -> None:
        self._up.of().set(1 if up else 0)

    def purged(self, kind: Kind, rows: int) -> None:
        self._purged.of(kind).inc(rows)

    def identities_lost(self, count: int) -> None:
        self._lost.of().inc(count)
