"""The snapshot as the calls of one catalog see it: what was decided, for the releases that the catalog has.

Where there is no durable store, the files decide (`FileSnapshots`).
"""

from collections.abc import Mapping

import msgspec

from wardgate.domain.outcomes import Mode
from wardgate.domain.plans import Catalog
from wardgate.domain.rollout.assignment import approved_part
from wardgate.domain.rollout.modes import is_lower, lower
from wardgate.domain.rollout.rollouts import Rollout, Snapshot
from wardgate.gateway.ports import Snapshots


class CatalogSnapshots:
    """Meets `gateway.ports.Snapshots`, for the loop alone. A service whose champion the catalog does not have is shown
    to nobody; what else it does not have is left out. Without `insecure_demo`, what was decided where nobody asks for
    approvals shows nothing beyond silent. Once a later catalog takes this one's place, the calls that began
    here end on the release by which they began, where that catalog has the new one; but not at a higher mode."""

    def __init__(self, decided: Snapshots, catalog: Catalog, insecure_demo: bool = False) -> None:
        self._insecure_demo = insecure_demo
        self._decided, self._files, self._known = decided, catalog.rollouts, known_releases(catalog)
        self._expected: CatalogSnapshots | None = None
        self._successor: CatalogSnapshots | None = None
        self._of = decided.current()
        self._told = self._fitted(self._of, {})

    def current(self) -> Snapshot:
        newest = self._decided.current()
        if newest is not self._of:
            self._told, self._of = self._fitted(newest, self._told.rollouts), newest
        return self._told

    def expect(self, successor: "GenerationSnapshots | None") -> None:
        """It may take this one's place soon; None: it does not after all."""
        assert successor is None or isinstance(successor, CatalogSnapshots)
        self._expected = successor

    def give_way(self, successor: "GenerationSnapshots") -> None:
        assert isinstance(successor, CatalogSnapshots)
        self._expected = self._successor = successor
        self._told = self._fitted(self._of, self._told.rollouts)

    def _fitted(self, newest: Snapshot, before: Mapping[str, Rollout]) -> Snapshot:
        rollouts = {name: self._rollout(name, newest.rollouts.get(name), before.get(name)) for name in self._files}
        return msgspec.structs.replace(newest, rollouts=rollouts)

    def _rollout(self, name: str, decided: Rollout | None, before: Rollout | None) -> Rollout:
        known, own, expected = self._known[name], self._files[name], self._expected
        if decided is not None and decided.unapproved and not self._insecure_demo:
            decided = approved_part(decided)
        if self._successor is not None and name not in self._successor._known:
            return Rollout(own.champion, Mode.OFF)
        if decided is None or decided.champion not in known:
            if decided and before and expected is not None and decided.champion in expected._known.get(name, ()):
                return lowered(before, decided)
            return Rollout(own.champion, lower((decided or own).mode, Mode.SILENT), shadows=own.shadows)
        if known.issuperset(decided.releases):
            return decided
        challenger = decided.challenger
        return msgspec.structs.replace(
            decided,
            challenger=challenger if challenger is not None and challenger.release in known else None,
            shadows=tuple([release for release in decided.shadows if release in known]),
        )


def known_releases(catalog: Catalog) -> Mapping[str, frozenset[str]]:
    """By service id, the digests that all of its files have."""
    return {
        name: frozenset.intersection(*[frozenset(plan.releases) for plan in by_hook.values()])
        for name, by_hook in catalog.services.items()
    }


def missing(snapshot: Snapshot, catalog: Catalog) -> tuple[str, ...]:
    """Services that were decided to answer by a release that the catalog does not have."""
    known = known_releases(catalog)
    decided = {name: snapshot.rollouts[name] for name in known if name in snapshot.rollouts}
    return tuple([name for name, rollout in decided.items() if rollout.champion not in known[name]])


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

    def expect(self, successor: "GenerationSnapshots | None") -> None:
        """Nothing is decided of it before it is there."""

    def give_way(self, successor: "GenerationSnapshots") -> None:
        assert isinstance(successor, FileSnapshots)
        self._successor = successor


GenerationSnapshots = FileSnapshots | CatalogSnapshots
"""Of all generations of one process, the same kind."""


def lowered(rollout: Rollout, newest: Rollout | None) -> Rollout:
    """With its own releases, and the lower of both modes; a challenger and preview users only where both have them. Off
    where there is no newest one."""
    if newest is None:
        return msgspec.structs.replace(rollout, mode=Mode.OFF)
    challenger = rollout.challenger if rollout.challenger == newest.challenger else None
    kept = msgspec.structs.replace(rollout, challenger=challenger, preview=rollout.preview & newest.preview)
    if is_lower(rollout.mode, newest.mode):
        return kept
    return msgspec.structs.replace(kept, mode=newest.mode, cohort=newest.cohort)
