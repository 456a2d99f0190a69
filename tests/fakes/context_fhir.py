"""A FHIR server in process, and the resources that tests put on it."""

import asyncio
import json
from dataclasses import dataclass, field
from typing import Any

import msgspec

from tests.fakes.calls import PLAN, hook_call
from wardgate.domain.context.prefetch import parse_template
from wardgate.domain.hooks import HOOKS, FhirAccess
from wardgate.gateway.call import HookCall

BASE = "http://ehr.test/fhir"
ACCESS = FhirAccess(BASE, "secret-token")
TOKENS = HOOKS["patient-view"].tokens()
PATIENT = "Patient/{{context.patientId}}"
LABS = "Observation?patient={{context.patientId}}&_sort=-date&_count=50"
PROBLEMS = "Condition?patient={{context.patientId}}"
ENCOUNTER = "Encounter/{{context.encounterId}}"
LABS_URL = f"{BASE}/Observation?patient=p1&_sort=-date&_count=50"

Json = dict[str, Any]


def raw(value: object) -> msgspec.Raw:
    """As the web ring hands a value over; bytes stay as they are."""
    if isinstance(value, bytes):
        return msgspec.Raw(value)
    return msgspec.Raw(json.dumps(value).encode())


def patient(name: str = "p1", /, **more: Any) -> Json:
    return {"resourceType": "Patient", "id": name, "birthDate": "1950-02-03", **more}


def observation(name: str | None = "o1", of: str | None = "Patient/p1", **more: Any) -> Json:
    resource: Json = {
        "resourceType": "Observation",
        "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": "33914-3"}]},
        "effectiveDateTime": "2026-08-01T10:00:00Z",
        "valueQuantity": {"value": 25.5, "unit": "mL/min/{1.73_m2}", "system": "http://unitsofmeasure.org"},
    }
    if name is not None:
        resource["id"] = name
    if of is not None:
        resource["subject"] = {"reference": of}
    return resource | more


def condition(name: str = "c1", of: str = "Patient/p1", **more: Any) -> Json:
    return {"resourceType": "Condition", "id": name, "subject": {"reference": of}, "code": {"text": "x"}, **more}


def encounter(name: str = "e1", of: str | None = "Patient/p1", **more: Any) -> Json:
    subject = {} if of is None else {"subject": {"reference": of}}
    return {"resourceType": "Encounter", "id": name, "status": "in-progress", **subject, **more}


def bundle(*resources: object, next_link: object = None, urls: dict[int, str] | None = None) -> Json:
    entries = [{"fullUrl": (urls or {}).get(index, f"x{index}"), "resource": r} for index, r in enumerate(resources)]
    found: Json = {"resourceType": "Bundle", "type": "searchset", "entry": entries}
    if next_link is not None:
        found["link"] = [{"relation": "self", "url": "x"}, {"relation": "next", "url": next_link}]
    return found


def operation_outcome(severity: str) -> Json:
    return {"resourceType": "OperationOutcome", "issue": [{"severity": severity, "code": "processing"}]}


def call_for(
    templates: dict[str, str], required: frozenset[str] = frozenset(), seconds: float = 0.5, **changes: Any
) -> HookCall:
    """A call of a service with these prefetch templates; `prefetch` as plain values."""
    keys = tuple(parse_template(name, text, TOKENS, name in required) for name, text in templates.items())
    sent = {name: raw(value) for name, value in changes.pop("prefetch", {}).items()}
    tokens = {"patientId": changes.get("patient_id", "p1"), "userId": "Practitioner/u1"}
    if changes.get("encounter_id"):
        tokens["encounterId"] = changes["encounter_id"]
    plan = msgspec.structs.replace(PLAN, prefetch=keys)
    fields = {"fhir_server": BASE, "tokens": tokens, "prefetch": sent} | changes
    return hook_call(plan, seconds, **fields)


@dataclass
class FakeFhir:
    """Meets `gateway.ports.FhirReader`. `answers` by absolute URL; what is not there fails, as on a real server.

    `gate`, where set, holds every read until it is opened. `open` counts the reads under way.
    """

    answers: dict[str, object] = field(default_factory=dict)
    gate: asyncio.Event | None = None
    asked: list[tuple[FhirAccess, str, float]] = field(default_factory=list)
    open: int = 0
    most_open: int = 0

    @property
    def urls(self) -> list[str]:
        return [url for _, url, _ in self.asked]

    async def read(self, access: FhirAccess, url: str, timeout: float) -> bytes | None:
        self.asked.append((access, url, timeout))
        self.open += 1
        self.most_open = max(self.most_open, self.open)
        try:
            if self.gate is not None:
                await self.gate.wait()
        finally:
            self.open -= 1
        answer = self.answers.get(url)
        if answer is None or isinstance(answer, bytes):
            return answer
        return json.dumps(answer).encode()
