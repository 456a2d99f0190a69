"""Which measurement is selected, and what several of them make together."""

from math import isfinite

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.fakes.features_bundles import DAY, LOINC, NOW, extract, lab
from tests.fakes.features_reference import Json
from wardgate.domain.features.schema import FeatureSchema, FeatureSpec, Take
from wardgate.domain.features.vector import FeatureValue, Mark, Point

TIMES = {days: f"2026-03-{29 - days:02d}T12:00:00Z" for days in range(29)}


def result(days: int | None, value: float | str, id_: str = "o", code: str = "1-1", **other: object) -> Json:
    """A final result of so many days ago."""
    time = {} if days is None else {"effectiveDateTime": TIMES[days]}
    coded = {"coding": [{"system": LOINC, "code": code}]}
    quantity = {"value": value, "unit": "mg/dL"}
    return {
        "resourceType": "Observation",
        "id": id_,
        "status": "final",
        "code": coded,
        "valueQuantity": quantity,
        **time,
        **other,
    }


def one(spec: FeatureSpec, *resources: Json) -> FeatureValue:
    found = extract(FeatureSchema("1", (spec,)), list(resources)).values[spec.name]
    again = extract(FeatureSchema("1", (spec,)), list(reversed(resources))).values[spec.name]
    assert found == again, "the order of the resources decides"
    return found


HISTORY = (result(1, 4, "a"), result(3, 1, "b"), result(10, 7, "c"))


@pytest.mark.parametrize(
    ("take", "expected", "age"),
    [
        (Take.LATEST, 4.0, 1),
        (Take.EARLIEST, 7.0, 10),
        (Take.MIN, 1.0, 1),
        (Take.MAX, 7.0, 1),
        (Take.MEAN, 4.0, 1),
        (Take.SUM, 12.0, 1),
        (Take.COUNT, 3.0, 1),
        (Take.ANY, True, 1),
        (Take.DELTA, -3.0, 1),
    ],
)
def test_each_take(take: Take, expected: float, age: int) -> None:
    """The value, and the age of the selected or else the newest measurement."""
    found = one(lab(take=take), *HISTORY)
    assert (found.value, found.mark, found.at, found.age) == (expected, None, NOW - age * DAY, age * DAY)


@pytest.mark.parametrize(
    ("take", "expected"),
    [(Take.EARLIEST, 1.0), (Take.MAX, 4.0), (Take.SUM, 5.0), (Take.COUNT, 2.0), (Take.DELTA, 3.0), (Take.SLOPE, 1.5)],
)
def test_within_leaves_out_what_is_older(take: Take, expected: float) -> None:
    """A window of three days holds what is exactly three days old, and nothing more."""
    assert one(lab(take=take, within=3 * DAY), *HISTORY).value == expected


def test_slope_is_least_squares_per_day() -> None:
    """On a straight line it is the line's; of points around one the best fit."""
    assert one(lab(take=Take.SLOPE), result(0, 5, "a"), result(2, 4, "b"), result(6, 2, "c")).value == pytest.approx(
        0.5
    )
    assert one(lab(take=Take.SLOPE), result(0, 3, "a"), result(1, 1, "b"), result(2, 2, "c")).value == pytest.approx(
        0.5
    )


@pytest.mark.parametrize("take", [Take.DELTA, Take.SLOPE])
def test_a_change_needs_two_instants(take: Take) -> None:
    """One point, or two of one instant, have no change; the time of the newest is known all the same."""
    for resources in ((result(1, 5),), (result(1, 5, "a"), result(1, 6, "b"))):
        found = one(lab(take=take), *resources)
        assert (found.value, found.mark, found.age) == (None, Mark.MISSING, DAY)


@pytest.mark.parametrize("take", [take for take in Take if take not in (Take.ANY, Take.COUNT)])
def test_all_too_old_is_stale(take: Take) -> None:
    """The newest one is named with its text, so that a reader sees what there was."""
    found = one(lab(take=take, within=DAY), result(2, 5, "a"), result(9, 6, "b"))
    assert found == FeatureValue("x", None, Mark.STALE, NOW - 2 * DAY, 2 * DAY, None, "5 mg/dL")


def test_nothing_recent_is_counted_as_nothing() -> None:
    """`count` is 0 and `any` false, not stale: that is what they ask."""
    assert one(lab(take=Take.COUNT, within=DAY), result(2, 5)) == FeatureValue("x", 0.0)
    assert one(lab(take=Take.ANY, within=DAY), result(2, 5)) == FeatureValue("x", False)


@pytest.mark.parametrize("take", [take for take in Take if take not in (Take.ANY, Take.COUNT)])
def test_nothing_at_all_is_missing(take: Take) -> None:
    """Every other take of nothing is missing, with no time."""
    assert one(lab(take=take)) == FeatureValue("x", None, Mark.MISSING)


def test_a_marked_latest_never_gives_way_to_an_older_one() -> None:
    """Yesterday's usable value is no answer about today's unusable one."""
    found = one(lab(plausible=(0.0, 10.0)), result(0, 99, "a"), result(1, 5, "b"))
    assert (found.value, found.mark, found.age, found.shown) == (None, Mark.IMPLAUSIBLE, 0.0, "99 mg/dL")
    assert found.trend == (Point(NOW - DAY, 5.0),)


@pytest.mark.parametrize("take", [Take.MIN, Take.MAX, Take.MEAN, Take.SUM, Take.DELTA, Take.SLOPE])
def test_one_unusable_member_marks_the_whole(take: Take) -> None:
    """The mark is that of the newest unusable one, with its time; what is outside the window does not matter."""
    spec = lab(take=take, plausible=(0.0, 10.0), within=5 * DAY)
    found = one(spec, result(0, 5, "a"), result(1, 99, "b"), result(2, "high", "c"), result(3, 4, "d"))
    assert (found.value, found.mark, found.age, found.shown) == (None, Mark.IMPLAUSIBLE, DAY, "99 mg/dL")
    assert one(spec, result(0, 5, "a"), result(1, 6, "b"), result(6, "high", "c")).mark is None


def test_counting_does_not_read_values() -> None:
    """What no number can be made of is counted."""
    assert one(lab(take=Take.COUNT), result(0, "high", "a"), result(1, 5, "b")).value == 2.0


def test_an_undated_unusable_one_marks_a_sum() -> None:
    """It belongs to the window where there is none, and has no age."""
    found = one(lab(take=Take.SUM), result(0, 5, "a"), result(None, "high", "b"))
    assert (found.mark, found.age, found.shown) == (Mark.NOT_NUMERIC, None, "high mg/dL")


@given(
    st.lists(st.tuples(st.integers(0, 9), st.sampled_from([1.7e308, -1.7e308, 0.0, 5e-324])), min_size=1, max_size=6)
)
@example([(20, 1.7e308), (10, -1.7e308), (0, 1.7e308)])
def test_no_number_however_large_ends_an_extraction(points: list[tuple[int, float]]) -> None:
    """Regression: a slope through the ends of what a float can say raised, and the call was lost."""
    chart = [result(days, value, f"o{number}") for number, (days, value) in enumerate(points)]
    for take in (Take.SUM, Take.MEAN, Take.DELTA, Take.SLOPE):
        found = one(lab(take=take), *chart)
        assert (found.value is None) is (found.mark in (Mark.NOT_NUMERIC, Mark.MISSING))
        assert found.value is None or (isinstance(found.value, float) and isfinite(found.value))


def test_a_sum_that_overflows_is_no_number() -> None:
    """Nothing infinite leaves."""
    for take in (Take.SUM, Take.MEAN):
        assert one(lab(take=take), result(0, 1.7e308, "a"), result(1, 1.7e308, "b")).mark is Mark.NOT_NUMERIC
    assert one(lab(take=Take.DELTA), result(0, 1.7e308, "a"), result(1, -1.7e308, "b")).mark is Mark.NOT_NUMERIC


ISSUED = {"issued": "2026-03-29T11:59:00Z"}
UPDATED = {"meta": {"lastUpdated": "2026-03-29T11:59:00Z"}}


@pytest.mark.parametrize(
    ("preferred", "other"),
    [
        ({"status": "corrected"}, {"status": "amended", **ISSUED}),
        ({"status": "amended"}, {**ISSUED, **UPDATED}),
        ({**ISSUED}, {"issued": "2026-03-29T10:00:00Z", **UPDATED}),
        ({**ISSUED, **UPDATED}, {**ISSUED}),
        ({}, {"issued": "some day"}),
    ],
)
def test_of_one_instant_the_preferred_one_is_taken(preferred: Json, other: Json) -> None:
    """A correction, then the later issued, the later updated, the greater id; for `latest` and `earliest` alike."""
    for take in (Take.LATEST, Take.EARLIEST):
        assert one(lab(take=take), result(1, 5, "b", **preferred), result(1, 9, "a", **other)).value == 5.0


def test_a_correction_replaces_the_others_of_its_instant_and_code() -> None:
    """In sums, counts and trends; not those of another code or another time."""
    found = [
        result(0, 5, "a", status="corrected"),
        result(0, 50, "b"),
        result(0, 7, "c", code="2-2"),
        result(1, 9, "d"),
    ]
    assert one(lab(codes=("1-1", "2-2"), take=Take.SUM), *found).value == 21.0
    assert one(lab(codes=("1-1", "2-2"), take=Take.COUNT), *found).value == 3.0
    assert one(lab(), *found).trend == (Point(NOW - DAY, 9.0), Point(NOW, 5.0))


def test_an_unreadable_correction_is_not_replaced_by_what_it_corrects() -> None:
    """The corrected result counts, also where it cannot be used."""
    assert (
        one(lab(take=Take.MAX), result(0, "void", "a", status="corrected"), result(0, 5, "b")).mark is Mark.NOT_NUMERIC
    )


def test_without_a_correction_all_of_one_instant_count() -> None:
    """Two arms, two blood pressures."""
    assert one(lab(take=Take.MEAN), result(0, 5, "a"), result(0, 7, "b")).value == 6.0


def test_the_trend_holds_the_five_newest_usable_values() -> None:
    """Oldest first, the selected one last, nothing from outside the window, nothing unusable."""
    history = [result(days, float(days), f"o{days}") for days in range(9)]
    assert one(lab(), *history).trend == tuple(Point(NOW - days * DAY, float(days)) for days in (4, 3, 2, 1, 0))
    assert one(lab(within=2 * DAY), *history).trend == tuple(Point(NOW - d * DAY, float(d)) for d in (2, 1, 0))
    assert [point.value for point in one(lab(plausible=(0.0, 1.5)), *history).trend] == [1.0, 0.0]


def test_a_single_value_is_no_trend() -> None:
    """Neither alone, nor beside what is too old."""
    assert one(lab(), result(0, 5)).trend == ()
    assert one(lab(within=DAY), result(0, 5, "a"), result(3, 5, "b")).trend == ()
