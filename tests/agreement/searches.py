"""Searches made from what is in the charts: each parameter with values that match, nearly match, or match nothing."""

import json
import random
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

Resource = dict[str, Any]
Search = tuple[str, list[tuple[str, str]]]

_TOKENS: Mapping[str, Mapping[str, str]] = {
    "Observation": {"code": "code", "category": "category", "status": "status"},
    "Condition": {"code": "code", "category": "category", "clinical-status": "clinicalStatus"},
    "MedicationRequest": {"code": "medicationCodeableConcept", "status": "status", "intent": "intent"},
    "MedicationStatement": {"code": "medicationCodeableConcept", "status": "status"},
    "Encounter": {"class": "class", "status": "status"},
    "DiagnosticReport": {"code": "code", "category": "category", "status": "status"},
    "AllergyIntolerance": {"code": "code", "clinical-status": "clinicalStatus"},
    "DocumentReference": {"type": "type", "status": "status"},
    "Procedure": {"code": "code", "status": "status"},
    "ServiceRequest": {"code": "code", "status": "status", "intent": "intent"},
}
_DATES: Mapping[str, tuple[str, str]] = {
    "Observation": ("date", "effectiveDateTime"),
    "Condition": ("onset-date", "onsetDateTime"),
    "MedicationRequest": ("authoredon", "authoredOn"),
    "Encounter": ("date", "period"),
    "DiagnosticReport": ("date", "effectiveDateTime"),
    "DocumentReference": ("date", "date"),
    "Procedure": ("date", "performedDateTime"),
    "ServiceRequest": ("authored", "authoredOn"),
}
_PREFIXES = ("", "eq", "ne", "gt", "ge", "lt", "le", "sa", "eb")


def generate(resources: Mapping[str, Sequence[Resource]], number: int, seed: int) -> Iterator[Search]:
    """`number` searches of `resources` (by type), the same for the same seed."""
    dice = random.Random(seed)
    patients = [each["id"] for each in resources["Patient"]]
    kinds = [kind for kind in _TOKENS if resources.get(kind)]
    for _ in range(number):
        kind, patient = dice.choice(kinds), dice.choice(patients)
        hers = [each for each in resources[kind] if f'"Patient/{patient}"' in json.dumps(each)]
        source = hers if hers and dice.random() < 0.8 else resources[kind]
        yield kind, _parameters(kind, source, patient, dice)


def _parameters(kind: str, resources: Sequence[Resource], patient: str, dice: random.Random) -> list[tuple[str, str]]:
    # Mostly `subject`, which the other server answers ten times as fast as `patient`.
    name = "patient" if kind == "AllergyIntolerance" else dice.choice(("subject", "subject", "subject", "patient"))
    parameters = [(name, f"Patient/{patient}")]
    for token, element in _TOKENS[kind].items():
        if dice.random() < 0.3:
            parameters.append(
                (token, ",".join(_token(resources, element, dice) for _ in range(dice.choice((1, 1, 2, 3)))))
            )
    if kind in _DATES:
        date, element = _DATES[kind]
        for _ in range(dice.choice((0, 0, 1, 1, 2))):
            parameters.append((date, dice.choice(_PREFIXES) + _date(resources, element, dice)))
        if dice.random() < 0.5:
            parameters.append(("_sort", dice.choice((date, f"-{date}"))))
    if dice.random() < 0.1:
        parameters.append(("_id", ",".join(dice.choice(resources)["id"] for _ in range(3))))
    if dice.random() < 0.4:
        parameters.append(("_count", str(dice.choice((1, 2, 5, 20)))))
    return parameters


def _token(resources: Sequence[Resource], element: str, dice: random.Random) -> str:
    codings = list(_codings(dice.choice(resources).get(element)))
    if not codings:
        return "nothing-has-this-code"
    system, code = dice.choice(codings)
    forms = (code, f"{system}|{code}", f"{system}|{code}", f"http://other.example|{code}", f"{code}x")
    return dice.choice(forms if system else (code, f"{code}x"))


def _codings(value: object) -> Iterator[tuple[str, str]]:
    if isinstance(value, str):
        yield "", value
    elif isinstance(value, list):
        for each in value:
            yield from _codings(each)
    elif isinstance(value, dict):
        yield from _codings(value.get("coding"))
        if isinstance(value.get("code"), str):
            yield value.get("system") or "", value["code"]


def _date(resources: Sequence[Resource], element: str, dice: random.Random) -> str:
    value = dice.choice(resources).get(element)
    text = value.get("start") if isinstance(value, dict) else value
    whole = text if isinstance(text, str) else "2026-01-01"
    return dice.choice((whole, whole[:10], whole[:10], whole[:7], whole[:4]))
