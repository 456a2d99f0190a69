"""The rollouts as the files say, until the rollout store is built; and what a reload means for calls under way."""

from collections.abc import Mapping

import msgspec

from wardgate.domain.outcomes import Mode
from wardgate.domain.rollout.assignment import RANK
from wardgate.domain.rollout.rollouts import Rollout, Snapshot


class FileSnapshots:
    """Meets `gateway.ports.Snapshots` for the calls of one catalog. They end on its releases, the only ones that they
    know; but what a later catalog has lowered or removed is hidden from them too."""

    def __init__(self, rollouts: Mapping[str, Rollout], epoch: int = 1) -> None:
        self._own = self._told = Snapshot(epoch, rollouts)
        self._successor: FileSnapshots | None = None

    def current(self) -> Snapshot:
        if self._successor is None:
            return self._own
        newest = self._successor.current()
        if newest.epoch != self._told.epoch:
            own = self._own.rollouts
            rollouts = {name: lowered(rollout, newest.rollouts.get(name)) for name, rollout in own.items()}
            self._told = Snapshot(newest.epoch, rollouts)
        return self._told

    def following(self, rollouts: Mapping[str, Rollout]) -> "FileSnapshots":
        """For the catalog that may take this one's place."""
        return FileSnapshots(rollouts, self._own.epoch + 1)

    def give_way(self, successor: "FileSnapshots") -> None:
        self._successor = successor


def lowered(rollout: Rollout, newest: Rollout | None) -> Rollout:
    """With its own releases, and the lower of both modes; a challenger and preview users only where both have them. Off
    where there is no newest one."""
    if newest is None:
        return msgspec.structs.replace(rollout, mode=Mode.OFF)
    challenger = rollout.challenger if rollout.challenger == newest.challenger else None
    kept = msgspec.structs.replace(rollout, challenger=challenger, preview=rollout.preview & newest.preview)
    if RANK[newest.mode] > RANK[rollout.mode]:
        return kept
    return msgspec.structs.replace(kept, mode=newest.mode, cohort=newest.cohort)
