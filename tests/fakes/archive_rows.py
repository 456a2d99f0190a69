"""Decision records, as many as a test wants."""

from typing import Any

from wardgate.domain.records import DecisionRecord, InputFact
from wardgate.records.archive import FeedbackEntry

START = 1_790_000_000.0
"""21 September 2026."""
FOREVER = 4e9


def decision(number: int = 0, **changes: Any) -> DecisionRecord:
    """The `number`th of a row of them, a second apart."""
    fields: dict[str, Any] = {
        "decision_id": f"{number:08x}-0000-4000-8000-000000000000",
        "at": START + number,
        "service_id": "kidney-failure",
        "hook": "patient-view",
        "client": "ward-ehr",
        "outcome": "shown",
        "reason": "shown",
        "step": "model",
        "mode": "active",
        "arm": "champion",
        "visible": True,
        "model_name": "kidney-failure",
        "model_version": "1.0.0",
        "release_digest": "sha256:" + "1" * 64,
        "patient": f"patient:abcdef12:{number % 50:040x}",
        "hook_instance": f"hook_instance:abcdef12:{number:040x}",
        "site_id": "hospital_a",
        "score": 0.25,
        "inputs": (InputFact("egfr", bin=2, age_step="<24h"), InputFact("uacr", mark="missing")),
        "card_uuids": (card_uuid(number),),
        "stages_ms": {"features": 0.125, "model": 4.5},
    }
    return DecisionRecord(**{**fields, **changes})


def card_uuid(number: int) -> str:
    return f"{number:08x}-0000-5000-8000-000000000000"


def card_key(uuid: str) -> str:
    """What stands for the keyed name of a card."""
    return f"card:abcdef12:{uuid}"


def report(number: int, **changes: Any) -> FeedbackEntry:
    """On the card of the `number`th decision."""
    fields: dict[str, Any] = {
        "card_key": card_key(card_uuid(number)),
        "service_id": "kidney-failure",
        "client": "ward-ehr",
        "outcome": "overridden",
        "at": START + 60,
        "received": START + 61,
        "override_code": "already-referred",
        "override_class": "already_done",
    }
    return FeedbackEntry(**{**fields, **changes})
