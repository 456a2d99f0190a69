"""The gate: drives the machines of `admission` and `pace` in an event loop."""

import asyncio
from collections import Counter
from typing import Protocol

from wardgate.resilience.admission import Admission, AdmissionOptions, Claim, State, Ticket
from wardgate.resilience.pace import Brake, Pace, Turnover


class Seen(Protocol):
    def __setitem__(self, place: int, busy: int, /) -> None: ...


class Gate:
    """Drives the machine in an event loop. `seen` is always told how many are inside: memory that outlives this process
    still says it when the process is gone."""

    def __init__(self, options: AdmissionOptions | None = None, seen: Seen | None = None) -> None:
        self.machine = Admission(options)
        self._allowed = self.machine.options
        self._pace = Pace()
        self._shed = 0
        self._through = Counter[tuple[int, str]]()
        self._seen: Seen = [0] if seen is None else seen

    def adapt(self, options: AdmissionOptions) -> None:
        """Who is inside stays inside."""
        self._allowed = options
        self._set(options)

    async def keep_time(self, brake: Brake | None = None) -> None:
        """Until cancelled: as many places as the event loop has time for, and a queue as long as it is of use."""
        brake, turnover, loop, machine = brake or Brake(), Turnover(), asyncio.get_running_loop(), self.machine
        every, left, below, looked = brake.options.every, machine.left, machine.below, loop.time()
        while True:
            due = loop.time() + every
            await asyncio.sleep(every)
            now = loop.time()
            turnover.look(now - looked, machine.busy, machine.left - left, machine.below - below, self._shed)
            left, below, looked, self._shed = machine.left, machine.below, now, 0
            lag = max(now - due, self._pace.lag(now))
            places = brake.places(lag, machine.busy, self._allowed.concurrency)
            options = self._allowed.now(places, turnover.each(machine.busy), turnover.shared, turnover.sheds)
            if options != machine.options:
                self._set(options)

    def _set(self, options: AdmissionOptions) -> None:
        machine = self.machine
        machine.options = options
        _tell(machine.settle())
        _tell(machine.trim())
        self._seen[0] = machine.busy

    @property
    def places(self) -> int:
        return self.machine.options.concurrency

    @property
    def crowded(self) -> bool:
        """Where not, `turns_away` need not be asked."""
        return self.machine.crowded or self._pace.pressed()

    @property
    def pressed(self) -> bool:
        """Whether anybody waits: what can be left undone should be."""
        return self.machine.waiting > 0

    def turns_away(self, claim: Claim) -> bool:
        if self._postpones(claim):
            return True
        shed = self.machine.would_shed(claim)
        self._shed += shed and claim.patience > 0
        return shed

    def lets_through(self, claim: Claim) -> bool:
        """The same at the door, before anything is made for a call: whoever came through it in this turn of the event
        loop has not come to the machine yet, and comes first."""
        through = self._through
        before = sum(through.values())
        if self._postpones(claim, before):
            return False
        if before:
            own = through[claim.rank, claim.group]
            before = own + sum(n for (rank, _), n in through.items() if rank > claim.rank)
        if self.machine.would_shed(claim, before):
            self._shed += claim.patience > 0
            return False
        if not through:
            asyncio.get_running_loop().call_soon(through.clear)
        through[claim.rank, claim.group] += 1
        return True

    async def enter(self, claim: Claim) -> bool:
        """True: with a place, which `leave` gives back, and it is this call's turn. False: turned away, at once or when
        patience is over."""
        if self._postpones(claim):
            return False
        ticket = Ticket(claim)
        evicted = self.machine.arrive(ticket)
        if evicted is not None:
            _tell([evicted])
        if ticket.state is State.WAITING:
            await self._wait(ticket)
        if ticket.state is State.SHED:
            self._shed += claim.patience > 0
            return False
        self._seen[0] = self.machine.busy
        if not self._begins():
            await self._turn()
        return True

    def _postpones(self, claim: Claim, coming: int = 0) -> bool:
        """Whether it has no patience for the turn in which it would begin."""
        return not claim.patience and self._pace.pressed(coming)

    async def _wait(self, ticket: Ticket) -> None:
        """Until it is settled."""
        loop = asyncio.get_running_loop()
        ticket.turn = loop.create_future()
        timer = loop.call_later(self.machine.patience(ticket.claim), self._late, ticket)
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
