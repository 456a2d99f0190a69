"""Bound prometheus_client instruments. Every label value comes from a closed list or from the configuration."""

from collections.abc import Callable, Mapping
from functools import lru_cache

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from wardgate.domain.hot import HotEvent
from wardgate.domain.outcomes import Reason

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.55, 0.75, 1.0, 2.5, 5.0)
_RELEASE = ("service_id", "model", "version")
_LABELS = ("service_id", "hook", "mode", "arm", "outcome", "reason", "step")


class PrometheusMeter:
    """Meets `gateway.ports.Meter`. Children are bound once per label set: `labels()` costs more than `inc()`."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._calls = Counter("wardgate_calls", "Hook calls by how they ended.", _LABELS, registry=self.registry)
        self._seconds = Histogram(
            "wardgate_call_seconds",
            "From the parsed request to the outcome.",
            ("service_id", "hook", "outcome"),
            buckets=_SECONDS,
            registry=self.registry,
        )
        self._feedback = Counter(
            "wardgate_feedback",
            "What became of cards, as reported.",
            ("service_id", "outcome", "override"),
            registry=self.registry,
        )
        self._dropped = Counter(
            "wardgate_resources_dropped", "Resources that did not count.", ("cause",), registry=self.registry
        )
        self._reads = Counter(
            "wardgate_fhir_reads_failed", "FHIR reads without a usable answer.", ("cause",), registry=self.registry
        )
        self._adjusted = Counter(
            "wardgate_inputs_adjusted",
            "Model inputs that the gateway filled or clipped.",
            ("model", "feature", "how"),
            registry=self.registry,
        )
        self._late = Counter(
            "wardgate_inputs_late",
            "Values that took longer to become available than their source has promised.",
            ("model", "feature"),
            registry=self.registry,
        )
        self._absent = Counter(
            "wardgate_contributions_absent",
            "Replies without the declared contributions.",
            ("model", "version"),
            registry=self.registry,
        )
        self._breakers = Gauge(
            "wardgate_breaker_state",
            "1 for the state that the circuit to the endpoint is in.",
            (*_RELEASE, "state"),
            registry=self.registry,
        )
        self._changes = Counter(
            "wardgate_breaker_changes",
            "Changes of the circuit to the endpoint, by the state it came to.",
            (*_RELEASE, "state"),
            registry=self.registry,
        )
        self._permits = Gauge(
            "wardgate_model_calls_in_flight", "Calls that the endpoint has now.", _RELEASE, registry=self.registry
        )
        self._retried = Counter(
            "wardgate_model_retries", "Calls that were asked a second time.", _RELEASE, registry=self.registry
        )
        self._coalesced = Counter(
            "wardgate_model_coalesced",
            "Calls that shared the answer of an equal one.",
            _RELEASE,
            registry=self.registry,
        )
        self._shadow = Counter(
            "wardgate_shadow_runs",
            "Releases that were asked after the response, by how they ended.",
            (*_RELEASE, "outcome", "reason"),
            registry=self.registry,
        )
        self._shadow_shed = Counter(
            "wardgate_shadow_shed",
            "Shadow work that was given up since there was too much to do.",
            ("service_id",),
            registry=self.registry,
        )
        self._probes = Counter(
            "wardgate_probes", "Probe runs by result.", ("model", "version", "result"), registry=self.registry
        )
        self._proven = Gauge(
            "wardgate_model_proven",
            "1 while the endpoint proves that it runs the pinned model.",
            ("service_id", "model", "version"),
            registry=self.registry,
        )
        self._faults = Counter(
            "wardgate_faults", "Failures that no table expected.", ("stage",), registry=self.registry
        )
        self._hot = Counter(
            "wardgate_hot_store", "What the hot store had, lost and refused.", ("event",), registry=self.registry
        )
        self._hot_events = {event: self._hot.labels(event.value) for event in HotEvent}
        self._hot_up = Gauge("wardgate_hot_store_up", "1 while the hot store answers.", registry=self.registry)
        self._count = lru_cache(maxsize=4096)(self._calls.labels)
        self._time = lru_cache(maxsize=1024)(self._seconds.labels)

    def call_ended(
        self, service_id: str, hook: str, mode: str, arm: str, outcome: str, reason: str, step: str, seconds: float
    ) -> None:
        self._count(service_id, hook, mode, arm, outcome, reason, step).inc()
        self._time(service_id, hook, outcome).observe(seconds)

    def feedback_given(self, service_id: str, outcome: str, override: str) -> None:
        self._feedback.labels(service_id, outcome, override).inc()

    def resource_dropped(self, cause: str, count: int) -> None:
        self._dropped.labels(cause).inc(count)

    def read_failed(self, cause: str) -> None:
        self._reads.labels(cause).inc()

    def input_adjusted(self, model: str, feature: str, how: str) -> None:
        self._adjusted.labels(model, feature, how).inc()

    def input_late(self, model: str, feature: str) -> None:
        self._late.labels(model, feature).inc()

    def contributions_absent(self, model: str, version: str) -> None:
        self._absent.labels(model, version).inc()

    def breaker_changed(self, service_id: str, model: str, version: str, state: str) -> None:
        """Counts; the state itself is asked for (`watch_policies`)."""
        self._changes.labels(service_id, model, version, state).inc()

    def watch_policies(
        self,
        service_id: str,
        model: str,
        version: str,
        in_use: Callable[[], int],
        states: Mapping[str, Callable[[], bool]],
    ) -> None:
        """Read at each scrape, so that a call pays nothing for it."""
        self._permits.labels(service_id, model, version).set_function(in_use)
        for state, holds in states.items():
            self._breakers.labels(service_id, model, version, state).set_function(holds)

    def model_retried(self, service_id: str, model: str, version: str) -> None:
        self._retried.labels(service_id, model, version).inc()

    def model_coalesced(self, service_id: str, model: str, version: str) -> None:
        self._coalesced.labels(service_id, model, version).inc()

    def shadow_ended(self, service_id: str, model: str, version: str, outcome: str, reason: str) -> None:
        self._shadow.labels(service_id, model, version, outcome, reason).inc()

    def shadow_shed(self, service_id: str, count: int) -> None:
        self._shadow_shed.labels(service_id).inc(count)

    def probe_ended(self, model: str, version: str, reason: Reason | None) -> None:
        self._probes.labels(model, version, "passed" if reason is None else reason.value).inc()

    def proven(self, service_id: str, model: str, version: str, proven: bool) -> None:
        self._proven.labels(service_id, model, version).set(1 if proven else 0)

    def model_gone(self, service_id: str, model: str, version: str) -> None:
        """It is configured no more, so nothing is said of it."""
        self._proven.remove(service_id, model, version)
        self._permits.remove(service_id, model, version)
        self._breakers.remove_by_labels({"service_id": service_id, "model": model, "version": version})

    def fault(self, stage: str) -> None:
        self._faults.labels(stage).inc()

    def hot_event(self, event: HotEvent, count: int) -> None:
        self._hot_events[event].inc(count)

    def hot_up(self, up: bool) -> None:
        self._hot_up.set(1 if up else 0)

    def exposition(self) -> tuple[bytes, str]:
        """The scrape's body and its content type."""
        return generate_latest(self.registry), CONTENT_TYPE_LATEST
