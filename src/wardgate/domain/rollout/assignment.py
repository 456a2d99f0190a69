"""Which release a call gets and whether its card may be seen: a pure function of one snapshot."""

import msgspec

from wardgate.domain.context.caller import Caller
from wardgate.domain.outcomes import Arm, Mode, Reason
from wardgate.domain.rollout.rollouts import Cohort, Snapshot


class Assignment(msgspec.Struct, frozen=True):
    """`withheld` is None where the card may be seen, else why not. A withheld one is still computed, except
    in shadow."""

    epoch: int  # of the snapshot that decided
    release: str  # by digest
    mode: Mode
    arm: Arm
    withheld: Reason | None


def assign(snapshot: Snapshot, service_id: str, hook: str, caller: Caller, names_sites: bool) -> Assignment:
    """`names_sites`: the service names sites (threshold or cohort), so an unknown site is withheld."""
    rollout = snapshot.rollouts[service_id]
    arm, withheld = Arm.CHAMPION, None
    match rollout.mode:
        case Mode.SHADOW:
            arm, withheld = Arm.SHADOW, Reason.SHADOW
        case Mode.SILENT:
            withheld = Reason.SILENT
        case Mode.CANARY if rollout.cohort is None or not _holds(rollout.cohort, caller, hook):
            arm, withheld = Arm.CONTROL, Reason.CONTROL_ARM
        case _:
            pass
    if withheld is None and names_sites and caller.site is None:
        withheld = Reason.SITE_UNKNOWN
    return Assignment(snapshot.epoch, rollout.champion, rollout.mode, arm, withheld)


def _holds(cohort: Cohort, caller: Caller, hook: str) -> bool:
    return (
        cohort.percent is None
        and (not cohort.sites or caller.site in cohort.sites)
        and (not cohort.units or caller.unit in cohort.units)
        and (not cohort.roles or caller.role in cohort.roles)
        and (not cohort.hooks or hook in cohort.hooks)
    )
