"""What people have decided, read from the durable store."""

from collections.abc import Iterator, Mapping, Sequence

import msgspec

from wardgate.control.ports import Change, KeptSnapshot, SnapshotStore, StoreUnavailable
from wardgate.control.snapshots import Sealer, Unsound
from wardgate.domain.rollout.rollouts import Rollout, Snapshot

_MOST = 2000
"""Changes that are looked at for who was champion."""


class Past(msgspec.Struct, frozen=True):
    """A service's rollout as it was after a change, until the next one."""

    epoch: int
    change: Change
    rollout: Rollout


class Decisions:
    """Blocking, thread-safe. All raise StoreUnavailable, also for what this deployment did not write. `sealer` None:
    there is no key, so nothing that stands there can be believed. `files`: where rollouts begin."""

    def __init__(self, store: SnapshotStore, sealer: Sealer | None, files: Mapping[str, Rollout] | None = None) -> None:
        self._store, self._sealer, self._files = store, sealer, files or {}

    def newest(self) -> Snapshot:
        """Epoch 0 where nothing was decided yet."""
        kept = self._store.newest()
        return Snapshot(0, {}) if kept is None else self._opened(kept)

    def rollouts(self) -> Mapping[str, Rollout]:
        """By service id, those that will begin with the next start among them."""
        return {**self._files, **self.newest().rollouts}

    def at(self, epoch: int) -> Snapshot | None:
        kept = self._store.at(epoch)
        return None if kept is None else self._opened(kept)

    def changes(self, most: int) -> Sequence[tuple[int, Change]]:
        """Epochs with what made them, the newest first."""
        return self._store.history(None, most)

    def past(self, service: str, most: int = 200) -> Iterator[Past]:
        """What was decided of a service, the newest first."""
        for epoch, change in self._store.history(None, most):
            snapshot = self.at(epoch)
            if snapshot is not None and service in snapshot.rollouts:
                yield Past(epoch, change, snapshot.rollouts[service])

    def champions(self, service: str, since: float) -> Mapping[str, float]:
        """Digests that were champion at `since` or later, and until when (epoch seconds)."""
        ended: dict[str, float] = {}
        until = float("inf")
        for past in self.past(service, _MOST):
            ended.setdefault(past.rollout.champion, until)
            until = past.change.at
            if until < since:
                break
        return ended

    def _opened(self, kept: KeptSnapshot) -> Snapshot:
        if self._sealer is None:
            raise StoreUnavailable("what was decided cannot be read without `pseudonym_key`, which authenticates it")
        try:
            return self._sealer.open(kept)
        except Unsound:
            raise StoreUnavailable("a snapshot in the store is damaged, or of another deployment") from None
