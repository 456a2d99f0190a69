"""Models: their proof, and the policies of each release's endpoint."""

from collections.abc import Callable, Mapping

from wardgate.adapters.prometheus.instruments import RELEASE, Instruments
from wardgate.domain.guard import Guard
from wardgate.domain.outcomes import Reason


class ModelMeter(Instruments):
    def __init__(self, guard: Guard | None = None) -> None:
        super().__init__(guard)
        self._breakers = self.gauge(
            "wardgate_breaker_state", "1 for the state that the circuit to the endpoint is in.", (*RELEASE, "state")
        )
        self._changes = self.counter(
            "wardgate_breaker_changes",
            "Changes of the circuit to the endpoint, by the state it came to.",
            (*RELEASE, "state"),
        )
        self._permits = self.gauge("wardgate_model_calls_in_flight", "Calls that the endpoint has now.", RELEASE)
        self._queued = self.gauge("wardgate_model_calls_waiting", "Calls that wait for a place there.", RELEASE)
        self._retried = self.counter("wardgate_model_retries", "Calls that were asked a second time.", RELEASE)
        self._coalesced = self.counter(
            "wardgate_model_coalesced", "Calls that shared the answer of an equal one.", RELEASE
        )
        self._absent = self.counter(
            "wardgate_contributions_absent",
            "Replies without the declared contributions.",
            ("model_name", "model_version"),
        )
        self._probes = self.counter(
            "wardgate_probes", "Probe runs by result.", ("model_name", "model_version", "result")
        )
        self._proven = self.gauge(
            "wardgate_model_proven", "1 while the endpoint proves that it runs the pinned model.", RELEASE
        )

    def contributions_absent(self, model: str, version: str) -> None:
        self._absent.of(model, version).inc()

    def breaker_changed(self, service_id: str, model: str, version: str, state: str) -> None:
        """Counts; the state itself is asked for (`watch_policies`)."""
        self._changes.of(service_id, model, version, state).inc()

    def watch_policies(
        self,
        service_id: str,
        model: str,
        version: str,
        in_use: Callable[[], int],
        waiting: Callable[[], int],
        states: Mapping[str, Callable[[], bool]],
    ) -> None:
        """Read at each scrape, so that a call pays nothing for it."""
        self._permits.of(service_id, model, version).set_function(in_use)
        self._queued.of(service_id, model, version).set_function(waiting)
        for state, holds in states.items():
            self._breakers.of(service_id, model, version, state).set_function(holds)

    def model_retried(self, service_id: str, model: str, version: str) -> None:
        self._retried.of(service_id, model, version).inc()

    def model_coalesced(self, service_id: str, model: str, version: str) -> None:
        self._coalesced.of(service_id, model, version).inc()

    def probe_ended(self, model: str, version: str, reason: Reason | None) -> None:
        self._probes.of(model, version, "passed" if reason is None else reason.value).inc()

    def proven(self, service_id: str, model: str, version: str, proven: bool) -> None:
        self._proven.of(service_id, model, version).set(1 if proven else 0)

    def model_gone(self, service_id: str, model: str, version: str) -> None:
        """It is configured no more, so nothing is said of it."""
        labels = dict(zip(RELEASE, (service_id, model, version), strict=True))
        for gauges in (self._proven, self._permits, self._queued, self._breakers):
            gauges.forget(labels)
