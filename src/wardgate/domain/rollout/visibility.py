"""Whether a change is a raise: whether after it some user could see a card that she could not see before (law 3).

Each code says what it is that raises. None at all is a proof, and in doubt there is one: whether anybody is really met
by it, nobody asks. Two things are decided once and for all whom they are decided for, so that coming back to them is no
raise: the champion of mode active is there for everybody, also for those who had a challenger in its place; and whoever
is named for previews may see them.
"""

from enum import StrEnum

from wardgate.domain.outcomes import Mode
from wardgate.domain.rollout.modes import RANK, lower
from wardgate.domain.rollout.rollouts import Ceiling, Cohort, Expiry, Rollout, Snapshot


class Raise(StrEnum):
    MODE = "mode"  # a higher one
    EXPIRY = "expiry"  # later, to a higher mode, or none any more
    RELEASE = "release"  # another champion
    CHALLENGER = "challenger"  # another, or for more
    COHORT = "cohort"  # more sites, units, roles or hooks, or others to draw by
    PERCENT = "percent"  # a larger one, or another salt
    PREVIEW = "preview"  # another user sees previews
    CEILING_LIFTED = "ceiling_lifted"  # a kill switch, or a lowering
    CIRCUIT = "circuit"  # a model that was kept out of use answers again
    HIDDEN = "hidden"  # a replica that hid shows again


def raises(before: Snapshot, after: Snapshot) -> tuple[Raise, ...]:
    """Why `after` is a raise, in the order of `Raise`, each once; empty: it is none."""
    found = _of_ceilings(before, after)
    if before.isolated - after.isolated:
        found.add(Raise.CIRCUIT)
    if before.hidden and not after.hidden:
        found.add(Raise.HIDDEN)
    capped = any(ceiling.mode is Mode.CANARY for ceiling in before.in_force())
    for service_id, rollout in after.rollouts.items():
        found |= _of_rollout(before.rollouts.get(service_id), rollout, capped)
    return tuple([each for each in Raise if each in found])


def _of_ceilings(before: Snapshot, after: Snapshot) -> set[Raise]:
    """Each that was in force must be so still, or stand below another one. An id that is lifted without having been
    there may be that of a ceiling which only some replicas know of; and so may one that another history says is."""
    still = after.in_force()
    gone = any(not _covered(ceiling, still) for ceiling in before.in_force())
    unseen = after.lifted - before.lifted - {ceiling.id for ceiling in before.ceilings}
    elsewhere = after.lifted_before not in (before.lifted_before, before.epoch)
    return {Raise.CEILING_LIFTED} if gone or unseen or elsewhere else set()


def _covered(ceiling: Ceiling, by: tuple[Ceiling, ...]) -> bool:
    return any(
        each.scope is ceiling.scope and each.name == ceiling.name and RANK[each.mode] <= RANK[ceiling.mode]
        for each in by
    )


def _of_rollout(before: Rollout | None, after: Rollout, capped: bool) -> set[Raise]:
    """`capped`: some ceiling may have held the one before down to its cohort."""
    if RANK[after.mode] <= RANK[Mode.OFF]:
        return set()
    if before is None:
        return {Raise.MODE}
    found = set()
    if RANK[after.mode] > RANK[before.mode]:
        found.add(Raise.MODE)
    if _outlasts(before, after):
        found.add(Raise.EXPIRY)
    if after.champion != before.champion:
        found.add(Raise.RELEASE)
    if after.preview - before.preview:
        found.add(Raise.PREVIEW)
    if _challenges_more(before, after):
        found.add(Raise.CHALLENGER)
    return found | _of_cohort(before, after, capped)


def _outlasts(before: Rollout, after: Rollout) -> bool:
    """Whether at some time it is above what the one before would have come down to by then."""
    if before.expiry is None:
        return False
    least = lower(before.mode, before.expiry.mode)
    if RANK[after.mode] <= RANK[least]:
        return False
    return after.expiry is None or not _no_later(after.expiry, before.expiry, after.mode, least)


def _no_later(after: Expiry, before: Expiry, mode: Mode, least: Mode) -> bool:
    return after.at <= before.at and RANK[lower(mode, after.mode)] <= RANK[least]


def _challenges_more(before: Rollout, after: Rollout) -> bool:
    if after.challenger is None:
        return False
    if before.challenger is None or before.challenger.release != after.challenger.release:
        return True
    return bool(_wider(before.challenger.cohort, after.challenger.cohort, before.salt == after.salt))


def _of_cohort(before: Rollout, after: Rollout, capped: bool) -> set[Raise]:
    """Of those who see the champion: the cohort in mode canary, all in mode active; but no call from nobody knows where
    as long as the cohort names sites."""
    if RANK[after.mode] < RANK[Mode.CANARY]:
        return set()
    found = set()
    everybody = before.mode is Mode.ACTIVE and not capped
    if before.expiry is not None and before.expiry.mode is Mode.CANARY:
        everybody = False  # it may be over
    if not everybody:
        found |= _wider(before.cohort, after.cohort, before.salt == after.salt)
    nobody = after.mode is Mode.CANARY and after.cohort is None
    if _names_sites(before.cohort) and not _names_sites(after.cohort) and not nobody:
        found.add(Raise.COHORT)
    return found


def _names_sites(cohort: Cohort | None) -> bool:
    return cohort is not None and bool(cohort.sites)


def _wider(before: Cohort | None, after: Cohort | None, same_salt: bool) -> set[Raise]:
    """Why somebody may belong to `after` who did not belong to `before`; nobody belongs to None."""
    if after is None:
        return set()
    if before is None:
        return {Raise.COHORT}
    pairs = (
        (before.sites, after.sites),
        (before.units, after.units),
        (before.roles, after.roles),
        (before.hooks, after.hooks),
    )
    found = {Raise.COHORT for one, other in pairs if one and not (other and other <= one)}
    if before.percent is not None:
        if after.percent is None or not after.percent <= before.percent or not same_salt:
            found.add(Raise.PERCENT)
        elif after.by is not before.by:
            found.add(Raise.COHORT)
    return found
