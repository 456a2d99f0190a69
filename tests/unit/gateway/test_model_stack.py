"""The model stack: its order, what becomes of each failure, and that nothing of a call is left when it ends."""

import asyncio
import importlib
import pkgutil
from collections.abc import Iterator
from dataclasses import dataclass, field

import msgspec
import pytest

import wardgate.resilience
from tests.fakes.clock import FakeClock
from tests.fakes.meter import FakeMeter
from tests.fakes.model import ENDPOINT, FakeModel, model_policies
from tests.fakes.tasks import Tasks
from wardgate.adapters.files.wire_release import BreakerEntry, EndpointEntry
from wardgate.domain.errors import ModelUnavailable
from wardgate.domain.inference.endpoint import BreakerSpec, Endpoint, ModelReply
from wardgate.domain.inference.prediction import ModelInputs
from wardgate.domain.outcomes import OUTCOME_OF, Outcome, Reason
from wardgate.gateway.layers import MODEL_ERRORS, may_be_gone, verdict_of
from wardgate.gateway.model_call import ModelRequest, Subject
from wardgate.gateway.stacks import breaker_options, model_layers, model_stack
from wardgate.resilience.breaker import BreakerOptions, State, Verdict
from wardgate.resilience.bulkhead import BulkheadOptions
from wardgate.resilience.retry import RetryOptions
from wardgate.resilience.stack import Handler, PolicyError
from wardgate.resilience.timeouts import DeadlineReached, deadline

INPUTS = ModelInputs((70.0, 1.0, 30.0, 300.0), (), ())
ANNA: Subject = ("ward-ehr", "http://ehr.test/fhir", "p1")


def test_the_model_stack_stands_in_its_order() -> None:
    """Outermost first; the order is the architecture."""
    layers = model_layers(model_policies(), FakeClock(), Tasks())
    assert [layer.__qualname__.split(".")[0] for layer in layers] == [
        "coalesce",
        "translate_model_errors",
        "bulkhead",
        "retry",
        "circuit_breaker",
        "attempt_timeout",
    ]


# What a failure becomes


def _policy_errors(root: type[PolicyError] = PolicyError) -> Iterator[type[PolicyError]]:
    for child in root.__subclasses__():
        yield child
        yield from _policy_errors(child)


def test_whatever_a_policy_raises_has_a_reason() -> None:
    """The one translation is total: all but the call's own deadline, which rescue knows, is the model stack's."""
    for module in pkgutil.iter_modules(wardgate.resilience.__path__):
        importlib.import_module(f"wardgate.resilience.{module.name}")
    assert set(MODEL_ERRORS) == set(_policy_errors()) - {DeadlineReached}
    assert {OUTCOME_OF[reason] for reason in MODEL_ERRORS.values()} == {Outcome.UNAVAILABLE}


VERDICTS = {
    Reason.MODEL_UNREACHABLE: Verdict.FAILED,
    Reason.MODEL_TIMEOUT: Verdict.FAILED,
    Reason.MODEL_ERROR: Verdict.FAILED,
    Reason.MODEL_BUSY: Verdict.FAILED,
    Reason.MODEL_THROTTLED: Verdict.FAILED,
    Reason.MODEL_REFUSED: Verdict.SUCCEEDED,
    Reason.REPLY_VERSION: Verdict.SUCCEEDED,
    Reason.REPLY_TRUNCATED: Verdict.FAILED,
    Reason.REPLY_MISMATCHED: Verdict.FAILED,
    Reason.REPLY_NOT_FINITE: Verdict.SUCCEEDED,
}


@pytest.mark.parametrize(("reason", "verdict"), VERDICTS.items())
def test_what_a_failure_says_about_the_endpoint(reason: Reason, verdict: Verdict) -> None:
    """No answer is a failure; who refuses the request, or answers rubbish, has answered."""
    assert verdict_of(ModelUnavailable(reason)) is verdict
    assert verdict_of(ValueError()) is Verdict.IGNORED


def test_only_a_broken_connection_and_a_503_are_asked_again() -> None:
    """A reply of another version least of all."""
    unavailable = [reason for reason, outcome in OUTCOME_OF.items() if outcome is Outcome.UNAVAILABLE]
    again = {reason for reason in unavailable if may_be_gone(ModelUnavailable(reason))}
    assert again == {
        Reason.MODEL_UNREACHABLE,
        Reason.MODEL_BUSY,
        Reason.REPLY_TRUNCATED,
        Reason.REPLY_MISMATCHED,
    } and not may_be_gone(ConnectionError())


def test_the_defaults_are_the_same_wherever_they_stand() -> None:
    """In the schema of the file, in the domain's value, and in the policies' own options."""
    assert BreakerEntry().spec() == BreakerSpec()
    options = breaker_options(msgspec.structs.replace(ENDPOINT, timeout=1.0))
    assert options == BreakerOptions(slow_after=0.9)
    fields = EndpointEntry.model_fields
    assert BulkheadOptions() == BulkheadOptions(fields["concurrency"].default, fields["queue"].default)
    assert RetryOptions().share == fields["retry"].default == ENDPOINT.retry and ENDPOINT.queue == 0


# The stack at work


async def _turns() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


@dataclass
class House:
    """A model stack with everything it touches at hand."""

    model: FakeModel = field(default_factory=FakeModel)
    endpoint: Endpoint = ENDPOINT

    def __post_init__(self) -> None:
        self.clock, self.meter, self.tasks = FakeClock(), FakeMeter(), Tasks()
        self.policies = model_policies(self.endpoint, self.meter)
        self.stack = model_stack(self.model, self.policies, self.clock, self.tasks)

    async def ask(self, seconds: float = 0.4, subject: Subject = ANNA, inputs: ModelInputs = INPUTS) -> ModelReply:
        return await self.stack(ModelRequest(self.endpoint, inputs, self.clock.monotonic() + seconds, subject))

    async def reason(self, seconds: float = 0.4) -> Reason:
        with pytest.raises(ModelUnavailable) as caught:
            await self.ask(seconds)
        return caught.value.reason

    async def at_rest(self) -> bool:
        await _turns()
        return not self.tasks.running and (self.policies.bulkhead.in_use, self.policies.bulkhead.waiting) == (0, 0)


@dataclass
class Flaky(FakeModel):
    """Breaks with each of `endings` in turn, then works."""

    endings: list[Reason] = field(default_factory=list)

    async def infer(
        self,
        endpoint: Endpoint,
        inputs: ModelInputs,
        timeout: float,
        oldest: int = 0,
        traceparent: str | None = None,
    ) -> ModelReply:
        self.broken = self.endings.pop(0) if self.endings else None
        return await super().infer(endpoint, inputs, timeout, oldest)


async def test_the_model_is_told_how_long_anybody_waits() -> None:
    """The endpoint's own timeout, or what is left of the call."""
    house = House()
    await house.ask(0.4)
    await house.ask(0.05)
    assert [round(seconds, 6) for seconds in house.model.told] == [0.2, 0.05] and await house.at_rest()


@pytest.mark.requirement("INV-8")
@pytest.mark.parametrize("deadline_first", [False, True])
async def test_a_hanging_model_opens_its_circuit(deadline_first: bool) -> None:
    """Also where the call has less time than an attempt may take: it fails as the model's failure, in time for what
    stands in for it, and is counted (the trap of the deadline that is shorter than the timeout)."""
    house = House(FakeModel(hang=True), msgspec.structs.replace(ENDPOINT, timeout=60.0 if deadline_first else 0.01))
    for _ in range(5):
        assert await house.reason(0.01 if deadline_first else 60.0) is Reason.MODEL_TIMEOUT
    assert house.policies.breaker.state is State.OPEN and house.meter.breakers == ["open"]
    assert await house.reason() is Reason.BREAKER_OPEN and len(house.model.asked) == 5
    assert await house.at_rest()


async def test_a_circuit_closes_when_the_model_answers_again() -> None:
    """One call at a time, after a second."""
    house = House(FakeModel(broken=Reason.MODEL_ERROR))
    assert [await house.reason() for _ in range(6)] == [Reason.MODEL_ERROR] * 5 + [Reason.BREAKER_OPEN]
    house.model.broken = None
    house.clock.advance(1.0)
    for _ in range(3):
        assert (await house.ask()).score > 0
    assert house.meter.breakers == ["open", "half_open", "closed"]


async def test_a_wrong_model_is_told_by_its_reply_not_by_the_circuit() -> None:
    """Every call has the reason that its reply deserves, and none is asked twice."""
    house = House(FakeModel(broken=Reason.REPLY_VERSION))
    assert {await house.reason() for _ in range(20)} == {Reason.REPLY_VERSION}
    assert len(house.model.asked) == 20 and house.meter.retried == 0


async def test_out_of_use_by_hand_is_a_reason_of_its_own() -> None:
    """Whoever is on call sees that it was meant."""
    house = House()
    house.policies.breaker.isolate()
    assert await house.reason() is Reason.MODEL_ISOLATED and house.model.asked == []


@pytest.mark.parametrize(
    "reason", [Reason.MODEL_UNREACHABLE, Reason.MODEL_BUSY, Reason.REPLY_TRUNCATED, Reason.REPLY_MISMATCHED]
)
async def test_a_second_try_is_made_and_counted(reason: Reason) -> None:
    """The caller never hears of the first."""
    house = House(Flaky(endings=[reason]))
    assert (await house.ask()).score > 0
    assert house.meter.retried == 1 and len(house.model.asked) == 2


async def test_no_attempt_without_time_and_the_model_is_not_blamed() -> None:
    """Where reading the chart took all of it, the reason is the deadline."""
    house = House()
    assert {await house.reason(0.0) for _ in range(10)} == {Reason.DEADLINE}
    assert house.model.asked == [] and house.policies.breaker.state is State.CLOSED


async def test_one_more_than_the_endpoint_bears_is_refused_at_once() -> None:
    """The others are not held up by it."""
    house = House(FakeModel(hang=True), msgspec.structs.replace(ENDPOINT, concurrency=2))
    async with asyncio.TaskGroup() as group:
        calls = [group.create_task(house.ask(60.0, ("ward-ehr", None, f"p{number}"))) for number in range(2)]
        await _turns()
        assert house.policies.bulkhead.in_use == 2
        assert await house.reason() is Reason.BULKHEAD_FULL
        for call in calls:
            call.cancel()
    assert await house.at_rest()


async def test_three_widgets_on_one_patient_cost_one_prediction() -> None:
    """Counted; the next one asks anew."""
    house = House()
    replies = await asyncio.gather(*(house.ask() for _ in range(3)))
    assert len({reply.score for reply in replies}) == 1 and len(house.model.asked) == 1
    assert house.meter.coalesced == 2 and await house.at_rest()


@pytest.mark.parametrize(
    "other",
    [
        ("other-ehr", "http://ehr.test/fhir", "p1"),
        ("ward-ehr", "http://other.test/fhir", "p1"),
        ("ward-ehr", None, "p1"),
        ("ward-ehr", "http://ehr.test/fhir", "p2"),
    ],
)
async def test_equal_numbers_are_not_the_same_patient(other: Subject) -> None:
    """Law 11: client, FHIR server and patient are in the key; so are the numbers."""
    house = House()
    await asyncio.gather(house.ask(), house.ask(subject=other), house.ask(inputs=ModelInputs((1.0,) * 4, (), ())))
    assert len(house.model.asked) == 3 and house.meter.coalesced == 0


@pytest.mark.parametrize("queue", [0, 1])
@pytest.mark.parametrize("turns", range(12))
async def test_a_call_that_is_cut_off_anywhere_leaves_nothing_behind(turns: int, queue: int) -> None:
    """No task, no place in the bulkhead, no permit: whatever it was waiting for."""
    endpoint = msgspec.structs.replace(ENDPOINT, concurrency=1, queue=queue)
    house = House(FakeModel(hang=True), endpoint)
    async with asyncio.TaskGroup() as group:
        calls = [group.create_task(house.ask(60.0, ("ward-ehr", None, f"p{number}"))) for number in range(queue + 1)]
        for _ in range(turns):
            await asyncio.sleep(0)
        for call in calls:
            call.cancel()
    assert await house.at_rest() and house.policies.breaker.state is State.CLOSED
    house.model.hang = False
    assert (await house.ask()).score > 0


@pytest.mark.parametrize(("seconds", "state"), [(0.0, State.CLOSED), (1.0, State.OPEN)])
async def test_the_deadline_of_the_call_ends_its_attempt(seconds: float, state: State) -> None:
    """Even where the attempt's own timer has not: nothing goes on after the answer has left. It is the model's failure
    where the model's time was up, by the clock, and nobody's where it was not."""
    house = House(FakeModel(hang=True))
    for _ in range(5):
        request = ModelRequest(house.endpoint, INPUTS, house.clock.monotonic() + 1.0, ANNA)
        async with asyncio.TaskGroup() as group:
            call = group.create_task(_answer(deadline(lambda request: 0.01)(house.stack), request))
            await _turns()
            house.clock.advance(seconds)
        assert call.result() == "cut off" and await house.at_rest()
    assert house.policies.breaker.state is state


async def _answer(handler: Handler[ModelRequest, ModelReply], request: ModelRequest) -> str:
    try:
        await handler(request)
    except DeadlineReached:
        return "cut off"
    return "answered"
