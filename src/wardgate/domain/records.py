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


class DecisionRecord(msgspec.Struct, frozen=True, omit_defaults=True):
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
    model: str | None = None
    model_version: str | None = None
    release_digest: str | None = None
    schema_version: str | None = None
    snapshot_epoch: int | None = None
    site: str | None = None
    unit: str | None = None
    specialty: str | None = None
    user_role: str | None = None
    score: float | None = None
    threshold: float | None = None
    band: str | None = None
    question: str | None = None
    fallback_from: str | None = None  # why the model did not answer, where a rung of the ladder did
    rule: str | None = None  # which rule answered
    inputs: tuple[InputFact, ...] = ()
    dropped: Mapping[str, int] = {}
    card_uuids: tuple[str, ...] = ()  # of what was rendered; `visible` says whether it left
    suggestion_uuids: tuple[str, ...] = ()
    recommendation_type: RecommendationType | None = None
    system_actions: int = 0  # how many left
    stages_ms: Mapping[str, float] = {}
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
