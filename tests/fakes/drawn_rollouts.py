"""Snapshots and calls drawn from a world so small that things meet: three releases, two sites, a handful of people."""

from itertools import product
from typing import TypeVar

import msgspec
from hypothesis import strategies as st

from wardgate.domain.context.caller import Caller
from wardgate.domain.outcomes import Mode
from wardgate.domain.rollout.assignment import Occasion
from wardgate.domain.rollout.rollouts import By, Ceiling, Challenger, Cohort, Expiry, Rollout, Scope, Snapshot

S = TypeVar("S", bound=msgspec.Struct)

SERVICE = "kidney-failure"
SITES, UNITS, ROLES, HOOKS = ("north", "south"), ("ward_7",), ("practitioner",), ("patient-view", "order-sign")
PEOPLE = ("user:1", "user:2")
TIMES = (100.0, 200.0)
MODES: list[Mode] = [mode for mode in Mode if mode is not Mode.NONE]


def _some(values: tuple[str, ...]) -> st.SearchStrategy[frozenset[str]]:
    return st.one_of(st.just(frozenset[str]()), st.frozensets(st.sampled_from([*values, "elsewhere"])))


MODE = st.sampled_from(MODES)
RELEASE = st.sampled_from(["a", "b", "c"])
COHORT = st.builds(
    Cohort,
    sites=_some(SITES),
    units=_some(UNITS),
    roles=_some(ROLES),
    hooks=_some(HOOKS),
    percent=st.sampled_from([None, 0.0, 30.0, 60.0, 100.0]),
    by=st.sampled_from(By),
)
CHALLENGER = st.builds(Challenger, release=RELEASE, cohort=COHORT)
EXPIRY = st.builds(Expiry, at=st.sampled_from([150.0, 200.0, 250.0]), mode=MODE)
ROLLOUT = st.builds(
    Rollout,
    champion=RELEASE,
    mode=MODE,
    cohort=st.none() | COHORT,
    challenger=st.none() | CHALLENGER,
    shadows=st.sampled_from([(), ("c",)]),
    preview=st.frozensets(st.sampled_from(PEOPLE)),
    expiry=st.none() | EXPIRY,
    salt=st.sampled_from(["grain", "rock"]),
)
NAME = {Scope.ALL: ("",), Scope.SERVICE: (SERVICE, "other"), Scope.SITE: SITES, Scope.RELEASE: ("a", "b")}
CEILING = st.sampled_from([(scope, name) for scope, names in NAME.items() for name in names]).flatmap(
    lambda over: st.builds(Ceiling, st.sampled_from("xyz"), st.just(over[0]), st.just(over[1]), MODE)
)
SNAPSHOT = st.builds(
    Snapshot,
    epoch=st.just(1),
    rollouts=st.one_of(st.just({}), *[ROLLOUT.map(lambda each: {SERVICE: each})] * 9),
    ceilings=st.lists(CEILING, max_size=3, unique_by=lambda each: each.id).map(tuple),
    lifted=st.frozensets(st.sampled_from("xyz"), max_size=1),
    isolated=st.frozensets(st.just((SERVICE, "1.0.0"))),
    hidden=st.sampled_from([False, False, False, True]),
)


@st.composite
def changes(draw: st.DrawFn) -> tuple[Snapshot, Snapshot]:
    """A snapshot, and what somebody made of it: most of it is as it was."""
    before = draw(SNAPSHOT)
    after = _changed(draw, before, SNAPSHOT)
    if SERVICE in before.rollouts and SERVICE in after.rollouts:
        rollout = _changed(draw, before.rollouts[SERVICE], ROLLOUT)
        cohort = before.rollouts[SERVICE].cohort
        if cohort is not None and draw(st.booleans()):
            rollout = msgspec.structs.replace(rollout, cohort=_changed(draw, cohort, COHORT))
        after = msgspec.structs.replace(after, rollouts={SERVICE: rollout})
    return before, after


def _changed(draw: st.DrawFn, before: S, fresh: st.SearchStrategy[S]) -> S:
    """One or two fields of it."""
    other = draw(fresh)
    names = draw(st.sets(st.sampled_from(before.__struct_fields__), min_size=1, max_size=2))
    return msgspec.structs.replace(before, **{name: getattr(other, name) for name in sorted(names)})


OCCASIONS = [
    Occasion(hook, Caller(site, unit, None, role), now, "ehr", None, patient, encounter, users)
    for hook, site, unit, role, now, (patient, encounter), users in product(
        HOOKS,
        (*SITES, None),
        (*UNITS, None),
        ROLES,
        TIMES,
        (("p1", "e1"), ("p2", None), ("p3", "e3")),
        ((), PEOPLE[:1]),
    )
]
