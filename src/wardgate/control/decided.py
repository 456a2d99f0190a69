"""What is decided now, and how the next snapshot comes to stand in its place everywhere."""

from collections.abc import Callable, Iterator
from hashlib import sha256
from typing import Any

import msgspec
import rfc8785

from wardgate.control.ports import Change, HotCopy, KeptSnapshot, SnapshotStore, StoreUnavailable
from wardgate.control.snapshots import Sealer, Unsound
from wardgate.domain.rollout.rollouts import Ceiling, Rollout, Snapshot

Failed = Callable[[str], None]
"""Hears that the hot copy did not take something: `put` or `lower`. The durable store has it, or will."""


class Past(msgspec.Struct, frozen=True):
    """A service's rollout as it was after a change, until the next one."""

    epoch: int
    change: Change
    rollout: Rollout


class Decided:
    """Blocking, thread-safe."""

    def __init__(self, store: SnapshotStore, hot: HotCopy | None, sealer: Sealer, failed: Failed) -> None:
        self._store, self._hot, self._sealer, self._failed = store, hot, sealer, failed

    def newest(self) -> Snapshot:
        """Epoch 0 where nothing was decided yet. Raises StoreUnavailable, also for what is damaged or forged."""
        kept = self._store.newest()
        return Snapshot(0, {}) if kept is None else self._opened(kept)

    def last_seen(self) -> Snapshot | None:
        """As the hot copy has it, where the durable store is away; None: that does not know it either."""
        if self._hot is None:
            return None
        try:
            kept = self._hot.get()
            return None if kept is None else self._sealer.open(kept)
        except (StoreUnavailable, Unsound):
            return None

    def at(self, epoch: int) -> Snapshot | None:
        kept = self._store.at(epoch)
        return None if kept is None else self._opened(kept)

    def write(self, after: Snapshot, change: Change) -> bool:
        """Whether it is the newest one now; False: somebody else was first. Raises StoreUnavailable."""
        kept = self._sealer.seal(after)
        if not self._store.append(kept, change):
            return False
        self._at_once("put", lambda hot: hot.put(kept))
        return True

    def lower(self, ceiling: Ceiling) -> bool:
        """At once, for all replicas that hear the hot copy. Whether it took it."""
        return self._at_once("lower", lambda hot: hot.lower(self._sealer.seal_ceiling(ceiling), ceiling.id))

    def past(self, service: str, most: int = 200) -> Iterator[Past]:
        """What was decided of a service, the newest first."""
        for epoch, change in self._store.history(None, most):
            snapshot = self.at(epoch)
            if snapshot is not None and service in snapshot.rollouts:
                yield Past(epoch, change, snapshot.rollouts[service])

    def _opened(self, kept: KeptSnapshot) -> Snapshot:
        try:
            return self._sealer.open(kept)
        except Unsound:
            raise StoreUnavailable("a snapshot is damaged, or of another deployment") from None

    def _at_once(self, what: str, do: Callable[[HotCopy], None]) -> bool:
        if self._hot is None:
            return False
        try:
            do(self._hot)
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
    """For the audit chain: what decides, without the salt and without whose previews they are."""
    if rollout is None:
        return ""
    said = plain(msgspec.structs.replace(rollout, salt="", preview=frozenset()))
    told = {name: value for name, value in said.items() if value not in (None, "", [], {})}
    if rollout.preview:
        told["preview"] = len(rollout.preview)
    return rfc8785.dumps(told).decode()
