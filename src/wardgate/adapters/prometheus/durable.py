"""What is told of the durable store."""

from prometheus_client import CollectorRegistry, Counter, Gauge

from wardgate.records.archive import Kind


class DurableMeter:
    """From any thread."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._up = Gauge("wardgate_durable_store_up", "1 while the durable store answers.", registry=registry)
        self._purged = Counter(
            "wardgate_purged", "Records whose time of keeping was over.", ("kind",), registry=registry
        )
        self._lost = Counter(
            "wardgate_identities_lost", "Identities that could not be kept for the custodian.", registry=registry
        )
        self._bound = {kind: self._purged.labels(kind.value) for kind in Kind}

    def up(self, up: bool) -> None:
        self._up.set(1 if up else 0)

    def purged(self, kind: Kind, rows: int) -> None:
        self._bound[kind].inc(rows)

    def identities_lost(self, count: int) -> None:
        self._lost.inc(count)
