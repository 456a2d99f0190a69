"""Ceilings that were set beside the snapshots, while their store was away, or are not in one yet."""

from collections.abc import Iterable

import msgspec

from wardgate.domain.rollout.modes import is_lower
from wardgate.domain.rollout.rollouts import Ceiling, Snapshot


def unfolded(snapshot: Snapshot, side: Iterable[Ceiling]) -> tuple[Ceiling, ...]:
    """Those that the snapshot neither holds nor has lifted, each once, by id. Of two with one id the lower counts,
    also where the snapshot has the other."""
    known = {ceiling.id: ceiling for ceiling in snapshot.ceilings}
    found: dict[str, Ceiling] = {}
    for ceiling in side:
        if ceiling.id in snapshot.lifted:
            continue
        before = found.get(ceiling.id) or known.get(ceiling.id)
        if before is None or is_lower(ceiling.mode, before.mode):
            found[ceiling.id] = ceiling
    return tuple([found[name] for name in sorted(found)])


def with_ceilings(snapshot: Snapshot, side: Iterable[Ceiling]) -> Snapshot:
    """The very same one where there is nothing to add."""
    added = unfolded(snapshot, side)
    if not added:
        return snapshot
    names = {ceiling.id for ceiling in added}
    kept = tuple([ceiling for ceiling in snapshot.ceilings if ceiling.id not in names])
    return msgspec.structs.replace(snapshot, ceilings=(*kept, *added))
