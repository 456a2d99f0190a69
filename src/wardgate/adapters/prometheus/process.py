"""The process: what it is, who is inside, what its snapshot is, and what of telemetry did not leave."""

import platform
from collections.abc import Callable

from prometheus_client import Gauge

from wardgate import __version__
from wardgate.adapters.prometheus.instruments import Family, Instruments
from wardgate.domain.attributes import Loss, Sink
from wardgate.domain.guard import Guard
from wardgate.domain.hot import HotEvent


class ProcessMeter(Instruments):
    def __init__(self, guard: Guard | None = None) -> None:
        super().__init__(guard)
        self._build = self.gauge(
            "wardgate_build_info", "Always 1; what is running.", ("version", "python", "environment")
        )
        self._faults = self.counter("wardgate_faults", "Failures that no table expected.", ("stage",))
        self._hot = self.counter("wardgate_hot_store", "What the hot store had, lost and refused.", ("event",))
        self._hot_up = self.gauge("wardgate_hot_store_up", "1 while the hot store answers.", ())
        self._busy = self.gauge("wardgate_admission_calls", "Calls that are worked on now.", ())
        self._waiting = self.gauge("wardgate_admission_waiting", "Calls that wait for a place.", ())
        self._places = self.gauge(
            "wardgate_admission_places", "Places that there are now: fewer while the event loop is late.", ()
        )
        self._age = self.gauge("wardgate_snapshot_age_seconds", "Since the rollouts were last read.", ())
        self._epoch = self.gauge("wardgate_snapshot_epoch", "The epoch of the rollouts that are obeyed.", ())
        self._lost = self.counter(
            "wardgate_telemetry_dropped",
            "What telemetry did not let out, or could not send: spans for traces, else values.",
            ("sink", "cause"),
        )
        self._exports = self.counter("wardgate_trace_exports", "Batches of spans by what became of them.", ("result",))
        self._spans = self.counter("wardgate_trace_spans_sent", "Spans that the collector took.", ())
        self._collector: Family[Gauge] | None = None  # made where there is one to speak of
        for event in HotEvent:
            self._hot.of(event)
        self._guard.tell(self.telemetry_lost)

    def runs(self, environment: str) -> None:
        self._build.of(__version__, platform.python_version(), environment).set(1)

    def watch_process(
        self,
        busy: Callable[[], int],
        waiting: Callable[[], int],
        places: Callable[[], int],
        snapshot_age: Callable[[], float],
        snapshot_epoch: Callable[[], int],
    ) -> None:
        """Read at each scrape."""
        self._busy.of().set_function(busy)
        self._waiting.of().set_function(waiting)
        self._places.of().set_function(places)
        self._age.of().set_function(snapshot_age)
        self._epoch.of().set_function(snapshot_epoch)

    def fault(self, stage: str) -> None:
        self._faults.of(stage).inc()

    def hot_event(self, event: HotEvent, count: int) -> None:
        self._hot.of(event).inc(count)

    def hot_up(self, up: bool) -> None:
        self._hot_up.of().set(1 if up else 0)

    def telemetry_lost(self, sink: Sink, cause: Loss, count: int = 1) -> None:
        self._lost.of(sink, cause).inc(count)

    def export_ended(self, result: str, spans: int) -> None:
        """`result` is `taken`, `refused` or `failed`; `spans` are those that were taken."""
        self._exports.of(result).inc()
        self._spans.of().inc(spans)

    def collector_up(self, up: bool) -> None:
        if self._collector is None:
            self._collector = self.gauge("wardgate_trace_collector_up", "1 while the collector takes spans.", ())
        self._collector.of().set(1 if up else 0)
