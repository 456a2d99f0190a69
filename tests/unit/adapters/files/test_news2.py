"""NEWS2 as shipped, against the chart of the Royal College of Physicians (2017), written down a second time."""

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes.gateway import DEMO
from wardgate.adapters.files.catalog import load
from wardgate.domain.decisions.decision import Decision
from wardgate.domain.decisions.ladder import fall_back
from wardgate.domain.features.vector import FeatureValue, FeatureVector, Mark
from wardgate.domain.outcomes import Outcome, Reason
from wardgate.domain.plans import ReleasePlan

Range = tuple[float, float, int]

# from, to, points; both inclusive, as on the chart
RESPIRATION: Sequence[Range] = ((1, 8, 3), (9, 11, 1), (12, 20, 0), (21, 24, 2), (25, 99, 3))
SCALE_1: Sequence[Range] = ((1, 91, 3), (92, 93, 2), (94, 95, 1), (96, 100, 0))
SCALE_2_AIR: Sequence[Range] = ((1, 83, 3), (84, 85, 2), (86, 87, 1), (88, 100, 0))
SCALE_2_OXYGEN: Sequence[Range] = (
    (1, 83, 3),
    (84, 85, 2),
    (86, 87, 1),
    (88, 92, 0),
    (93, 94, 1),
    (95, 96, 2),
    (97, 100, 3),
)
SYSTOLIC: Sequence[Range] = ((1, 90, 3), (91, 100, 2), (101, 110, 1), (111, 219, 0), (220, 400, 3))
PULSE: Sequence[Range] = ((1, 40, 3), (41, 50, 1), (51, 90, 0), (91, 110, 1), (111, 130, 2), (131, 300, 3))
TEMPERATURE: Sequence[Range] = ((1, 35.0, 3), (35.1, 36.0, 1), (36.1, 38.0, 0), (38.1, 39.0, 1), (39.1, 50, 2))


def points(table: Sequence[Range], value: float) -> int:
    (found,) = (points for low, high, points in table if low <= value <= high)
    return found


def by_the_chart(
    resp: int, spo2: int, hypercapnic: bool, oxygen: bool, sbp: int, pulse: int, alert: bool, temperature: float
) -> tuple[int, str]:
    scale = (SCALE_2_OXYGEN if oxygen else SCALE_2_AIR) if hypercapnic else SCALE_1
    parts = [points(RESPIRATION, resp), points(scale, spo2), 2 if oxygen else 0, points(SYSTOLIC, sbp)]
    parts += [points(PULSE, pulse), 0 if alert else 3, points(TEMPERATURE, temperature)]
    total = sum(parts)
    if total >= 7:
        return total, "high"
    return total, "medium" if total >= 5 else "low-medium" if 3 in parts else "low"


@pytest.fixture(scope="module")
def release() -> ReleasePlan:
    return load(DEMO).catalog.services["deterioration"]["patient-view"].version("1.0.0")


def decided(release: ReleasePlan, **values: float | bool | None) -> Decision:
    """`values` over a patient of 50 who is charted in full, by the names of the schema."""
    chart: dict[str, Any] = {"age": 50.0, "pregnant": False, "hypercapnic": False, "on_oxygen": False, "alert": True}
    chart["heart_failure"] = False
    chart |= {"resp_rate": 16.0, "spo2": 97.0, "sbp": 120.0, "heart_rate": 70.0, "temperature": 36.8, **values}
    found = {
        name: FeatureValue(name, value, None if value is not None else Mark.MISSING) for name, value in chart.items()
    }
    others = {
        spec.name: FeatureValue(spec.name, None, Mark.MISSING)
        for spec in release.extractor.schema.features
        if spec.name not in found
    }
    return fall_back(
        release.ladder, Decision(Reason.MODEL_TIMEOUT), release.rules, FeatureVector({**others, **found}, False, 0.0)
    )


@given(
    resp=st.integers(1, 60),
    spo2=st.integers(60, 100),
    hypercapnic=st.booleans(),
    oxygen=st.booleans(),
    sbp=st.integers(40, 290),
    pulse=st.integers(25, 220),
    alert=st.booleans(),
    temperature=st.integers(300, 430).map(lambda tenths: tenths / 10),
)
def test_it_is_the_chart(
    release: ReleasePlan,
    resp: int,
    spo2: int,
    hypercapnic: bool,
    oxygen: bool,
    sbp: int,
    pulse: int,
    alert: bool,
    temperature: float,
) -> None:
    """Points, band, and who gets a card, for everything that can be charted; both scales."""
    total, band = by_the_chart(resp, spo2, hypercapnic, oxygen, sbp, pulse, alert, temperature)
    decision = decided(
        release,
        resp_rate=float(resp),
        spo2=float(spo2),
        hypercapnic=hypercapnic,
        on_oxygen=oxygen,
        sbp=float(sbp),
        heart_rate=float(pulse),
        alert=alert,
        temperature=temperature,
    )
    assert decision.score == total
    assert decision.band is not None and decision.band.name == band
    assert decision.outcome is (Outcome.BELOW_THRESHOLD if band == "low" else Outcome.SHOWN)


@pytest.mark.parametrize(
    "feature, table, digits",
    [
        ("resp_rate", RESPIRATION, 0),
        ("spo2", SCALE_1, 0),
        ("sbp", SYSTOLIC, 0),
        ("heart_rate", PULSE, 0),
        ("temperature", TEMPERATURE, 1),
    ],
)
def test_every_bound_of_the_chart_is_on_its_side(
    release: ReleasePlan, feature: str, table: Sequence[Range], digits: int
) -> None:
    """The last value of each range, the first of the next, and what a device measures just beside them."""
    for low, high, expected in table:
        for value in (low, high, low - 0.4 * 10**-digits, high + 0.4 * 10**-digits):
            if table[0][0] <= value <= table[-1][1]:
                assert decided(release, **{feature: value}).score == expected


@pytest.mark.parametrize(
    "without", ["resp_rate", "spo2", "sbp", "heart_rate", "temperature", "on_oxygen", "alert", "hypercapnic"]
)
def test_without_any_part_there_is_no_score(release: ReleasePlan, without: str) -> None:
    """However high the rest would be."""
    decision = decided(release, **{"sbp": 60.0, "resp_rate": 40.0, without: None})
    assert (decision.reason, decision.fallback) == (Reason.MODEL_TIMEOUT, None)


@pytest.mark.parametrize("changes", [{"age": 15.9}, {"age": None}, {"pregnant": True}, {"pregnant": None}])
def test_it_is_not_for_children_nor_in_pregnancy(release: ReleasePlan, changes: dict[str, Any]) -> None:
    """Nor where either is not known."""
    assert decided(release, sbp=60.0, **changes).fallback is None
    assert decided(release, sbp=60.0, age=16.0).fallback is not None
