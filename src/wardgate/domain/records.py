"""The decision record: one for each decided call, written before the card leaves (law 5).

It holds names from closed lists, numbers, steps and ids that wardgate issued; never a value of the patient.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated

import msgspec

from wardgate.domain.outcomes import Outcome, Reason
from wardgate.domain.rollout.buckets import BUCKETS
from wardgate.domain.rollout.rollouts import By


class RecommendationType(StrEnum):
    """What a card asks of whoever reads it, the strongest of it. Named as CDS Hooks speaks of card types."""

    INFORMATION = "information"
    APP = "app"
    SUGGESTION = "suggestion"
    SYSTEM_ACTION = "system_action"


class InputFact(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """How one feature stood in the call; its value is not kept."""

    name: str
    """The feature, as the schema of that version names it."""
    mark: str | None = None
    """Why there was no value: `missing`, `stale`, `implausible`, `wrong_unit`, `comparator`, `not_numeric`."""
    bin: int | None = None
    """Which of the schema's `bins` the value fell in; 0 lies below the first edge."""
    age_step: str | None = None
    """How old the measurement was, in steps: `<1h`, `<6h`, `<24h`, `<7d`, `<30d`, `<180d`, `<1y`, `>=1y`."""
    filled: bool = False
    """The gateway put the release's `fill` in its place."""
    clipped: bool = False
    """The gateway moved it to a bound of the release's `clip`."""
    late: bool = False
    """It took longer to become available than its feed has promised."""


class EventType(StrEnum):
    DECISION = "decision"
    """The answer to a call."""
    SHADOW = "shadow"
    """What another release would have answered; nobody saw it."""


class Action(StrEnum):
    """What left towards the EHR: a score's card, the card of a deferral, the notice that there is no score."""

    CARD = "card"
    DEFERRAL = "deferral"
    NOTICE = "notice"
    NONE = "none"


class ErrorCode(StrEnum):
    """What was not as it should be, in the words of the field."""

    MISSING_INPUT = "missing_input"
    """A feature without a usable value."""
    INTERFACE_DELAY = "interface_delay"
    """A value that took longer to become available than its feed has promised."""
    FALLBACK = "fallback"
    """A rung of the ladder answered instead of the model."""
    MODEL = "model"
    """The model was asked for, and gave no usable answer."""


class DecisionRecord(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """Version 1 of the event schema of record. Fields are added; none changes its meaning or goes away. A field at its
    default is left out.

    What a clinician did and what became of the patient come later, in entries of their own (`wardgate.records`): they
    are `user_action` and `outcome_label` of an export.
    """

    decision_id: str
    """UUID; what was rendered has its ids from this one. That of a shadow record is made of the one it stands beside
    and the release's digest."""
    at: float
    """The call's clock, epoch seconds: the only "now" of everything that was computed."""
    service_id: str
    """The CDS service that was called."""
    hook: str
    """The hook that it was called for."""
    client: str
    """The EHR, by its name in the configuration."""
    outcome: str
    """How the call ended."""
    reason: str
    """Why, from the closed list of docs/errors.md."""
    step: str
    """Which rung of the ladder answered: `model`, `cached`, `rule`; `none`: no score was computed."""
    mode: str
    """The service's mode, as the snapshot had it."""
    arm: str
    """`champion`; `challenger`, in its place; `control`: outside of a canary's cohort; `preview`: a silent card, shown
    to a user who is named for it; `shadow`; `none`: before anybody was assigned."""
    visible: bool
    """Whether a card left."""
    version: int = 1
    """Of this schema."""
    event_type: EventType = EventType.DECISION
    """`decision`: the answer to a call. `shadow`: what another release would have answered; nobody saw it."""
    of: str | None = None
    """Of a shadow record: the decision that it stands beside."""
    environment: str | None = None
    """As configured: `production`, `staging`, `test` or `demo`."""
    workflow_id: str | None = None
    """Service and hook, `service/hook`: the moment in the clinician's work."""
    model_name: str | None = None
    """The model."""
    model_version: str | None = None
    """The version of its release."""
    release_digest: str | None = None
    """SHA-256 over all that decides what is shown."""
    config_digest: str | None = None
    """SHA-256 over all files of the configuration."""
    feature_schema_version: str | None = None
    """The version of the feature schema."""
    snapshot_epoch: int | None = None
    """The number of the snapshot that decided who sees what."""
    patient: str | None = None
    """Pseudonym of the patient."""
    encounter: str | None = None
    """Pseudonym of the encounter."""
    user: str | None = None
    """Pseudonym of the user."""
    hook_instance: str | None = None
    """Pseudonym of the hookInstance."""
    site_id: str | None = None
    """The site, from the configured list; `other` outside of it."""
    unit: str | None = None
    """The unit, likewise."""
    specialty: str | None = None
    """The specialty, likewise."""
    encounter_type: str | None = None
    """The kind of encounter, likewise."""
    user_role: str | None = None
    """The user's role, likewise, or the kind of her FHIR resource."""
    score: float | None = None
    """The model's, calibrated, also where nothing was shown of it; else the rule's points."""
    threshold: float | None = None
    """The threshold of this site."""
    band: str | None = None
    """The card's band that the score fell in."""
    question: str | None = None
    """The exclusion, or the number of the `defer` rule counted from 1, that decided."""
    fallback_from: str | None = None
    """Why the model did not answer, where a rung of the ladder did."""
    rule: str | None = None
    """Which rule answered."""
    error_codes: tuple[ErrorCode, ...] = ()
    """What was not as it should be."""
    inputs: tuple[InputFact, ...] = ()
    """Each feature of the schema, in its order."""
    dropped: Mapping[str, int] = {}
    """How many resources did not count, by why."""
    action: Action = Action.NONE
    """What left towards the EHR."""
    card_uuids: tuple[str, ...] = ()
    """Of what was rendered; `visible` says whether it left."""
    suggestion_uuids: tuple[str, ...] = ()
    """Of the card's suggestions."""
    recommendation_type: RecommendationType | None = None
    """What the card asks of whoever reads it, the strongest of it."""
    system_actions: int = 0
    """How many left."""
    request_print: str | None = None
    """Keyed hash of the request's body."""
    resources_print: str | None = None
    """Keyed hash of the resources that wardgate read itself; absent: it read none."""
    reply_print: str | None = None
    """Keyed hash of the model's reply; absent: there was none, or none that could be read."""
    stages_ms: Mapping[str, float] = {}
    """Milliseconds of each stage, in their order."""
    latency_ms: float | None = None
    """Milliseconds from the last byte of the request to this record."""
    cache_age_s: float | None = None
    """Seconds since a cached score was computed."""
    repeats: str | None = None
    """The decision whose answer was given once more to the same request; it is counted there."""
    bucket: Annotated[int, msgspec.Meta(ge=0, lt=BUCKETS)] | None = None
    """Where the patient falls when the rollout goes by percent, in hundredths of a percent: a salted hash cut to 10,000
    values, and so nobody's. Absent: nothing was drawn."""
    bucket_by: By = By.PATIENT
    """Whose bucket that is: `patient`, or `encounter`."""


def withheld(record: DecisionRecord) -> DecisionRecord:
    """The record of a card that did not leave, since its record was not there in time (law 5)."""
    return msgspec.structs.replace(
        record,
        outcome=Outcome.WITHHELD.value,
        reason=Reason.RECORD_UNAVAILABLE.value,
        visible=False,
        action=Action.NONE,
        system_actions=0,
    )


_AGE_STEPS: tuple[tuple[float, str], ...] = (
    (3600, "<1h"),
    (6 * 3600, "<6h"),
    (24 * 3600, "<24h"),
    (7 * 86400, "<7d"),
    (30 * 86400, "<30d"),
    (180 * 86400, "<180d"),
    (365 * 86400, "<1y"),
)


AGE_STEPS = (*[name for _, name in _AGE_STEPS], ">=1y")
"""The youngest first."""


def age_step(seconds: float) -> str:
    """An age as a step, since an exact one beside the clock of the call would be a date of the patient."""
    for limit, name in _AGE_STEPS:
        if seconds < limit:
            return name
    return AGE_STEPS[-1]
