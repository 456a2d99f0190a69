"""The layers of the hook stack: what each does to an outcome, and their order."""

import asyncio

import msgspec
import pytest

from tests.fakes.calls import PLAN, hook_call
from tests.fakes.clock import FakeClock
from tests.fakes.gateway import NAMES, FakeFhir, Snapshots
from tests.fakes.hot import DownStore, recall_of
from tests.fakes.meter import FakeMeter
from tests.fakes.records import FakeRecordSink, recorder_of
from tests.web.house import CARD
from wardgate.domain.errors import ModelUnavailable, PrefetchRequired
from wardgate.domain.outcomes import Arm, Mode, Outcome, Reason, Step
from wardgate.domain.rollout.assignment import Assignment
from wardgate.domain.rollout.rollouts import Rollout, Snapshot
from wardgate.gateway.call import HookCall
from wardgate.gateway.gather import Gatherer
from wardgate.gateway.hook_flow import HookFlow
from wardgate.gateway.notices import Notices
from wardgate.gateway.outcome import HookOutcome
from wardgate.gateway.shadow import Shadow
from wardgate.gateway.stacks import hook_layers
from wardgate.resilience.stack import Layer, stack

ACTIVE = Assignment(1, "1.0.0", Mode.ACTIVE, Arm.CHAMPION, None)


class House:
    """One hook stack over a flow that a test gives, with everything it touches at hand."""

    def __init__(self, sink: FakeRecordSink | None = None) -> None:
        self.clock, self.meter = FakeClock(), FakeMeter()
        self.sink = sink or FakeRecordSink()

    async def answer(self, ending: "HookOutcome | BaseException | None", seconds: float = 0.5) -> HookOutcome:
        async def flow(call: HookCall) -> HookOutcome:
            if ending is None:
                await asyncio.Event().wait()
            if isinstance(ending, BaseException):
                raise ending
            assert isinstance(ending, HookOutcome)
            return ending

        return await stack(self.layers(), flow)(hook_call(seconds=seconds))

    def layers(self) -> list[Layer[HookCall, HookOutcome]]:
        snapshots = Snapshots(Snapshot(1, {PLAN.id: Rollout("1.0.0", Mode.OFF)}))
        recall = recall_of(DownStore(), snapshots, self.meter)
        gatherer = Gatherer(FakeFhir(), self.meter, self.clock)
        flow = HookFlow(snapshots, gatherer.gather, {}, {}, self.clock, self.meter, recall, NAMES)
        recorder = recorder_of(self.clock)
        shadow = Shadow(flow, gatherer.given, {}, snapshots, recorder, self.sink, self.clock, self.meter, self.meter)
        notices = Notices(snapshots, {}, recall, NAMES)
        return hook_layers(self.clock, self.meter, recorder, self.sink, self.meter, recall, notices, shadow)


def _shown() -> HookOutcome:
    return HookOutcome(hook_call(), Reason.THRESHOLD_MET, Step.MODEL, ACTIVE, rendered=CARD)


def test_the_hook_stack_stands_in_its_order() -> None:
    """Outermost first; the order is the architecture."""
    assert [layer.__qualname__.split(".")[0] for layer in House().layers()] == [
        "shadowed",
        "telemetry",
        "recalled",
        "record",
        "noticed",
        "rescue",
        "deadline",
        "idempotency",
    ]


async def test_a_good_outcome_passes_is_counted_and_recorded() -> None:
    """The metric and the record say the same."""
    house = House()
    outcome = await house.answer(_shown())
    assert outcome.outcome is Outcome.SHOWN
    assert house.meter.calls == [
        ("kidney-failure", "patient-view", "active", "champion", "shown", "threshold_met", "model")
    ]
    (record,) = house.sink.newest(5)
    assert (record.outcome, record.reason, record.step) == ("shown", "threshold_met", "model")


async def test_what_cannot_be_recorded_is_withheld() -> None:
    """Law 5: nothing is shown unrecorded; the metric says what the clinician got."""
    house = House(FakeRecordSink(full=True))
    outcome = await house.answer(_shown())
    assert outcome.reason is Reason.RECORD_UNAVAILABLE and outcome.cards == ()
    assert house.meter.calls[0][4:6] == ("withheld", "record_unavailable")


async def test_where_no_card_would_leave_nobody_waits() -> None:
    """Its record is noted; that there is no room for it takes nothing away from anybody."""
    house = House(FakeRecordSink(full=True))
    outcome = await house.answer(HookOutcome(hook_call(), Reason.BELOW_THRESHOLD, Step.MODEL, ACTIVE))
    assert outcome.reason is Reason.BELOW_THRESHOLD and house.sink.waits == []


async def test_a_card_waits_within_what_is_left() -> None:
    """For the disk 10 ms of the answer's reserve at most, what is left of it, and a moment where nothing is; for a busy
    machine until the deadline."""
    house = House()
    for passed in (0.0, 0.495, 0.6):
        house.clock.advance(1000.0 + passed - house.clock.monotonic())
        assert (await house.answer(_shown())).cards != ()
    assert [seconds for seconds, _ in house.sink.waits] == pytest.approx([0.010, 0.005, 0.002])
    assert [longest for _, longest in house.sink.waits] == pytest.approx([0.5, 0.005, 0.002])


async def test_a_record_that_cannot_even_be_made_withholds_its_card() -> None:
    """It stands outside of rescue: a fault is noted, and the answer is a valid one."""
    house = House()
    outcome = await house.answer(msgspec.structs.replace(_shown(), caller=5))
    assert outcome.reason is Reason.RECORD_UNAVAILABLE and outcome.cards == ()
    assert house.meter.faults == [("record", "AttributeError")]


@pytest.mark.parametrize(
    "error, reason",
    [
        (PrefetchRequired("send it", "prefetch.labs"), Reason.PREFETCH_REQUIRED),
        (ModelUnavailable(Reason.MODEL_ERROR), Reason.MODEL_ERROR),
        (ValueError("Maria Muster"), Reason.INTERNAL),
        (None, Reason.DEADLINE),
    ],
)
async def test_every_failure_becomes_a_safe_outcome(error: BaseException | None, reason: Reason) -> None:
    """Rescue's table, most specific first; a flow that never ends is cut off by the deadline."""
    house = House()
    outcome = await house.answer(error, seconds=0.03)
    assert outcome.reason is reason and outcome.cards == ()
    assert house.meter.calls[0][5] == reason
    assert house.meter.faults == ([("hook", "ValueError")] if reason is Reason.INTERNAL else [])


async def test_a_refused_call_is_counted_and_not_recorded() -> None:
    """A call without a decision has no decision record."""
    house = House()
    outcome = await house.answer(PrefetchRequired("send it", "prefetch.labs"))
    assert outcome.refusal is not None and outcome.outcome is Outcome.REFUSED
    assert house.sink.newest(5) == []


async def test_a_cancelled_call_stays_cancelled() -> None:
    """A client that went away is no failure of ours: rescue lets the cancellation through."""
    with pytest.raises(asyncio.CancelledError):
        await House().answer(asyncio.CancelledError())
