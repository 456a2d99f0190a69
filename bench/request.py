"""The hook calls that every server gets: 34 KB patient-view requests of invented patients, from a fixed seed.

Each has a Patient, 30 Observations, 4 Conditions and 3 MedicationRequests, in valid FHIR R4B of the size and
shape that a hospital's server gives. Patients differ and every call has its own hookInstance, so that nobody
gains by answering one call with another's answer. Dates are relative to `now`, so that labs stay fresh.
"""

import json
import random
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from time import CLOCK_REALTIME, clock_gettime
from typing import Any, NamedTuple

from bench.kfre import risk, terms

PATIENTS = 64
_SEED = 20160112
_UCUM = "http://unitsofmeasure.org"
_LOINC = "http://loinc.org"
_SNOMED = "http://snomed.info/sct"
_RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"
_MARK = "00000000-0000-0000-0000-000000000000"

Json = dict[str, Any]


class Sample(NamedTuple):
    """A request in two pieces with the hookInstance between them, and the risk that its card must show."""

    head: bytes
    tail: bytes
    risk: float

    def body(self, instance: int) -> bytes:
        return b"".join((self.head, hook_instance(instance), self.tail))


class _Analyte(NamedTuple):
    name: str
    code: str
    display: str
    unit: str
    low: float
    high: float
    draws: int
    spread: tuple[float, float]


_EGFR = _Analyte(
    "eGFR",
    "98979-8",
    "Glomerular filtration rate/1.73 sq M.predicted [Volume Rate/Area] by Creatinine-based formula (CKD-EPI 2021)",
    "mL/min/{1.73_m2}",
    60,
    120,
    4,
    (12, 45),
)
_UACR = _Analyte(
    "Urine albumin/creatinine", "9318-7", "Albumin/Creatinine [Mass Ratio] in Urine", "mg/g", 0, 30, 2, (30, 2500)
)
_OTHERS = (
    _Analyte("Creatinine", "2160-0", "Creatinine [Mass/volume] in Serum or Plasma", "mg/dL", 0.6, 1.3, 4, (1.6, 4.5)),
    _Analyte("Potassium", "2823-3", "Potassium [Moles/volume] in Serum or Plasma", "mmol/L", 3.5, 5.1, 4, (3.6, 5.6)),
    _Analyte("Sodium", "2951-2", "Sodium [Moles/volume] in Serum or Plasma", "mmol/L", 136, 145, 4, (134, 144)),
    _Analyte("Hemoglobin", "718-7", "Hemoglobin [Mass/volume] in Blood", "g/dL", 12, 17.5, 3, (9.5, 14)),
    _Analyte("Hemoglobin A1c", "4548-4", "Hemoglobin A1c/Hemoglobin.total in Blood", "%", 4, 5.6, 3, (5.4, 8.8)),
    _Analyte("Phosphate", "2777-1", "Phosphate [Mass/volume] in Serum or Plasma", "mg/dL", 2.5, 4.5, 3, (3, 5.5)),
    _Analyte("Bicarbonate", "1963-8", "Bicarbonate [Moles/volume] in Serum or Plasma", "mmol/L", 22, 29, 3, (18, 27)),
)
_PROBLEMS = (
    ("431857002", "Chronic kidney disease stage 4 (disorder)"),
    ("38341003", "Hypertensive disorder, systemic arterial (disorder)"),
    ("44054006", "Diabetes mellitus type 2 (disorder)"),
    ("55822004", "Hyperlipidemia (disorder)"),
)
_DRUGS = (
    ("314076", "lisinopril 10 MG Oral Tablet"),
    ("1545653", "empagliflozin 10 MG Oral Tablet"),
    ("617310", "atorvastatin 20 MG Oral Tablet"),
)


def now() -> datetime:
    return datetime.fromtimestamp(clock_gettime(CLOCK_REALTIME), UTC)


def hook_instance(number: int) -> bytes:
    """A UUID of its own for each call (INV-3: any version)."""
    text = f"{number:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}".encode()


def samples(now: datetime, count: int = PATIENTS) -> list[Sample]:
    """`count` requests; the same ones for the same day."""
    dice = random.Random(_SEED)
    return [_sample(dice, number, now) for number in range(count)]


def _sample(dice: random.Random, number: int, now: datetime) -> Sample:
    ident = f"bench-{number:04d}"
    born = now.date() - timedelta(days=round(dice.uniform(45, 88) * 365.2425))
    male = number % 2
    labs = list(_labs(dice, ident, now))
    labs.sort(key=lambda resource: str(resource["effectiveDateTime"]), reverse=True)
    request = {
        "hook": "patient-view",
        "hookInstance": _MARK,
        "fhirServer": "https://ehr.example.org/fhir/r4",
        "fhirAuthorization": {
            "access_token": f"{dice.getrandbits(512):0128x}",
            "token_type": "Bearer",
            "expires_in": 300,
            "scope": "patient/Patient.read patient/Observation.read patient/Condition.read",
            "subject": "wardgate",
        },
        "context": {"userId": "Practitioner/pract-17", "patientId": ident, "encounterId": f"enc-{number:04d}"},
        "prefetch": {
            "patient": _patient(ident, born, male),
            "labs": _bundle(labs),
            "problems": _bundle([_condition(ident, i, now) for i in range(len(_PROBLEMS))]),
            "medications": _bundle([_medication(ident, i, now) for i in range(len(_DRUGS))]),
        },
    }
    head, tail = json.dumps(request, separators=(",", ":")).encode().split(_MARK.encode())
    age = (now.date() - born).days / 365.2425
    return Sample(head, tail, risk(terms(age, male, _newest(labs, _EGFR), _newest(labs, _UACR))))


def _newest(labs: list[Json], analyte: _Analyte) -> float:
    return next(
        float(resource["valueQuantity"]["value"])
        for resource in labs
        if resource["code"]["coding"][0]["code"] == analyte.code
    )


def _labs(dice: random.Random, patient: str, now: datetime) -> Iterator[Json]:
    number = 0
    for analyte in (_EGFR, _UACR, *_OTHERS):
        for draw in range(analyte.draws):
            taken = now - timedelta(days=3 + 41 * draw, minutes=dice.randrange(600))
            value = round(dice.uniform(*analyte.spread), 1)
            yield _observation(patient, number, analyte, value, taken)
            number += 1


def _observation(patient: str, number: int, analyte: _Analyte, value: float, taken: datetime) -> Json:
    return {
        "resourceType": "Observation",
        "id": f"{patient}-obs-{number:02d}",
        "meta": {"lastUpdated": _instant(taken + timedelta(hours=3))},
        "status": "final",
        "category": [
            _concept("http://terminology.hl7.org/CodeSystem/observation-category", "laboratory", "Laboratory")
        ],
        "code": _coded(_LOINC, analyte.code, analyte.display) | {"text": analyte.name},
        "subject": {"reference": f"Patient/{patient}"},
        "effectiveDateTime": _instant(taken),
        "valueQuantity": _quantity(value, analyte.unit),
        "referenceRange": [
            {
                "low": {"value": analyte.low, "unit": analyte.unit},
                "high": {"value": analyte.high, "unit": analyte.unit},
                "text": f"{analyte.low} to {analyte.high} {analyte.unit}",
            }
        ],
    }


def _patient(ident: str, born: date, male: int) -> Json:
    return {
        "resourceType": "Patient",
        "id": ident,
        "meta": {"versionId": "4", "lastUpdated": "2026-01-05T08:12:44+00:00"},
        "identifier": [
            {
                "use": "usual",
                "type": _concept("http://terminology.hl7.org/CodeSystem/v2-0203", "MR", "Medical record number"),
                "system": "https://ehr.example.org/mrn",
                "value": ident.upper(),
            }
        ],
        "active": True,
        "name": [{"use": "official", "family": "Benchmark", "given": ["Invented", ident]}],
        "telecom": [{"system": "phone", "value": "555-0100", "use": "home"}],
        "gender": "male" if male else "female",
        "birthDate": born.isoformat(),
        "deceasedBoolean": False,
        "address": [{"use": "home", "line": ["1 Example Street"], "city": "Sampleton", "postalCode": "00000"}],
        "maritalStatus": _concept("http://terminology.hl7.org/CodeSystem/v3-MaritalStatus", "M", "Married"),
        "managingOrganization": {"reference": "Organization/org-1", "display": "Example Hospital"},
    }


def _condition(patient: str, number: int, now: datetime) -> Json:
    system = "http://terminology.hl7.org/CodeSystem/condition"
    return {
        "resourceType": "Condition",
        "id": f"{patient}-con-{number}",
        "clinicalStatus": _coded(f"{system}-clinical", "active", "Active"),
        "verificationStatus": _coded(f"{system}-ver-status", "confirmed", "Confirmed"),
        "category": [_concept(f"{system}-category", "problem-list-item", "Problem List Item")],
        "code": _concept(_SNOMED, *_PROBLEMS[number]),
        "subject": {"reference": f"Patient/{patient}"},
        "onsetDateTime": _instant(now - timedelta(days=900 + number)),
        "recordedDate": _instant(now - timedelta(days=890 + number)),
    }


def _medication(patient: str, number: int, now: datetime) -> Json:
    return {
        "resourceType": "MedicationRequest",
        "id": f"{patient}-med-{number}",
        "status": "active",
        "intent": "order",
        "medicationCodeableConcept": _concept(_RXNORM, *_DRUGS[number]),
        "subject": {"reference": f"Patient/{patient}"},
        "authoredOn": _instant(now - timedelta(days=120 + number)),
        "requester": {"reference": "Practitioner/pract-17", "display": "Example Practitioner"},
        "dosageInstruction": [
            {
                "text": "One tablet by mouth once daily",
                "timing": {"repeat": {"frequency": 1, "period": 1, "periodUnit": "d"}},
                "doseAndRate": [{"doseQuantity": {"value": 1, "unit": "tablet"}}],
            }
        ],
    }


def _bundle(resources: list[Json]) -> Json:
    return {
        "resourceType": "Bundle",
        "type": "searchset",
        "total": len(resources),
        "entry": [
            {
                "fullUrl": f"https://ehr.example.org/fhir/r4/{resource['resourceType']}/{resource['id']}",
                "resource": resource,
                "search": {"mode": "match"},
            }
            for resource in resources
        ],
    }


def _coded(system: str, code: str, display: str) -> Json:
    return {"coding": [{"system": system, "code": code, "display": display}]}


def _concept(system: str, code: str, display: str) -> Json:
    return _coded(system, code, display) | {"text": display}


def _quantity(value: float, unit: str) -> Json:
    return {"value": value, "unit": unit, "system": _UCUM, "code": unit}


def _instant(moment: datetime) -> str:
    return moment.isoformat(timespec="seconds")
