"""One record from all keys: one of each type and id, the newest, and only hers."""

from typing import Any

import pytest

from tests.fakes.context_fhir import (
    BASE,
    ENCOUNTER,
    LABS,
    PATIENT,
    PROBLEMS,
    TOKENS,
    bundle,
    condition,
    encounter,
    observation,
    patient,
    raw,
)
from wardgate.domain.context.assemble import Agreement, Answer, agreement, assemble
from wardgate.domain.context.ownership import Owner
from wardgate.domain.context.prefetch import parse_template
from wardgate.domain.context.record import Dropped, KeyState, PatientRecord
from wardgate.domain.context.resources import decode_value

OWNER = Owner("p1", BASE, frozenset())
TEMPLATES = {"Patient": PATIENT, "Observation": LABS, "Condition": PROBLEMS, "Encounter": ENCOUNTER}


def answer(kind: str, *values: Any) -> Answer:
    pages = [decode_value(raw(value), kind) for value in values]
    key = parse_template(kind.lower(), TEMPLATES[kind], TOKENS, required=False)
    return Answer(key, [page for page in pages if page is not None], KeyState.OBTAINED)


def record(*answers: Answer, encounter_id: str | None = None) -> PatientRecord:
    return assemble(answers, OWNER, encounter_id, False)


def updated(time: str | None, **more: Any) -> dict[str, Any]:
    return observation(**more) if time is None else observation(meta={"lastUpdated": time}, **more)


def test_the_union_of_all_keys_by_type() -> None:
    """Features see every resource of every key, whichever key brought it."""
    found = record(
        answer("Patient", patient()),
        answer("Observation", bundle(observation("a"), condition("c")), bundle(observation("b"))),
        answer("Condition", bundle(condition("d"), observation(None), observation(None))),
    )
    assert found.patient == patient()
    assert {kind: [r.id for r in resources] for kind, resources in found.resources.items()} == {
        "Observation": ["a", "b", None, None],
        "Condition": ["c", "d"],
    }
    assert (dict(found.dropped), found.wrong_patient) == ({}, False)
    assert dict(found.keys) == dict.fromkeys(("patient", "observation", "condition"), KeyState.OBTAINED)


@pytest.mark.parametrize(
    ("first", "second", "kept"),
    [
        (None, None, "first"),
        ("2026-01-01T00:00:00Z", None, "first"),
        (None, "2026-01-01T00:00:00Z", "first"),
        ("2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z", "second"),
        ("2026-01-02T00:00:00Z", "2026-01-01T00:00:00Z", "first"),
        ("2026-01-02T00:00:00+02:00", "2026-01-01T23:00:00Z", "second"),
        ("2026-01-02T00:00:00Z", "rubbish", "first"),
    ],
)
def test_the_newest_version_of_a_resource_counts(first: str | None, second: str | None, kept: str) -> None:
    """By the instant of meta.lastUpdated; where that cannot be told, the first one met."""
    one, other = updated(first, valueString="first"), updated(second, valueString="second")
    found = record(answer("Observation", bundle(one), bundle(other)))
    assert [r.valueString for r in found.resources["Observation"]] == [kept]


@pytest.mark.parametrize(
    ("mine", "theirs", "counts"),
    [
        ("2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z", False),
        ("2026-01-02T00:00:00Z", "2026-01-01T00:00:00Z", True),
        (None, None, False),
        ("2026-01-01T00:00:00Z", "2026-01-01T00:00:00Z", False),
    ],
)
@pytest.mark.parametrize("swapped", [False, True])
def test_a_resource_that_moved_to_another_patient_is_gone(
    mine: str | None, theirs: str | None, counts: bool, swapped: bool
) -> None:
    """An older version of hers never stands in for a newer one of somebody else; nor where it cannot be told."""
    values = [bundle(updated(mine)), bundle(updated(theirs, of="Patient/p2"))]
    found = record(answer("Observation", *(values[::-1] if swapped else values)))
    assert ("Observation" in found.resources) is counts
    assert found.dropped == ({} if counts else {Dropped.OTHER_PATIENT: 1})


def test_the_same_stranger_in_three_keys_is_one_stranger() -> None:
    """What counts is how many resources of others were met, not how often each one was sent."""
    theirs = bundle(observation(of="Patient/p2"), patient("p2"))
    found = record(answer("Observation", theirs, theirs), answer("Condition", theirs))
    assert found.dropped == {Dropped.OTHER_PATIENT: 2} and not found.wrong_patient


@pytest.mark.parametrize(("count", "wrong"), [(2, False), (3, True)])
def test_three_strangers_defer_the_call(count: int, wrong: bool) -> None:
    """Three resources of somebody else: nothing of this chart is believed (DESIGN, "Context and patient")."""
    theirs = [observation(None, "Patient/p2") for _ in range(count)]
    found = record(answer("Observation", bundle(observation(), *theirs)))
    assert found.dropped == {Dropped.OTHER_PATIENT: count} and found.wrong_patient is wrong


def test_what_is_not_sure_or_not_about_her_never_defers() -> None:
    """Missing subjects and other focuses are dropped and counted, but prove no mix-up."""
    unsure = [observation(f"n{i}", None) for i in range(4)]
    focused = [observation(f"f{i}", focus=[{"reference": "Patient/p2"}]) for i in range(4)]
    found = record(answer("Observation", bundle(*unsure, *focused, {"resourceType": "Medication", "id": "m"}, "x")))
    assert found.dropped == {Dropped.NO_SUBJECT: 4, Dropped.OTHER_FOCUS: 4, Dropped.UNREADABLE: 1}
    assert found.resources.keys() == {"Medication"} and not found.wrong_patient  # which is nobody's


@pytest.mark.parametrize(
    ("entry", "doubtful"),
    [
        (condition(), set()),
        (condition(of="Patient/p2"), set()),
        ("x", {"Condition"}),
        ({"id": "c2"}, {"Condition"}),
        (condition("c2", clinicalStatus=5), {"Condition"}),
        (condition("c2", subject={"display": "She"}), {"Condition"}),
        ({"resourceType": "Condition", "code": {"text": "x"}}, {"Condition"}),
        (observation(None, None), {"Observation"}),
    ],
)
def test_what_was_dropped_and_may_be_hers_makes_its_type_doubtful(entry: Any, doubtful: set[str]) -> None:
    """That nothing was found proves nothing then; a stranger's resource leaves no doubt."""
    assert record(answer("Condition", bundle(condition(), entry))).doubtful == doubtful


def test_references_by_uuid_are_resolved_inside_their_bundle_only() -> None:
    """The fullUrl of her Patient means her in that Bundle, and nobody in the next."""
    subject = "urn:uuid:5cbc121b-cd71-4428-b8b7-31e53eba8184"
    whole = bundle(patient(), observation("a", subject), urls={0: subject})
    found = record(answer("Observation", whole, bundle(observation("b", subject))))
    assert [r.id for r in found.resources["Observation"]] == ["a"]
    assert found.dropped == {Dropped.OTHER_PATIENT: 1}


def test_the_encounter_is_the_one_of_the_context() -> None:
    """Other encounters of hers are resources like any other; somebody else's is nothing."""
    value = bundle(encounter("e0"), encounter("e1", serviceType={"text": "x"}), encounter("e2", "Patient/p2"))
    found = record(answer("Encounter", value), encounter_id="e1")
    assert found.encounter == encounter("e1", serviceType={"text": "x"})
    assert [r.id for r in found.resources["Encounter"]] == ["e0", "e1"]
    assert record(answer("Encounter", value), encounter_id="e2").encounter is None
    assert record(answer("Encounter", value)).encounter is None
    assert record(answer("Encounter", encounter("e1", None)), encounter_id="e1").encounter is None


def test_the_newest_patient_counts() -> None:
    """The Patient may come in several keys as well."""
    new, old = patient(gender="female", meta={"lastUpdated": "2026-01-02"}), patient(meta={"lastUpdated": "2026-01-01"})
    assert record(answer("Patient", old, new)).patient == new
    assert record(answer("Patient", new, old)).patient == new


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [
        ("Patient", patient(), Agreement.AGREES),
        ("Patient", patient("p2"), Agreement.DIFFERS),
        ("Patient", {"resourceType": "Patient"}, Agreement.UNSURE),
        ("Patient", bundle(patient(), patient("p2")), Agreement.DIFFERS),
        ("Patient", None, Agreement.AGREES),
        ("Encounter", encounter(), Agreement.AGREES),
        ("Encounter", encounter("e2"), Agreement.DIFFERS),
        ("Encounter", encounter(of="Patient/p2"), Agreement.DIFFERS),
        ("Encounter", encounter(of=None), Agreement.UNSURE),
        ("Encounter", {"resourceType": "Encounter", "subject": {"reference": "Patient/p1"}}, Agreement.UNSURE),
        ("Observation", bundle(observation(of="Patient/p2"), patient("p2")), Agreement.AGREES),
    ],
)
def test_what_the_context_names_must_be_it(kind: str, value: object, expected: Agreement) -> None:
    """The keys that ask for the patient and the encounter of the context are held against it; others are not."""
    page = decode_value(raw(value), kind)
    assert page is not None
    assert agreement(answer(kind).key, page, OWNER, "e1") is expected
