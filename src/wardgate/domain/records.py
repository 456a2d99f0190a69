"""The decision record: one for each decided call, written before the card leaves (law 5).

It holds names from closed lists, numbers, steps and ids that wardgate issued; never a value of the patient.
"""

from collections.abc import Mapping
from enum import StrEnum

import msgspec


class RecommendationType(StrEnum):
    """What a card asks of whoever reads it, the strongest of it. Named as CDS Hooks speaks of card types."""

    INFORMATION = "information"
    APP = "app"
    SUGGESTION = "suggestion"
    SYSTEM_ACTION = "system_action"


class InputFact(msgspec.Struct, frozen=True, omit_defaults=True):
    """How one feature stood: its mark, the bin its value fell in (0 = below the first edge), its age in steps.

    `late`: it came later than its feed has promised.
    """

    name: str
    mark: str | None = None
    bin: int | None = None
    age_step: str | None = None
    filled: bool = False
    clipped: bool = False
    late: bool = False


class EventType(StrEnum):
    DECISION = "decision"
    """The answer to a call."""
    SHADOW = "shadow"
    """What another release would have answered; nobody saw it."""


class Action(StrEnum):
    """What left towards the EHR."""

    CARD = "card"
    DEFERRAL = "deferral"
    NOTICE = "notice"
    NONE = "none"


class ErrorCode(StrEnum):
    """What was not as it should be, in the words of the field."""

    MISSING_INPUT = "missing_input"
    INTERFACE_DELAY = "interface_delay"
    FALLBACK = "fallback"
    MODEL = "model"


class DecisionRecord(msgspec.Struct, frozen=True, omit_defaults=True):
    """Version 1 of the event schema of record. Fields are added; none changes its meaning or goes away.

    `patient`, `encounter`, `user` and `hook_instance` are pseudonyms (`domain.pseudonyms`, purpose `log`), the three
    fingerprints keyed hashes of the bytes. What a clinician did and what became of the patient come later, in entries
    of their own (`wardgate.records`): they are `user_action` and `outcome_label` of an export.
    """

    decision_id: str
    at: float  # the call's clock, epoch seconds
    service_id: str
    hook: str
    client: str
    outcome: str
    reason: str
    step: str
    mode: str
    arm: str
    visible: bool  # whether a card left
    version: int = 1  # of this schema
    event_type: EventType = EventType.DECISION
    of: str | None = None  # of a shadow record: the decision that it stands beside
    environment: str | None = None
    workflow_id: str | None = None  # service id and hook
    model_name: str | None = None
    model_version: str | None = None
    release_digest: str | None = None
    config_digest: str | None = None
    feature_schema_version: str | None = None
    snapshot_epoch: int | None = None
    patient: str | None = None
    encounter: str | None = None
    user: str | None = None
    hook_instance: str | None = None
    site_id: str | None = None
    unit: str | None = None
    specialty: str | None = None
    encounter_type: str | None = None
    user_role: str | None = None
    score: float | None = None
    threshold: float | None = None
    band: str | None = None
    question: str | None = None
    fallback_from: str | None = None  # why the model did not answer, where a rung of the ladder did
    rule: str | None = None  # which rule answered
    error_codes: tuple[ErrorCode, ...] = ()
    inputs: tuple[InputFact, ...] = ()
    dropped: Mapping[str, int] = {}
    action: Action = Action.NONE
    card_uuids: tuple[str, ...] = ()  # of what was rendered; `visible` says whether it left
    suggestion_uuids: tuple[str, ...] = ()
    recommendation_type: RecommendationType | None = None
    system_actions: int = 0  # how many left
    request_print: str | None = None
    resources_print: str | None = None
    reply_print: str | None = None
    stages_ms: Mapping[str, float] = {}
    latency_ms: float | None = None
    cache_age_s: float | None = None  # of a cached score
    repeats: str | None = None  # the decision whose answer was given once more; counted there


_AGE_STEPS: tuple[tuple[float, str], ...] = (
    (3600, "<1h"),
    (6 * 3600, "<6h"),
    (24 * 3600, "<24h"),
    (7 * 86400, "<7d"),
    (30 * 86400, "<30d"),
    (180 * 86400, "<180d"),
    (365 * 86400, "<1y"),
)


def age_step(seconds: float) -> str:
    """An age as a step, since an exact one beside the clock of the call would be a date of the patient."""
    for limit, name in _AGE_STEPS:
        if seconds < limit:
            return name
    return ">=1y"
