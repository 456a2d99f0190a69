"""A card file as read (`cards/<name>.yaml`), and what else decides its words; `compile.py` checks and compiles both."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

import msgspec

from wardgate.domain.cards.card import Coding, Link, Source
from wardgate.domain.decisions.ladder import RuleRung
from wardgate.domain.decisions.rules import Band
from wardgate.domain.inference.calibration import Calibration, Identity

INDICATORS = ("info", "warning", "critical")


class OverrideClass(StrEnum):
    """What an override says about the model: only `disagree` counts against it."""

    DISAGREE = "disagree"
    ALREADY_DONE = "already_done"
    NOT_APPLICABLE = "not_applicable"
    PATIENT_CHOICE = "patient_choice"
    WORKFLOW = "workflow"


class OverrideReason(msgspec.Struct, frozen=True):
    """One reason that a clinician may give; `meaning` (the file's `class`) stays inside, the rest is a Coding."""

    coding: Coding
    meaning: OverrideClass


class NoticeSpec(msgspec.Struct, frozen=True):
    """The templates of a deferral card (`deferred`) or of the notice (`unavailable`); None: the built-in text."""

    summary: str
    detail: str | None = None
    indicator: str = "info"


class ActionSpec(msgspec.Struct, frozen=True):
    """One action. `resource` is the file's document, its strings templates; `resource_id` is a template."""

    type: str
    description: str
    resource: Mapping[str, Any] | None = None
    resource_id: str | None = None


class SuggestionSpec(msgspec.Struct, frozen=True):
    """`bands` name those whose cards carry it; empty: every score's card."""

    label: str
    actions: tuple[ActionSpec, ...]
    is_recommended: bool = False
    bands: tuple[str, ...] = ()


class SystemActionSpec(msgspec.Struct, frozen=True):
    action: ActionSpec
    bands: tuple[str, ...] = ()


DEFERRED = NoticeSpec("Not calculated: {{ reason.display }}")
UNAVAILABLE = NoticeSpec("Not available at the moment: {{ reason.display }}")
FALLBACK_LABEL = "{{ step.display }}{% if step.age %}, {{ step.age }} old{% endif %}: "


class CardSpec(msgspec.Struct, frozen=True, kw_only=True):
    """One card file. Strings that may hold `{{ }}`: `summary` and `detail` (of the three kinds), `fallback_label`,
    `appContext` of links, and those of the resources of actions.

    `precision` is `precision.score`, the decimals of the score's number (0 to 12). `names` is what a clinician
    calls a feature, where the feature's own name will not do.
    """

    bands: tuple[Band, ...]
    summary: str
    source: Source
    precision: int = 4
    detail: str | None = None
    links: tuple[Link, ...] = ()
    override_reasons: tuple[OverrideReason, ...] = ()
    deferred: NoticeSpec = DEFERRED
    unavailable: NoticeSpec = UNAVAILABLE
    fallback_label: str = FALLBACK_LABEL
    names: Mapping[str, str] = {}
    suggestions: tuple[SuggestionSpec, ...] = ()
    selection_behavior: str = "any"
    system_actions: tuple[SystemActionSpec, ...] = ()


class Limitation(msgspec.Struct, frozen=True):
    """One of the release's limitations; `check` names the exclusion, or `population`, that watches over it."""

    text: str
    check: str | None = None


class ReleaseFacts(msgspec.Struct, frozen=True):
    """What a card says about its release. `inputs` is the endpoint's `order`: what the score was computed from."""

    model: str
    version: str
    inputs: tuple[str, ...]
    calibration: Calibration = Identity()
    limitations: tuple[Limitation, ...] = ()
    score_range: tuple[float, float] | None = None


class RuleSpec(msgspec.Struct, frozen=True):
    """The texts of a rule of the ladder; `title` is what a clinician calls it, `precision` the decimals of its score.

    The rest of its card is the service's card: source, links, override reasons, label.
    """

    title: str
    summary: str
    detail: str | None
    precision: int
    rung: RuleRung


class CardProblem(msgspec.Struct, frozen=True):
    """What is wrong with a card file: `key` as in the file (`deferred.summary`), `line` within a template (0: none)."""

    key: str
    what: str
    remedy: str
    line: int = 0
