"""The cases in `deterioration.json`: an inpatient, and what the clinician gets. Written to be read by a clinician.

Unless a case says otherwise: a man of 70 in hospital, well, everything charted at 8:00 of 21 November 2026, labs of
6:00; it is 9:00. `vitals`, `labs`: what is otherwise; null: not charted; [value, time]: charted then; [value, time,
{comparator, unit}]: in these words. `problems`: ICD-10-CM codes; [code, {…}]: with these elements, null: without.
`without`: keys that could not be read; `cut`: those of which only the first page came, with further pages behind it.
`pulses`: so many more, one for each hour before. `stay`: the status of the stay; null: none. `model`: how the model
fails. The configuration is the demo's; the model is the one of the lab.
"""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.cases.expectations import ended_as_written
from tests.fakes.charts import bundle, lab, patient, problem
from tests.fakes.gateway import FakeGateway
from tests.fakes.model import FakeModel
from wardgate.domain.outcomes import Reason
from wardgate.lab import support2

CASES: list[dict[str, Any]] = json.loads((Path(__file__).parent / "deterioration.json").read_text())

_WELL = {"resp": 16, "spo2": 97, "oxygen": 0, "sbp": 128, "dbp": 76, "pulse": 78, "alert": "A", "temperature": 36.8}
_LABS = {"wbc": 8.4, "creatinine": 1.1, "sodium": 139, "albumin": 3.8, "bilirubin": 0.7}
_CODES = {
    "resp": ("9279-1", "/min"),
    "spo2": ("59408-5", "%"),
    "oxygen": ("3151-8", "L/min"),
    "fio2": ("3150-6", "%"),
    "sbp": ("8480-6", "mm[Hg]"),
    "dbp": ("8462-4", "mm[Hg]"),
    "pulse": ("8867-4", "/min"),
    "temperature": ("8310-5", "Cel"),
    "wbc": ("6690-2", "10*3/uL"),
    "creatinine": ("2160-0", "mg/dL"),
    "sodium": ("2951-2", "mmol/L"),
    "albumin": ("1751-7", "g/dL"),
    "bilirubin": ("1975-2", "mg/dL"),
}
_ANSWERS = {
    "alert": ("67775-7", {"A": "LA9340-6", "C": "LA6560-2", "V": "LA17108-4", "P": "LA17107-6", "U": "LA9343-0"}),
    "pregnant": ("82810-3", {"yes": "LA15173-0", "no": "LA26683-5", "?": "LA0-0"}),
}
_KEYS = {"oxygen": "oxygen", "fio2": "oxygen", "alert": "consciousness", "pregnant": "pregnancy"}
_KEY_NAMES = ("vitals", "oxygen", "consciousness", "pregnancy")


def _charted(values: dict[str, Any], at: str) -> dict[str, Any]:
    found = []
    for name, value in values.items():
        if value is None:
            continue
        value, time, *words = value if isinstance(value, list) else (value, at)
        words = words[0] if words else {}
        if name in _ANSWERS:
            code, answers = _ANSWERS[name]
            coding = {"system": "http://loinc.org", "code": answers[value]}
            coded = lab(code, 0, time, id=f"o-{name}", valueCodeableConcept={"coding": [coding]})
            del coded["valueQuantity"]
            found.append(coded)
        else:
            code, unit = _CODES[name]
            measured = lab(code, value, time, unit=words.get("unit", unit), id=f"o-{name}")
            if "comparator" in words:
                measured["valueQuantity"]["comparator"] = words["comparator"]
            found.append(measured)
    return bundle(*found)


def _vitals(case: dict[str, Any]) -> dict[str, Any]:
    """By key: what is charted seldom has keys of its own."""
    signs = _WELL | case.get("vitals", {})
    own = {key: {name: v for name, v in signs.items() if _KEYS.get(name, "vitals") == key} for key in _KEY_NAMES}
    charted = {key: _charted(values, "2026-11-21T08:00:00Z") for key, values in own.items()}
    first = datetime(2026, 11, 21, 7, tzinfo=UTC)
    for hour in range(case.get("pulses", 0)):
        at = (first - timedelta(hours=hour)).isoformat()
        charted["vitals"]["entry"].append({"resource": lab("8867-4", 80, at, unit="/min", id=f"p{hour}")})
    return charted


def _problem(entry: str | list[Any]) -> dict[str, Any]:
    code, changes = entry if isinstance(entry, list) else (entry, {})
    coding = {"system": "http://hl7.org/fhir/sid/icd-10-cm", "code": code}
    found = problem(code) | {"code": {"coding": [coding]}} | changes
    return {name: value for name, value in found.items() if value is not None}


def _stays(status: str | None) -> list[dict[str, Any]]:
    if status is None:
        return []
    coding = {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "IMP"}
    stay = {"resourceType": "Encounter", "id": "e1", "status": status, "class": coding}
    return [{**stay, "subject": {"reference": "Patient/p1"}, "period": {"start": "2026-11-18T10:00:00Z"}}]


def body_of(case: dict[str, Any]) -> dict[str, Any]:
    body: dict[str, Any] = {
        "hook": "patient-view",
        "hookInstance": "d1577c69-dfbe-44ad-ba6d-3e05e953b2ea",
        "context": {"userId": "Practitioner/u1", "patientId": "p1"},
        "prefetch": {
            "patient": patient(**case.get("patient", {})),
            **_vitals(case),
            "labs": _charted(_LABS | case.get("labs", {}), "2026-11-21T06:00:00Z"),
            "problems": bundle(*(_problem(code) for code in case.get("problems", []))),
            "stays": bundle(*_stays(case.get("stay", "in-progress"))),
        },
    }
    for key in case.get("without", []):
        del body["prefetch"][key]
    for key in case.get("cut", []):
        body["prefetch"][key]["link"] = [{"relation": "next", "url": "https://ehr.example/fhir?page=2"}]
    return body


def gateway_of(case: dict[str, Any]) -> FakeGateway:
    broken = Reason(case["model"]) if "model" in case else None
    return FakeGateway(model=FakeModel(lambda *values: support2.answer(values)[0], broken))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["case"])
async def test_a_case_ends_as_written(case: dict[str, Any]) -> None:
    """The model where it can, NEWS2 where it cannot, and who is deferred is deferred in any case."""
    gateway = gateway_of(case)
    ended_as_written(gateway, await gateway.call(body_of(case), "deterioration"), case["expect"])
