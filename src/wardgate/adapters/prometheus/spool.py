"""What the spool counts, and what is asked of it at each scrape."""

from collections.abc import Callable
from functools import partial

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from wardgate.domain.spool import SpoolEvent, SpoolState

_SECONDS = (0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.004, 0.006, 0.008, 0.010, 0.05, 0.25, 1.0)


class SpoolMeter:
    def __init__(self, registry: CollectorRegistry) -> None:
        self._events = Counter(
            "wardgate_spool", "Entries of the spool, by what became of them.", ("event",), registry=registry
        )
        self._bound = {event: self._events.labels(event.value) for event in SpoolEvent}
        self._waited = Histogram(
            "wardgate_spool_acknowledged_seconds",
            "From a record to its acknowledgement, the first of each group.",
            buckets=_SECONDS,
            registry=registry,
        )
        self._state = Gauge(
            "wardgate_spool_state", "1 for the state that the spool is in.", ("state",), registry=registry
        )
        self._bytes = Gauge("wardgate_spool_bytes", "Bytes of the spool's segments.", registry=registry)
        self._waiting = Gauge("wardgate_spool_waiting", "Entries that wait for the disk.", registry=registry)
        self._unflushed = Gauge(
            "wardgate_spool_unflushed_seconds", "Age of the oldest entry that is not flushed.", registry=registry
        )
        self._undelivered = Gauge(
            "wardgate_spool_undelivered_seconds", "Age of the oldest entry that the store has not.", registry=registry
        )

    def event(self, event: SpoolEvent, count: int) -> None:
        """From any thread."""
        self._bound[event].inc(count)

    def waited(self, seconds: float) -> None:
        self._waited.observe(seconds)

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
            self._state.labels(each.value).set_function(partial(_is, state, each))
        self._bytes.set_function(size)
        self._waiting.set_function(waiting)
        self._unflushed.set_function(unflushed)
        self._undelivered.set_function(undelivered)


def _is(state: Callable[[], SpoolState], each: SpoolState) -> bool:
    return state() is each
