"""A card file, validated and compiled (`compile.py`); `render.py` makes cards of it."""

import msgspec

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


class CardPlan(msgspec.Struct, frozen=True):
    """`override_reasons` keep their classes for feedback; `codings` are what goes on the wire, with scores only."""

    facts: SceneFacts
    score: Face
    deferral: Face
    notice: Face
    label: Template
    source: Source
    links: tuple[Link, ...]
    codings: tuple[Coding, ...]
    override_reasons: tuple[OverrideReason, ...]
