"""Traces: which calls are kept, and what is said of them. Spans are made of that elsewhere, off the path.

Whether a call is kept by ratio is decided before it begins and told to the model, so that a model which traces keeps
the same calls. Failed, slow and degraded calls are kept besides, with the gateway's spans alone, and only so many a
second: while everything fails, tracing must not make it worse.

A trace that comes in is linked, never joined: what its caller samples, and what its tracestate and baggage carry, is
the caller's own affair. Its two ids are taken, where they are ids (`trace.incoming`).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from wardgate.domain.attributes import Attributes, Kept, Loss, Sink
from wardgate.domain.decisions.decision import Decision
from wardgate.domain.errors import DeadlineExceeded, ModelUnavailable, RecordUnavailable, WardgateError
from wardgate.domain.outcomes import OUTCOME_OF, Arm, Mode, Outcome, Reason, Stage, Step
from wardgate.gateway.outcome import HookOutcome
from wardgate.gateway.ports import Clock, FaultLog
from wardgate.gateway.trace import Trace, incoming


class CallTrace(NamedTuple):
    """One call that is kept, in seconds of the wall clock; each stage begins where the one before it ended."""

    trace: Trace
    started: float
    ended: float
    stages: tuple[tuple[Stage, float], ...]
    attributes: Attributes
    failed: bool


class SpanSink(Protocol):
    def offer(self, call: CallTrace) -> None:
        """Taken note of, and sent by somebody else; dropped and counted where too much waits. Never raises or waits."""
        ...


@dataclass(frozen=True, slots=True)
class TracingOptions:
    keep: float = 0.05
    """The share of calls that are kept whatever becomes of them (`telemetry.keep`)."""
    slow: float = 0.8
    """The share of its deadline beyond which a call is slow."""
    besides: float = 10.0
    """Failed, slow and degraded calls that are kept a second, beside the share."""
    burst: float = 50.0
    """And at once, after a quiet time."""


class Allowance:
    """A token bucket."""

    def __init__(self, rate: float, burst: float) -> None:
        self._rate, self._burst = rate, burst
        self._left, self._seen = burst, 0.0

    def take(self, now: float) -> bool:
        """`now` in monotonic seconds."""
        self._left = min(self._burst, self._left + (now - self._seen) * self._rate)
        self._seen = now
        if self._left < 1:
            return False
        self._left -= 1
        return True


Later = Callable[..., object]
"""Runs a function with its arguments when the answer is on its way: the loop's `call_soon`."""

_STAGES = tuple(Stage)
_RANGE = 1 << 64
_DEGRADED = frozenset({Step.CACHED, Step.RULE})
_FAILED = frozenset({Outcome.UNAVAILABLE, Outcome.REFUSED})
_NO_NEWS = frozenset({Reason.NOT_FOUND, Reason.METHOD_NOT_ALLOWED, Reason.OVERLOADED})
"""What scanners ask for, and what happens by the thousand: counted, and not traced."""


class Tracing:
    def __init__(
        self,
        sink: SpanSink,
        clock: Clock,
        faults: FaultLog,
        new_ids: Callable[[], str],
        later: Later,
        lost: Callable[[Sink, Loss], None],
        options: TracingOptions | None = None,
    ) -> None:
        self._sink = sink
        self._clock = clock
        self._faults = faults
        self._new_ids = new_ids
        self._later = later
        self._lost = lost
        self._options = options or TracingOptions()
        self._below = int(self._options.keep * _RANGE)
        self._allowance = Allowance(self._options.besides, self._options.burst)

    def begin(self, traceparent: bytes | None) -> Trace:
        """The trace of a call that comes in with this header."""
        ids = self._new_ids()
        kept = int(ids[16:32], 16) < self._below
        return Trace(ids, kept, None if traceparent is None else incoming(traceparent))

    def ended(self, outcome: HookOutcome, now: float) -> None:
        """`now` in monotonic seconds. Nearly all calls end here."""
        call = outcome.call
        if call.trace is None:
            return
        why = Kept.RATIO if call.trace.kept else self._besides(outcome, now)
        if why is None:
            return
        if why is Kept.RATIO or self._allowance.take(now):
            self._later(self._offer, call.trace, outcome, now, why)
        else:
            self._lost(Sink.TRACES, Loss.RATE)

    def refused(self, service_id: str, hook: str, reason: Reason, seconds: float) -> None:
        """Of a request that never became a call."""
        if reason in _NO_NEWS:
            return
        if not self._allowance.take(self._clock.monotonic()):
            self._lost(Sink.TRACES, Loss.RATE)
            return
        ended = self._clock.now()
        attributes: Attributes = {
            "service_id": service_id,
            "hook": hook,
            "outcome": OUTCOME_OF[reason],
            "reason": reason,
            "kept": Kept.ERROR,
        }
        self._sink.offer(CallTrace(self.begin(None), ended - seconds, ended, (), attributes, failed=True))

    def _besides(self, outcome: HookOutcome, now: float) -> Kept | None:
        call = outcome.call
        if outcome.outcome in _FAILED or outcome.reason is Reason.RECORD_UNAVAILABLE:
            return None if outcome.reason in _NO_NEWS else Kept.ERROR
        if outcome.step in _DEGRADED:
            return Kept.DEGRADED
        slow = (now - call.started) > self._options.slow * (call.budget.expires - call.started)
        return Kept.SLOW if slow else None

    def _offer(self, trace: Trace, outcome: HookOutcome, ended: float, why: Kept) -> None:
        """`ended` in monotonic seconds."""
        try:
            call = outcome.call
            epoch = self._clock.now() - self._clock.monotonic()
            noted = [*call.stages, *_cut_off(outcome, ended)]
            stages = tuple([(stage, epoch + end) for stage, end in noted])
            attributes = attributes_of(outcome, ended, why)
            failed = outcome.outcome in _FAILED
            self._sink.offer(CallTrace(trace, epoch + call.started, epoch + ended, stages, attributes, failed))
        except Exception as error:  # nobody waits for this any more, and the loop would log the message
            self._faults.fault("telemetry", error)


def _cut_off(outcome: HookOutcome, ended: float) -> list[tuple[Stage, float]]:
    """The stage that a call was in when its time was up, or when it broke."""
    if outcome.decision is not None or outcome.reason not in (Reason.DEADLINE, Reason.INTERNAL):
        return []
    done = len(outcome.call.stages)
    return [(_STAGES[done], ended)] if done < len(_STAGES) else []


def attributes_of(outcome: HookOutcome, ended: float, why: Kept) -> Attributes:
    """Closed words, configured names, steps and ids of our own; never a value of the patient. `ended` in monotonic
    seconds."""
    call, assignment, caller = outcome.call, outcome.assignment, outcome.caller
    attributes: Attributes = {
        "service_id": call.plan.id,
        "hook": call.plan.hook,
        "client": call.request.client.name,
        "decision_id": call.decision_id,
        "repeated": outcome.repeats is not None,
        "mode": assignment.mode if assignment is not None else Mode.NONE,
        "arm": assignment.arm if assignment is not None else Arm.NONE,
        "step": outcome.step,
        "outcome": outcome.outcome,
        "reason": outcome.reason,
        "latency_ms": round((ended - call.started) * 1000, 3),
        "left_ms": round((call.budget.expires - ended) * 1000, 3),
        "kept": why,
    }
    if outcome.release is not None:
        attributes["model_name"] = outcome.release.model
        attributes["model_version"] = outcome.release.version
        attributes["feature_schema_version"] = outcome.release.schema_version
        attributes["release_digest"] = outcome.release.digest
    if caller is not None:
        if caller.site is not None:
            attributes["site_id"] = caller.site
        if caller.unit is not None:
            attributes["unit"] = caller.unit
        if caller.specialty is not None:
            attributes["specialty"] = caller.specialty
        if caller.role is not None:
            attributes["user_role"] = caller.role
    if outcome.decision is not None:
        _decided(attributes, outcome.decision, call.now)
    error = _error_of(outcome)
    if error is not None:
        attributes["error_code"] = error
    if outcome.fault is not None:
        attributes["error_class"] = outcome.fault
    return attributes


def _decided(attributes: Attributes, decision: Decision, now: float) -> None:
    if decision.threshold is not None:
        attributes["threshold"] = decision.threshold
    if decision.band is not None:
        attributes["score_band"] = decision.band.name
    if decision.question is not None:
        attributes["question"] = decision.question
    fallback = decision.fallback
    if fallback is not None and fallback.rule is not None:
        attributes["rule"] = fallback.rule
    if fallback is not None and fallback.computed_at is not None:
        attributes["cache_age_s"] = round(max(now - fallback.computed_at, 0.0), 1)


def _error_of(outcome: HookOutcome) -> str | None:
    if outcome.refusal is not None:
        return outcome.refusal.code
    match outcome.reason:
        case Reason.INTERNAL:
            return WardgateError.code
        case Reason.DEADLINE:
            return DeadlineExceeded.code
        case Reason.RECORD_UNAVAILABLE:
            return RecordUnavailable.code
    return ModelUnavailable.code if outcome.outcome is Outcome.UNAVAILABLE else None
