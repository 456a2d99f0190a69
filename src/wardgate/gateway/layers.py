"""The layers that know what a hook call is. The generic ones live in `wardgate.resilience`."""

from collections.abc import Mapping
from dataclasses import dataclass

import msgspec

from wardgate.domain.attributes import class_of
from wardgate.domain.errors import DeadlineExceeded, ModelUnavailable, RecordUnavailable, Refusal
from wardgate.domain.inference.endpoint import ModelReply
from wardgate.domain.outcomes import Outcome, Reason
from wardgate.gateway.call import HookCall
from wardgate.gateway.model_call import ModelRequest
from wardgate.gateway.notices import Notices
from wardgate.gateway.outcome import HookOutcome
from wardgate.gateway.ports import Clock, FaultLog, RecordSink
from wardgate.gateway.recall import Recall
from wardgate.gateway.recording import Recorder
from wardgate.gateway.shadow import Shadow
from wardgate.gateway.telemetry import Telemetry
from wardgate.gateway.twins import Twins
from wardgate.resilience.breaker import BreakerIsolated, BreakerOpen, Verdict
from wardgate.resilience.bulkhead import BulkheadFull
from wardgate.resilience.stack import Handler, Layer, PolicyError
from wardgate.resilience.timeouts import AttemptTimedOut, DeadlineReached, NoTimeLeft

HookHandler = Handler[HookCall, HookOutcome]


def telemetry(told: Telemetry, faults: FaultLog) -> Layer[HookCall, HookOutcome]:
    def layer(inner: HookHandler) -> HookHandler:
        async def handle(call: HookCall) -> HookOutcome:
            outcome = await inner(call)
            try:
                told.ended(outcome)
            except Exception as error:  # stands outside of rescue: what is said of an answer must not cost the answer
                faults.fault("telemetry", error)
            return outcome

        return handle

    return layer


def shadowed(shadow: Shadow) -> Layer[HookCall, HookOutcome]:
    def layer(inner: HookHandler) -> HookHandler:
        async def handle(call: HookCall) -> HookOutcome:
            outcome = await inner(call)
            shadow.follow(outcome)
            return outcome

        return handle

    return layer


def recalled(recall: Recall, faults: FaultLog) -> Layer[HookCall, HookOutcome]:
    """One read of the hot store before, what is kept of the call after."""

    def layer(inner: HookHandler) -> HookHandler:
        async def handle(call: HookCall) -> HookOutcome:
            try:
                await recall.look_up(call)
            except Exception as error:  # stands outside of rescue: as if the store were down
                faults.fault("recall", error)
            outcome = await inner(call)
            try:
                recall.keep(outcome)
            except Exception as error:  # nor may this take the answer along
                faults.fault("recall", error)
            return outcome

        return handle

    return layer


@dataclass(frozen=True, slots=True)
class RecordOptions:
    wait: float = 0.010
    """Seconds that a card waits for the disk at most, out of what the budget keeps for the answer. On a machine that is
    too busy to let the spool's thread run, it waits on, within the deadline: there is nothing wrong with the disk."""
    least: float = 0.002
    """Seconds that it gets also where that is used up: the record is nearly always faster, and a card on the last
    millimetre is still in time (law 1 allows the deadline 50 ms)."""


def record(
    recorder: Recorder, sink: RecordSink, clock: Clock, faults: FaultLog, options: RecordOptions | None = None
) -> Layer[HookCall, HookOutcome]:
    """Nothing is shown unrecorded (law 5): a card waits for its record, and does not leave without. Where no card would
    leave, nobody waits. Refused calls are counted, not recorded."""
    chosen = options or RecordOptions()

    def layer(inner: HookHandler) -> HookHandler:
        async def handle(call: HookCall) -> HookOutcome:
            outcome = await inner(call)
            if outcome.outcome is Outcome.REFUSED:
                return outcome
            try:
                made = recorder.record(outcome)
                if made.visible:
                    left = call.budget.expires - clock.monotonic()
                    await sink.append(made, max(min(chosen.wait, left), chosen.least), max(left, chosen.least))
                    recorder.left(outcome, made)
                else:
                    sink.note(made)
            except RecordUnavailable:
                return _hidden(outcome)
            except Exception as error:  # stands outside of rescue: no card, and an answer in time
                faults.fault("record", error)
                return _hidden(outcome)
            return outcome

        return handle

    return layer


def _hidden(outcome: HookOutcome) -> HookOutcome:
    if not outcome.cards:
        return outcome
    return msgspec.structs.replace(outcome, reason=Reason.RECORD_UNAVAILABLE, rendered=None)


def noticed(notices: Notices, faults: FaultLog) -> Layer[HookCall, HookOutcome]:
    """Silence is never mistaken for safety (law 6)."""

    def layer(inner: HookHandler) -> HookHandler:
        async def handle(call: HookCall) -> HookOutcome:
            outcome = await inner(call)
            if outcome.outcome is not Outcome.UNAVAILABLE:
                return outcome
            try:
                return notices.noticed(outcome)
            except Exception as error:  # stands outside of rescue: an answer without the notice
                faults.fault("notice", error)
                return outcome

        return handle

    return layer


def rescue(faults: FaultLog) -> Layer[HookCall, HookOutcome]:
    """Most specific first. What no line expects is `internal`: no card, an answer in time, and a noted fault."""

    def layer(inner: HookHandler) -> HookHandler:
        async def handle(call: HookCall) -> HookOutcome:
            try:
                return await inner(call)
            except Refusal as refusal:
                return HookOutcome(call, refusal.reason, refusal=refusal)
            except ModelUnavailable as error:
                return HookOutcome(call, error.reason)
            except (DeadlineReached, DeadlineExceeded):
                return HookOutcome(call, Reason.DEADLINE)
            except Exception as error:  # the last line of defence: the EHR gets a valid answer whatever breaks
                faults.fault("hook", error)
                return HookOutcome(call, Reason.INTERNAL, fault=class_of(error))

        return handle

    return layer


def idempotency(recall: Recall, twins: Twins) -> Layer[HookCall, HookOutcome]:
    """The same request within a minute gets the same answer, with the same ids (DESIGN, "Idempotency")."""

    def layer(inner: HookHandler) -> HookHandler:
        async def handle(call: HookCall) -> HookOutcome:
            if not call.memory.asked:
                return await inner(call)
            return recall.answer(call) or await twins.ask(call, inner)

        return handle

    return layer


MODEL_ERRORS: Mapping[type[PolicyError], Reason] = {
    AttemptTimedOut: Reason.MODEL_TIMEOUT,
    NoTimeLeft: Reason.DEADLINE,
    BulkheadFull: Reason.BULKHEAD_FULL,
    BreakerOpen: Reason.BREAKER_OPEN,
    BreakerIsolated: Reason.MODEL_ISOLATED,
}
"""What each policy of the model stack raises, in the terms of the domain. Total (asserted by a test)."""


def translate_model_errors(inner: Handler[ModelRequest, ModelReply]) -> Handler[ModelRequest, ModelReply]:
    async def handle(request: ModelRequest) -> ModelReply:
        try:
            return await inner(request)
        except PolicyError as error:
            raise ModelUnavailable(MODEL_ERRORS[type(error)]) from None

    return handle


_FAILED = frozenset(
    {
        Reason.MODEL_UNREACHABLE,
        Reason.MODEL_TIMEOUT,
        Reason.MODEL_ERROR,
        Reason.MODEL_BUSY,
        Reason.MODEL_THROTTLED,  # the one 4xx that speaks of the load, not of the request
        Reason.REPLY_TRUNCATED,  # half a reply is none: the connection broke, or who wrote it did
        Reason.REPLY_MISMATCHED,  # nor is the reply to another request
    }
)
_ANSWERED = frozenset(
    reason for reason in Reason if reason is Reason.MODEL_REFUSED or reason.value.startswith("reply_")
)


def verdict_of(error: Exception) -> Verdict:
    """What a failed attempt says about the endpoint.

    No answer, a late one, and a server that says it cannot, are failures. A refused request (4xx) and a refused reply
    are none: somebody answered in time, and what he is worth is for the probes to prove; their own reasons say more
    than an open circuit would.
    """
    if isinstance(error, AttemptTimedOut):
        return Verdict.FAILED
    if isinstance(error, ModelUnavailable):
        if error.reason in _FAILED:
            return Verdict.FAILED
        if error.reason in _ANSWERED:
            return Verdict.SUCCEEDED
    return Verdict.IGNORED


_PASSING = frozenset({Reason.MODEL_UNREACHABLE, Reason.MODEL_BUSY, Reason.REPLY_TRUNCATED, Reason.REPLY_MISMATCHED})


def may_be_gone(error: Exception) -> bool:
    """Whether asking once more may help: a connection that broke, also in the middle of a reply, or was one reply
    behind; a 503. A reply of another version never becomes the right one."""
    return isinstance(error, ModelUnavailable) and error.reason in _PASSING


def too_late() -> ModelUnavailable:
    return ModelUnavailable(Reason.MODEL_TIMEOUT)
