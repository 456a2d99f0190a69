"""A call of each hook of the library, as a well-behaved EHR sends it: made here, by the tables of the hook pages."""

from typing import Any

Json = dict[str, Any]

_USER = {"userId": "PractitionerRole/r1", "patientId": "p1", "encounterId": "e1"}
_DRAFTS = {
    "resourceType": "Bundle",
    "type": "collection",
    "entry": [
        {
            "resource": {
                "resourceType": "MedicationRequest",
                "id": "draft-1",
                "status": "draft",
                "intent": "order",
                "subject": {"reference": "Patient/p1"},
                "medicationCodeableConcept": {"text": "metformin"},
            }
        },
        {
            "resource": {
                "resourceType": "ServiceRequest",
                "id": "draft-2",
                "status": "draft",
                "intent": "order",
                "subject": {"reference": "Patient/p1"},
                "code": {"text": "renal ultrasound"},
            }
        },
    ],
}
_ONE_ORDER = {"resourceType": "MedicationRequest", "id": "m1", "status": "active", "intent": "order"}
_TASK = {"resourceType": "Task", "status": "draft", "intent": "order", "focus": {"reference": "ServiceRequest/s1"}}

CONTEXTS: dict[str, Json] = {
    "patient-view": _USER,
    "order-sign": {**_USER, "draftOrders": _DRAFTS},
    "order-select": {**_USER, "selections": ["ServiceRequest/draft-2"], "draftOrders": _DRAFTS},
    "appointment-book": {
        **_USER,
        "appointments": {
            "resourceType": "Bundle",
            "entry": [{"resource": {"resourceType": "Appointment", "status": "proposed"}}],
        },
    },
    "encounter-start": _USER,
    "encounter-discharge": _USER,
    "order-dispatch": {
        "patientId": "p1",
        "dispatchedOrders": ["ServiceRequest/s1", "ServiceRequest/s2"],
        "performer": "Organization/o1",
        "fulfillmentTasks": [_TASK],
    },
    "medication-refill": {**_USER, "medications": {"resourceType": "Bundle", "entry": [{"resource": _ONE_ORDER}]}},
    "allergyintolerance-create": {
        **_USER,
        "allergyIntolerance": {"resourceType": "AllergyIntolerance", "patient": {"reference": "Patient/p1"}},
    },
    "problem-list-item-create": {
        **_USER,
        "conditions": {"resourceType": "Bundle", "entry": [{"resource": {"resourceType": "Condition"}}]},
    },
    "medication-verify": {**_USER, "medication": _ONE_ORDER},
    "order-verify": {**_USER, "order": _ONE_ORDER},
    "medication-prescribe": {**_USER, "medications": {"resourceType": "Bundle", "entry": [{"resource": _ONE_ORDER}]}},
    "order-review": {**_USER, "orders": _DRAFTS},
}
"""By hook: the whole context, optional fields included."""

FORMER: list[tuple[str, Json, str]] = [
    (
        "order-dispatch",
        {"patientId": "p1", "order": "ServiceRequest/s1", "performer": "Organization/o1", "task": _TASK},
        "ServiceRequest/s1",
    ),
    (
        "order-dispatch",
        {
            "patientId": "p1",
            "dispatched-orders": ["ServiceRequest/s1", "ServiceRequest/s2"],
            "performer": "Organization/o1",
            "fulfillment-tasks": [_TASK],
        },
        "ServiceRequest/s1,ServiceRequest/s2",
    ),
    ("medication-verify", {**_USER, "order": {"resource": _ONE_ORDER}}, ""),
]
"""Hook, context with former names, and what `{{context.dispatchedOrders}}` stands for in it."""


def hook_request(hook: str, context: Json, **more: Any) -> Json:
    return {"hook": hook, "hookInstance": "d1577c69-dfbe-44ad-ba6d-3e05e953b2ea", "context": context, **more}
