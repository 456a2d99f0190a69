"""Make a card: pure, and the same bytes for the same facts (law 5)."""

from typing import NamedTuple

import msgspec

from wardgate.domain.cards.actions import ActionPlans
from wardgate.domain.cards.card import Action, Card, Coding, Link
from wardgate.domain.cards.facts import CardFacts
from wardgate.domain.cards.identity import card_id
from wardgate.domain.cards.plan import CardPlan, Face
from wardgate.domain.cards.scene import Scene
from wardgate.domain.cards.text import clean, shorten
from wardgate.domain.cards.wording import PREVIEW, PREVIEW_MEANS
from wardgate.domain.outcomes import Outcome, Step

LONGEST_SUMMARY = 139
"""CARD-2: strictly fewer than 140 characters, counted as code points (T-1)."""

LONGEST_LABEL = 100


class Rendered(NamedTuple):
    """`proposed` is what the EHR shall do by itself; `foreign` counts the actions that were left out since they would
    touch another patient."""

    card: Card
    proposed: tuple[Action, ...]
    foreign: int


def render_whole(plan: CardPlan, facts: CardFacts, by_system: bool) -> Rendered:
    """The card, and beside it, if the client takes it, what the EHR shall do by itself."""
    scene = Scene(plan.facts, facts)
    card = _of_decision(plan, scene)
    proposed = plan.actions.by_system(scene) if by_system and plan.actions is not None and facts.acts else ()
    return Rendered(card, proposed, scene.foreign)


def render(plan: CardPlan, facts: CardFacts) -> Card:
    """The card of a decision to show, or of a deferral. ValueError for an outcome that has no card."""
    return _of_decision(plan, Scene(plan.facts, facts))


def render_notice(plan: CardPlan, facts: CardFacts) -> Card:
    """The notice that no score could be had; only the decision's reason and the clock of `facts` are looked at."""
    return _card(plan, plan.notice, Scene(plan.facts, facts), plan.notice.indicator, ())


def system_actions(plan: CardPlan, facts: CardFacts) -> tuple[Action, ...]:
    """What the EHR shall do by itself; nothing but beside a card that acts (law 10)."""
    return plan.actions.by_system(Scene(plan.facts, facts)) if plan.actions is not None and facts.acts else ()


def _of_decision(plan: CardPlan, scene: Scene) -> Card:
    decision = scene.call.decision
    match decision.outcome:
        case Outcome.SHOWN:
            band = decision.band
            indicator = plan.score.indicator if band is None else band.indicator
            return _card(plan, plan.score, scene, indicator, plan.codings)
        case Outcome.DEFERRED:
            return _card(plan, plan.deferral, scene, plan.deferral.indicator, ())
        case other:
            raise ValueError(f"{other.value} has no card")


def _card(plan: CardPlan, face: Face, scene: Scene, indicator: str, codings: tuple[Coding, ...]) -> Card:
    facts = scene.call
    label = "" if facts.step is Step.MODEL or facts.step is Step.NONE else label_of(plan, scene)
    if facts.preview:
        label = f"{PREVIEW}: {label}"
    whole = one_line(face.summary.render(scene)) or clean(plan.source.label)
    summary = label + shorten(whole, LONGEST_SUMMARY - len(label))
    parts = face.parts if len(summary) == len(label) + len(whole) else face.if_cut
    head = [f"**{PREVIEW}.** {PREVIEW_MEANS}"] if facts.preview else []
    detail = "\n\n".join(
        [*head, *([] if face.detail is None else [_tidy(face.detail.render(scene))]), *parts.text(scene)]
    )
    card = Card(
        uuid=card_id(facts.decision_id, facts.ordinal),
        summary=summary,
        indicator=indicator,
        source=plan.source,
        detail=detail,
        links=_links(plan, scene) if plan.told_links else plan.links,
        override_reasons=() if facts.preview else codings,
    )
    return card if plan.actions is None or not facts.acts else _acting(card, plan.actions, scene)


def _acting(card: Card, actions: ActionPlans, scene: Scene) -> Card:
    suggestions = actions.suggested(scene)
    if not suggestions:
        return card
    return msgspec.structs.replace(card, suggestions=suggestions, selection_behavior=actions.selection_behavior)


def _links(plan: CardPlan, scene: Scene) -> tuple[Link, ...]:
    acts = scene.call.acts
    return tuple(
        link if told.app_context is None else msgspec.structs.replace(link, app_context=told.app_context.render(scene))
        for told in plan.told_links
        for link in (told.link if acts else told.quiet,)
    )


def _tidy(text: str) -> str:
    """One blank line where a template and a table each brought theirs."""
    text = text.strip()
    while "\n\n\n" in text:
        text = text.replace("\n\n\n", "\n\n")
    return text


def label_of(plan: CardPlan, scene: Scene) -> str:
    """What stands before the summary of a degraded answer, never cut (law 6)."""
    label = one_line(plan.label.render(scene))
    return f"{label} " if label else ""


def one_line(text: str) -> str:
    return " ".join(clean(text).split())
