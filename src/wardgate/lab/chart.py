"""Small edits of one patient's Bundle: find, name, shift in time, set the kidney values."""

from collections.abc import Collection
from datetime import date, datetime, timedelta
from typing import Any

Bundle = dict[str, Any]
Resource = dict[str, Any]

EGFR, ACR, CREATININE = "98979-8", "9318-7", "2160-0"
_KIDNEY = (EGFR, ACR, CREATININE)
_STAGES = (
    (15.0, "N18.5", "Chronic kidney disease, stage 5"),
    (30.0, "N18.4", "Chronic kidney disease, stage 4 (severe)"),
)
_MISFILED = "urn:wardgate:lab:filed-under"


def resources(bundle: Bundle, kind: str) -> list[Resource]:
    return [entry["resource"] for entry in bundle["entry"] if entry["resource"]["resourceType"] == kind]


def patient(bundle: Bundle) -> Resource:
    return resources(bundle, "Patient")[0]


def code_of(observation: Resource) -> str:
    code: str = observation["code"]["coding"][0]["code"]
    return code


def newest(bundle: Bundle, code: str) -> Resource:
    found = [each for each in resources(bundle, "Observation") if code_of(each) == code]
    return max(found, key=lambda each: str(each["effectiveDateTime"]))


def kidney_labs(bundle: Bundle) -> list[Resource]:
    return [each for each in resources(bundle, "Observation") if code_of(each) in _KIDNEY]


def without(bundle: Bundle, codes: Collection[str]) -> Bundle:
    def keep(resource: Resource) -> bool:
        return resource["resourceType"] != "Observation" or code_of(resource) not in codes

    return bundle | {"entry": [entry for entry in bundle["entry"] if keep(entry["resource"])]}


def name_resources(bundle: Bundle, patient_id: str) -> None:
    """Readable ids in place of urn:uuid; the Bundle's references are resolved when it is loaded."""
    for number, entry in enumerate(bundle["entry"]):
        kind = entry["resource"]["resourceType"]
        entry["resource"]["id"] = patient_id if kind == "Patient" else f"{patient_id}-{kind.lower()}-{number}"
    person = patient(bundle)
    address = next(entry["fullUrl"] for entry in bundle["entry"] if entry["resource"] is person)
    _rewrite(bundle, address, f"Patient/{patient_id}")


def _rewrite(node: object, old: str, new: str) -> None:
    if isinstance(node, list):
        for item in node:
            _rewrite(item, old, new)
    elif isinstance(node, dict):
        if node.get("reference") == old:
            node["reference"] = new
        for value in node.values():
            _rewrite(value, old, new)


def shift_visit(bundle: Bundle, back: timedelta) -> None:
    """Move what was measured, reported or done back in time; the patient and her diagnoses stay."""
    for entry in bundle["entry"]:
        if entry["resource"]["resourceType"] not in ("Patient", "Condition"):
            _shift(entry["resource"], back)


def _shift(node: Resource, back: timedelta) -> None:
    for name, value in node.items():
        if name in ("effectiveDateTime", "issued", "authoredOn", "start", "end", "recordedDate"):
            moment = datetime.fromisoformat(value) - back
            node[name] = moment.isoformat().replace("+00:00", "Z") if "T" in value else value
        elif isinstance(value, dict):
            _shift(value, back)


def set_kidney_values(bundle: Bundle, egfr: float, uacr: float | None, today: date) -> None:
    """Set eGFR, the creatinine that gives it, albuminuria, and the stage in the problem list."""
    person = patient(bundle)
    age = (today - date.fromisoformat(person["birthDate"])).days / 365.2425
    values = {EGFR: egfr, ACR: uacr, CREATININE: creatinine_for(egfr, age, person["gender"] == "female")}
    for observation in kidney_labs(bundle):
        value = values[code_of(observation)]
        if value is not None:
            observation["valueQuantity"]["value"] = value
            observation.pop("text", None)  # the narrative states the old value
    for condition in resources(bundle, "Condition"):
        _set_stage(condition, egfr)


def creatinine_for(egfr: float, age: float, female: bool) -> float:
    """mg/dL, from the CKD-EPI 2021 equation solved for creatinine above its knot (Inker et al., NEJM 2021)."""
    knot, factor = (0.7, 1.012) if female else (0.9, 1.0)
    return float(round(knot * (142 * 0.9938**age * factor / egfr) ** (1 / 1.2), 2))


def _set_stage(condition: Resource, egfr: float) -> None:
    coding = condition["code"]["coding"][0]
    stage = next(((code, display) for below, code, display in _STAGES if egfr < below), None)
    if stage is not None and coding["code"].startswith("N18."):
        coding["code"], coding["display"] = stage
        condition["code"]["text"] = stage[1]
        condition.pop("text", None)


def with_condition(bundle: Bundle, snomed: str, display: str, since: date) -> Bundle:
    person = patient(bundle)["id"]
    condition = {
        "resourceType": "Condition",
        "id": f"{person}-condition-{snomed}",
        "clinicalStatus": {"coding": [_clinical("condition-clinical", "active")]},
        "verificationStatus": {"coding": [_clinical("condition-ver-status", "confirmed")]},
        "category": [{"coding": [_clinical("condition-category", "problem-list-item")]}],
        "code": {"coding": [{"system": "http://snomed.info/sct", "code": snomed, "display": display}], "text": display},
        "subject": {"reference": f"Patient/{person}"},
        "onsetDateTime": since.isoformat(),
    }
    bundle["entry"].append({"resource": condition})
    return bundle


def _clinical(system: str, code: str) -> dict[str, str]:
    return {"system": f"http://terminology.hl7.org/CodeSystem/{system}", "code": code}


def filed_under(patient_id: str) -> dict[str, str]:
    """A mark for `filed_patient`: the server's index has this resource under a patient who is not its subject."""
    return {"system": _MISFILED, "code": patient_id}


def filed_patient(resource: Resource) -> str | None:
    meta = resource.get("meta")
    tags = meta.get("tag") if isinstance(meta, dict) else None
    for tag in tags if isinstance(tags, list) else ():
        if isinstance(tag, dict) and tag.get("system") == _MISFILED:
            return str(tag.get("code"))
    return None
