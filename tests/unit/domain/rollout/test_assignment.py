"""`assign`: which release, and whether its card may be seen."""

import pytest

from wardgate.domain.context.caller import Caller
from wardgate.domain.outcomes import Arm, Mode, Reason
from wardgate.domain.rollout.assignment import Occasion, assign
from wardgate.domain.rollout.rollouts import Cohort, Rollout, Snapshot

WARD = Occasion("patient-view", Caller("hospital_a", "ward_7", None, "practitioner"), 100.0, "ehr", None, "p1", "e1")
NOWHERE = Occasion("patient-view", Caller(None, None, None, None), 100.0, "ehr", None, "p1")


def _snapshot(mode: Mode, cohort: Cohort | None = None) -> Snapshot:
    return Snapshot(7, {"kidney-failure": Rollout("1.0.0", mode, cohort)})


@pytest.mark.parametrize(
    "mode, arm, withheld",
    [
        (Mode.SHADOW, Arm.SHADOW, Reason.SHADOW),
        (Mode.SILENT, Arm.CHAMPION, Reason.SILENT),
        (Mode.CANARY, Arm.CONTROL, Reason.CONTROL_ARM),
        (Mode.ACTIVE, Arm.CHAMPION, None),
    ],
)
def test_each_mode_says_who_may_see(mode: Mode, arm: Arm, withheld: Reason | None) -> None:
    """Only active, and canary within its cohort, shows; a canary without a cohort shows nobody."""
    assignment = assign(_snapshot(mode), "kidney-failure", WARD, names_sites=False)
    assert (assignment.arm, assignment.withheld, assignment.release, assignment.epoch) == (arm, withheld, "1.0.0", 7)


@pytest.mark.parametrize(
    "cohort, inside",
    [
        (Cohort(sites=frozenset({"hospital_a"})), True),
        (Cohort(sites=frozenset({"hospital_b"})), False),
        (Cohort(units=frozenset({"ward_7"}), roles=frozenset({"practitioner"})), True),
        (Cohort(units=frozenset({"ward_7"}), roles=frozenset({"patient"})), False),
        (Cohort(hooks=frozenset({"order-sign"})), False),
        (Cohort(percent=100.0), False),
    ],
)
def test_a_canary_shows_its_cohort_alone(cohort: Cohort, inside: bool) -> None:
    """Every named dimension must hold; a percentage shows nobody until there is a salt to draw by."""
    assignment = assign(_snapshot(Mode.CANARY, cohort), "kidney-failure", WARD, names_sites=False)
    assert (assignment.withheld is None) is inside


def test_a_service_that_names_sites_shows_nothing_where_the_site_is_unknown() -> None:
    """The threshold of another site would be a guess."""
    active = _snapshot(Mode.ACTIVE)
    assert assign(active, "kidney-failure", NOWHERE, names_sites=False).withheld is None
    named = assign(active, "kidney-failure", NOWHERE, names_sites=True)
    assert named.withheld is Reason.SITE_UNKNOWN
