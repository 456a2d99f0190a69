"""Whose a resource is: each way of writing a reference, and each way of being somebody else's."""

import msgspec
import pytest

from tests.fakes.context_fhir import BASE, Json, bundle, observation, patient, raw
from wardgate.domain.context.fhir import Resource
from wardgate.domain.context.ownership import Owner
from wardgate.domain.context.record import Dropped
from wardgate.domain.context.resources import decode_value

LISTED = "https://other.test/r4"
UUID = "5cbc121b-cd71-4428-b8b7-31e53eba8184"
OWNER = Owner("p1", BASE, frozenset({LISTED}))


def verdict(value: Json, owner: Owner = OWNER) -> Dropped | None:
    return owner.verdict(msgspec.json.decode(raw(value), type=Resource))


@pytest.mark.parametrize(
    "reference",
    [
        "Patient/p1",
        "Patient/p1/_history/2",
        f"{BASE}/Patient/p1",
        f"{BASE}/Patient/p1/_history/9",
        f"{LISTED}/Patient/p1",
    ],
)
def test_the_ways_to_write_this_patient(reference: str) -> None:
    """Relative, with a version, and absolute under a base of this client."""
    assert verdict(observation(of=reference)) is None


@pytest.mark.parametrize(
    "reference",
    [
        "Patient/p2",
        "Patient/P1",
        "Patient/p1x",
        "Patient/p2/_history/1",
        "Group/p1",
        "RelatedPerson/p1",
        f"{BASE}/Patient/p2",
        f"{BASE}x/Patient/p1",
        f"{BASE}/Patient/p1/Patient/p1",
        "https://elsewhere.test/fhir/Patient/p1",
        "http://EHR.test/fhir/Patient/p1",
        "urn:uuid:p2",
        f"urn:uuid:{UUID}",
    ],
)
def test_everybody_else_is_somebody_else(reference: str) -> None:
    """Another id, another case, another type, another server: not this patient."""
    assert verdict(observation(of=reference)) is Dropped.OTHER_PATIENT


@pytest.mark.parametrize(
    "reference",
    ["#p1", "#", "", "p1", "Patient", "Patient/", "/Patient/p1", "Patient?identifier=x|1", "Patient/p1?x=1"],
)
def test_what_cannot_be_made_sure_is_nobodys(reference: str) -> None:
    """Contained, conditional and broken references may mean her; that is not enough, and no proof of a mix-up."""
    assert verdict(observation(of=reference)) is Dropped.NO_SUBJECT


def test_a_logical_reference_cannot_be_made_sure() -> None:
    """An identifier alone names somebody, and nobody here can say whom."""
    assert verdict(observation(of=None, subject={"identifier": {"value": "1"}})) is Dropped.NO_SUBJECT
    assert verdict(observation(of=None)) is Dropped.NO_SUBJECT


def test_patient_stands_in_for_a_missing_subject_only() -> None:
    """`patient` is read where there is no subject; where both stand, both must be she."""
    here, there = {"reference": "Patient/p1"}, {"reference": "Patient/p2"}
    assert verdict(observation(of=None, patient=here)) is None
    assert verdict(observation(of=None, patient=there)) is Dropped.OTHER_PATIENT
    assert verdict(observation(patient=there)) is Dropped.OTHER_PATIENT
    assert verdict(observation(of="Patient/p2", patient=here)) is Dropped.OTHER_PATIENT
    assert verdict(observation(patient=here)) is None


@pytest.mark.parametrize(
    ("focus", "expected"),
    [
        ([], None),
        ([{"reference": "Patient/p1"}], None),
        ([{"reference": f"{BASE}/Patient/p1"}], None),
        ([{"reference": "Patient/p2"}], Dropped.OTHER_FOCUS),
        ([{"reference": "Device/d"}], Dropped.OTHER_FOCUS),
        ([{"reference": "#fetus"}], Dropped.OTHER_FOCUS),
        ([{"reference": "Patient/p1"}, {"reference": "Patient/p2"}], Dropped.OTHER_FOCUS),
        ([{"display": "the donor"}], Dropped.OTHER_FOCUS),
    ],
)
def test_a_focus_on_anything_else_does_not_count(focus: list[Json], expected: Dropped | None) -> None:
    """In her chart, but about a fetus, a donor or a device (FHIR R4, Observation.focus)."""
    assert verdict(observation(focus=focus)) is expected


def test_a_uuid_is_the_id_itself_or_the_full_url_of_her_patient() -> None:
    """Inside a Bundle, `urn:uuid:` means the entry with that fullUrl; elsewhere only the id itself."""
    assert verdict(observation(of=f"urn:uuid:{UUID}"), Owner(UUID, BASE, frozenset())) is None
    value = bundle(patient("p1"), patient("p2"), urls={0: f"urn:uuid:{UUID}", 1: "urn:uuid:x"})
    page = decode_value(raw(value), "Patient")
    assert page is not None
    assert OWNER.aliases(page) == {f"urn:uuid:{UUID}"}
    slim = msgspec.json.decode(raw(observation(of=f"urn:uuid:{UUID}")), type=Resource)
    assert OWNER.verdict(slim, OWNER.aliases(page)) is None


def test_a_full_url_that_names_another_server_is_no_alias() -> None:
    """Only urn:uuid is resolved inside a Bundle; a URL speaks for itself."""
    page = decode_value(raw(bundle(patient("p1"), urls={0: "https://elsewhere.test/fhir/Patient/p1"})), "Patient")
    assert page is not None and OWNER.aliases(page) == frozenset()


def test_a_full_url_of_two_patients_means_neither() -> None:
    """A Bundle that gives two patients the same fullUrl cannot say whom it means."""
    page = decode_value(raw(bundle(patient("p1"), patient("p2"), urls={0: "urn:uuid:x", 1: "urn:uuid:x"})), "Patient")
    assert page is not None and OWNER.aliases(page) == frozenset()


def test_the_servers_own_base_needs_no_list() -> None:
    """References under the `fhirServer` of the request are hers; under no base at all, only relative ones."""
    assert verdict(observation(of=f"{BASE}/Patient/p1"), Owner("p1", BASE, frozenset())) is None
    assert verdict(observation(of=f"{BASE}/Patient/p1"), Owner("p1", None, frozenset())) is Dropped.OTHER_PATIENT


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        ("p1", None),
        ("p2", Dropped.OTHER_PATIENT),
        ("P1", Dropped.OTHER_PATIENT),
        (None, Dropped.NO_SUBJECT),
        (1, Dropped.NO_SUBJECT),
    ],
)
def test_a_patient_is_known_by_her_id(found: object, expected: Dropped | None) -> None:
    """Another id is somebody else; no id is nobody."""
    assert OWNER.verdict_on_patient({"resourceType": "Patient", "id": found}) is expected
