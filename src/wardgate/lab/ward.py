"""Inpatients of today: vital signs and labs that are hours old, on top of a chart that the generator made."""

import copy
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from wardgate.lab import chart
from wardgate.lab.chart import Bundle, Resource

_LOINC = "http://loinc.org"
_HEART_RATE, _PRESSURE = "8867-4", "85354-9"
_ACVPU = {
    "A": ("LA9340-6", "Alert"),
    "C": ("LA6560-2", "Confused"),
    "V": ("LA17108-4", "Verbal"),
    "P": ("LA17107-6", "Painful"),
    "U": ("LA9343-0", "Unresponsive"),
}


@dataclass(frozen=True)
class Ward:
    """What was charted an hour ago, and the labs of `labs_age` hours ago; None: not charted.

    Breaths, beats and L/min a minute, % SpO2, mmHg, degrees Celsius; labs as in `_LABS`.
    """

    resp: float | None = 16
    spo2: float | None = 97
    oxygen: float | None = 0
    pressure: tuple[float, float] | None = (128, 76)
    pulse: float | None = 78
    acvpu: str | None = "A"
    temperature: float | None = 36.8
    wbc: float | None = 8.4
    creatinine: float | None = 1.1
    sodium: float | None = 139
    albumin: float | None = 3.8
    bilirubin: float | None = 0.7
    labs_age: float = 6
    hypercapnic: bool = False


_VITALS = {
    "resp": ("9279-1", "Respiratory rate", "/min"),
    "spo2": ("59408-5", "Oxygen saturation in Arterial blood by Pulse oximetry", "%"),
    "oxygen": ("3151-8", "Inhaled oxygen flow rate", "L/min"),
    "pulse": (_HEART_RATE, "Heart rate", "/min"),
    "temperature": ("8310-5", "Body temperature", "Cel"),
}
_LABS = {
    "wbc": ("6690-2", "Leukocytes [#/volume] in Blood by Automated count", "10*3/uL"),
    "creatinine": ("2160-0", "Creatinine [Mass/volume] in Serum or Plasma", "mg/dL"),
    "sodium": ("2951-2", "Sodium [Moles/volume] in Serum or Plasma", "mmol/L"),
    "albumin": ("1751-7", "Albumin [Mass/volume] in Serum or Plasma", "g/dL"),
    "bilirubin": ("1975-2", "Bilirubin.total [Mass/volume] in Serum or Plasma", "mg/dL"),
}


def admit(bundle: Bundle, ward: Ward, now: datetime) -> None:
    """Add the stay, its vital signs and its labs to the chart; `now` has a zone."""
    charted, taken = now - timedelta(hours=1), now - timedelta(hours=ward.labs_age)
    model = {kind: chart.newest(bundle, code) for kind, code in (("vital", _HEART_RATE), ("lab", "2160-0"))}
    added = [
        _measured(model[kind], name, coding, getattr(ward, name), at)
        for kind, codes, at in (("vital", _VITALS, charted), ("lab", _LABS, taken))
        for name, coding in codes.items()
        if getattr(ward, name) is not None
    ]
    if ward.pressure is not None:
        added.append(_pressure(chart.newest(bundle, _PRESSURE), ward.pressure, charted))
    if ward.acvpu is not None:
        added.append(_consciousness(model["vital"], ward.acvpu, charted))
    added.append(_stay(chart.patient(bundle)["id"], now - timedelta(days=3)))
    bundle["entry"] += [{"resource": resource} for resource in added]
    if ward.hypercapnic:
        _add_hypercapnia(bundle, now)


def _measured(model: Resource, name: str, coding: tuple[str, str, str], value: float, at: datetime) -> Resource:
    code, display, unit = coding
    resource = _observation(model, name, code, display, at)
    resource["valueQuantity"] = {"value": value, "unit": unit, "system": "http://unitsofmeasure.org", "code": unit}
    return resource


def _observation(model: Resource, name: str, code: str, display: str, at: datetime) -> Resource:
    resource = {key: copy.deepcopy(value) for key, value in model.items() if key not in ("text", "referenceRange")}
    resource["id"] = f"{model['subject']['reference'].removeprefix('Patient/')}-today-{name}"
    resource["code"] = {"coding": [{"system": _LOINC, "code": code, "display": display}], "text": display}
    resource |= {"effectiveDateTime": _text(at), "issued": _text(at)}
    return resource


def _pressure(model: Resource, pressure: tuple[float, float], at: datetime) -> Resource:
    display = model["code"]["coding"][0]["display"]
    resource = _observation(model, "pressure", _PRESSURE, display, at)
    for component, value in zip(resource["component"], pressure, strict=True):
        component["valueQuantity"]["value"] = value
    return resource


def _consciousness(model: Resource, acvpu: str, at: datetime) -> Resource:
    resource = _observation(model, "acvpu", "67775-7", "Level of responsiveness", at)
    del resource["valueQuantity"]
    code, display = _ACVPU[acvpu]
    resource["valueCodeableConcept"] = {
        "coding": [{"system": _LOINC, "code": code, "display": display}],
        "text": display,
    }
    return resource


def _stay(patient: str, since: datetime) -> dict[str, Any]:
    system = "http://terminology.hl7.org/CodeSystem/v3-ActCode"
    return {
        "resourceType": "Encounter",
        "id": f"{patient}-stay",
        "status": "in-progress",
        "class": {"system": system, "code": "IMP", "display": "inpatient encounter"},
        "subject": {"reference": f"Patient/{patient}"},
        "period": {"start": _text(since)},
    }


def _add_hypercapnia(bundle: Bundle, now: datetime) -> None:
    display = "Chronic respiratory failure with hypercapnia"
    chart.with_condition(bundle, "J96.12", display, (now - timedelta(days=400)).date())
    coding = bundle["entry"][-1]["resource"]["code"]["coding"][0]
    coding["system"] = "http://hl7.org/fhir/sid/icd-10-cm"


def _text(at: datetime) -> str:
    return at.isoformat(timespec="seconds").replace("+00:00", "Z")
