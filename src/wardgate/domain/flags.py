"""Which release a call gets and whether its card may be seen: pure functions of one snapshot."""

from collections.abc import Mapping

import msgspec

from wardgate.domain.context.caller import Caller
from wardgate.domain.outcomes import Arm, Mode, Reason


class Cohort(msgspec.Struct, frozen=True):
    """Who belongs; an empty set does not restrict. `percent` waits for the rollout store (no salt without one)."""

    sites: frozenset[str] = frozenset()
    units: frozenset[str] = frozenset()
    roles: frozenset[str] = frozenset()
    hooks: frozenset[str] = frozenset()
    percent: float | None = None

    def holds(self, caller: Caller, hook: str) -> bool:
        return (
            self.percent is None
            and (not self.sites or caller.site in self.sites)
            and (not self.units or caller.unit in self.units)
            and (not self.roles or caller.role in self.roles)
            and (not self.hooks or hook in self.hooks)
        )


class Rollout(msgspec.Struct, frozen=True):
    """`shadows` are the releases that are asked after the response: shadow releases, and the challenger, whose cohort
    waits for the rollout store."""

    champion: str
    mode: Mode
    cohort: Cohort | None = None
    shadows: tuple[str, ...] = ()


class Snapshot(msgspec.Struct, frozen=True):
    """Everything that decides visibility, read once a call and swapped whole."""

    epoch: int
    rollouts: Mapping[str, Rollout]  # by service id


class Assignment(msgspec.Struct, frozen=True):
    """`withheld` is None where the card may be seen, else why not. A withheld one is still computed, except
    in shadow."""

    epoch: int  # of the snapshot that decided
    release: str
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
        case Mode.CANARY if rollout.cohort is None or not rollout.cohort.holds(caller, hook):
            arm, withheld = Arm.CONTROL, Reason.CONTROL_ARM
        case _:
            pass
    if withheld is None and names_sites and caller.site is None:
        withheld = Reason.SITE_UNKNOWN
    return Assignment(snapshot.epoch, rollout.champion, rollout.mode, arm, withheld)
