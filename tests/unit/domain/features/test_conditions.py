"""Which Conditions count."""

from typing import Any

import pytest

from tests.fakes.features_bundles import DAY, NOW, SNOMED, extract, lab
from tests.fakes.features_reference import Json
from wardgate.domain.features.schema import FeatureSchema, Take
from wardgate.domain.features.vector import FeatureValue, Mark

ACTIVE = {"coding": [{"code": "active"}]}


def condition(clinical: Any = ACTIVE, **other: Any) -> Json:
    coded = {"coding": [{"system": SNOMED, "code": "1-1"}]}
    status = {} if clinical is None else {"clinicalStatus": clinical}
    return {"resourceType": "Condition", "id": "c", "code": coded, **status, **other}


def one(*resources: Json, take: Take = Take.ANY, doubtful: frozenset[str] = frozenset(), **other: Any) -> FeatureValue:
    spec = lab("x", system=SNOMED, source="Condition", take=take, **other)
    return extract(FeatureSchema("1", (spec,)), list(resources), doubtful=doubtful).values["x"]


@pytest.mark.requirement("INV-10")
@pytest.mark.parametrize(
    ("clinical", "counts"),
    [
        ("active", True),
        ("Recurrence ", True),
        ({"coding": [{"code": "relapse"}]}, True),
        ({"coding": [{"code": "odd"}, {"code": "active"}]}, True),
        ({"text": "Active"}, True),
        ("resolved", False),
        ({"coding": [{"code": "inactive"}]}, False),
        ({"coding": [{"code": "resolved"}], "text": "active"}, False),
        ({"text": "Resolved"}, False),
        (None, True),
        ({"coding": []}, True),
    ],
)
def test_clinical_status_in_both_shapes(clinical: Any, counts: bool) -> None:
    """A code (STU3) or a concept (R4); active, recurrence, relapse or none at all count by default."""
    assert one(condition(clinical)).value is counts


@pytest.mark.parametrize(
    "status", ["refuted", "entered-in-error", " Entered-In-Error", {"coding": [{"code": "refuted"}]}]
)
def test_refuted_ones_never_count(status: Any) -> None:
    """Not even when active."""
    assert one(condition(verificationStatus=status)).value is False


def test_other_verification_counts() -> None:
    """Only a refutation or an error says that it is not so."""
    assert one(condition(verificationStatus={"coding": [{"code": "provisional"}]})).value is True


@pytest.mark.parametrize(
    ("when", "counts"),
    [("2026-03-29T12:00:00Z", False), ("2020", False), ("2026-03-29T12:00:01Z", True), ("some day", True)],
)
def test_without_a_status_an_abatement_ends_it(when: str, counts: bool) -> None:
    """At or before now; a status that is given outweighs it."""
    assert one(condition(None, abatementDateTime=when)).value is counts
    assert one(condition("active", abatementDateTime=when)).value is True


@pytest.mark.parametrize(
    ("element", "counts"),
    [
        ({"abatementPeriod": {"start": "2026-03-01"}}, False),
        ({"abatementPeriod": {"end": "2026-03-01"}}, False),
        ({"abatementPeriod": {"start": "2027-01-01"}}, True),
        ({"abatementAge": {"value": 40, "unit": "a"}}, False),
        ({"abatementRange": {"low": {"value": 40}}}, False),
        ({"abatementString": "in childhood"}, False),
        ({"abatementBoolean": True}, False),
        ({"abatementBoolean": False}, True),
        ({"abatementString": ""}, True),
        ({"abatementAge": {}}, True),
    ],
)
def test_without_a_status_any_kind_of_abatement_ends_it(element: Json, counts: bool) -> None:
    """Regression: only abatementDateTime was looked at, so a Condition that ended "in childhood" was active."""
    assert one(condition(None, **element)).value is counts
    assert one(condition("active", **element)).value is True


@pytest.mark.parametrize("types", [{"Condition"}, {"Condition", "Observation"}])
def test_none_found_proves_nothing_where_one_was_dropped(types: set[str]) -> None:
    """Regression: a Condition that could not be read left `any` false, and an exclusion passed for checked."""
    doubt = frozenset(types)
    unknown = FeatureValue("x", None, Mark.MISSING, unobtained=True)
    assert one(doubtful=doubt) == one(take=Take.COUNT, doubtful=doubt) == unknown
    assert one(condition(), take=Take.COUNT, doubtful=doubt) == unknown


def test_one_that_is_there_is_there_whatever_was_dropped() -> None:
    """True, or unknown, is true; and what was dropped of another type says nothing of this one."""
    assert one(condition(), doubtful=frozenset({"Condition"})).value is True
    assert one(doubtful=frozenset({"Observation"})).value is False


def test_declared_statuses_replace_the_default() -> None:
    """Then one without status does not count."""
    assert one(condition("resolved"), statuses=("Resolved",)).value is True
    assert one(condition("active"), statuses=("resolved",)).value is False
    assert one(condition(None), statuses=("resolved",)).value is False


@pytest.mark.parametrize(
    ("fields", "counts"),
    [
        ({"onsetDateTime": "2026-03-28T12:00:00Z", "recordedDate": "2020-01-01"}, True),
        ({"onsetDateTime": "2020-01-01", "recordedDate": "2026-03-28"}, False),
        ({"onsetPeriod": {"start": "2026-03-28"}}, True),
        ({"onsetPeriod": {"end": "2026-03-28"}, "recordedDate": "2026-03-28"}, True),
        ({"recordedDate": "2026-03-28"}, True),
        ({"assertedDate": "2026-03-28"}, True),
        ({"onsetDateTime": "childhood", "recordedDate": "2026-03-28"}, None),
        ({}, None),
    ],
)
def test_within_goes_by_onset_then_by_record(fields: Json, counts: bool | None) -> None:
    """The first time that is given decides; without any it may be recent, and that is not known."""
    found = one(condition(**fields), within=2 * DAY)
    assert found.value is counts and found.unobtained is (counts is None)


def test_an_undated_illness_beside_one_of_the_window() -> None:
    """One is enough for `any`; how many there are is not known. One that does not count leaves no doubt."""
    recent, undated, over = condition(recordedDate="2026-03-28"), condition(id="u"), condition("resolved", id="r")
    assert one(recent, undated, within=2 * DAY).value is True
    assert one(recent, undated, within=2 * DAY, take=Take.COUNT).unobtained
    assert one(over, within=2 * DAY).value is False


def test_without_a_window_undated_ones_count_and_future_ones_do_not() -> None:
    """A chart seen as of an earlier day holds diagnoses that were not yet made."""
    assert one(condition()) == FeatureValue("x", True)
    assert one(condition(onsetDateTime="2026-04-01")).value is False
    found = one(condition(onsetDateTime="2026-03-28T12:00:00Z"), condition(id="d"), take=Take.COUNT)
    assert found == FeatureValue("x", 2.0, at=NOW - DAY, age=DAY)
