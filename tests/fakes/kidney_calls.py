"""A hook call that the kidney-failure service of `config_tree` answers with a card, everything prefetched."""

from datetime import UTC, datetime
from typing import Any


def kidney_call(number: int = 0) -> dict[str, Any]:
    """Each number is another call of another patient, so that none is answered with another's answer."""
    patient = f"p{number}"

    def lab(code: str, value: float, unit: str) -> dict[str, Any]:
        return {
            "resource": {
                "resourceType": "Observation",
                "id": f"o-{code}",
                "status": "final",
                "code": {"coding": [{"system": "http://loinc.org", "code": code}]},
                "subject": {"reference": f"Patient/{patient}"},
                "effectiveDateTime": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),  # noqa: TID251
                "valueQuantity": {"value": value, "system": "http://unitsofmeasure.org", "code": unit},
            }
        }

    labs = [lab("33914-3", 12, "mL/min/{1.73_m2}"), lab("9318-7", 1200, "mg/g")]
    return {
        "hook": "patient-view",
        "hookInstance": f"d1577c69-dfbe-44ad-ba6d-{number:012x}",
        "context": {"userId": "Practitioner/u1", "patientId": patient},
        "prefetch": {
            "patient": {"resourceType": "Patient", "id": patient, "gender": "male", "birthDate": "1956-03-01"},
            "labs": {"resourceType": "Bundle", "type": "searchset", "entry": labs},
            "problems": {"resourceType": "Bundle", "type": "searchset", "entry": []},
        },
    }
