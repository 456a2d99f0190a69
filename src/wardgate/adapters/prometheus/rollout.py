"""What is told of the snapshot by which this replica goes."""

from wardgate.adapters.prometheus.instruments import Instruments
from wardgate.domain.rollout.hidden import Hidden


class SnapshotMeter:
    """From any thread."""

    def __init__(self, meter: Instruments) -> None:
        self._hidden = meter.gauge(
            "wardgate_snapshot_hidden", "1 while this replica shows nothing, by why.", ("hidden",)
        )
        self._hides = meter.counter(
            "wardgate_snapshot_hides", "Times that this replica began to show nothing, by why.", ("hidden",)
        )
        self._now: Hidden | None = None
        self._store_up = meter.gauge(
            "wardgate_snapshot_store_up", "1 while what people have decided can be read from the durable store.", ()
        )
        self._channel_up = meter.gauge(
            "wardgate_snapshot_channel_up", "1 while this replica hears at once of what is decided; else it looks.", ()
        )
        for why in Hidden:
            self._hidden.of(why).set(0)
            self._hides.of(why)

    def hides(self, why: Hidden | None) -> None:
        for each in Hidden:
            self._hidden.of(each).set(1 if each is why else 0)
        if why is not None and why is not self._now:
            self._hides.of(why).inc()  # what lasts for a moment alone no scrape would see
        self._now = why

    def store_up(self, up: bool) -> None:
        self._store_up.of().set(1 if up else 0)

    def channel_up(self, up: bool) -> None:
        self._channel_up.of().set(1 if up else 0)
