"""A card file, validated and compiled (`compile.py`); `render.py` makes cards of it."""

import msgspec

from wardgate.domain.cards.actions import ActionPlans
from wardgate.domain.cards.card import Coding, Link, Source
from wardgate.domain.cards.language import Template
from wardgate.domain.cards.parts import Parts
from wardgate.domain.cards.scene import SceneFacts
from wardgate.domain.cards.spec import OverrideReason


class Face(msgspec.Struct, frozen=True):
    """One kind of card. `if_cut` are the parts to add where the summary had to be cut, so that what stood at its end
    is not lost."""

    summary: Template
    detail: Template | None
    parts: Parts
    if_cut: Parts
    indicator: str


class LinkPlan(msgspec.Struct, frozen=True):
    """`quiet` is the link where nothing acts: an app is never launched by itself for less than a fresh result."""

    link: Link
    quiet: Link
    app_context: Template | None


class CardPlan(msgspec.Struct, frozen=True):
    """`override_reasons` keep their classes for feedback; `codings` are what goes on the wire, with scores only.
    `links` are the same on every card, unless `told_links` are there. `actions` None: the card has none."""

    facts: SceneFacts
    score: Face
    deferral: Face
    notice: Face
    label: Template
    source: Source
    links: tuple[Link, ...]
    codings: tuple[Coding, ...]
    override_reasons: tuple[OverrideReason, ...]
    told_links: tuple[LinkPlan, ...] = ()
    actions: ActionPlans | None = None
