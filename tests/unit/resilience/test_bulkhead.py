"""The bulkhead: never more than so many, nobody waits without need, and every place comes back."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wardgate.resilience.bulkhead import Bulkhead, BulkheadFull, BulkheadOptions, Ticket, bulkhead
from wardgate.resilience.stack import Handler


@given(
    limit=st.integers(1, 3),
    queue=st.integers(0, 3),
    steps=st.lists(st.tuples(st.sampled_from(["come", "come", "leave", "give up"]), st.integers(0, 5)), max_size=40),
)
def test_places_are_neither_lost_nor_made(limit: int, queue: int, steps: list[tuple[str, int]]) -> None:
    """Against a list of who is inside and a list of who waits: first come, first served, also after some gave up."""
    places = Bulkhead(BulkheadOptions(limit, queue))
    inside, waiting = 0, list[Ticket]()
    woken: list[Ticket] = []
    for step, which in steps:
        if step == "come":
            entered = places.enter()
            assert entered == (inside < limit)
            inside += entered
            if not entered:
                made: list[Ticket] = []
                ticket = places.queue(lambda made=made: woken.append(made[0]))  # type: ignore[misc]
                assert (ticket is None) == (len(waiting) >= queue)
                if ticket is not None:
                    made.append(ticket)
                    waiting.append(ticket)
        elif step == "leave" and inside:
            places.leave()
            if waiting:
                assert woken[-1] is waiting.pop(0) and woken[-1].granted
            else:
                inside -= 1
        elif step == "give up" and waiting:
            ticket = waiting.pop(which % len(waiting))
            places.give_up(ticket)
            assert not ticket.granted
        assert (places.in_use, places.waiting) == (inside, len(waiting))
        assert places.room == limit - inside + queue - len(waiting)


def test_a_place_that_was_granted_to_one_who_left_goes_to_the_next() -> None:
    """The turn and the end of patience can come at the same moment."""
    places = Bulkhead(BulkheadOptions(1, 2))
    woken: list[str] = []
    assert places.enter() and not places.enter()
    first, second = (places.queue(lambda name=name: woken.append(name)) for name in ("first", "second"))  # type: ignore[misc]
    places.leave()
    assert first is not None and second is not None and first.granted
    places.give_up(first)
    assert woken == ["first", "second"] and (places.in_use, places.waiting) == (1, 0)
    places.give_up(second)
    assert places.in_use == 0


def test_the_defaults_are_those_of_the_page() -> None:
    """Thirty-two at a time, and nobody waits."""
    assert BulkheadOptions() == BulkheadOptions(limit=32, queue=0)


@pytest.mark.parametrize(("limit", "queue"), [(0, 0), (1, -1)])
def test_options_that_could_never_work_are_refused(limit: int, queue: int) -> None:
    """Nobody could ever enter."""
    with pytest.raises(ValueError, match="limit"):
        BulkheadOptions(limit, queue)


class Door:
    """Work that lasts until it is let go."""

    def __init__(self) -> None:
        self.open = asyncio.Event()
        self.inside = self.most = 0

    async def __call__(self, request: float) -> str:
        self.inside += 1
        self.most = max(self.most, self.inside)
        try:
            await self.open.wait()
        finally:
            self.inside -= 1
        return "answer"


def _guarded(places: Bulkhead, door: Door) -> Handler[float, str]:
    return bulkhead(places, lambda request: request)(door)


async def _turns() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_one_too_many_is_refused_at_once() -> None:
    """Before it has waited, and without taking anybody's place."""
    door, places = Door(), Bulkhead(BulkheadOptions(2))
    ask = _guarded(places, door)
    async with asyncio.TaskGroup() as group:
        calls = [group.create_task(_answer(ask)) for _ in range(2)]
        await _turns()
        with pytest.raises(BulkheadFull):
            await ask(60.0)
        door.open.set()
    assert [call.result() for call in calls] == ["answer"] * 2 and places.in_use == 0


async def _answer(ask: Handler[float, str], seconds: float = 60.0) -> str:
    return await ask(seconds)


async def test_who_may_wait_is_let_in_when_somebody_leaves() -> None:
    """And there are never more inside than may be."""
    door, places = Door(), Bulkhead(BulkheadOptions(2, queue=3))
    ask = _guarded(places, door)
    async with asyncio.TaskGroup() as group:
        calls = [group.create_task(_answer(ask)) for _ in range(5)]
        await _turns()
        assert (places.in_use, places.waiting) == (2, 3)
        door.open.set()
    assert [call.result() for call in calls] == ["answer"] * 5
    assert door.most == 2 and (places.in_use, places.waiting) == (0, 0)


async def test_nobody_waits_longer_than_there_is_time() -> None:
    """Refused in time for what stands in for the model; the place in the queue is free again."""
    door, places = Door(), Bulkhead(BulkheadOptions(1, queue=1))
    ask = _guarded(places, door)
    async with asyncio.TaskGroup() as group:
        group.create_task(_answer(ask))
        await _turns()
        with pytest.raises(BulkheadFull):
            await ask(0.01)
        assert (places.in_use, places.waiting) == (1, 0)
        door.open.set()


@pytest.mark.parametrize("when", ["waiting", "just granted", "just before it is granted"])
async def test_whoever_goes_away_leaves_no_place_behind(when: str) -> None:
    """While waiting, and at the moment in which the turn comes."""
    door, places = Door(), Bulkhead(BulkheadOptions(1, queue=1))
    ask = _guarded(places, door)
    assert places.enter()
    async with asyncio.TaskGroup() as group:
        task = group.create_task(_answer(ask))
        await _turns()
        assert places.waiting == 1
        if when == "just granted":
            places.leave()
        task.cancel()
        if when == "just before it is granted":
            places.leave()
    if when == "waiting":
        places.leave()
    assert task.cancelled() and (places.in_use, places.waiting) == (0, 0)


async def test_a_failure_gives_its_place_back() -> None:
    """Whatever happens inside."""
    places = Bulkhead(BulkheadOptions(1))

    async def fails(request: float) -> str:
        raise ValueError

    for _ in range(3):
        with pytest.raises(ValueError):
            await bulkhead(places, lambda request: request)(fails)(1.0)
    assert places.in_use == 0
