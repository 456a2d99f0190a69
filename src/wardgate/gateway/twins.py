"""The same request twice at the same time: the second waits for the first, within its own time.

Per process, beside the hot store: what is being computed is not kept yet. In another process the twin is computed, and
the later of the two answers is the one that is held.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

import msgspec

from wardgate.domain.outcomes import Outcome
from wardgate.gateway.call import HookCall, Kept
from wardgate.gateway.outcome import HookOutcome
from wardgate.resilience.stack import Handler


@dataclass(frozen=True, slots=True)
class TwinOptions:
    share: float = 0.5
    """Of the time that the second has left, how much it waits for the first; the rest is for its own way."""


class _Flight:
    __slots__ = ("body", "landed")

    def __init__(self, body: bytes) -> None:
        self.body = body
        self.landed: asyncio.Future[HookOutcome | None] | None = None


class Twins:
    def __init__(self, left: Callable[[HookCall], float], options: TwinOptions | None = None) -> None:
        self._left = left
        self._share = (options or TwinOptions()).share
        self._flights: dict[bytes, _Flight] = {}

    async def ask(self, call: HookCall, inner: Handler[HookCall, HookOutcome]) -> HookOutcome:
        name = call.memory.asked[Kept.ANSWER][0]
        flight = self._flights.get(name)
        if flight is None:
            return await self._first(name, call, inner)
        if flight.body == call.body:
            outcome = await self._wait(flight, self._left(call) * self._share)
            if outcome is not None and outcome.outcome is not Outcome.UNAVAILABLE:
                return msgspec.structs.replace(outcome, call=call, repeats=outcome.call.decision_id)
        return await inner(call)

    async def _first(self, name: bytes, call: HookCall, inner: Handler[HookCall, HookOutcome]) -> HookOutcome:
        flight = self._flights[name] = _Flight(call.body)
        outcome = None
        try:
            outcome = await inner(call)
            return outcome
        finally:  # also where the deadline cuts it off: then the second goes its own way
            del self._flights[name]
            if flight.landed is not None and not flight.landed.done():
                flight.landed.set_result(outcome)

    async def _wait(self, flight: _Flight, seconds: float) -> HookOutcome | None:
        if flight.landed is None:
            flight.landed = asyncio.get_running_loop().create_future()
        landed, _ = await asyncio.wait([flight.landed], timeout=max(seconds, 0.0))
        return flight.landed.result() if landed else None
