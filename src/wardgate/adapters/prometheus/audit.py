"""What is told of the audit chain."""

from collections.abc import Callable

from wardgate.adapters.prometheus.instruments import Instruments
from wardgate.domain.audit import Kept


class AuditMeter:
    """From any thread."""

    def __init__(self, meter: Instruments) -> None:
        self._kept = meter.counter(
            "wardgate_audit_kept", "Deeds that were not to wait for the audit chain, by where they are.", ("event",)
        )
        for kept in Kept:
            self._kept.of(kept)
        self._room = meter.gauge("wardgate_audit_room", "Deeds that the audit's spool still takes.", ())

        self._aside = meter.gauge(
            "wardgate_audit_aside", "Deeds on the audit's spool that cannot be read, and are on no chain.", ()
        )
        self._broken = meter.gauge(
            "wardgate_audit_rewritten", "1: the audit chain is another one than it was; nothing on it is believed.", ()
        )

    def broken(self, broken: bool) -> None:
        self._broken.of().set(float(broken))

    def kept(self, kept: Kept) -> None:
        self._kept.of(kept).inc()

    def watch(self, room: Callable[[], float], aside: Callable[[], float]) -> None:
        """Read at each scrape."""
        self._room.of().set_function(room)
        self._aside.of().set_function(aside)
