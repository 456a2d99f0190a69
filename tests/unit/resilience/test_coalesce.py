"""Coalescing: one answer for twins, nobody's answer for anybody else, and nothing left behind."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes.tasks import Tasks
from wardgate.resilience.coalesce import coalesce
from wardgate.resilience.stack import Handler


class TooLate(Exception):
    """What a twin gets whose own time is over."""


@dataclass(frozen=True)
class Ask:
    key: str
    left: float = 60.0


def _key(request: Ask) -> str:
    return request.key


def _left(request: Ask) -> float:
    return request.left


class Work:
    """Lasts until it is let go; fails where it shall."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error
        self.open = asyncio.Event()
        self.begun: list[str] = []
        self.cancelled: list[str] = []
        self.joined = 0
        self.tasks = Tasks()
        self.at_last: Callable[[], object] = lambda: None

    async def __call__(self, request: Ask) -> str:
        self.begun.append(request.key)
        try:
            await self.open.wait()
        except asyncio.CancelledError:
            self.cancelled.append(request.key)
            raise
        if self.error is not None:
            raise self.error
        self.at_last()
        return f"{request.key} {len(self.begun)}"

    def tell(self) -> None:
        self.joined += 1

    def stack(self) -> Handler[Ask, str]:
        return coalesce(_key, self.tasks, _left, TooLate, self.tell)(self)


async def _turns() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def _answer(ask: Handler[Ask, str], request: Ask) -> str:
    return await ask(request)


async def _together(work: Work, *requests: Ask) -> list[str | BaseException]:
    ask = work.stack()

    async def let_go() -> None:
        await _turns()
        work.open.set()

    results = await asyncio.gather(*(ask(request) for request in requests), let_go(), return_exceptions=True)
    assert not work.tasks.running
    return results[:-1]  # type: ignore[return-value]


async def test_three_that_ask_the_same_cost_one() -> None:
    """All get the same answer; who asks something else gets its own."""
    work = Work()
    answers = await _together(work, Ask("a"), Ask("a"), Ask("b"), Ask("a"))
    assert answers == ["a 2", "a 2", "b 2", "a 2"] and work.begun == ["a", "b"] and work.joined == 2


async def test_who_comes_after_the_answer_asks_anew() -> None:
    """It is no cache."""
    work = Work()
    work.open.set()
    ask = work.stack()
    assert [await ask(Ask("a")), await ask(Ask("a"))] == ["a 1", "a 2"]


async def test_twins_share_a_failure() -> None:
    """Each gets it, and the next one asks anew."""
    work = Work(ValueError("broken"))
    errors = await _together(work, Ask("a"), Ask("a"))
    assert [str(error) for error in errors] == ["broken"] * 2 and work.begun == ["a"]
    with pytest.raises(ValueError):
        await work.stack()(Ask("a"))


@pytest.mark.parametrize("who", [0, 1])
async def test_one_who_goes_away_takes_nobodys_answer_along(who: int) -> None:
    """Neither the first, whose request it is, nor the second."""
    work = Work()
    ask = work.stack()
    async with asyncio.TaskGroup() as group:
        calls = [group.create_task(_answer(ask, Ask("a"))) for _ in range(2)]
        await _turns()
        calls[who].cancel()
        await _turns()
        work.open.set()
    assert calls[who].cancelled() and calls[1 - who].result() == "a 1" and work.begun == ["a"]


async def test_when_the_last_one_has_gone_the_work_ends() -> None:
    """Nothing goes on that nobody waits for, and whoever comes next begins anew."""
    work = Work()
    ask = work.stack()
    async with asyncio.TaskGroup() as group:
        calls = [group.create_task(_answer(ask, Ask("a"))) for _ in range(2)]
        await _turns()
        for call in calls:
            call.cancel()
        await _turns()
        assert work.cancelled == ["a"] and not work.tasks.running
        third = group.create_task(_answer(ask, Ask("a")))
        await _turns()
        work.open.set()
    assert third.result() == "a 2"


async def test_who_comes_in_the_moment_of_the_cancellation_is_not_lost() -> None:
    """The cancelled work is on its way out: nobody may join it."""
    work = Work()
    ask = work.stack()
    async with asyncio.TaskGroup() as group:
        first = group.create_task(_answer(ask, Ask("a")))
        await _turns()
        first.cancel()
        second = group.create_task(_answer(ask, Ask("a")))
        await _turns()
        work.open.set()
    assert second.result().startswith("a")


async def test_who_comes_when_the_answer_has_just_been_handed_out_asks_anew() -> None:
    """Before those who waited have even woken up: there is nothing left to join."""
    work = Work()
    ask = work.stack()
    later: list[asyncio.Task[str]] = []
    async with asyncio.TaskGroup() as group:
        first = group.create_task(_answer(ask, Ask("a")))
        await _turns()
        work.at_last = lambda: later or later.append(group.create_task(_answer(ask, Ask("a"))))  # type: ignore[func-returns-value]
        work.open.set()
    assert (first.result(), later[0].result()) == ("a 1", "a 2")


async def test_a_twin_with_less_time_does_not_wait_for_longer() -> None:
    """It ends in time for what stands in for the model; the other one gets its answer."""
    work = Work()
    ask = work.stack()
    async with asyncio.TaskGroup() as group:
        first = group.create_task(_answer(ask, Ask("a")))
        await _turns()
        with pytest.raises(TooLate):
            await ask(Ask("a", left=0.01))
        work.open.set()
    assert first.result() == "a 1"


async def test_twins_with_more_time_ask_anew_when_that_of_the_first_was_too_short() -> None:
    """Once for all of them. Who had no more than the first shares its failure."""
    work = Work(error=ValueError())
    ask = work.stack()
    async with asyncio.TaskGroup() as group:
        first = group.create_task(_failing(ask, Ask("a", left=0.0)))
        twins = [group.create_task(_answer(ask, Ask("a"))) for _ in range(2)]
        await _turns()
        work.open.set()
        work.open.clear()  # who waits is woken all the same
        await _turns()
        work.error = None
        work.open.set()
    assert first.result() == "ValueError" and work.begun == ["a", "a"]
    assert [twin.result() for twin in twins] == ["a 2", "a 2"]


async def _failing(ask: Handler[Ask, str], request: Ask) -> str:
    try:
        return await ask(request)
    except ValueError as error:
        return type(error).__name__


async def test_one_who_goes_away_as_the_answer_comes_does_not_spoil_it() -> None:
    """The future of the one is cancelled already when the answer is handed out."""
    work = Work()
    ask = work.stack()
    async with asyncio.TaskGroup() as group:
        calls = [group.create_task(_answer(ask, Ask("a"))) for _ in range(2)]
        await _turns()
        work.open.set()
        calls[0].cancel()
    assert calls[0].cancelled() and calls[1].result() == "a 1"


async def test_when_the_gateway_stops_nobody_waits_for_ever() -> None:
    """The owner of the tasks cancels them: whoever waits is cancelled with them."""
    work = Work()
    ask = work.stack()
    async with asyncio.TaskGroup() as group:
        calls = [group.create_task(_answer(ask, Ask("a"))) for _ in range(2)]
        await _turns()
        (task,) = work.tasks.running
        task.cancel()
    assert task.cancelled() and all(call.cancelled() for call in calls)


@given(
    st.lists(
        st.tuples(st.sampled_from(["come", "come", "go", "turn", "finish"]), st.sampled_from("abc"), st.integers(0, 5)),
        max_size=40,
    )
)
def test_in_any_order_everybody_who_stays_gets_the_answer_to_the_own_question(
    steps: list[tuple[str, str, int]],
) -> None:
    """Callers come, go and are answered in any order: no answer of another key, no lost caller, no task left."""

    async def run() -> None:
        work = Work()
        ask = work.stack()
        calls: list[tuple[str, asyncio.Task[str]]] = []
        gone: set[int] = set()
        async with asyncio.TaskGroup() as group:
            for step, key, which in steps:
                if step == "come":
                    calls.append((key, group.create_task(_answer(ask, Ask(key)))))
                elif step == "go" and calls:
                    calls[which % len(calls)][1].cancel()
                    gone.add(which % len(calls))
                elif step == "finish":
                    work.open.set()
                    await _turns()
                    work.open.clear()
                else:
                    await asyncio.sleep(0)
            await _turns()
            work.open.set()
        for number, (key, call) in enumerate(calls):
            assert call.cancelled() if call.cancelled() else call.result().startswith(key)
            assert not call.cancelled() or number in gone
        await _turns()
        assert not work.tasks.running

    asyncio.run(run())


async def test_a_failure_while_there_was_time_is_shared() -> None:
    """Half a second was left: it failed for another reason, and nobody asks again."""
    work = Work(ValueError("model"))
    answers = await _together(work, Ask("a", left=0.5), Ask("a"))
    assert [type(each) for each in answers] == [ValueError, ValueError] and work.begun == ["a"]
