"""An edge with two ids and three hooks, in front of a stack that answers as a test says."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from tests.fakes.clock import FakeClock
from tests.fakes.meter import FakeMeter
from wardgate.domain.cards.card import Card, Source
from wardgate.domain.clients import Client
from wardgate.domain.context.prefetch import PrefetchKey
from wardgate.domain.feedback import Feedback
from wardgate.domain.outcomes import Arm, Mode, Reason, Step
from wardgate.domain.plans import Catalog, ServicePlan
from wardgate.domain.rollout.assignment import Assignment
from wardgate.gateway.authentication import Callers, OneClient
from wardgate.gateway.call import HookCall
from wardgate.gateway.outcome import HookOutcome
from wardgate.resilience.gate import Gate
from wardgate.web.edge import Edge, EdgeOptions

FHIR = "https://ehr.example/fhir/r4"
ORIGIN = "https://ehr.example"
PATH = "/cds-services/kidney-failure"

CLIENT = Client(
    name="ward-ehr",
    fhir_servers=frozenset({FHIR}),
    origins=(ORIGIN, "http://localhost:*"),
    site="hospital_a",
    zone=ZoneInfo("Europe/Berlin"),
)
CARD = Card("6d8c1e0e-2a44-4a38-8b8e-4d7a4d9a3f11", "Kidney failure risk: 4.73 %", "info", Source("Nephrology"))


def key(name: str, template: str) -> PrefetchKey:
    """A prefetch key with the parts that its template's tokens make."""
    parts = [part.removeprefix("context.") for part in template.replace("}}", "{{").split("{{")]
    return PrefetchKey(name, template, template.split("/")[0].split("?")[0], True, tuple(parts), (), True)


def plan(service_id: str, hook: str, *prefetch: PrefetchKey, usage: str | None = None) -> ServicePlan:
    return ServicePlan(
        id=service_id,
        hook=hook,
        title=f"{service_id} at {hook}",
        description="What it computes.",
        usage_requirements=usage,
        prefetch=prefetch,
        deadline=0.5,
        risk_tier="high",
        names_sites=False,
        releases={},
    )


PATIENT_VIEW = plan("kidney-failure", "patient-view", key("patient", "Patient/{{context.patientId}}"))
ORDER_SIGN = plan("kidney-failure", "order-sign")
CUSTOM = plan(
    "sepsis",
    "com.example.vitals",
    key("device", "Device/{{context.deviceId}}"),
    key("user", "Practitioner/{{context.userId}}"),
    usage="Inpatients only.",
)


def catalog(*plans: ServicePlan) -> Catalog:
    services: dict[str, dict[str, ServicePlan]] = {}
    for each in plans:
        services.setdefault(each.id, {})[each.hook] = each
    return Catalog(services, {})


def shown(call: HookCall) -> HookOutcome:
    assignment = Assignment(1, "1.0.0", Mode.ACTIVE, Arm.CHAMPION, None)
    return HookOutcome(call, Reason.THRESHOLD_MET, Step.MODEL, assignment, rendered=CARD)


@dataclass
class House:
    """`answer` is the hook stack; `calls` is what reached it, `reports` the feedback that was taken."""

    answer: Callable[[HookCall], HookOutcome] = shown
    catalog: Catalog = field(default_factory=lambda: catalog(PATIENT_VIEW, ORDER_SIGN, CUSTOM))
    options: EdgeOptions = EdgeOptions()
    callers: Callers = field(default_factory=lambda: OneClient(CLIENT))
    ready: bool = True
    gate: Gate = field(default_factory=Gate)
    meter: FakeMeter = field(default_factory=FakeMeter)
    clock: FakeClock = field(default_factory=FakeClock)
    in_vain: Callable[[ServicePlan, int], bool] = lambda plan, coming: False
    calls: list[HookCall] = field(default_factory=list)
    reports: list[Feedback] = field(default_factory=list)

    def handler(self, _: ServicePlan) -> Callable[[HookCall], Awaitable[HookOutcome]]:
        async def handle(call: HookCall) -> HookOutcome:
            self.calls.append(call)
            return self.answer(call)

        return handle

    async def take(self, reports: Sequence[Feedback]) -> None:
        self.reports.extend(reports)

    def edge(self) -> Edge:
        ids = iter(f"decision-{number}" for number in range(1_000_000))
        return Edge(
            catalog=lambda: self.catalog,
            handler=self.handler,
            feedback=self.take,
            callers=self.callers,
            gate=self.gate,
            clock=self.clock,
            new_id=lambda: next(ids),
            meter=self.meter,
            faults=self.meter,
            ready=lambda: self.ready,
            options=self.options,
            in_vain=lambda plan, coming: self.in_vain(plan, coming),
        )


def request(**changes: Any) -> dict[str, Any]:
    """A good patient-view request; a change to None removes the element."""
    good: dict[str, Any] = {
        "hook": "patient-view",
        "hookInstance": "d1577c69-dfbe-44ad-ba6d-3e05e953b2ea",
        "fhirServer": FHIR,
        "fhirAuthorization": {
            "access_token": "token-1",
            "token_type": "Bearer",
            "expires_in": 300,
            "scope": "patient/Observation.rs",
            "subject": "cds",
        },
        "context": {"userId": "Practitioner/123", "patientId": "p1", "encounterId": "e1"},
        "prefetch": {"patient": {"resourceType": "Patient", "id": "p1"}},
    }
    return {name: value for name, value in {**good, **changes}.items() if value is not None}


def body(**changes: Any) -> bytes:
    return msgspec.json.encode(request(**changes))
