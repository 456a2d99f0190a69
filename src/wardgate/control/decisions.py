"""What people have decided, read from the durable store."""

from collections.abc import Mapping

from wardgate.control.ports import KeptSnapshot, SnapshotStore, StoreUnavailable
from wardgate.control.snapshots import Sealer, Unsound
from wardgate.domain.rollout.rollouts import Rollout, Snapshot

_MOST = 2000
"""Changes that are looked at."""


class StoredDecisions:
    """Meets `control.releases.Decisions`. What this deployment did not write is told as StoreUnavailable. `sealer`
    None: there is no key, so nothing that stands there can be believed. `files`: where rollouts begin."""

    def __init__(self, store: SnapshotStore, sealer: Sealer | None, files: Mapping[str, Rollout]) -> None:
        self._store, self._sealer, self._files = store, sealer, files

    def rollouts(self) -> Mapping[str, Rollout]:
        kept = self._store.newest()
        return self._files if kept is None else {**self._files, **self._opened(kept).rollouts}

    def champions(self, service: str, since: float) -> Mapping[str, float]:
        ended: dict[str, float] = {}
        until = float("inf")
        for epoch, change in self._store.history(None, _MOST):
            kept = self._store.at(epoch)
            rollout = None if kept is None else self._opened(kept).rollouts.get(service)
            if rollout is not None:
                ended.setdefault(rollout.champion, until)
            until = change.at
            if change.at < since:
                break
        return ended

    def _opened(self, kept: KeptSnapshot) -> Snapshot:
        if self._sealer is None:
            raise StoreUnavailable("what was decided cannot be read without `pseudonym_key`, which authenticates it")
        try:
            return self._sealer.open(kept)
        except Unsound:
            raise StoreUnavailable("a snapshot in the store is damaged, or of another deployment") from None
