"""What is decided now, and how the next snapshot comes to stand in its place everywhere."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Protocol, TypeVar

import msgspec
import rfc8785

from wardgate.control.audit import Happened
from wardgate.control.decisions import Decisions
from wardgate.control.patience import Patience
from wardgate.control.ports import (
    OLDER,
    Change,
    HotCopy,
    KeptSnapshot,
    SnapshotStore,
    StoreUnavailable,
    WriteUnsure,
)
from wardgate.control.snapshots import Sealer, Unsound
from wardgate.domain.rollout.rollouts import Ceiling, Rollout, Snapshot

T = TypeVar("T")

Failed = Callable[[str], None]
"""Hears that the hot copy did not take something: `put` or `lower`. The durable store has it, or will."""


class Here(Protocol):
    """The replicas that this process can tell by itself: its own, or its workers. Waits for nobody."""

    def hear(self, kept: KeptSnapshot) -> None: ...

    def lower(self, sealed: bytes) -> None: ...

    def newest(self) -> Snapshot | None:
        """As it was decided last, as far as this process knows."""
        ...

    def side(self) -> tuple[Ceiling, ...]:
        """Ceilings that no snapshot holds yet."""
        ...


@dataclass(frozen=True, slots=True)
class DecidedOptions:
    hurried: float = 0.4
    """Seconds for the durable store where somebody lowers, who then goes on without it."""
    hot: float = 0.15
    """Seconds for the hot copy; what takes longer is told all the same, and nobody waits for it."""


class Decided(Decisions):
    """With the way to change it. `hot` None: nobody but this process hears of it at once."""

    def __init__(
        self,
        store: SnapshotStore,
        hot: HotCopy | None,
        sealer: Sealer,
        failed: Failed,
        here: Here | None = None,
        options: DecidedOptions | None = None,
        highest: Callable[[], int] = lambda: 0,
    ) -> None:
        """`highest`: the epoch that some replica has ever seen, as they say themselves; raises StoreUnavailable."""
        super().__init__(store, sealer)
        self._seals, self._hot, self._failed = sealer, hot, failed
        self._here, self._options, self._highest = here, options or DecidedOptions(), highest
        self._patience, self._hot_patience = Patience(), Patience()
        """Apart: those who wait for one store must not keep a lowering from the other."""

    @property
    def shares(self) -> bool:
        """Whether others than this process hear of a lowering at once."""
        return self._hot is not None

    def newest(self, hurry: bool = False) -> Snapshot:
        """`hurry`: for somebody who lowers, and goes on without the store where that takes long."""
        return self._asked(super().newest, hurry)

    def must_follow(self, before: Snapshot, hurry: bool = False) -> None:
        """Raises StoreUnavailable where replicas have seen more than the durable store has: it was put back from a
        backup. What is decided on top of it would pass, one epoch after another, for what they know."""
        seen = self.seen(hurry)
        if seen > before.epoch and self.newest(hurry).epoch < seen:  # else somebody was first, and it has that
            raise StoreUnavailable(OLDER)

    def seen(self, hurry: bool = False) -> int:
        """The highest epoch that any replica, this process or the hot copy has. Raises StoreUnavailable."""
        own, hot = None if self._here is None else self._here.newest(), self._hot
        found = [self._asked(self._highest, hurry), 0 if own is None else own.epoch]
        if hot is not None:
            with suppress(StoreUnavailable, Unsound):
                kept = self._hot_patience.ask(hot.get, self._options.hot)
                found.append(0 if kept is None else self._seals.open(kept).epoch)
        return max(found)

    def last_seen(self) -> Snapshot | None:
        """As this process, or else the hot copy, has it: without the durable store. None: they do not know it."""
        seen, hot = None if self._here is None else self._here.newest(), self._hot
        if seen is not None or hot is None:
            return seen
        try:
            kept = self._hot_patience.ask(hot.get, self._options.hot)
            return None if kept is None else self._seals.open(kept)
        except (StoreUnavailable, Unsound):
            return None

    def side(self) -> tuple[Ceiling, ...]:
        """Ceilings that were set without the durable store, as far as this process knows."""
        return () if self._here is None else self._here.side()

    def write(
        self,
        after: Snapshot,
        change: Change,
        told: Sequence[Happened],
        hurry: bool = False,
        judged: int | None = None,
    ) -> bool:
        """Whether it is the newest one now, and `told` on the chain; False: somebody else was first. Raises
        StoreUnavailable, WriteUnsure where it may have been written all the same, and Overtaken (`SnapshotStore`)."""
        kept = self._seals.seal(after)
        try:
            written = self._asked(lambda: self._store.append(kept, change, told, judged), hurry)
        except StoreUnavailable as error:
            written = self._was_written(kept, error, hurry)
        if not written:
            return False
        if self._here is not None:
            self._here.hear(kept)
        self._at_once("put", lambda hot: hot.put(kept))
        return True

    def _was_written(self, kept: KeptSnapshot, error: StoreUnavailable, hurry: bool) -> bool:
        """A store that answers no more may have written what it was told before that, or will once it goes on."""
        if hurry:
            raise WriteUnsure(error.meaning) from None
        try:
            found = self._store.at(kept.epoch)
        except StoreUnavailable:
            raise WriteUnsure(error.meaning) from None
        if found != kept:
            raise error
        return True

    def lower(self, ceiling: Ceiling) -> tuple[str, ...]:
        """At once. Who has heard of it: `here`, the replicas of this process; `shared`, whoever hears the hot copy."""
        sealed, told = self._seals.seal_ceiling(ceiling), []
        if self._here is not None:
            self._here.lower(sealed)
            told.append("here")
        if self._at_once("lower", lambda hot: hot.lower(sealed, ceiling.id)):
            told.append("shared")
        return tuple(told)

    def _asked(self, do: Callable[[], T], hurry: bool) -> T:
        return self._patience.ask(do, self._options.hurried) if hurry else do()

    def _at_once(self, what: str, do: Callable[[HotCopy], None]) -> bool:
        hot = self._hot
        if hot is None:
            return False
        try:
            self._hot_patience.ask(lambda: do(hot), self._options.hot)
        except StoreUnavailable:
            self._failed(what)
            return False
        return True


def etag_of(rollout: Rollout) -> str:
    """Another one where anything is decided differently."""
    return sha256(rfc8785.dumps(plain(rollout))).hexdigest()[:16]


def plain(rollout: Rollout) -> dict[str, Any]:
    """As JSON has it, sets in order."""
    said: dict[str, Any] = msgspec.to_builtins(rollout, order="deterministic")
    return said


def told(rollout: Rollout | None) -> str:
    """For the audit chain: what decides, without the salt, without whose previews they are, and without what says only
    how files are read later."""
    if rollout is None:
        return ""
    said = plain(msgspec.structs.replace(rollout, salt="", preview=frozenset(), file="", by_people=False))
    told = {name: value for name, value in said.items() if value not in (None, "", [], {}, False)}
    if rollout.preview:
        told["preview"] = len(rollout.preview)
    return rfc8785.dumps(told).decode()
