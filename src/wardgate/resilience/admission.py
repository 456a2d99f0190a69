"""Admission: how many calls are worked on at a time, who waits for a place, and who is turned away at once.

Whoever finds no place waits, the highest rank first and the groups of a rank in turn. In a full queue a newcomer
takes the place of the lowest rank's newest, or is turned away itself. Places are held for work only: a call that
still receives its body holds none, so slow uploads cannot fill the house.

How many places there are follows the event loop: while it is late, it has more to do than it can, and every further
call makes all of them slower. A call that waits for somebody else does not make it late.

Who has a place begins when it is its turn: a few calls in each turn of the event loop, so that whoever is turned away
need not wait for the work of all who came with it.
"""

import asyncio
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import Enum, auto
from math import ceil


@dataclass(frozen=True, slots=True)
class AdmissionOptions:
    concurrency: int = 256
    """Calls that are worked on at a time (`limits.concurrency`)."""
    queue: int = 64
    """Calls that may wait for a place (`limits.queue`)."""
    headroom: float = 0.1
    """Share of the places that a rank leaves free for each rank above it, so that the highest seldom waits at all."""

    room: float = 1.0
    """Share of the queue in which a rank may wait that has others above it."""

    def shrunk(self, places: int) -> "AdmissionOptions":
        """With so many places. Fewer leave a shorter queue in time, so lower ranks wait in less of it, and are turned
        away at once rather than late; the highest keeps all of it, for bursts."""
        return replace(self, concurrency=places, room=places / self.concurrency)


@dataclass(frozen=True, slots=True)
class BrakeOptions:
    lag: float = 0.005
    """Seconds by which the event loop, or the work of a call that has a place, may be late."""
    every: float = 0.01
    """Seconds between two looks at it."""
    fall: float = 0.8
    """What is left of the places that are in use when it is later than that."""
    rise: float = 0.04
    """Share of all places that comes back at each look when it is not."""
    least: int = 16
    """Places that are never taken away."""


@dataclass(frozen=True, slots=True)
class Claim:
    """With what right a call asks. `above` counts the ranks that are in use above its own; `patience` is in seconds:
    who waited so long is turned away."""

    rank: int
    group: str = ""
    above: int = 0
    patience: float = 0.1


class State(Enum):
    WAITING = auto()
    ADMITTED = auto()
    SHED = auto()


class Ticket:
    """One call at the gate."""

    __slots__ = ("claim", "state", "turn")

    def __init__(self, claim: Claim) -> None:
        self.claim = claim
        self.state = State.WAITING
        self.turn: asyncio.Future[None] | None = None


class Admission:
    """The pure machine. Every admitted ticket must `leave` once; a waiting one is admitted, shed, or gives up."""

    def __init__(self, options: AdmissionOptions | None = None) -> None:
        self.options = options or AdmissionOptions()
        self.busy = 0
        self.waiting = 0
        self._queues: dict[int, OrderedDict[str, deque[Ticket]]] = {}  # rank → group, next in turn first → oldest first

    def would_shed(self, claim: Claim) -> bool:
        """Whether a ticket with this claim would be turned away if it came now."""
        return not self._free(claim) and self.waiting >= self._room(claim) and self._victims(claim) is None

    def arrive(self, ticket: Ticket) -> Ticket | None:
        """Settles the ticket, or lets it wait; the ticket that had to make room for it, shed."""
        claim = ticket.claim
        if self._free(claim):
            ticket.state = State.ADMITTED
            self.busy += 1
            return None
        evicted = None
        if self.waiting >= self._room(claim):
            victims = self._victims(claim)
            if victims is None:
                ticket.state = State.SHED
                return None
            evicted = victims[-1]
            self.give_up(evicted)
        self._queues.setdefault(claim.rank, OrderedDict()).setdefault(claim.group, deque()).append(ticket)
        self.waiting += 1
        return evicted

    def leave(self) -> list[Ticket]:
        """A place is free again: the tickets that are admitted now."""
        self.busy -= 1
        return self.settle()

    def settle(self) -> list[Ticket]:
        """Who waits and has a place: after somebody left, or the options changed."""
        admitted = []
        while self.waiting:
            rank = max(self._queues)
            groups = self._queues[rank]
            group, queue = next(iter(groups.items()))
            if self.busy >= self._places(queue[0].claim):
                break
            ticket = queue[0]
            groups.move_to_end(group)
            self._remove(ticket)
            ticket.state = State.ADMITTED
            self.busy += 1
            admitted.append(ticket)
        return admitted

    def give_up(self, ticket: Ticket) -> None:
        """It waits no longer: shed."""
        self._remove(ticket)
        ticket.state = State.SHED

    def _free(self, claim: Claim) -> bool:
        """Also where somebody waits: those are of a lower rank, behind the headroom, or nobody would wait."""
        return self.busy < self._places(claim)

    def _places(self, claim: Claim) -> int:
        concurrency = self.options.concurrency
        return max(1, concurrency - claim.above * int(concurrency * self.options.headroom))

    def _room(self, claim: Claim) -> int:
        return ceil(self.options.queue * self.options.room) if claim.above else self.options.queue

    def _victims(self, claim: Claim) -> deque[Ticket] | None:
        """The queue whose newest makes room: the longest of a lower rank; within the rank, that of a group that waits
        with more than the claim's own would."""
        if not self.waiting:
            return None
        rank = min(self._queues)
        if rank > claim.rank:
            return None
        groups = self._queues[rank]
        longest = max(groups.values(), key=len)
        own = len(groups.get(claim.group, ())) + 1 if rank == claim.rank else 0
        return longest if len(longest) > own else None

    def _remove(self, ticket: Ticket) -> None:
        rank, group = ticket.claim.rank, ticket.claim.group
        groups = self._queues[rank]
        groups[group].remove(ticket)
        self.waiting -= 1
        if not groups[group]:
            del groups[group]
        if not groups:
            del self._queues[rank]


class Brake:
    """The pure machine: additive increase, multiplicative decrease."""

    def __init__(self, options: BrakeOptions | None = None) -> None:
        self.options = options or BrakeOptions()
        self._places: float | None = None

    def places(self, lag: float, busy: int, concurrency: int) -> int:
        """How many there are from now on, of the `concurrency` that are allowed."""
        options, places = self.options, concurrency if self._places is None else self._places
        if lag > options.lag:
            places = max(min(places, busy) * options.fall, options.least)
        else:
            places += concurrency * options.rise
        self._places = min(places, concurrency)
        return int(self._places)


class Pace:
    """The pure machine: who begins in this turn of the event loop, and who in a later one."""

    def __init__(self, a_turn: int = 8) -> None:
        """`a_turn`: calls that begin in one; the work of so many is what a turn takes."""
        self._a_turn = a_turn
        self._begun = 0
        self._waiting: deque[tuple[float, Callable[[], None]]] = deque()

    @property
    def begun(self) -> int:
        """In this turn."""
        return self._begun

    def begins(self) -> bool:
        """Whether one more begins now; where not, it has to `wait`."""
        if self._begun >= self._a_turn or self._waiting:
            return False
        self._begun += 1
        return True

    def wait(self, now: float, begin: Callable[[], None]) -> None:
        """`begin` is called when its turn comes, also where nobody waits for it any more."""
        self._waiting.append((now, begin))

    def turn(self) -> None:
        """The event loop begins another turn."""
        self._begun = min(self._a_turn, len(self._waiting))
        for _ in range(self._begun):
            self._waiting.popleft()[1]()

    def lag(self, now: float) -> float:
        """Seconds that the first one has waited."""
        return now - self._waiting[0][0] if self._waiting else 0.0
