"""A call that a service can answer: a made-up patient with a value for each feature, and something of all that a chart
holds besides."""

import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from wardgate.cli.ehr import resolve
from wardgate.domain.features.schema import FeatureSpec, FeatureType, Take
from wardgate.domain.hooks import HOOKS, FieldKind
from wardgate.domain.inference.endpoint import Probe
from wardgate.domain.plans import ReleasePlan, ServicePlan
from wardgate.lab.canary.drive import Base

Resource = dict[str, Any]
_PATIENT, _ENCOUNTER, _USER = "patient-1", "encounter-1", "Practitioner/user-1"
_UCUM, _LOINC = "http://unitsofmeasure.org", "http://loinc.org"
_PART = re.compile(r"([A-Za-z]+)(\[0\])?")
_TWO = frozenset({Take.DELTA, Take.SLOPE})
"""Need two points in time."""


def base_of(plan: ServicePlan, now: datetime) -> Base:
    """Fits the first release of its rollout: that probe's values whose score is highest, so that a card is likely.

    What only FHIRPath or a rule reads is not made up; such a call ends in its deferral, which is a way as well.
    """
    release = next(iter(plan.releases.values()))
    context = _context(plan)
    chart = _chart(release, _best(release.probes.probes), now)
    request: Resource = {
        "hook": plan.hook,
        "hookInstance": "d1577c69-dfbe-44ad-ba6d-3e05e953b2ea",
        "context": context,
        "prefetch": {},
    }
    tokens = {name: value for name, value in context.items() if isinstance(value, str)}
    for key in plan.prefetch:
        found = [resource for resource in chart if resource["resourceType"] == key.resource_type]
        if not key.read:
            entries = [{"resource": resource} for resource in found]
            request["prefetch"][key.name] = {"resourceType": "Bundle", "type": "searchset", "entry": entries}
        elif found and (resolve(key.template, tokens) or "").endswith(f"/{found[0]['id']}"):
            request["prefetch"][key.name] = found[0]
    labels = () if plan.follow_up is None else (plan.follow_up.label,)
    return Base(plan.id, request, labels)


def _best(probes: tuple[Probe, ...]) -> Probe:
    def score(probe: Probe) -> float:
        value = probe.outputs.get("score", 0.0)
        return value if isinstance(value, int | float) else 0.0

    return max(probes, key=score)


def _context(plan: ServicePlan) -> Resource:
    definition = HOOKS.get(plan.hook)
    draft = {
        "resourceType": "MedicationRequest",
        "id": "draft-1",
        "status": "draft",
        "intent": "order",
        "subject": {"reference": f"Patient/{_PATIENT}"},
        "medicationCodeableConcept": {"text": "A medicine"},
        "note": [{"text": "A note"}],
    }
    made: Mapping[FieldKind, Any] = {
        FieldKind.ID: "id-1",
        FieldKind.REFERENCE: _USER,
        FieldKind.REFERENCES: ["MedicationRequest/draft-1"],
        FieldKind.RESOURCE: {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": draft}]},
        FieldKind.LIST: [draft],
    }
    known = {"patientId": _PATIENT, "encounterId": _ENCOUNTER, "userId": _USER}
    fields = definition.fields if definition else plan.context
    further = {field.name: made[field.kind] for field in fields if field.name not in known}
    return {**known, **further}


def _chart(release: ReleasePlan, probe: Probe, now: datetime) -> list[Resource]:
    subject = {"reference": f"Patient/{_PATIENT}", "display": "Somebody"}
    patient: Resource = {
        "resourceType": "Patient",
        "id": _PATIENT,
        "identifier": [{"system": "http://hospital.example/mrn", "value": "mrn-1"}],
        "name": [{"family": "Somebody", "given": ["Some", "Body"], "text": "Some Body"}],
        "telecom": [{"system": "phone", "value": "+43 1 234567"}],
        "address": [{"line": ["A street 1"], "city": "A town", "postalCode": "1010"}],
        "birthDate": f"{now.year - 60}-01-01",
        "gender": "female",
    }
    encounter: Resource = {
        "resourceType": "Encounter",
        "id": _ENCOUNTER,
        "status": "in-progress",
        "class": {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "IMP"},
        "subject": subject,
        "period": {"start": _time(now - timedelta(hours=30))},
        "location": [{"location": {"reference": "Location/ward-1", "display": "A ward"}}],
    }
    stranger = {"code": {"coding": [{"system": _LOINC, "code": "99999-9"}], "text": "Something else"}}
    chart = [patient, encounter, _observation("other-1", subject, now, stranger, {"value": 123.0, "unit": "a unit"})]
    for number, spec in enumerate(release.extractor.schema.features):
        value = probe.inputs.get(spec.name)
        if value is None and not spec.required and not _is_measured(spec):
            continue
        if spec.source == "Patient":
            _put_in_patient(patient, spec, value, now)
        elif spec.source == "Encounter":
            if spec.as_ in ("hours", "days"):
                start = now - timedelta(**{spec.as_: value or 1.0})
                encounter["period"] = {"start": _time(start)}
        elif value is not None or spec.type is not FeatureType.BOOLEAN:
            chart += _resources(f"made-{number}", spec, value, subject, now)
    return chart


def _is_measured(spec: FeatureSpec) -> bool:
    """Also what no probe names may be needed, for an input that is derived from it."""
    measured = spec.source == "Observation" and spec.type is FeatureType.NUMBER and spec.map is None
    return measured and spec.take not in (Take.ANY, Take.COUNT)


def _put_in_patient(patient: Resource, spec: FeatureSpec, value: float | None, now: datetime) -> None:
    if spec.path == "birthDate":
        patient["birthDate"] = f"{now.year - int(value or 60)}-01-01"
    elif spec.path and spec.map:
        text = next((text for text, number in spec.map.items() if number == value), next(iter(spec.map)))
        _put(patient, spec.path, text)


def _put(document: Resource, path: str, value: Any) -> None:
    *steps, last = path.split(".")
    at = document
    for step in steps:
        found = _PART.fullmatch(step)
        if found is None:
            return
        inner: Any = {}
        at[found[1]] = [inner] if found[2] else inner
        at = inner
    at[last] = value


def _resources(name: str, spec: FeatureSpec, value: float | None, subject: Resource, now: datetime) -> list[Resource]:
    code = spec.codes[0] if spec.codes else None
    coding = {} if code is None else {"system": code.system, "code": sorted(code.any)[0]}
    concept = {"coding": [coding], "text": "A name"}
    match spec.source:
        case "Observation":
            given = _value(spec, value)
            late = _observation(f"{name}-2", subject, now - timedelta(hours=2), {"code": concept}, None, given)
            if spec.take not in _TWO:
                return [late]
            return [_observation(f"{name}-1", subject, now - timedelta(hours=26), {"code": concept}, None, given), late]
        case "Condition" if value:
            status = {"clinicalStatus": {"coding": [{"code": "active"}]}, "onsetDateTime": "2019-05-05"}
            return [{"resourceType": "Condition", "id": name, "code": concept, "subject": subject, **status}]
        case "MedicationRequest" | "MedicationStatement" if value:
            kind = spec.source
            status = {"status": "active", "medicationCodeableConcept": concept}
            if kind == "MedicationRequest":
                status |= {"intent": "order", "authoredOn": _time(now - timedelta(hours=2))}
            return [{"resourceType": kind, "id": name, "subject": subject, **status}]
        case "DocumentReference":
            content = [{"attachment": {"contentType": "text/plain", "size": int(value or 100), "title": "A letter"}}]
            status = {"status": "current", "type": concept, "date": _time(now - timedelta(hours=2))}
            return [{"resourceType": "DocumentReference", "id": name, "subject": subject, "content": content, **status}]
    return []


def _value(spec: FeatureSpec, value: float | None) -> Resource:
    if spec.type is FeatureType.BOOLEAN:
        return {"valueBoolean": bool(value)}
    if spec.map is not None:
        text = next((text for text, number in spec.map.items() if number == value), next(iter(spec.map)))
        return {"valueCodeableConcept": {"coding": [{"code": text}], "text": text}}
    if value is None:
        low, high = spec.plausible or (1.0, 2.0)
        value = (low + high) / 2
    return {"valueQuantity": {"value": value, "unit": spec.unit or "1", "system": _UCUM, "code": spec.unit or "1"}}


def _observation(
    name: str, subject: Resource, at: datetime, code: Resource, quantity: Resource | None, given: Resource | None = None
) -> Resource:
    return {
        "resourceType": "Observation",
        "id": name,
        "status": "final",
        "subject": subject,
        "effectiveDateTime": _time(at),
        "performer": [{"display": "Somebody else"}],
        "note": [{"text": "A note"}],
        **code,
        **(given or {"valueQuantity": quantity}),
    }


def _time(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")
