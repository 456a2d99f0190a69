"""What is counted of a call, from its outcome."""

from typing import Any

from tests.fakes.calls import hook_call
from tests.fakes.clock import FakeClock
from tests.fakes.gateway import FakeGateway
from tests.fakes.kidney_calls import kidney_call
from tests.fakes.meter import FakeMeter
from wardgate.domain.decisions.decision import Decision, Fallback
from wardgate.domain.outcomes import Reason, Stage, Step
from wardgate.gateway.call import HookCall
from wardgate.gateway.layers import telemetry
from wardgate.gateway.outcome import HookOutcome
from wardgate.gateway.telemetry import Telemetry


def ended(*outcomes: HookOutcome) -> FakeMeter:
    meter, clock = FakeMeter(), FakeClock()
    clock.advance(0.02)
    for outcome in outcomes:
        Telemetry(clock, meter).ended(outcome)
    return meter


def deferred(question: str | None, **more: Any) -> HookOutcome:
    decision = Decision(Reason.INPUT_STALE, question=question)
    return HookOutcome(hook_call(), Reason.INPUT_STALE, decision=decision, **more)


def test_a_deferral_is_counted_by_what_decided() -> None:
    """The number of the rule, the name of the exclusion, or neither."""
    meter = ended(deferred("2"), deferred("dialysis"), deferred(None))
    assert [question for _, question, _ in meter.deferred] == ["2", "dialysis", "none"]


def test_a_deferral_that_nobody_was_to_see_is_one_all_the_same() -> None:
    """The outcome is `withheld` or not; the rule has decided."""
    decision = Decision(Reason.INPUT_STALE, question="1")
    meter = ended(HookOutcome(hook_call(), Reason.SILENT, decision=decision))
    assert meter.deferred == [("kidney-failure", "1", "input_stale")]


def test_a_repeat_is_counted_as_a_call_and_not_as_a_decision() -> None:
    """It was decided once."""
    meter = ended(deferred("1", repeats="6b0f5d0e-3c1c-4a58-9a43-b1d1c4d6f2a7"))
    assert len(meter.calls) == 1 and len(meter.left) == 1 and meter.deferred == []


def test_a_cached_score_is_told_with_its_age() -> None:
    """Only where it answered."""
    call = hook_call()
    fallback = Fallback(Step.CACHED, Reason.MODEL_TIMEOUT, computed_at=call.now - 3600)
    cached = HookOutcome(call, Reason.THRESHOLD_MET, decision=Decision(Reason.THRESHOLD_MET, fallback=fallback))
    rule = Fallback(Step.RULE, Reason.MODEL_TIMEOUT, rule="ckd-stage")
    by_rule = HookOutcome(call, Reason.THRESHOLD_MET, decision=Decision(Reason.THRESHOLD_MET, fallback=rule))
    assert ended(cached, by_rule).reused == [3600.0]


async def test_a_whole_call_is_timed_stage_by_stage_and_its_inputs_are_marked() -> None:
    """Through the real gateway: four stages, and the feature that has no value."""
    gateway, call = FakeGateway(), kidney_call()
    call["prefetch"]["labs"]["entry"] = call["prefetch"]["labs"]["entry"][:1]
    await gateway.call(call)
    assert [stage for _, stage in gateway.meter.stages][:2] == [Stage.GATHER, Stage.EXTRACT]
    assert ("uacr", "missing") in gateway.meter.marked and gateway.meter.left[0] > 0


async def test_a_mistake_in_telemetry_costs_no_answer() -> None:
    """It stands outside of what rescues: the outcome goes its way, and the fault is noted."""

    class Broken(FakeMeter):
        def call_timed(self, *_: object) -> None:
            raise KeyError("Maria Muster")

    shown, faults = HookOutcome(hook_call(), Reason.THRESHOLD_MET), FakeMeter()

    async def answer(call: HookCall) -> HookOutcome:
        return shown

    clock = FakeClock()
    layer = telemetry(Telemetry(clock, Broken()), faults)
    assert await layer(answer)(shown.call) is shown
    assert faults.faults == [("telemetry", "KeyError")]
