"""Make a card: pure, and the same bytes for the same facts (law 5)."""

import re
from hashlib import sha1
from uuid import UUID

from wardgate.domain.cards.card import Card, Coding
from wardgate.domain.cards.facts import CardFacts
from wardgate.domain.cards.plan import CardPlan, Face
from wardgate.domain.cards.scene import Scene
from wardgate.domain.cards.text import clean, shorten
from wardgate.domain.outcomes import Outcome, Step

LONGEST_SUMMARY = 139
"""CARD-2: strictly fewer than 140 characters, counted as code points (T-1)."""

LONGEST_LABEL = 100
_BLANK = re.compile(r"\n{3,}")

_CARDS = UUID("9d3c0f5e-53d0-5b0e-8d3b-3f5f6f0a2c71")
"""The namespace of card ids; changing it changes every card's id."""


def render(plan: CardPlan, facts: CardFacts) -> Card:
    """The card of a decision to show, or of a deferral. ValueError for an outcome that has no card."""
    match facts.decision.outcome:
        case Outcome.SHOWN:
            band = facts.decision.band
            indicator = plan.score.indicator if band is None else band.indicator
            return _card(plan, plan.score, facts, indicator, plan.codings)
        case Outcome.DEFERRED:
            return _card(plan, plan.deferral, facts, plan.deferral.indicator, ())
        case other:
            raise ValueError(f"{other.value} has no card")


def render_notice(plan: CardPlan, facts: CardFacts) -> Card:
    """The notice that no score could be had; only the decision's reason and the clock of `facts` are looked at."""
    return _card(plan, plan.notice, facts, plan.notice.indicator, ())


def _card(plan: CardPlan, face: Face, facts: CardFacts, indicator: str, codings: tuple[Coding, ...]) -> Card:
    scene = Scene(plan.facts, facts)
    label = "" if facts.step is Step.MODEL or facts.step is Step.NONE else label_of(plan, scene)
    whole = one_line(face.summary.render(scene)) or clean(plan.source.label)
    summary = label + shorten(whole, LONGEST_SUMMARY - len(label))
    parts = face.parts if len(summary) == len(label) + len(whole) else face.if_cut
    detail = "\n\n".join([*([] if face.detail is None else [_tidy(face.detail.render(scene))]), *parts.text(scene)])
    return Card(
        uuid=card_id(facts.decision_id, facts.ordinal),
        summary=summary,
        indicator=indicator,
        source=plan.source,
        detail=detail,
        links=plan.links,
        override_reasons=codings,
    )


def _tidy(text: str) -> str:
    """One blank line where a template and a table each brought theirs."""
    text = text.strip()
    return _BLANK.sub("\n\n", text) if "\n\n\n" in text else text


def card_id(decision_id: str, ordinal: int) -> str:
    """A UUID of version 5 (RFC 9562, 5.5) under wardgate's namespace, made of the decision id: lower case."""
    digest = sha1(_CARDS.bytes + f"{decision_id}/{ordinal}".encode(), usedforsecurity=False).hexdigest()
    variant = "89ab"[int(digest[16], 16) & 3]
    return f"{digest[:8]}-{digest[8:12]}-5{digest[13:16]}-{variant}{digest[17:20]}-{digest[20:32]}"


def label_of(plan: CardPlan, scene: Scene) -> str:
    """What stands before the summary of a degraded answer, never cut (law 6)."""
    return one_line(plan.label.render(scene)) + " "


def one_line(text: str) -> str:
    return " ".join(clean(text).split())
