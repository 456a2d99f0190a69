"""What the spool counts, and what is asked of it at each scrape."""

from collections.abc import Callable
from functools import partial

from wardgate.adapters.prometheus.instruments import Instruments
from wardgate.domain.spool import SpoolEvent, SpoolState

_SECONDS = (0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.004, 0.006, 0.008, 0.010, 0.05, 0.25, 1.0)


class SpoolMeter:
    def __init__(self, meter: Instruments) -> None:
        self._events = meter.counter("wardgate_spool", "Entries of the spool, by what became of them.", ("event",))
        for event in SpoolEvent:
            self._events.of(event)
        self._waited = meter.histogram(
            "wardgate_spool_acknowledged_seconds",
            "From a record to its acknowledgement, the first of each group.",
            (),
            _SECONDS,
        )
        self._state = meter.gauge("wardgate_spool_state", "1 for the state that the spool is in.", ("state",))
        self._bytes = meter.gauge("wardgate_spool_bytes", "Bytes of the spool's segments.", ())
        self._waiting = meter.gauge("wardgate_spool_waiting", "Entries that wait for the disk.", ())
        self._unflushed = meter.gauge(
            "wardgate_spool_unflushed_seconds", "Age of the oldest entry that is not flushed.", ()
        )
        self._undelivered = meter.gauge(
            "wardgate_spool_undelivered_seconds", "Age of the oldest entry that the store has not.", ()
        )

    def event(self, event: SpoolEvent, count: int) -> None:
        """From any thread."""
        self._events.of(event).inc(count)

    def waited(self, seconds: float) -> None:
        self._waited.of().observe(seconds)

    def watch(
        self,
        state: Callable[[], SpoolState],
        size: Callable[[], float],
        waiting: Callable[[], float],
        unflushed: Callable[[], float],
        undelivered: Callable[[], float],
    ) -> None:
        """Read at each scrape, so that a call pays nothing for it."""
        for each in SpoolState:
            self._state.of(each).set_function(partial(_is, state, each))
        self._bytes.of().set_function(size)
        self._waiting.of().set_function(waiting)
        self._unflushed.of().set_function(unflushed)
        self._undelivered.of().set_function(undelivered)


def _is(state: Callable[[], SpoolState], each: SpoolState) -> bool:
    return state() is each
