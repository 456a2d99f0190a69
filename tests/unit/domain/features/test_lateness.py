"""What took longer to become available than its feed has promised, and what was not available yet."""

from datetime import UTC, datetime
from typing import Any

import pytest

from tests.fakes.features_bundles import DAY, LOINC, NOW, SNOMED, extract, lab
from tests.fakes.features_reference import Json
from wardgate.domain.features.schema import FeatureSchema, FeatureSpec, Take
from wardgate.domain.features.vector import FeatureValue

HOUR = 3600.0


def at(seconds_ago: float) -> str:
    return datetime.fromtimestamp(NOW - seconds_ago, UTC).isoformat()


def measured(measured_ago: float, value: float = 1.0, issued: str | None = None, updated: str | None = None) -> Json:
    return {
        "resourceType": "Observation",
        "id": f"o{measured_ago}{value}",
        "status": "final",
        "code": {"coding": [{"system": LOINC, "code": "1-1"}]},
        "effectiveDateTime": at(measured_ago),
        "valueQuantity": {"value": value},
        **({} if issued is None else {"issued": issued}),
        **({} if updated is None else {"meta": {"lastUpdated": updated}}),
    }


def one(*resources: Json, spec: FeatureSpec | None = None, as_of: float = NOW, **other: Any) -> FeatureValue:
    spec = spec or lab("x", **{"max_lag": DAY, **other})
    return extract(FeatureSchema("1", (spec,)), list(resources), as_of=as_of).values[spec.name]


@pytest.mark.parametrize(
    ("issued", "updated", "late"),
    [
        (at(2 * DAY), None, False),
        (at(1.5 * DAY), None, True),
        (at(2 * DAY), at(HOUR), False),
        (None, at(1.9 * DAY), False),
        (None, at(HOUR), True),
        (None, at(-DAY), False),
        (None, None, False),
        ("lately", None, False),
        ("lately", at(HOUR), True),
        (at(4 * DAY), None, False),
    ],
)
def test_issued_tells_and_else_the_last_update(issued: str | None, updated: str | None, late: bool) -> None:
    """Measured 2.8 days ago and promised within a day: `issued` decides; an edit of tomorrow tells nothing of today."""
    found = one(measured(2.8 * DAY, issued=issued, updated=updated))
    assert (found.value, found.mark, found.late) == (1.0, None, late)


def test_without_a_promise_nothing_is_late() -> None:
    """It is the contract of a feed that makes it late."""
    assert not one(measured(9 * DAY, issued=at(HOUR)), max_lag=None).late


@pytest.mark.parametrize(
    ("take", "late"),
    [(Take.LATEST, False), (Take.EARLIEST, True), (Take.MEAN, True), (Take.COUNT, True), (Take.ANY, True)],
)
def test_it_is_late_by_what_it_rests_on(take: Take, late: bool) -> None:
    """The selected one; of all others, any in the window."""
    chart = [measured(5 * DAY, issued=at(2 * DAY)), measured(DAY, issued=at(DAY))]
    assert one(*chart, take=take).late is late
    if take not in (Take.LATEST, Take.EARLIEST):
        assert not one(*chart, take=take, within=3 * DAY).late


def test_what_is_derived_from_a_late_one_is_late() -> None:
    """So is what is derived from that."""
    schema = FeatureSchema("1", (FeatureSpec(name="y", derive="x * 2"), lab("x", max_lag=DAY)))
    assert extract(schema, [measured(3 * DAY, issued=at(HOUR))]).values["y"].late
    assert not extract(schema, [measured(3 * DAY, issued=at(2.5 * DAY))]).values["y"].late


@pytest.mark.parametrize(
    ("issued", "counts"),
    [
        (at(HOUR), True),
        (at(-299), True),
        (at(-301), False),
        (at(-DAY), False),
        (at(-400 * DAY), False),
        ("2026-03-29T12:04:00Z", True),
        ("2026-03-29T14:06:00+02:00", False),
        ("2026-03-29T14:04:00+02:00", True),
        (" 2027-01-01T00:00:00Z", False),
        ("2027", False),
        ("2026", True),
        ("later", True),
        ("", True),
    ],
)
def test_what_was_issued_later_was_not_known(issued: str, counts: bool) -> None:
    """Measured before now and issued after: a training row of today must not see it, nor count it."""
    assert one(measured(2 * HOUR, issued=issued)).value == (1.0 if counts else None)
    assert one(measured(2 * HOUR, issued=issued), take=Take.ANY).value is counts
    older = measured(9 * HOUR, value=7.0)
    assert one(older, measured(2 * HOUR, issued=issued)).value == (1.0 if counts else 7.0)


def test_the_same_chart_at_two_clocks() -> None:
    """Before it was issued the older one stands; from then on the newer one."""
    chart = [measured(3 * DAY, 7.0, issued=at(3 * DAY)), measured(2 * DAY, 8.0, issued=at(DAY))]
    assert one(*chart, as_of=NOW - 1.5 * DAY).value == 7.0
    assert one(*chart, as_of=NOW).value == 8.0
    assert one(*chart, as_of=NOW).late is False
    assert one(*chart, as_of=NOW, max_lag=HOUR).late is True


def test_a_last_update_of_later_does_not_hide_anything() -> None:
    """An export was loaded long after; when the result came into the chart, it does not say."""
    assert one(measured(2 * DAY, updated=at(-30 * DAY))).value == 1.0


@pytest.mark.parametrize(("recorded", "counts"), [(at(DAY), True), (at(-DAY), False), ("then", True)])
@pytest.mark.parametrize("element", ["recordedDate", "assertedDate"])
def test_an_illness_is_known_once_it_is_recorded(element: str, recorded: str, counts: bool) -> None:
    """However long before it began."""
    condition = {
        "resourceType": "Condition",
        "id": "c",
        "code": {"coding": [{"system": SNOMED, "code": "1-1"}]},
        "onsetDateTime": "2010-05-01",
        element: recorded,
    }
    spec = lab("x", source="Condition", system=SNOMED, take=Take.ANY)
    assert one(condition, spec=spec).value is counts
