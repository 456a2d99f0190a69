"""Who and where: configured attributes, closed maps, and what stands where nothing is known."""

from typing import Any

import pytest

from tests.fakes.calls import hook_request
from wardgate.domain.context.caller import AttributeSpec, Caller, compile_attributes, locate
from wardgate.domain.context.record import PatientRecord

WARD = AttributeSpec("unit", "Encounter", "location[0].location.display", {"Ward 7": "ward_7"})


def record(patient: dict[str, Any] | None = None, encounter: dict[str, Any] | None = None) -> PatientRecord:
    return PatientRecord(patient, encounter, {}, {}, {}, False)


def ward(name: object) -> dict[str, Any]:
    return {"resourceType": "Encounter", "location": [{"location": {"display": name}}]}


def test_without_attributes_the_client_says_the_site() -> None:
    """The site is the client's, the role is the user's kind; the rest is not known."""
    assert locate(hook_request(), record(), {}) == Caller("hospital_a", None, None, "practitioner")


@pytest.mark.parametrize(
    ("user_type", "role"),
    [
        ("Practitioner", "practitioner"),
        ("PractitionerRole", "practitioner_role"),
        ("Patient", "patient"),
        ("RelatedPerson", "related_person"),
        (None, None),
        ("Somebody Named Smith", "other"),
    ],
)
def test_the_role_comes_from_a_closed_list(user_type: str | None, role: str | None) -> None:
    """A user of no known kind is `other`: text from outside never becomes a label (law 4)."""
    assert locate(hook_request(user_type=user_type), record(), {}).role == role


@pytest.mark.parametrize(
    ("encounter", "unit"),
    [
        (None, None),
        ({}, None),
        (ward("Ward 7"), "ward_7"),
        (ward("Ward 8"), "other"),
        (ward(7), "other"),
        (ward({"a": 1}), "other"),
        (ward(None), None),
    ],
)
def test_a_value_outside_the_map_is_other(encounter: dict[str, Any] | None, unit: str | None) -> None:
    """Missing is None, mapped is its name, and everything else is `other`."""
    assert locate(hook_request(), record(encounter=encounter), compile_attributes([WARD])).unit == unit


def test_a_declared_site_speaks_alone() -> None:
    """Where `attributes.site` finds nothing, the client's site does not stand in: the site is not known."""
    site = AttributeSpec("site", "Encounter", "serviceProvider.display", {"B": "hospital_b"})
    attributes = compile_attributes([site])
    assert locate(hook_request(), record(), attributes).site is None
    found = record(encounter={"serviceProvider": {"display": "B"}})
    assert locate(hook_request(), found, attributes).site == "hospital_b"


def test_attributes_of_the_patient_and_a_declared_role() -> None:
    """A role may be declared too, and then the user's kind does not count; booleans and numbers map as text."""
    specs = [
        AttributeSpec("role", "Patient", "active", {"true": "inpatient_team"}),
        AttributeSpec("specialty", "Patient", "multipleBirthInteger", {"2": "obstetrics"}),
    ]
    caller = locate(hook_request(), record({"active": True, "multipleBirthInteger": 2}), compile_attributes(specs))
    assert caller == Caller("hospital_a", None, "obstetrics", "inpatient_team")


@pytest.mark.parametrize(
    "spec", [AttributeSpec("unit", "Location", "name", {}), AttributeSpec("unit", "Encounter", "a..b", {})]
)
def test_an_attribute_that_cannot_be_read_is_refused_at_start(spec: AttributeSpec) -> None:
    """Only the call's own Patient and Encounter are read, by paths that parse."""
    with pytest.raises(ValueError):
        compile_attributes([spec])


def test_the_kind_of_encounter_is_told_where_it_is_declared() -> None:
    """By the code of its class; for records alone."""
    spec = AttributeSpec("encounter_type", "Encounter", "class.code", {"AMB": "ambulatory", "IMP": "inpatient"})
    attributes = compile_attributes([spec])
    for code, kind in (("AMB", "ambulatory"), ("VR", "other"), (None, None)):
        encounter = {"resourceType": "Encounter", "class": {"code": code}}
        assert locate(hook_request(), record(encounter=encounter), attributes).encounter_type == kind
