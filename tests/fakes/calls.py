"""Hook calls for tests that do not start at the wire."""

from zoneinfo import ZoneInfo

import msgspec

from wardgate.domain.clients import Client
from wardgate.domain.hooks import HookRequest
from wardgate.domain.plans import ServicePlan
from wardgate.gateway.budget import Budget
from wardgate.gateway.call import HookCall

CLIENT = Client("ward-ehr", frozenset({"http://ehr.test/fhir"}), (), "hospital_a", ZoneInfo("UTC"))

PLAN = ServicePlan(
    id="kidney-failure",
    hook="patient-view",
    title="Kidney failure risk",
    description="Two-year risk of kidney failure.",
    usage_requirements=None,
    prefetch=(),
    deadline=0.5,
    risk_tier="high",
    names_sites=False,
    releases={},
)


def hook_request(**changes: object) -> HookRequest:
    fields: dict[str, object] = {
        "service_id": "kidney-failure",
        "hook": "patient-view",
        "hook_instance": "d1577c69-dfbe-44ad-ba6d-3e05e953b2ea",
        "client": CLIENT,
        "patient_id": "p1",
        "encounter_id": None,
        "user_type": "Practitioner",
        "user_id": "u1",
        "tokens": {"patientId": "p1", "userId": "Practitioner/u1"},
        "context": msgspec.Raw(b"{}"),
        "prefetch": {},
        "fhir_server": None,
        "access": None,
    }
    return HookRequest(**(fields | changes))  # type: ignore[arg-type]


def hook_call(
    plan: ServicePlan = PLAN, seconds: float = 0.5, now: float = 1_790_000_000.0, **changes: object
) -> HookCall:
    """A call that began at 1000.0 of the monotonic clock (see `FakeClock`)."""
    return HookCall(
        request=hook_request(**changes),
        plan=plan,
        decision_id="6b0f5d0e-3c1c-4a58-9a43-b1d1c4d6f2a7",
        now=now,
        budget=Budget.of(1000.0, seconds),
    )
