"""What this replica goes by, and whether it may show anything: the newest snapshot that it has heard of, under every
ceiling that it has heard of; or nothing, where it cannot tell what is newest.

    heard of                         counts for                        hides (until)
    the durable store                everything                        older than before, emptied (a person confirms);
                                                                       not ours (it is ours again)
    the hot copy                     a later snapshot, the lease       not ours, older than it was, gone
                                                                       (the durable store has been read since)
    this replica's own file          the beginning, what is left of    –
                                     the lease
    a ceiling, from anywhere         at once, until it is lifted       –
    a snapshot that forgets it       everything                        it is forgotten (it has registered anew)

Nothing here reads a clock or waits. Times are those of one clock that never jumps, in seconds; a reading counts from
when it began, since what came after that it may not have seen.
"""

from collections.abc import Callable, Iterable
from typing import Final

import msgspec

from wardgate.domain.rollout.ceilings import unfolded, with_ceilings
from wardgate.domain.rollout.hidden import Hidden
from wardgate.domain.rollout.modes import is_lower
from wardgate.domain.rollout.rollouts import Ceiling, Snapshot

_NEVER = float("-inf")


class Forged:
    """In place of a snapshot: something that this deployment did not write."""


FORGED: Final = Forged()

Read = Snapshot | Forged | None
"""What a place gave back; None: nothing is there."""

_NOTHING = Snapshot(0, {}, hidden=True)


class Visibility:
    """Meets `gateway.ports.Snapshots`. One at a time feeds it; anybody reads it at any time."""

    def __init__(self, lease: float, monotonic: Callable[[], float], replica: str = "") -> None:
        """`replica`: its id; none, where nobody waits for it."""
        self.lease, self._monotonic, self._replica = lease, monotonic, replica
        self.newest: Snapshot | None = None
        """As it was decided: without the ceilings beside it."""
        self.highest = self.hot_highest = 0
        """Epochs that this replica has ever seen, at all and in the hot copy."""
        self.over: frozenset[str] = frozenset()
        """Ids of ceilings that were lifted so long ago that `newest` does not say so."""
        self._side: dict[str, Ceiling] = {}
        self._fresh = _NEVER
        self._believes = False
        self._durable: Hidden | None = None
        self._hot: Hidden | None = None
        self._hot_since, self._hot_there = _NEVER, False
        self._seen = (_NOTHING, _NEVER, _NOTHING)

    def current(self) -> Snapshot:
        """The clock is read here, since a process that was stopped and goes on would show one card before anything
        else of it has run."""
        shown, until, hidden = self._seen
        return shown if self._monotonic() < until else hidden

    def why(self, now: float) -> Hidden | None:
        """Why it shows nothing; None: it shows what is decided."""
        if self._durable is not None:
            return self._durable
        if self.newest is None:
            return Hidden.STARTING
        if self._replica in self.newest.forgotten:
            return Hidden.FORGOTTEN
        if self._hot is not None:
            return self._hot
        return Hidden.LEASE if now >= self._fresh + self.lease else None

    @property
    def fresh(self) -> float:
        """When what it goes by was last known to be the newest."""
        return self._fresh

    @property
    def side(self) -> tuple[Ceiling, ...]:
        """Ceilings that no snapshot holds yet."""
        return tuple(self._side.values())

    def begin(self, snapshot: Snapshot, ceilings: Iterable[Ceiling], age: float | None) -> None:
        """From this replica's own file; `age` in seconds since it was fresh, None: nobody knows."""
        if age is not None:
            self._fresh = max(self._fresh, self._monotonic() - max(age, 0.0))
        self.newest, self.highest, self._believes = snapshot, snapshot.epoch, True
        self.lower(ceilings)

    def durable(self, read: Read, began: float, highest: int, follows: bool = True) -> None:
        """`highest`: what this was when the reading began; what was heard since may well be later. `follows`: whether
        what this replica went by then is part of that store's history, or a person has confirmed another since."""
        if isinstance(read, Forged):
            self._durable = Hidden.FORGED
        elif read is None:
            self._durable = Hidden.REWOUND if highest else None
        elif read.epoch < highest or not follows or self._is_another(read):
            self._durable = Hidden.REWOUND
        else:
            self._durable, self._believes = None, True
            if read.epoch >= self.highest:
                self._take(read)
            self._fresh = max(self._fresh, began)
            if began >= self._hot_since:
                self._hot = None
        self._settle()

    def hot(self, read: Read, began: float, hot_highest: int) -> None:
        """The hot copy; `hot_highest` as for `durable`."""
        if isinstance(read, Forged):
            self._hide_for(Hidden.HOT_FORGED)
        elif read is None:
            if self._hot_there and hot_highest:
                self._hide_for(Hidden.HOT_FLUSHED)
            self._hot_there, self.hot_highest = False, 0 if hot_highest == self.hot_highest else self.hot_highest
        elif read.epoch < hot_highest:
            self._hide_for(Hidden.HOT_REPLAYED)
            self.hot_highest = read.epoch  # told once; the durable store says what counts
        elif self._is_another(read):
            self._hide_for(Hidden.HOT_FORGED)
        else:
            self._hot_there, self.hot_highest = True, max(self.hot_highest, read.epoch)
            self.told(read)
            if self._believes and self._durable is None and read.epoch >= self.highest:
                self._fresh = max(self._fresh, began)
        self._settle()

    def told(self, snapshot: Snapshot) -> None:
        """A sound snapshot, by whatever way. What is later counts at once, for it may hide something; but where the
        durable store was never heard of, or is not what it was, nothing says that this one is the newest."""
        if self._believes and self._durable is None and snapshot.epoch > self.highest:
            self._take(snapshot)
            self._settle()

    def lower(self, ceilings: Iterable[Ceiling]) -> None:
        """Sound ones, from wherever. They stay until a snapshot has lifted them."""
        for ceiling in [each for each in ceilings if each.id not in self.over]:
            before = self._side.get(ceiling.id)
            self._side[ceiling.id] = ceiling if before is None or is_lower(ceiling.mode, before.mode) else before
        self._settle()

    def lifted(self, ids: Iterable[str]) -> None:
        """Long ago: somebody has slept since, or a copy from then was put back."""
        self.over |= frozenset(ids)
        self._side = {name: ceiling for name, ceiling in self._side.items() if name not in self.over}
        self._settle()

    def registered(self, replica: str) -> None:
        """The table of replicas has it, under this id."""
        if replica != self._replica:
            self._replica = replica
            self._settle()

    def forged_ceiling(self) -> None:
        """One beside the hot copy is not ours: what was written over may have been a lowering."""
        self._hide_for(Hidden.HOT_FORGED)
        self._settle()

    def _hide_for(self, why: Hidden) -> None:
        self._hot, self._hot_since = why, self._monotonic()

    def _is_another(self, read: Snapshot) -> bool:
        """Of the epoch by which this replica goes, and not what it goes by: two histories."""
        return self.newest is not None and read.epoch == self.newest.epoch and read != self.newest

    def _take(self, snapshot: Snapshot) -> None:
        if snapshot != self.newest:
            self.newest = snapshot
        self.highest = max(self.highest, snapshot.epoch)

    def _settle(self) -> None:
        if self.newest is None:
            return
        self._side = {each.id: each for each in unfolded(self.newest, self._side.values())}
        whole = with_ceilings(self.newest, self._side.values())
        hidden = _hidden(whole)
        if hidden == self._seen[2]:  # who holds it sees by its identity that nothing has changed
            hidden = self._seen[2]
            if self._seen[0] is not hidden:
                whole = self._seen[0]
        forgotten = self._replica in self.newest.forgotten
        closed = self._durable is not None or self._hot is not None or forgotten
        self._seen = (hidden if closed else whole, self._fresh + self.lease, hidden)


def _hidden(snapshot: Snapshot) -> Snapshot:
    return msgspec.structs.replace(snapshot, hidden=True)
