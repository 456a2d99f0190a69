"""The gate: drives the machines of `admission` in an event loop."""

import asyncio
from typing import Protocol

from wardgate.resilience.admission import Admission, AdmissionOptions, Brake, Claim, Pace, State, Ticket


class Seen(Protocol):
    def __setitem__(self, place: int, busy: int, /) -> None: ...


class Gate:
    """Drives the machine in an event loop. `seen` is always told how many are inside: memory that outlives this process
    still says it when the process is gone."""

    def __init__(self, options: AdmissionOptions | None = None, seen: Seen | None = None) -> None:
        self.machine = Admission(options)
        self._allowed = self.machine.options
        self._pace = Pace()
        self._seen: Seen = [0] if seen is None else seen

    def adapt(self, options: AdmissionOptions) -> None:
        """Who is inside stays inside."""
        self._allowed = options
        self._set(options)

    async def keep_time(self, brake: Brake | None = None) -> None:
        """Until cancelled: as many places as the event loop has time for."""
        brake, loop = brake or Brake(), asyncio.get_running_loop()
        every = brake.options.every
        while True:
            due = loop.time() + every
            await asyncio.sleep(every)
            lag = max(loop.time() - due, self._pace.lag(loop.time()))
            places = brake.places(lag, self.machine.busy, self._allowed.concurrency)
            if places != self.machine.options.concurrency:
                self._set(self._allowed.shrunk(places))

    def _set(self, options: AdmissionOptions) -> None:
        self.machine.options = options
        _tell(self.machine.settle())
        self._seen[0] = self.machine.busy

    @property
    def crowded(self) -> bool:
        """Whether anybody could be turned away at all."""
        return self.machine.waiting >= self.machine.options.queue * self.machine.options.room

    @property
    def pressed(self) -> bool:
        """Whether anybody waits: what can be left undone should be."""
        return self.machine.waiting > 0

    def turns_away(self, claim: Claim) -> bool:
        return self.machine.would_shed(claim)

    async def enter(self, claim: Claim) -> bool:
        """True: with a place, which `leave` gives back, and it is this call's turn. False: turned away, at once or when
        patience is over."""
        ticket = Ticket(claim)
        evicted = self.machine.arrive(ticket)
        if evicted is not None:
            _tell([evicted])
        if ticket.state is State.WAITING:
            await self._wait(ticket)
        if ticket.state is State.SHED:
            return False
        self._seen[0] = self.machine.busy
        if not self._begins():
            await self._turn()
        return True

    async def _wait(self, ticket: Ticket) -> None:
        """Until it is settled."""
        loop = asyncio.get_running_loop()
        ticket.turn = loop.create_future()
        timer = loop.call_later(ticket.claim.patience, self._late, ticket)
        try:
            await ticket.turn
        except asyncio.CancelledError:
            if ticket.state is State.ADMITTED:
                self.leave()
            elif ticket.state is State.WAITING:
                self.machine.give_up(ticket)
            raise
        finally:
            timer.cancel()

    def _begins(self) -> bool:
        if not self._pace.begun:
            asyncio.get_running_loop().call_soon(self._next_turn)
        return self._pace.begins()

    async def _turn(self) -> None:
        loop = asyncio.get_running_loop()
        mine = loop.create_future()
        self._pace.wait(loop.time(), lambda: None if mine.done() else mine.set_result(None))
        try:
            await mine
        except asyncio.CancelledError:
            self.leave()
            raise

    def _next_turn(self) -> None:
        self._pace.turn()
        if self._pace.begun:
            asyncio.get_running_loop().call_soon(self._next_turn)

    def leave(self) -> None:
        _tell(self.machine.leave())
        self._seen[0] = self.machine.busy

    def _late(self, ticket: Ticket) -> None:
        if ticket.state is State.WAITING:
            self.machine.give_up(ticket)
            _tell([ticket])


def _tell(tickets: list[Ticket]) -> None:
    for ticket in tickets:
        if ticket.turn is not None and not ticket.turn.done():
            ticket.turn.set_result(None)
