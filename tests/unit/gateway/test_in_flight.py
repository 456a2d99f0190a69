"""A change has taken effect once the calls of what was before have ended."""

import asyncio
from collections.abc import Callable
from typing import Any, cast

from tests.fakes.snapshots import snapshot
from wardgate.domain.rollout.rollouts import Snapshot
from wardgate.gateway.call import HookCall
from wardgate.gateway.in_flight import InFlight


class Swapped:
    """Snapshots, and what happens at the next look."""

    def __init__(self) -> None:
        self.epoch = 1
        self.looks: list[Callable[[], None]] = []

    def current(self) -> Snapshot:
        if self.looks:
            found = snapshot(self.epoch)
            self.looks.pop()()
            return found
        return snapshot(self.epoch)


CALL = cast(HookCall, object())


async def begun(in_flight: InFlight, inner: Callable[[HookCall], Any]) -> None:
    await in_flight.layer()(inner)(CALL)


async def test_a_call_keeps_the_epoch_by_which_it_began_until_it_ended() -> None:
    snapshots, gates = Swapped(), [asyncio.Event() for _ in range(3)]
    in_flight, turn = InFlight(snapshots), iter(gates)

    async def inner(call: HookCall) -> Any:
        await next(turn).wait()

    async with asyncio.TaskGroup() as calls:
        assert in_flight.drained(1) == 1
        for epoch in (1, 1, 2):
            snapshots.epoch = epoch
            calls.create_task(begun(in_flight, inner))
            await asyncio.sleep(0)
        assert in_flight.drained(3) == 1
        gates[0].set()
        await asyncio.sleep(0.001)
        assert in_flight.drained(3) == 1
        gates[1].set()
        await asyncio.sleep(0.001)
        assert in_flight.drained(3) == 2
        gates[2].set()
    assert in_flight.drained(3) == 3


async def test_a_call_that_breaks_or_is_given_up_has_ended_too() -> None:
    in_flight, began = InFlight(Swapped()), asyncio.Event()

    async def broken(call: HookCall) -> Any:
        raise ZeroDivisionError

    async def hanging(call: HookCall) -> Any:
        began.set()
        await asyncio.Event().wait()

    for _ in range(2):
        try:
            await begun(in_flight, broken)
        except ZeroDivisionError:
            pass
    async with asyncio.TaskGroup() as calls:
        task = calls.create_task(begun(in_flight, hanging))
        await began.wait()
        assert in_flight.drained(9) == 1
        task.cancel()
    assert in_flight.drained(9) == 9


async def test_a_swap_while_a_call_is_counted_is_seen_by_it() -> None:
    """Whoever swapped has not seen the call, so the call must go by what came."""
    snapshots = Swapped()
    in_flight, seen = InFlight(snapshots), list[int]()

    async def inner(call: HookCall) -> Any:
        seen.append(in_flight.drained(5))

    def swap() -> None:
        snapshots.epoch = 5

    snapshots.looks = [swap]
    await begun(in_flight, inner)
    assert seen == [5]
