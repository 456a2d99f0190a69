"""A bulkhead: so many calls at a time, and no more. Whoever comes too many is refused before it has waited.

A queue in front of a full house makes everybody late and nobody served sooner; hence its default of none.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from wardgate.resilience.stack import Handler, Layer, PolicyError, Req, Resp


class BulkheadFull(PolicyError):
    """As many calls as may be are under way, and as many as may wait are waiting."""


@dataclass(frozen=True, slots=True)
class BulkheadOptions:
    limit: int = 32
    """Calls at a time."""
    queue: int = 0
    """Calls that may wait for one of them to end."""

    def __post_init__(self) -> None:
        if self.limit < 1 or self.queue < 0:
            raise ValueError("limit >= 1, queue >= 0")


class Ticket:
    """A place in the queue. `wake` is called when its turn has come."""

    __slots__ = ("granted", "wake")

    def __init__(self, wake: Callable[[], None]) -> None:
        self.wake = wake
        self.granted = False


class Bulkhead:
    """The pure machine. Somebody waits only while `in_use` is at the limit: who leaves hands the place on."""

    def __init__(self, options: BulkheadOptions | None = None) -> None:
        options = options or BulkheadOptions()
        self._limit = options.limit
        self._queue = options.queue
        self._waiting: deque[Ticket] = deque()
        self.in_use = 0

    @property
    def waiting(self) -> int:
        return len(self._waiting)

    @property
    def room(self) -> int:
        """How many more would not be refused."""
        return self._limit - self.in_use + self._queue - len(self._waiting)

    def enter(self) -> bool:
        if self.in_use >= self._limit:
            return False
        self.in_use += 1
        return True

    def queue(self, wake: Callable[[], None]) -> Ticket | None:
        """For whoever could not enter; None: no place to wait either."""
        if len(self._waiting) >= self._queue:
            return None
        ticket = Ticket(wake)
        self._waiting.append(ticket)
        return ticket

    def leave(self) -> None:
        if self._waiting:
            ticket = self._waiting.popleft()
            ticket.granted = True
            ticket.wake()
        else:
            self.in_use -= 1

    def give_up(self, ticket: Ticket) -> None:
        """Out of the queue; a place that was granted meanwhile goes to the next."""
        if ticket.granted:
            self.leave()
        else:
            self._waiting.remove(ticket)


def bulkhead(places: Bulkhead, left: Callable[[Req], float]) -> Layer[Req, Resp]:
    """Waits, where there is a queue, no longer than the request may still take."""

    def layer(inner: Handler[Req, Resp]) -> Handler[Req, Resp]:
        async def handle(request: Req) -> Resp:
            if not places.enter():
                await _turn(places, left(request))
            try:
                return await inner(request)
            finally:
                places.leave()

        return handle

    return layer


async def _turn(places: Bulkhead, seconds: float) -> None:
    turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def wake() -> None:
        if not turn.done():  # it may have been cancelled a moment ago
            turn.set_result(None)

    ticket = places.queue(wake)
    if ticket is None:
        raise BulkheadFull
    try:
        async with asyncio.timeout(seconds):
            await turn
    except TimeoutError:
        places.give_up(ticket)
        raise BulkheadFull from None
    except BaseException:
        places.give_up(ticket)
        raise
