"""What it takes to decide whether a card may be seen: `python -m bench.rollout`. µs of one `assign`.

The best of many rounds, since another process can only make one slower.
"""

import sys
import time
from collections.abc import Mapping

from wardgate.domain.context.caller import Caller
from wardgate.domain.outcomes import Mode
from wardgate.domain.rollout.assignment import Occasion, assign
from wardgate.domain.rollout.rollouts import Ceiling, Challenger, Cohort, Expiry, Rollout, Scope, Snapshot

GOAL = 5.0
"""µs of a call at most, with everything on."""

_CALLS, _ROUNDS = 500, 1_000
_SERVICE = "kidney-failure"
_OTHERS = {f"service-{number}": Rollout("x", Mode.ACTIVE) for number in range(50)}
_NOW = 1_795_251_600.0
_SALT = "b2f1a7c09d5e4e8f8a6d3c1b0f9e7d6c"


def _snapshot(rollout: Rollout, *ceilings: Ceiling) -> Snapshot:
    return Snapshot(7, {**_OTHERS, _SERVICE: rollout}, ceilings, frozenset({"lifted"} if ceilings else ()))


_COHORT = Cohort(
    frozenset({"north", "south"}), frozenset({"ward_7"}), frozenset({"physician"}), frozenset({"patient-view"}), 50.0
)
_ALL_ON = Rollout(
    "a",
    Mode.ACTIVE,
    _COHORT,
    Challenger("b", _COHORT),
    ("c", "d"),
    frozenset(f"user:0011aabb:{number:040x}" for number in range(100)),
    Expiry(_NOW + 3600, Mode.SILENT),
    _SALT,
)
_CEILINGS = (
    Ceiling("lifted", Scope.ALL),
    Ceiling("1", Scope.SERVICE, "sepsis"),
    Ceiling("2", Scope.SITE, "east"),
    Ceiling("3", Scope.RELEASE, "e"),
    Ceiling("4", Scope.SERVICE, _SERVICE, Mode.ACTIVE),
)
CASES: Mapping[str, Snapshot] = {
    "active": _snapshot(Rollout("a", Mode.ACTIVE, salt=_SALT)),
    "canary, 50 % of a ward": _snapshot(Rollout("a", Mode.CANARY, _COHORT, salt=_SALT)),
    "silent, 100 preview users": _snapshot(Rollout("a", Mode.SILENT, preview=_ALL_ON.preview, salt=_SALT)),
    "off": _snapshot(Rollout("a", Mode.OFF, salt=_SALT)),
    "everything on, 5 ceilings": _snapshot(_ALL_ON, *_CEILINGS),
}


def micros(snapshot: Snapshot) -> float:
    """Of one call, its occasion made anew as on the path."""
    caller = Caller("north", "ward_7", None, "physician")
    users = (f"user:0011aabb:{1:040x}", f"user:2233ccdd:{1:040x}")
    best = float("inf")
    for _ in range(_ROUNDS):
        before = time.perf_counter()
        for _ in range(_CALLS):
            occasion = Occasion("patient-view", caller, _NOW, "ehr", "https://ehr.example/fhir", "p1", "e1", users)
            assign(snapshot, _SERVICE, occasion, False)
        best = min(best, time.perf_counter() - before)
    return best / _CALLS * 1e6


def main() -> int:
    taken = {name: micros(snapshot) for name, snapshot in CASES.items()}
    for name, figure in taken.items():
        print(f"{name:28} {figure:5.2f} µs")
    within = max(taken.values()) <= GOAL
    print(f"{'goal':28} {GOAL:5.2f} µs: {'met' if within else 'missed'}")
    return 0 if within else 1


if __name__ == "__main__":
    sys.exit(main())
