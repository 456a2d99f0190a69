"""Features of the Patient, and the built-in `deceased`."""

from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from tests.fakes.features_bundles import NOW, extract, lab
from wardgate.domain.context.record import KeyState
from wardgate.domain.features.schema import FeatureSchema, FeatureSpec, FeatureType, Use
from wardgate.domain.features.vector import FeatureValue, Mark

AUCKLAND, HONOLULU = ZoneInfo("Pacific/Auckland"), ZoneInfo("Pacific/Honolulu")


def one(patient: Any, path: str = "birthDate", zone: ZoneInfo = HONOLULU, **other: Any) -> FeatureValue:
    spec = FeatureSpec(name="x", source="Patient", path=path, **other)
    return extract(FeatureSchema("1", (spec,)), [], patient, zone=zone).values["x"]


def outcome(patient: Any, path: str = "birthDate", **other: Any) -> float | bool | str | None:
    found = one(patient, path, **other)
    return found.value if found.mark is None else found.mark.value


@pytest.mark.parametrize(
    ("born", "years", "whole"),
    [
        ("2025-03-29", 365 / 365.2425, 1.0),
        ("2025-03-30", 364 / 365.2425, 0.0),
        ("1956-03-29", 25567 / 365.2425, 70.0),
        ("2026-03-29", 0.0, 0.0),
        ("2026-03", 0.0, 0.0),
        ("2026", 0.0, 0.0),
        ("2008", (datetime(2026, 3, 29) - datetime(2008, 12, 31)).days / 365.2425, 17.0),
        ("2008-03", (datetime(2026, 3, 29) - datetime(2008, 3, 31)).days / 365.2425, 17.0),
    ],
)
def test_age_in_years_and_in_birthdays(born: str, years: float, whole: float) -> None:
    """Days / 365.2425, and birthdays passed; a partial date is its last day that is not ahead."""
    assert outcome({"birthDate": born}, as_="years") == pytest.approx(years, abs=1e-12)
    assert outcome({"birthDate": born}, as_="whole_years") == whole


def test_a_leap_day_child_has_her_birthday_on_the_first_of_march() -> None:
    """On 28 February of another year she is not yet a year older."""
    spec = FeatureSpec(name="x", source="Patient", path="birthDate", as_="whole_years")
    for day, expected in ((28, 17.0), (29, 18.0)):
        as_of = datetime(2026, 2, 28, 12, tzinfo=UTC).timestamp() + (day - 28) * 86400
        found = extract(FeatureSchema("1", (spec,)), [], {"birthDate": "2008-02-29"}, as_of=as_of)
        assert found.values["x"].value == expected


def test_today_is_the_clients() -> None:
    """On the eve of a birthday in Honolulu it is the birthday in Auckland."""
    patient = {"birthDate": "2008-03-30"}
    assert outcome(patient, as_="whole_years", zone=AUCKLAND) == 18.0
    assert outcome(patient, as_="whole_years", zone=HONOLULU) == 17.0


@pytest.mark.parametrize(
    ("born", "mark"),
    [
        ("2026-03-30", Mark.IMPLAUSIBLE),
        ("2027", Mark.IMPLAUSIBLE),
        ("1850-01-01", Mark.IMPLAUSIBLE),
        ("1980-02-30", Mark.NOT_NUMERIC),
        (1980, Mark.NOT_NUMERIC),
        ("", Mark.MISSING),
        (None, Mark.MISSING),
    ],
)
def test_birth_dates_that_give_no_age(born: Any, mark: Mark) -> None:
    """In the future, too long ago, no date, none at all."""
    found = one({"birthDate": born}, as_="years", plausible=(0, 120))
    assert (found.value, found.mark, found.at, found.age) == (None, mark, None, None)


@pytest.mark.parametrize(
    ("gender", "expected"),
    [("male", 1.0), (" female ", 0.0), ("other", "not_numeric"), (None, "missing"), (1, "not_numeric")],
)
def test_a_map_makes_numbers_of_codes(gender: Any, expected: float | str) -> None:
    """What the map does not name is no number."""
    assert outcome({"gender": gender}, "gender", type=FeatureType.CODE, map={"male": 1, "female": 0}) == expected


@pytest.mark.parametrize(
    ("raw", "kind", "expected"),
    [
        (2, {}, 2.0),
        (2.5, {}, 2.5),
        ("3", {}, 3.0),
        ("<3", {}, "comparator"),
        ("three", {}, "not_numeric"),
        (True, {}, "not_numeric"),
        (10**400, {}, "not_numeric"),
        ("1e400", {}, "not_numeric"),
        ({}, {}, "not_numeric"),
        (9, {"plausible": (0, 5)}, "implausible"),
        (False, {"type": FeatureType.BOOLEAN}, False),
        ("yes", {"type": FeatureType.BOOLEAN}, "not_numeric"),
        ("yes", {"type": FeatureType.BOOLEAN, "map": {"yes": True}}, True),
        ("no", {"type": FeatureType.BOOLEAN, "map": {"yes": True}}, "not_numeric"),
        (" A ", {"type": FeatureType.CODE, "use": Use.RULE_ONLY}, "A"),
        (True, {"type": FeatureType.CODE, "map": {"true": 4}}, 4.0),
        ([7], {}, 7.0),
        ([7, 8], {}, "missing"),
    ],
)
def test_other_fields(raw: Any, kind: dict[str, Any], expected: float | bool | str) -> None:
    """Numbers, booleans and codes by path; of several elements none is picked."""
    found = outcome({"field": raw}, "field", **kind)
    assert found == expected and type(found) is type(expected)


def test_a_marked_field_is_shown() -> None:
    """As text, with its unit beside it."""
    assert one({"field": 9}, "field", plausible=(0, 5), unit="a") == FeatureValue(
        "x", None, Mark.IMPLAUSIBLE, unit="a", shown="9"
    )


def test_without_a_patient_it_matters_whether_one_was_asked_for() -> None:
    """Obtained and empty is missing; failed is unobtained."""
    schema = FeatureSchema("1", (FeatureSpec(name="x", source="Patient", path="birthDate", as_="years"), lab("y")))
    for state, unobtained in ((KeyState.OBTAINED, False), (KeyState.UNOBTAINED, True)):
        states = {"patient": state, "labs": KeyState.OBTAINED, "problems": KeyState.OBTAINED}
        found = extract(schema, [], None, states=states)
        assert found.values["x"] == FeatureValue("x", None, Mark.MISSING, unobtained=unobtained)
        assert found.values["y"].unobtained is False and found.deceased is None


@pytest.mark.parametrize(
    ("patient", "expected"),
    [
        (None, None),
        ({}, False),
        ({"deceasedBoolean": False}, False),
        ({"deceasedBoolean": True}, True),
        ({"deceasedBoolean": "true"}, False),
        ({"deceasedDateTime": "2026-03-29T12:00:00Z"}, True),
        ({"deceasedDateTime": "2026-03-29T12:00:01Z"}, False),
        ({"deceasedDateTime": "unknown"}, True),
        ({"deceasedDateTime": 2020}, True),
        ({"deceasedDateTime": " "}, False),
        ({"deceasedBoolean": False, "deceasedDateTime": "2020"}, True),
    ],
)
def test_deceased(patient: Any, expected: bool | None) -> None:
    """A date that cannot be read still says that the patient has died; one that is ahead does not."""
    vector = extract(FeatureSchema("1", (lab("y"),)), [], patient)
    assert vector.deceased is expected and vector.as_of == NOW
