"""A meter that remembers what it was told."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from wardgate.domain.outcomes import Reason, Stage


@dataclass
class FakeMeter:
    """Meets `gateway.ports.Meter` and `FaultLog`."""

    calls: list[tuple[str, str, str, str, str, str, str]] = field(default_factory=list)
    stages: list[tuple[str, Stage]] = field(default_factory=list)
    left: list[float] = field(default_factory=list)
    deferred: list[tuple[str, str, str]] = field(default_factory=list)
    reused: list[float] = field(default_factory=list)
    marked: list[tuple[str, str]] = field(default_factory=list)
    feedback: list[tuple[str, str, str]] = field(default_factory=list)
    untimed: int = 0
    dropped: dict[str, int] = field(default_factory=dict)
    adjusted: list[tuple[str, str]] = field(default_factory=list)
    late: list[tuple[str, str]] = field(default_factory=list)
    absent: int = 0
    probes: list[Reason | None] = field(default_factory=list)
    breakers: list[str] = field(default_factory=list)
    retried: int = 0
    coalesced: int = 0
    shadow: list[tuple[str, str, str, str, str]] = field(default_factory=list)
    shed: int = 0
    faults: list[tuple[str, str]] = field(default_factory=list)

    def call_ended(
        self, service_id: str, hook: str, mode: str, arm: str, outcome: str, reason: str, step: str, seconds: float
    ) -> None:
        assert seconds >= 0
        self.calls.append((service_id, hook, mode, arm, outcome, reason, step))

    def call_timed(self, service_id: str, started: float, stages: Sequence[tuple[Stage, float]], left: float) -> None:
        for stage, ended in stages:
            assert ended >= started
            self.stages.append((service_id, stage))
        self.left.append(left)

    def call_deferred(self, service_id: str, question: str, reason: str) -> None:
        self.deferred.append((service_id, question, reason))

    def score_reused(self, service_id: str, age: float) -> None:
        self.reused.append(age)

    def input_marked(self, model: str, feature: str, mark: str) -> None:
        self.marked.append((feature, mark))

    def feedback_given(self, service_id: str, outcome: str, override: str) -> None:
        self.feedback.append((service_id, outcome, override))

    def feedback_untimed(self, service_id: str) -> None:
        self.untimed += 1

    def resource_dropped(self, cause: str, count: int) -> None:
        self.dropped[cause] = self.dropped.get(cause, 0) + count

    def input_adjusted(self, model: str, feature: str, how: str) -> None:
        self.adjusted.append((feature, how))

    def input_late(self, model: str, feature: str) -> None:
        self.late.append((model, feature))

    def contributions_absent(self, model: str, version: str) -> None:
        self.absent += 1

    def breaker_changed(self, service_id: str, model: str, version: str, state: str) -> None:
        self.breakers.append(state)

    def model_retried(self, service_id: str, model: str, version: str) -> None:
        self.retried += 1

    def model_coalesced(self, service_id: str, model: str, version: str) -> None:
        self.coalesced += 1

    def probe_ended(self, model: str, version: str, reason: Reason | None) -> None:
        self.probes.append(reason)

    def shadow_ended(self, service_id: str, model: str, version: str, outcome: str, reason: str) -> None:
        self.shadow.append((service_id, model, version, outcome, reason))

    def shadow_shed(self, service_id: str, count: int) -> None:
        self.shed += count

    def fault(self, stage: str, error: BaseException) -> None:
        self.faults.append((stage, type(error).__name__))
