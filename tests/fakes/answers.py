"""What CDS Hooks 2.0.1 demands of an answer with cards, checked from the outside: no code of the gateway is used.

`faults(answer)` lists what is wrong with it, by the rows of the standard's tables; an empty list is a valid answer.
"""

import re
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_REFERENCE = re.compile(r"[A-Z][A-Za-z]+/[A-Za-z0-9\-.]{1,64}")


def faults(answer: Any) -> list[str]:
    return list(_answer(answer))


def _answer(answer: Any) -> Iterator[str]:
    if not isinstance(answer, dict) or not isinstance(answer.get("cards"), list):
        yield "RSP-1: no array of cards"
        return
    yield from _empty(answer, "")
    if "systemActions" in answer:
        if not answer["systemActions"]:
            yield "RSP-3: systemActions is empty"
        yield from _each(answer["systemActions"], "systemActions", _action)
    yield from _each(answer["cards"], "cards", _card)
    ids = [card.get("uuid") for card in answer["cards"] if isinstance(card, dict)]
    ids += [s.get("uuid") for card in answer["cards"] for s in card.get("suggestions", ())]
    if len(set(ids)) < len(ids):
        yield "CARD-1: an id stands twice"


def _empty(value: Any, at: str) -> Iterator[str]:
    if value in (None, "", [], {}) and at not in (".cards",):
        yield f"GEN-3: {at} is empty"
    for key, inner in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield from _empty(inner, f"{at}.{key}")


def _each(items: Any, at: str, check: Callable[[Any], Iterator[str]]) -> Iterator[str]:
    if not isinstance(items, list):
        yield f"{at}: not an array"
        return
    for number, item in enumerate(items):
        found = check(item) if isinstance(item, dict) else iter(["not an object"])
        yield from (f"{at}.{number}: {fault}" for fault in found)


def _text(holder: Any, name: str, row: str) -> Iterator[str]:
    if not isinstance(holder.get(name), str) or not holder[name].strip():
        yield f"{row}: {name} is no text"


def _card(card: Any) -> Iterator[str]:
    if _UUID.fullmatch(str(card.get("uuid"))) is None:
        yield "CARD-1: uuid"
    yield from _text(card, "summary", "CARD-2")
    if len(str(card.get("summary"))) >= 140:
        yield "CARD-2: summary of 140 characters or more"
    if not isinstance(card.get("detail", ""), str):
        yield "CARD-3: detail"
    if card.get("indicator") not in ("info", "warning", "critical"):
        yield "CARD-4: indicator"
    yield from _source(card.get("source"))
    yield from _each(card.get("overrideReasons", []), "overrideReasons", lambda each: _coding(each, "CARD-10", True))
    yield from _each(card.get("links", []), "links", _link)
    yield from _suggestions(card)


def _source(source: Any) -> Iterator[str]:
    if not isinstance(source, dict):
        yield "CARD-5: source"
        return
    yield from _text(source, "label", "CARD-5")
    for name, row in (("url", "CARD-6"), ("icon", "CARD-7")):
        if name in source and not urlsplit(source[name]).netloc:
            yield f"{row}: {name} is not absolute"
    if "topic" in source:
        yield from _coding(source["topic"], "CARD-8", False)


def _coding(coding: Any, row: str, display: bool) -> Iterator[str]:
    for name in ("system", "code", *(["display"] if display else [])):
        yield from _text(coding, name, row)


def _suggestions(card: Any) -> Iterator[str]:
    if "suggestions" not in card:
        if "selectionBehavior" in card:
            yield "CARD-9: selectionBehavior without suggestions"
        return
    yield from _each(card["suggestions"], "suggestions", _suggestion)
    behavior = card.get("selectionBehavior")
    if behavior not in ("at-most-one", "any"):
        yield "CARD-9: selectionBehavior"
    if sum(each.get("isRecommended") is True for each in card["suggestions"]) > 1 and behavior != "any":
        yield "SUG-3: more than one recommended"


def _suggestion(suggestion: Any) -> Iterator[str]:
    yield from _text(suggestion, "label", "SUG-1")
    if _UUID.fullmatch(str(suggestion.get("uuid"))) is None:
        yield "SUG-2: uuid"
    if not isinstance(suggestion.get("isRecommended", False), bool):
        yield "SUG-3: isRecommended"
    yield from _each(suggestion.get("actions"), "actions", _action)
    if "actionSelectionBehavior" in suggestion:
        yield "SUG-5: actionSelectionBehavior"


def _action(action: Any) -> Iterator[str]:
    yield from _text(action, "description", "ACT-2")
    kind, resource = action.get("type"), action.get("resource")
    if kind not in ("create", "update", "delete"):
        yield "ACT-1: type"
    if kind == "delete":
        if resource is not None or _REFERENCE.fullmatch(str(action.get("resourceId"))) is None:
            yield "ACT-5: resourceId"
    elif not isinstance(resource, dict) or not isinstance(resource.get("resourceType"), str):
        yield "ACT-3: resource"
    elif kind == "update" and not isinstance(resource.get("id"), str):
        yield "ACT-4: id"


def _link(link: Any) -> Iterator[str]:
    for name in ("label", "url"):
        yield from _text(link, name, "LNK-1")
    if link.get("type") not in ("absolute", "smart") or not urlsplit(str(link.get("url"))).netloc:
        yield "LNK-1: type or url"
    if "appContext" in link and (link.get("type") != "smart" or not isinstance(link["appContext"], str)):
        yield "LNK-2: appContext"
    if not isinstance(link.get("autolaunchable", False), bool):
        yield "LNK-3: autolaunchable"
