"""What an answer of a CDS service must be, in short: the law that no fault may bend. Independent of the gateway."""

import json
from collections.abc import Iterator
from typing import Any


def problems(status: int, content_type: str, body: bytes) -> list[str]:
    """What is wrong with an answer to a hook call (CDS Hooks 2.0.1); [] where nothing is."""
    if status == 0:
        return ["there was no answer"]
    if content_type.partition(";")[0].strip() != "application/json":
        return [f"it is sent as {content_type or 'nothing'}"]
    try:
        document = json.loads(body.decode(), parse_constant=_no_constant, object_pairs_hook=_no_twins)
    except (ValueError, RecursionError):
        return ["it is not JSON"]
    if status == 200:
        return list(_response(document))
    if status not in (412, 503):
        return [f"status {status} to a well-formed call"]
    named = isinstance(document, dict) and document.get("resourceType") == "OperationOutcome"
    return [] if named else [f"status {status} without an OperationOutcome"]


def summaries(body: bytes) -> list[str]:
    """Of the cards of an answer that has no problems."""
    return [card["summary"] for card in json.loads(body)["cards"]]


def _response(document: Any) -> Iterator[str]:
    cards = document.get("cards") if isinstance(document, dict) else None
    if not isinstance(cards, list):
        yield "cards is not an array"
        return
    uuids = [card.get("uuid") for card in cards if isinstance(card, dict)]
    if len(set(uuids)) < len(uuids):
        yield "two cards have one uuid"
    for card in cards:
        yield from _card(card)


def _card(card: Any) -> Iterator[str]:
    if not isinstance(card, dict):
        yield "a card is not an object"
        return
    summary, source = card.get("summary"), card.get("source")
    if not isinstance(summary, str) or not 0 < len(summary) <= 140:
        yield "a card's summary is not a text of 1 to 140 characters"
    if card.get("indicator") not in ("info", "warning", "critical"):
        yield "a card's indicator is not info, warning or critical"
    if not isinstance(source, dict) or not isinstance(source.get("label"), str) or not source["label"]:
        yield "a card's source has no label"
    if "detail" in card and not isinstance(card["detail"], str):
        yield "a card's detail is not a text"
    for suggestion in card.get("suggestions", ()):
        if not isinstance(suggestion, dict) or not isinstance(suggestion.get("label"), str):
            yield "a suggestion has no label"
    if card.get("suggestions") and card.get("selectionBehavior") not in ("at-most-one", "any"):
        yield "suggestions have no selectionBehavior"
    for link in card.get("links", ()):
        if not isinstance(link, dict) or not {"label", "url", "type"} <= link.keys():
            yield "a link has no label, url or type"


def _no_constant(name: str) -> float:
    raise ValueError(name)


def _no_twins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len({name for name, _ in pairs}) < len(pairs):
        raise ValueError("a name twice")
    return dict(pairs)
