"""Ceilings that were set beside the snapshots, while their store was away, or are not in one yet."""

from collections.abc import Callable, Iterable

import msgspec

from wardgate.domain.rollout.modes import is_lower
from wardgate.domain.rollout.rollouts import Ceiling, Snapshot

MOST_LIFTED = 100
"""Ids of lifted ceilings in one snapshot, before the next one begins anew."""


def next_lifted(before: Snapshot, lifts: Iterable[str]) -> tuple[frozenset[str], int]:
    """`lifted` and `lifted_before` of the snapshot after this one."""
    if len(before.lifted) < MOST_LIFTED:
        return before.lifted | frozenset(lifts), before.lifted_before
    held = frozenset([ceiling.id for ceiling in before.ceilings])
    return before.lifted & held | frozenset(lifts), before.epoch


def lifted_long_ago(newest: Snapshot, ids: Iterable[str], at: Callable[[int], Snapshot | None]) -> frozenset[str]:
    """Which of these the snapshots before this one, of the same history, say are lifted. `at` gives one by its epoch;
    where it gives None, nothing is known of what is further back."""
    wanted, found, epoch = frozenset(ids), frozenset[str](), newest.lifted_before
    while wanted - found and epoch:
        older = at(epoch)
        if older is None:
            break
        found |= wanted & older.lifted
        epoch = older.lifted_before if older.lifted_before < epoch else 0
    return found


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
