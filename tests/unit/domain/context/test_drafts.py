"""What the hook's context carries: decoded leniently, owned like everything else, and apart from the chart."""

import json
from typing import Any

import pytest

from tests.fakes.context_fhir import bundle, raw
from wardgate.domain.context.assemble import Answer, assemble
from wardgate.domain.context.drafts import decode_drafts
from wardgate.domain.context.ownership import Owner
from wardgate.domain.context.prefetch import PrefetchKey
from wardgate.domain.context.record import Dropped, KeyState, PatientRecord
from wardgate.domain.context.resources import decode_value

Json = dict[str, Any]
OWNER = Owner("p1", "https://ehr.example/fhir", frozenset())
LONG = "request." + "7" * 186


def draft(name: str = "d1", subject: str | None = "Patient/p1", **other: Any) -> Json:
    owned = {} if subject is None else {"subject": {"reference": subject}}
    return {"resourceType": "MedicationRequest", "id": name, "status": "draft", **owned, **other}


def record(*names: str, chart: tuple[Json, ...] = (), **fields: Any) -> PatientRecord:
    """The record of a call whose context holds these fields, and whose features read `names`."""
    drafts = decode_drafts(raw(fields), names)
    key = PrefetchKey("orders", "", "MedicationRequest", False, (), (), False)
    page = decode_value(raw(bundle(*chart)), "MedicationRequest")
    assert page is not None
    return assemble([Answer(key, [page], KeyState.OBTAINED)], OWNER, None, False, drafts)


def ids(found: PatientRecord, field: str = "draftOrders") -> list[str | None]:
    return [resource.id for resource in found.resources[f"context.{field}"]]


def test_a_draft_is_kept_apart_from_the_chart() -> None:
    """The same type and id in both: two different things."""
    found = record("draftOrders", chart=(draft(),), draftOrders=bundle(draft(), draft("d2")))
    assert ids(found) == ["d1", "d2"]
    assert [resource.id for resource in found.resources["MedicationRequest"]] == ["d1"]
    assert found.keys["context.draftOrders"] is KeyState.OBTAINED


def test_only_fields_that_features_read_are_decoded() -> None:
    """Whatever else the context holds."""
    found = record("draftOrders", draftOrders=bundle(draft()), appointments=bundle(draft("a")), extension={"x": [1]})
    assert set(found.resources) == {"context.draftOrders"}


@pytest.mark.parametrize(
    "broken",
    [
        {"category": {"coding": [{"code": "community"}]}},
        {"category": "community"},
        {"id": LONG},
        {"dosageInstruction": 7, "intent": None},
        {"authoredOn": 20260329},
        {"medicationCodeableConcept": "aspirin"},
        {"code": [{"coding": {"code": "1"}}]},
    ],
)
def test_drafts_are_as_unfinished_as_clients_send_them(broken: Json) -> None:
    """Trap T-7: ids of 194 characters, a category that is no list, fields of any type; the draft still counts."""
    whole = {"resourceType": "Bundle", "entry": [{"resource": {**draft(), **broken}}]}  # a Bundle without a type
    assert len(record("draftOrders", draftOrders=whole).resources["context.draftOrders"]) == 1


@pytest.mark.parametrize(
    ("value", "state"),
    [
        (bundle(), KeyState.OBTAINED),
        ({"resourceType": "Bundle"}, KeyState.OBTAINED),
        (draft(), KeyState.OBTAINED),
        ([draft(), None, draft("d2")], KeyState.OBTAINED),
        (None, KeyState.UNOBTAINED),
        ("orders", KeyState.UNOBTAINED),
        (7, KeyState.UNOBTAINED),
        ({}, KeyState.UNOBTAINED),
        ({"resourceType": 5}, KeyState.UNOBTAINED),
        ({"resourceType": "Bundle", "entry": "many"}, KeyState.UNOBTAINED),
        ({"resourceType": "OperationOutcome", "issue": [{"severity": "error"}]}, KeyState.UNOBTAINED),
    ],
)
def test_what_a_field_may_hold(value: Any, state: KeyState) -> None:
    """A Bundle, one resource, a list; anything else is not known, which is not the same as none."""
    found = record("draftOrders", draftOrders=value)
    assert found.keys["context.draftOrders"] is state


def test_a_field_that_is_absent_is_not_known() -> None:
    """The EHR may leave out an optional one."""
    assert record("fulfillmentTasks").keys["context.fulfillmentTasks"] is KeyState.UNOBTAINED


def test_drafts_of_others_are_dropped_and_counted() -> None:
    """Like any other resource; one that names nobody cannot be made sure, and leaves the field in doubt."""
    orders = bundle(draft(), draft("a", "Patient/p2"), draft("b", None), draft("c", "Group/1"))
    found = record("draftOrders", draftOrders=orders)
    assert ids(found) == ["d1"]
    assert found.dropped == {Dropped.OTHER_PATIENT: 2, Dropped.NO_SUBJECT: 1}
    assert found.doubtful == {"context.draftOrders"}
    assert not found.wrong_patient
    assert record("draftOrders", draftOrders=bundle(draft("a", "Patient/p2"))).doubtful == frozenset()


def test_three_drafts_of_somebody_else_are_a_wrong_patient() -> None:
    """Then nothing of this chart is believed."""
    others = [draft(f"o{number}", "Patient/p2") for number in range(3)]
    assert record("draftOrders", draftOrders=bundle(*others)).wrong_patient


def test_what_cannot_be_read_leaves_the_field_in_doubt() -> None:
    """It may have been this patient's."""
    found = record("draftOrders", draftOrders=bundle(draft(), 5, {"resourceType": "MedicationRequest", "subject": 5}))
    assert ids(found) == ["d1"]
    assert found.dropped == {Dropped.UNREADABLE: 2}
    assert found.doubtful == {"context.draftOrders"}


PATIENT, DOCTOR = {"actor": {"reference": "Patient/p1"}}, {"actor": {"reference": "Practitioner/x"}}
OTHER = {"actor": {"reference": "Patient/p2"}}


@pytest.mark.parametrize(
    ("resource", "cause"),
    [
        ({"resourceType": "Appointment", "participant": [DOCTOR, PATIENT]}, None),
        ({"resourceType": "Appointment", "participant": PATIENT}, None),
        ({"resourceType": "Appointment", "participant": [DOCTOR]}, Dropped.NO_SUBJECT),
        ({"resourceType": "Appointment"}, Dropped.NO_SUBJECT),
        ({"resourceType": "Appointment", "participant": [PATIENT, OTHER]}, Dropped.OTHER_PATIENT),
        ({"resourceType": "Appointment", "participant": [PATIENT, {"actor": {"reference": "?"}}]}, Dropped.NO_SUBJECT),
        ({"resourceType": "Appointment", "participant": "all"}, Dropped.UNREADABLE),
        ({"resourceType": "Task", "for": {"reference": "Patient/p1"}}, None),
        ({"resourceType": "Task", "for": {"reference": "Patient/p2"}}, Dropped.OTHER_PATIENT),
        ({"resourceType": "Task", "for": "Patient/p1"}, Dropped.UNREADABLE),
        ({"resourceType": "Task"}, Dropped.NO_SUBJECT),
        ({"resourceType": "AllergyIntolerance", "patient": {"reference": "Patient/p1"}}, None),
    ],
)
def test_whose_each_kind_of_draft_is(resource: Json, cause: Dropped | None) -> None:
    """An appointment is of the patients who take part, a task is for somebody, an allergy has a patient."""
    found = record("appointments", appointments=bundle(resource))
    assert found.dropped == ({} if cause is None else {cause: 1})
    assert len(found.resources["context.appointments"]) == (1 if cause is None else 0)


@pytest.mark.parametrize(
    ("selections", "chosen", "known"),
    [
        (["MedicationRequest/d2"], ["d2"], True),
        (["MedicationRequest/d2", "MedicationRequest/d1"], ["d1", "d2"], True),
        (["https://ehr.example/fhir/MedicationRequest/d2 "], ["d2"], True),
        ([f"MedicationRequest/{LONG}"], [LONG], True),
        ([], [], True),
        (["ServiceRequest/d2"], [], False),
        (["MedicationRequest/gone", "MedicationRequest/d1"], ["d1"], False),
    ],
)
def test_selections_are_drafts_by_name(selections: list[str], chosen: list[str], known: bool) -> None:
    """One that names no draft of this patient leaves in doubt what was selected."""
    orders = bundle(draft(), draft("d2"), draft(LONG))
    found = record("selections", "draftOrders", draftOrders=orders, selections=selections)
    assert ids(found, "selections") == chosen
    assert found.keys["context.selections"] is KeyState.OBTAINED
    assert ("context.selections" in found.doubtful) is not known


@pytest.mark.parametrize("selections", [None, "MedicationRequest/d1", [5], ["d1"], [["MedicationRequest/d1"]], {}])
def test_selections_that_cannot_be_read_are_not_known(selections: Any) -> None:
    """No draft is taken for unselected then."""
    found = record("selections", draftOrders=bundle(draft()), selections=selections)
    assert found.keys.get("context.selections") is not KeyState.OBTAINED


def test_medications_come_along_with_the_orders() -> None:
    """Sent as entries beside the drafts, by id or by fullUrl; they are nobody's, and no drafts."""
    medicine = {"resourceType": "Medication", "code": {"coding": [{"system": "s", "code": "x"}]}}
    order = draft(medicationReference={"reference": "urn:uuid:77"})
    entries = [{"resource": order}, {"fullUrl": "urn:uuid:77", "resource": {**medicine, "id": "m7"}}]
    found = record("draftOrders", draftOrders={"resourceType": "Bundle", "entry": entries})
    assert ids(found) == ["d1"] and found.dropped == {}
    (held,) = found.resources["context.draftOrders"]
    assert held.medicationReference.reference == "Medication/m7"  # type: ignore[attr-defined]
    assert [resource.id for resource in found.resources["context.Medication"]] == ["m7"]


def test_a_medication_among_drafts_is_none_of_the_charts() -> None:
    """Regression, law 11: it replaced the chart's of the same id, so that a drug appeared there, or vanished."""
    mine, sent = ({"resourceType": "Medication", "id": "m", "code": {"text": text}} for text in ("mine", "sent"))
    his = {"resourceType": "Medication", "id": "h", "subject": {"reference": "Patient/p2"}}
    found = record("draftOrders", chart=(mine,), draftOrders=bundle(draft(), sent, his))
    assert [one.code.text for one in found.resources["Medication"]] == ["mine"]  # type: ignore[union-attr]
    assert [one.code.text for one in found.resources["context.Medication"]] == ["sent"]  # type: ignore[union-attr]
    assert found.dropped == {Dropped.OTHER_PATIENT: 1}


@pytest.mark.parametrize(
    ("reference", "local"),
    [
        ("Medication/m", "Medication/m"),
        ("https://ehr.example/fhir/Medication/m/_history/2", "Medication/m"),
        ("https://ehr.example/other/Medication/m", None),
        ("https://elsewhere.example/fhir/Medication/m", None),
        ("https://elsewhere.example/fhir/x Medication/m", None),
        ("ftp://ehr.example/fhir/Medication/m", None),
        ("urn:uuid:m", "urn:uuid:m"),
        ("#m", "#m"),
    ],
)
def test_a_medicine_of_another_server_is_not_this_servers(reference: str, local: str | None) -> None:
    """Regression, law 11: the host was not looked at."""
    order = draft(medicationReference={"reference": reference})
    found = record("draftOrders", chart=(order,), draftOrders=bundle(order))
    for home in ("MedicationRequest", "context.draftOrders"):
        (held,) = found.resources[home]
        assert held.medicationReference.reference == local  # type: ignore[attr-defined]


def test_a_selection_that_names_two_drafts_or_none_by_id_is_in_doubt() -> None:
    """Regression: the last of two was taken, and a draft without an id was `MedicationRequest/None`."""
    nameless = {"resourceType": "MedicationRequest", "subject": {"reference": "Patient/p1"}}
    orders = bundle(draft(), draft(), draft("d2"), nameless)
    for chosen, selected in (("d1", []), ("None", []), ("d2", ["d2"])):
        found = record("selections", draftOrders=orders, selections=[f"MedicationRequest/{chosen}"])
        assert ids(found, "selections") == selected
        assert ("context.selections" in found.doubtful) is not bool(selected)


def test_a_context_that_is_no_json_object_costs_nothing_but_itself() -> None:
    """Names that are no text, and anything else that the edge does not look at."""
    broken = json.dumps({"draftOrders": bundle(draft())}).encode().replace(b"draftOrders", b"draft\xff")
    assert decode_drafts(broken, ("draftOrders", "selections")).pages == {"draftOrders": None}
