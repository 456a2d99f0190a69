"""A hook call that the kidney-failure service of `config_tree` answers with a card, everything prefetched."""

from datetime import UTC, datetime
from typing import Any


def kidney_call() -> dict[str, Any]:
    def lab(code: str, value: float, unit: str) -> dict[str, Any]:
        return {
            "resource": {
                "resourceType": "Observation",
                "id": f"o-{code}",
                "status": "final",
                "code": {"coding": [{"system": "http://loinc.org", "code": code}]},
                "subject": {"reference": "Patient/p1"},
                "effectiveDateTime": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),  # noqa: TID251
                "valueQuantity": {"value": value, "system": "http://unitsofmeasure.org", "code": unit},
            }
        }

    labs = [lab("33914-3", 12, "mL/min/{1.73_m2}"), lab("9318-7", 1200, "mg/g")]
    return {
        "hook": "patient-view",
        "hookInstance": "d1577c69-dfbe-44ad-ba6d-3e05e953b2ea",
        "context": {"userId": "Practitioner/u1", "patientId": "p1"},
        "prefetch": {
            "patient": {"resourceType": "Patient", "id": "p1", "gender": "male", "birthDate": "1956-03-01"},
            "labs": {"resourceType": "Bundle", "type": "searchset", "entry": labs},
            "problems": {"resourceType": "Bundle", "type": "searchset", "entry": []},
        },
    }
