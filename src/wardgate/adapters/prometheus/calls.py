"""Calls: how they ended and in what time, what became of their inputs, what was reported of their cards."""

from collections.abc import Sequence

from wardgate.adapters.prometheus.instruments import RELEASE, SECONDS, Instruments
from wardgate.domain.guard import Guard
from wardgate.domain.outcomes import Stage

_LEFT = (0.0, *SECONDS)
_AGES = (60.0, 300.0, 900.0, 1800.0, 3600.0, 3 * 3600.0, 6 * 3600.0, 12 * 3600.0, 86400.0)
_FEATURE = ("model_name", "feature")


class CallMeter(Instruments):
    def __init__(self, guard: Guard | None = None) -> None:
        super().__init__(guard)
        self._calls = self.counter(
            "wardgate_calls",
            "Hook calls by how they ended.",
            ("service_id", "hook", "mode", "arm", "outcome", "reason", "step"),
        )
        self._seconds = self.histogram(
            "wardgate_call_seconds",
            "From the last byte of the request to the outcome.",
            ("service_id", "hook", "outcome"),
        )
        self._stages = self.histogram(
            "wardgate_stage_seconds", "What each stage of a call took.", ("service_id", "stage")
        )
        self._left = self.histogram(
            "wardgate_deadline_left_seconds", "What was left of the deadline at the outcome.", ("service_id",), _LEFT
        )
        self._deferrals = self.counter(
            "wardgate_deferrals",
            "Deferrals by the exclusion, or the number of the defer rule, that decided.",
            ("service_id", "question", "reason"),
        )
        self._ages = self.histogram(
            "wardgate_cached_score_age_seconds",
            "The age of cached scores that stood in for the model.",
            ("service_id",),
            _AGES,
        )
        self._marked = self.counter("wardgate_inputs_marked", "Features without a value, by why.", (*_FEATURE, "mark"))
        self._adjusted = self.counter(
            "wardgate_inputs_adjusted", "Model inputs that the gateway filled or clipped.", (*_FEATURE, "how")
        )
        self._late = self.counter(
            "wardgate_inputs_late",
            "Values that took longer to become available than their source has promised.",
            _FEATURE,
        )
        self._dropped = self.counter("wardgate_resources_dropped", "Resources that did not count.", ("cause",))
        self._reads = self.counter("wardgate_fhir_reads_failed", "FHIR reads without a usable answer.", ("cause",))
        self._shadow = self.counter(
            "wardgate_shadow_runs",
            "Releases that were asked after the response, by how they ended.",
            (*RELEASE, "outcome", "reason"),
        )
        self._shadow_shed = self.counter(
            "wardgate_shadow_shed", "Shadow work given up since there was too much to do.", ("service_id",)
        )
        self._feedback = self.counter(
            "wardgate_feedback", "What became of cards, as reported.", ("service_id", "outcome", "override")
        )
        self._untimed = self.counter(
            "wardgate_feedback_untimed", "Reports with a time at which nobody can have acted.", ("service_id",)
        )

    def call_ended(
        self, service_id: str, hook: str, mode: str, arm: str, outcome: str, reason: str, step: str, seconds: float
    ) -> None:
        self._calls.of(service_id, hook, mode, arm, outcome, reason, step).inc()
        self._seconds.of(service_id, hook, outcome).observe(seconds)

    def call_timed(self, service_id: str, started: float, stages: Sequence[tuple[Stage, float]], left: float) -> None:
        before = started
        for stage, ended in stages:
            self._stages.of(service_id, stage).observe(ended - before)
            before = ended
        self._left.of(service_id).observe(left)

    def call_deferred(self, service_id: str, question: str, reason: str) -> None:
        self._deferrals.of(service_id, question, reason).inc()

    def score_reused(self, service_id: str, age: float) -> None:
        self._ages.of(service_id).observe(age)

    def input_marked(self, model: str, feature: str, mark: str) -> None:
        self._marked.of(model, feature, mark).inc()

    def input_adjusted(self, model: str, feature: str, how: str) -> None:
        self._adjusted.of(model, feature, how).inc()

    def input_late(self, model: str, feature: str) -> None:
        self._late.of(model, feature).inc()

    def resource_dropped(self, cause: str, count: int) -> None:
        self._dropped.of(cause).inc(count)

    def read_failed(self, cause: str) -> None:
        self._reads.of(cause).inc()

    def shadow_ended(self, service_id: str, model: str, version: str, outcome: str, reason: str) -> None:
        self._shadow.of(service_id, model, version, outcome, reason).inc()

    def shadow_shed(self, service_id: str, count: int) -> None:
        self._shadow_shed.of(service_id).inc(count)

    def feedback_given(self, service_id: str, outcome: str, override: str) -> None:
        self._feedback.of(service_id, outcome, override).inc()

    def feedback_untimed(self, service_id: str) -> None:
        self._untimed.of(service_id).inc()
