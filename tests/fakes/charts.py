"""Charts in a few words: a patient, labs and problems as a hook request carries them."""

from typing import Any

_UNITS = {"98979-8": "mL/min/{1.73_m2}", "33914-3": "mL/min/{1.73_m2}", "62238-1": "mL/min/{1.73_m2}"}


def patient(**changes: Any) -> dict[str, Any]:
    return {"resourceType": "Patient", "id": "p1", "birthDate": "1956-02-01", "gender": "male", **changes}


def lab(code: str, value: float | str, at: str = "2026-11-10T08:00:00Z", **changes: Any) -> dict[str, Any]:
    """`changes` replace elements of the Observation; `unit` that of the quantity."""
    unit = changes.pop("unit", _UNITS.get(code, "mg/g"))
    identifier = changes.pop("id", f"o-{code}-{at}".replace(":", "-"))
    return {
        "resourceType": "Observation",
        "id": identifier,
        "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": code}]},
        "subject": {"reference": "Patient/p1"},
        "effectiveDateTime": at,
        "valueQuantity": {"value": value, "unit": unit, "system": "http://unitsofmeasure.org", "code": unit},
        **changes,
    }


def problem(code: str, **changes: Any) -> dict[str, Any]:
    return {
        "resourceType": "Condition",
        "id": f"c-{code}",
        "clinicalStatus": {"coding": [{"code": "active"}]},
        "verificationStatus": {"coding": [{"code": "confirmed"}]},
        "code": {"coding": [{"system": "http://snomed.info/sct", "code": code}]},
        "subject": {"reference": "Patient/p1"},
        **changes,
    }


def bundle(*resources: dict[str, Any]) -> dict[str, Any]:
    return {"resourceType": "Bundle", "type": "searchset", "entry": [{"resource": r} for r in resources]}


def hook_body(
    chart: dict[str, Any] | None, labs: list[dict[str, Any]], problems: list[dict[str, Any]], **changes: Any
) -> dict[str, Any]:
    return {
        "hook": "patient-view",
        "hookInstance": "d1577c69-dfbe-44ad-ba6d-3e05e953b2ea",
        "context": {"userId": "Practitioner/u1", "patientId": "p1"},
        "prefetch": {"patient": chart, "labs": bundle(*labs), "problems": bundle(*problems)},
        **changes,
    }
