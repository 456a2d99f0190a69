"""What is counted and traced of a call, from its outcome, once it has ended. The path itself says nothing."""

from wardgate.domain.decisions.decision import Decision
from wardgate.domain.outcomes import Arm, Mode, Outcome
from wardgate.gateway.outcome import HookOutcome
from wardgate.gateway.ports import Clock, Meter
from wardgate.gateway.tracing import Tracing


class Telemetry:
    def __init__(self, clock: Clock, meter: Meter, tracing: Tracing | None = None) -> None:
        """`tracing` None: there is nowhere to send traces."""
        self._clock = clock
        self._meter = meter
        self._tracing = tracing

    def ended(self, outcome: HookOutcome) -> None:
        call, assignment = outcome.call, outcome.assignment
        now, service_id = self._clock.monotonic(), call.plan.id
        self._meter.call_ended(
            service_id,
            call.plan.hook,
            assignment.mode if assignment is not None else Mode.NONE,
            assignment.arm if assignment is not None else Arm.NONE,
            outcome.outcome,
            outcome.reason,
            outcome.step,
            now - call.started,
        )
        self._meter.call_timed(service_id, call.started, call.stages, call.budget.expires - now)
        if outcome.repeats is None:  # else it was counted when it was decided
            self._count(outcome)
        if self._tracing is not None:
            self._tracing.ended(outcome, now)

    def _count(self, outcome: HookOutcome) -> None:
        decision, release, vector = outcome.decision, outcome.release, outcome.vector
        if decision is not None:
            self._count_decision(decision, outcome)
        if vector is None or release is None:
            return
        for name, value in vector.values.items():
            if value.mark is not None:
                self._meter.input_marked(release.model, name, value.mark)
        for name in release.extractor.lagging:
            if vector.values[name].late:
                self._meter.input_late(release.model, name)

    def _count_decision(self, decision: Decision, outcome: HookOutcome) -> None:
        service_id = outcome.call.plan.id
        if decision.outcome is Outcome.DEFERRED:
            self._meter.call_deferred(service_id, decision.question or "none", decision.reason)
        fallback = decision.fallback
        if fallback is not None and fallback.computed_at is not None:
            self._meter.score_reused(service_id, max(outcome.call.now - fallback.computed_at, 0.0))
