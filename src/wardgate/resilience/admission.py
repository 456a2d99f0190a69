"""Admission: how many calls are worked on at a time, who waits for a place, and who is turned away at once.

Whoever finds no place waits, the highest rank first and the groups of a rank in turn. In a full queue a newcomer
takes the place of the lowest rank's newest, or is turned away itself. Places are held for work only: a call that
still receives its body holds none, so slow uploads cannot fill the house.

The queue is as long as it is of use: nobody is let into it who, as places are handed on just now, would wait for more
than half of its patience. So a call that cannot be served learns it when it comes, and not when its patience is over.
How many places there are, and how soon they are handed on, `pace` says.
"""

import asyncio
from collections import OrderedDict, deque
from dataclasses import dataclass, replace
from enum import Enum, auto
from math import ceil

_USEFUL, _USEFUL_LATELY = 0.5, 0.35
"""Share of its patience in which a call that is let into the queue can expect its place: what is expected is a mean.
The less where calls are turned away anyway: there a longer queue serves nobody more, and a dip makes all of it late."""
_HIGHEST = 1.4
"""Times that, for the highest rank: nobody comes before it, so it gets what it expects. With less, 64 callers who ask
again as soon as they are answered had half of their calls turned away, though each would have waited 40 ms."""
_ALL = 0.9
"""For the highest rank, while it is not what there is too much of: it catches up after a halt."""
_BELOW = 0.5
"""Of that of a rank that has others above it, at most: those go first, whenever they come."""


@dataclass(frozen=True, slots=True)
class AdmissionOptions:
    concurrency: int = 256
    """Calls that are worked on at a time (`limits.concurrency`)."""
    queue: int = 128
    """Calls that may wait for a place (`limits.queue`)."""
    headroom: float = 0.1
    """Share of the places that a rank leaves free for each rank above it, so that the highest seldom waits at all."""

    below: float = 1.0
    """Share of its patience that is left to a rank that has others above it."""
    useful: float = _USEFUL
    each: float = 0.0
    """Seconds from one place that becomes free to the next, as measured; 0: not known, and no reason to expect long."""
    shared: bool = False
    """Whether a rank that has others above it was let in lately: the highest is not what there is too much of."""

    def now(self, places: int, each: float, shared: bool, sheds: bool) -> "AdmissionOptions":
        """With so many places. The fewer there are, the sooner a lower rank learns that those above have them all.
        `sheds`: whether calls were turned away lately."""
        below, useful = _BELOW * places / self.concurrency, _USEFUL_LATELY if sheds else _USEFUL
        return replace(self, concurrency=places, each=each, shared=shared, below=below, useful=useful)


@dataclass(frozen=True, slots=True)
class Claim:
    """With what right a call asks. `above` counts the ranks that are in use above its own; `patience` is in seconds:
    who waited so long is turned away. Without any, a call has a place at once, or none."""

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
        self.left = 0
        """Calls that have left their places so far."""
        self.below = 0
        """Calls that were let in so far though they have ranks above."""
        self._queues: dict[int, OrderedDict[str, deque[Ticket]]] = {}  # rank → group, next in turn first → oldest first

    @property
    def crowded(self) -> bool:
        """Whether anybody could be turned away at all, as far as can be told without a claim: no rank leaves half of
        the places to those above it."""
        return 2 * self.busy >= self.options.concurrency

    def would_shed(self, claim: Claim, behind: int = 0) -> bool:
        """Whether a ticket with this claim would be turned away if it came now, `behind` so many others."""
        free = self._places(claim) - self.busy
        if behind < free:
            return False
        waiting = self.waiting + behind - max(0, free)
        return waiting >= self._room(claim) and self._victims(claim) is None

    def arrive(self, ticket: Ticket) -> Ticket | None:
        """Settles the ticket, or lets it wait; the ticket that had to make room for it, shed."""
        claim = ticket.claim
        if self._free(claim):
            self._admit(ticket)
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
        self.left += 1
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
            self._admit(ticket)
            admitted.append(ticket)
        return admitted

    def trim(self) -> list[Ticket]:
        """Who waits in vain since the options changed, and is shed: the lowest rank's newest first."""
        shed = []
        while self.waiting:
            ticket = self._longest(min(self._queues))[-1]
            if self.waiting <= self._room(ticket.claim, _USEFUL):
                break
            self.give_up(ticket)
            shed.append(ticket)
        return shed

    def patience(self, claim: Claim) -> float:
        """Seconds that whoever begins to wait now may do so."""
        return claim.patience * self.options.below if claim.above else claim.patience

    def give_up(self, ticket: Ticket) -> None:
        """It waits no longer: shed."""
        self._remove(ticket)
        ticket.state = State.SHED

    def _admit(self, ticket: Ticket) -> None:
        ticket.state = State.ADMITTED
        self.busy += 1
        self.below += ticket.claim.above > 0

    def _free(self, claim: Claim) -> bool:
        """Also where somebody waits: those are of a lower rank, behind the headroom, or nobody would wait."""
        return self.busy < self._places(claim)

    def _places(self, claim: Claim) -> int:
        concurrency = self.options.concurrency
        return max(1, concurrency - claim.above * int(concurrency * self.options.headroom))

    def _room(self, claim: Claim, useful: float | None = None) -> int:
        """How long the queue may be with this claim at its end, which comes now, or has come in time."""
        options = self.options
        useful = options.useful if useful is None else useful
        if not claim.patience:
            return 0
        if not claim.above:
            useful = _ALL if options.shared else useful * _HIGHEST
        if not options.each:
            return options.queue
        first = max(0, self.busy - self._places(claim))  # they have to leave before anybody is let in
        return max(0, min(options.queue, ceil(self.patience(claim) * useful / options.each) - first))

    def _victims(self, claim: Claim) -> deque[Ticket] | None:
        """The queue whose newest makes room: the longest of a lower rank; within the rank, that of a group that waits
        with more than the claim's own would."""
        if not self.waiting or not claim.patience:
            return None
        rank = min(self._queues)
        if rank > claim.rank:
            return None
        longest = self._longest(rank)
        own = len(self._queues[rank].get(claim.group, ())) + 1 if rank == claim.rank else 0
        return longest if len(longest) > own else None

    def _longest(self, rank: int) -> deque[Ticket]:
        return max(self._queues[rank].values(), key=len)

    def _remove(self, ticket: Ticket) -> None:
        rank, group = ticket.claim.rank, ticket.claim.group
        groups = self._queues[rank]
        groups[group].remove(ticket)
        self.waiting -= 1
        if not groups[group]:
            del groups[group]
        if not groups:
            del self._queues[rank]
