"""`raises`: nobody comes to see a card by a change that is said to be none."""

from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes.drawn_rollouts import MODES, OCCASIONS, SERVICE, SNAPSHOT, changes
from wardgate.domain.outcomes import Arm, Mode
from wardgate.domain.rollout.assignment import Assignment, Occasion, assign
from wardgate.domain.rollout.modes import RANK, lower
from wardgate.domain.rollout.rollouts import By, Ceiling, Challenger, Cohort, Expiry, Rollout, Scope, Snapshot
from wardgate.domain.rollout.visibility import Raise, raises

replace = msgspec.structs.replace


def _sees_more(before: Snapshot, after: Snapshot, occasion: Occasion, names_sites: bool) -> bool:
    """Whether who asks so sees a card that she would not have seen, and was not meant for her either."""
    was = assign(before, SERVICE, occasion, names_sites)
    now = assign(after, SERVICE, occasion, names_sites)
    if now.withheld is not None:
        return False
    if was.withheld is None and (was.release, was.preview) == (now.release, now.preview):
        return False
    rollout = before.rollouts.get(SERVICE)
    if rollout is None or now.release != rollout.champion:
        return True
    if now.preview:
        return rollout.preview.isdisjoint(occasion.users) or RANK[was.mode] < RANK[Mode.SILENT]
    return was.withheld is not None or was.arm is not Arm.CHALLENGER


@given(changes(), st.booleans())
def test_whoever_sees_more_sees_it_by_a_raise(change: tuple[Snapshot, Snapshot], names_sites: bool) -> None:
    """Whatever changed, whoever asks, and from wherever: law 3."""
    before, after = change
    if raises(before, after):
        return
    assert not [each for each in OCCASIONS if _sees_more(before, after, each, names_sites)]


CANARY = Rollout(
    "a",
    Mode.CANARY,
    Cohort(frozenset({"north", "south"}), frozenset({"w7", "w8"}), frozenset({"r"}), frozenset({"h"}), 50.0),
    salt="grain",
)
COHORT = CANARY.cohort or Cohort()
ACTIVE = replace(CANARY, mode=Mode.ACTIVE, challenger=Challenger("b", COHORT), preview=frozenset({"user:1"}))
KILL = Ceiling("k", Scope.SERVICE, SERVICE)
AT = Expiry(100.0, Mode.SHADOW)


def _of(rollout: Rollout, **changes: Any) -> Snapshot:
    return Snapshot(1, {SERVICE: rollout}, **changes)


def _cohort(**changes: Any) -> Rollout:
    return replace(CANARY, cohort=replace(COHORT, **changes))


def _challenger(**changes: Any) -> Rollout:
    return replace(ACTIVE, challenger=Challenger("b", replace(COHORT, **changes)))


RAISES: dict[str, tuple[Snapshot, Snapshot, set[str]]] = {
    "a higher mode": (_of(CANARY), _of(replace(CANARY, mode=Mode.ACTIVE)), {"mode"}),
    "the next higher mode": (_of(replace(CANARY, mode=Mode.OFF)), _of(replace(CANARY, mode=Mode.SHADOW)), {"mode"}),
    "a service that is new": (Snapshot(1, {}), _of(replace(CANARY, mode=Mode.SHADOW)), {"mode"}),
    "another champion": (_of(CANARY), _of(replace(CANARY, champion="b")), {"release"}),
    "a champion and a mode": (
        _of(CANARY),
        _of(replace(CANARY, champion="b", mode=Mode.ACTIVE)),
        {"mode", "release"},
    ),
    "a site more": (_of(CANARY), _of(_cohort(sites=COHORT.sites | {"east"})), {"cohort"}),
    "another site": (_of(_cohort(sites=frozenset({"north"}))), _of(_cohort(sites=frozenset({"south"}))), {"cohort"}),
    "a unit more": (_of(CANARY), _of(_cohort(units=COHORT.units | {"w9"})), {"cohort"}),
    "all roles": (_of(CANARY), _of(_cohort(roles=frozenset())), {"cohort"}),
    "all hooks": (_of(CANARY), _of(_cohort(hooks=frozenset())), {"cohort"}),
    "a cohort where there was none": (_of(replace(CANARY, cohort=None)), _of(CANARY), {"cohort"}),
    "a larger percentage": (_of(CANARY), _of(_cohort(percent=50.5)), {"percent"}),
    "no percentage any more": (_of(CANARY), _of(_cohort(percent=None)), {"percent"}),
    "a percentage that is no number": (_of(CANARY), _of(_cohort(percent=float("nan"))), {"percent"}),
    "another salt": (_of(CANARY), _of(replace(CANARY, salt="rock")), {"percent"}),
    "drawn by encounters": (_of(CANARY), _of(_cohort(by=By.ENCOUNTER)), {"cohort"}),
    "a challenger": (_of(replace(ACTIVE, challenger=None)), _of(ACTIVE), {"challenger"}),
    "another challenger": (_of(ACTIVE), _of(replace(ACTIVE, challenger=Challenger("c", COHORT))), {"challenger"}),
    "a challenger for more": (_of(ACTIVE), _of(_challenger(percent=60.0)), {"challenger"}),
    "a challenger for others": (_of(ACTIVE), _of(replace(ACTIVE, salt="rock")), {"challenger"}),
    "a user more for previews": (_of(ACTIVE), _of(replace(ACTIVE, preview=frozenset({"u1", "user:1"}))), {"preview"}),
    "no expiry any more": (_of(replace(ACTIVE, expiry=AT)), _of(ACTIVE), {"expiry"}),
    "a later expiry": (_of(replace(ACTIVE, expiry=AT)), _of(replace(ACTIVE, expiry=Expiry(101, AT.mode))), {"expiry"}),
    "an expiry to more": (
        _of(replace(ACTIVE, expiry=AT)),
        _of(replace(ACTIVE, expiry=Expiry(100, Mode.SILENT))),
        {"expiry"},
    ),
    "a mode above what it would expire to": (
        _of(replace(CANARY, expiry=AT)),
        _of(replace(CANARY, mode=Mode.SILENT)),
        {"expiry"},
    ),
    "a lifted kill": (_of(ACTIVE, ceilings=(KILL,)), _of(ACTIVE), {"ceiling_lifted"}),
    "a kill that is marked as lifted": (
        _of(ACTIVE, ceilings=(KILL,)),
        _of(ACTIVE, ceilings=(KILL,), lifted=frozenset({"k"})),
        {"ceiling_lifted"},
    ),
    "a lifted kill that is nowhere to be seen": (_of(ACTIVE), _of(ACTIVE, lifted=frozenset({"k"})), {"ceiling_lifted"}),
    "a milder ceiling": (
        _of(ACTIVE, ceilings=(KILL,)),
        _of(ACTIVE, ceilings=(replace(KILL, mode=Mode.SHADOW),)),
        {"ceiling_lifted"},
    ),
    "a kill somewhere else": (
        _of(ACTIVE, ceilings=(KILL,)),
        _of(ACTIVE, ceilings=(replace(KILL, name="sepsis"),)),
        {"ceiling_lifted"},
    ),
    "a kill over something else": (
        _of(ACTIVE, ceilings=(KILL,)),
        _of(ACTIVE, ceilings=(replace(KILL, scope=Scope.SITE),)),
        {"ceiling_lifted"},
    ),
    "a circuit that closes": (_of(ACTIVE, isolated=frozenset({(SERVICE, "1")})), _of(ACTIVE), {"circuit"}),
    "a replica that shows again": (_of(ACTIVE, hidden=True), _of(ACTIVE), {"hidden"}),
    "calls from nobody knows where, in active": (
        _of(replace(CANARY, mode=Mode.ACTIVE)),
        _of(replace(CANARY, mode=Mode.ACTIVE, cohort=None)),
        {"cohort"},
    ),
    "calls from nobody knows where, in canary": (
        _of(replace(CANARY, mode=Mode.ACTIVE)),
        _of(_cohort(sites=frozenset())),
        {"cohort"},
    ),
    "another cohort under a ceiling of canary": (
        _of(ACTIVE, ceilings=(replace(KILL, mode=Mode.CANARY),)),
        _of(replace(ACTIVE, cohort=replace(COHORT, units=frozenset())), ceilings=(replace(KILL, mode=Mode.CANARY),)),
        {"cohort"},
    ),
    "another cohort where active is over": (
        _of(replace(ACTIVE, expiry=Expiry(100, Mode.CANARY))),
        _of(
            replace(ACTIVE, expiry=Expiry(100, Mode.CANARY), cohort=replace(COHORT, units=frozenset(), percent=60.0)),
        ),
        {"cohort", "percent"},
    ),
}


@pytest.mark.parametrize("name", RAISES)
def test_a_raise_says_what_raises(name: str) -> None:
    """Each code alone, so that a person is told what it is that needs approval."""
    before, after, codes = RAISES[name]
    assert raises(before, after) == tuple(each for each in Raise if each in codes)


def _rollout(change: Callable[[Rollout], Rollout]) -> Callable[[Snapshot], Snapshot]:
    return lambda before: replace(before, rollouts={name: change(each) for name, each in before.rollouts.items()})


def _down(rollout: Rollout) -> Rollout:
    return replace(rollout, mode=MODES[max(MODES.index(rollout.mode) - 1, 0)])


def _narrowed(cohort: Cohort | None) -> Cohort | None:
    """Fewer of everything that it names, and a dimension more where it names nothing."""
    if cohort is None:
        return None
    percent = None if cohort.percent is None else cohort.percent / 2
    return Cohort(
        frozenset(sorted(cohort.sites)[:1]) or frozenset({"north"}),
        frozenset(sorted(cohort.units)[:1]) or frozenset({"ward_7"}),
        frozenset(sorted(cohort.roles)[:1]),
        frozenset(sorted(cohort.hooks)[:1]),
        percent,
        cohort.by,
    )


def _sooner(rollout: Rollout) -> Rollout:
    expiry = rollout.expiry
    return replace(rollout, expiry=Expiry(120.0) if expiry is None else replace(expiry, at=expiry.at - 30))


LOWERINGS: dict[str, Callable[[Snapshot], Snapshot]] = {
    "nothing at all": lambda before: before,
    "a mode down": _rollout(_down),
    "off": _rollout(lambda each: replace(each, mode=Mode.OFF)),
    "off, with another champion": _rollout(lambda each: replace(each, mode=Mode.OFF, champion="z")),
    "a narrower cohort": _rollout(lambda each: replace(each, cohort=_narrowed(each.cohort))),
    "silent, with another cohort": _rollout(
        lambda each: (
            replace(each, mode=lower(each.mode, Mode.SILENT), cohort=Cohort(), expiry=None)
            if each.expiry is None
            else each
        )
    ),
    "a percentage in a cohort without": _rollout(
        lambda each: replace(
            each,
            cohort=None
            if each.cohort is None or each.cohort.percent is not None
            else replace(each.cohort, percent=5.0),
            mode=min(each.mode, Mode.CANARY, key=lambda mode: RANK[mode]),
        )
    ),
    "no challenger": _rollout(lambda each: replace(each, challenger=None)),
    "a narrower challenger": _rollout(
        lambda each: replace(
            each,
            challenger=None
            if each.challenger is None
            else replace(each.challenger, cohort=_narrowed(each.challenger.cohort) or Cohort()),
        )
    ),
    "no previews": _rollout(lambda each: replace(each, preview=frozenset())),
    "no shadows": _rollout(lambda each: replace(each, shadows=())),
    "a sooner expiry": _rollout(_sooner),
    "an expiry to less": _rollout(lambda each: replace(each, expiry=Expiry(120.0))),
    "what it would expire to, at once": _rollout(
        lambda each: (
            each
            if each.expiry is None
            else replace(each, mode=lower(each.mode, each.expiry.mode), expiry=None, preview=frozenset())
        )
    ),
    "a kill of all": lambda before: replace(before, ceilings=(*before.ceilings, Ceiling("n", Scope.ALL))),
    "a kill of the service": lambda before: replace(before, ceilings=(*before.ceilings, replace(KILL, id="n"))),
    "a kill of a site": lambda before: replace(before, ceilings=(*before.ceilings, Ceiling("n", Scope.SITE, "north"))),
    "a kill of a release": lambda before: replace(
        before, ceilings=(*before.ceilings, Ceiling("n", Scope.RELEASE, "b"))
    ),
    "a lowering to silent": lambda before: replace(
        before, ceilings=(*before.ceilings, Ceiling("n", Scope.ALL, mode=Mode.SILENT))
    ),
    "all ceilings lower": lambda before: replace(
        before, ceilings=tuple(replace(each, mode=Mode.OFF) for each in before.ceilings)
    ),
    "a ceiling that is in force again": lambda before: replace(before, lifted=frozenset()),
    "a circuit kept out of use": lambda before: replace(before, isolated=frozenset({(SERVICE, "1.0.0")})),
    "a service that is gone": lambda before: replace(before, rollouts={}),
    "hidden": lambda before: replace(before, hidden=True),
}


@given(SNAPSHOT)
def test_what_takes_out_of_sight_is_no_raise(before: Snapshot) -> None:
    """Down is one step, from whatever there is: no approval may stand in its way."""
    assert {name: raises(before, lowering(before)) for name, lowering in LOWERINGS.items()} == dict.fromkeys(
        LOWERINGS, ()
    )


@given(SNAPSHOT, st.sampled_from(OCCASIONS), st.booleans())
def test_time_only_lowers(snapshot: Snapshot, occasion: Occasion, names_sites: bool) -> None:
    """What somebody sees later she could see before: an expiry cannot raise, whatever it says."""
    later = replace(occasion, now=occasion.now + 100.0)
    was, now = assign(snapshot, SERVICE, occasion, names_sites), assign(snapshot, SERVICE, later, names_sites)
    assert RANK[now.mode] <= RANK[was.mode]
    if now.withheld is None and not now.preview:
        assert was.withheld is None


def test_a_ceiling_that_some_replicas_alone_know_of_goes_by_its_id() -> None:
    """Lifted, it is in force nowhere, whenever a copy of it turns up."""
    late = _of(ACTIVE, ceilings=(KILL,), lifted=frozenset({"k"}))
    assert late.in_force() == () and _of(ACTIVE, ceilings=(KILL,)).in_force() == (KILL,)


def test_an_assignment_holds_nothing_of_a_patient() -> None:
    """It stands in records: names that wardgate issued or was configured with, and one of 10,000 buckets."""
    fields = set(Assignment.__struct_fields__)
    assert fields == {"epoch", "release", "mode", "arm", "withheld", "bucket", "bucket_by"}
    assert "p1" not in repr(OCCASIONS[0]) and "e1" not in repr(OCCASIONS[0])
