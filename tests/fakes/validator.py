"""Judges what a CDS service answers, by CDS Hooks 2.0.1 alone: an independent small program, which knows nothing of
wardgate. Each problem names its place and the row of the checklist that it breaks."""

import json
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any
from urllib.parse import urlsplit

_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_RELATIVE = re.compile(r"[A-Z][A-Za-z]+/[A-Za-z0-9\-.]{1,64}")
_URL_SAFE = re.compile(r"[A-Za-z0-9._~-]+")

Check = Callable[[str, Any], Iterator[str]]


def problems_of_call(status: int, content_type: str, body: bytes) -> list[str]:
    """What is wrong with the answer to a hook call."""
    return list(_answer(status, content_type, body, _response))


def problems_of_feedback(status: int, content_type: str, body: bytes) -> list[str]:
    return list(_answer(status, content_type, body, _acknowledgement))


def problems_of_discovery(status: int, content_type: str, body: bytes) -> list[str]:
    return list(_answer(status, content_type, body, _discovery))


def _answer(status: int, content_type: str, body: bytes, success: Check) -> Iterator[str]:
    try:
        document = json.loads(body.decode("utf-8"), parse_constant=_no_constant, object_pairs_hook=_no_twins)
    except ValueError as error:
        yield f"GEN-1: not JSON ({error.__class__.__name__})"
        return
    if content_type.partition(";")[0].strip() != "application/json":
        yield "GEN-1: not sent as application/json"
    if status == 200:
        yield from success("", document)
    elif 400 <= status < 600:
        yield from _operation_outcome("", document)
    else:
        yield f"RSP-1: status {status}"


def _no_constant(name: str) -> float:
    raise ValueError(name)


def _no_twins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len({name for name, _ in pairs}) < len(pairs):
        raise ValueError("a name twice")
    return dict(pairs)


# --- answers --------------------------------------------------------------------------------------------------------


def _response(place: str, value: Any) -> Iterator[str]:
    if not isinstance(value, dict):
        yield "RSP-1: not an object"
        return
    yield from _keys(place, value, ("cards",), ("systemActions", "extension"), "RSP-1")
    cards = value.get("cards")
    if not isinstance(cards, list):
        yield "RSP-1: cards is not an array"
        return
    for name, inner in value.items():
        if name != "cards" or cards:
            yield from _nothing_empty(name, inner)
    for number, card in enumerate(cards):
        yield from _card(f"cards[{number}]", card)
    uuids = [card["uuid"] for card in cards if isinstance(card, dict) and "uuid" in card]
    if len(set(uuids)) < len(uuids):
        yield "CARD-1: two cards with one uuid"
    if "systemActions" in value:
        yield from _array("systemActions", value["systemActions"], _action, "RSP-3")


def _acknowledgement(place: str, value: Any) -> Iterator[str]:
    if value != {}:
        yield "FB-9: more than an empty object"


def _discovery(place: str, value: Any) -> Iterator[str]:
    if not isinstance(value, dict) or not isinstance(value.get("services"), list):
        yield "DIS-2: services is not an array"
        return
    for number, service in enumerate(value["services"]):
        here = f"services[{number}]"
        optional = ("title", "prefetch", "usageRequirements", "version", "hookVersion", "extension")
        yield from _keys(here, service, ("hook", "description", "id"), optional, "DIS-4")
        if isinstance(service, dict):
            yield from _nothing_empty(here, service)
            texts = ("hook", "title", "description", "id", "usageRequirements", "version", "hookVersion")
            yield from _texts(here, service, texts, "DIS-5")
            if not _URL_SAFE.fullmatch(str(service.get("id"))):
                yield f"DIS-7: {here}.id cannot stand in a path"
            prefetch = service.get("prefetch", {})
            if not isinstance(prefetch, dict) or not all(isinstance(query, str) for query in prefetch.values()):
                yield f"DIS-8: {here}.prefetch"
    pairs = [(service.get("id"), service.get("hook")) for service in value["services"] if isinstance(service, dict)]
    if len(set(pairs)) < len(pairs):
        yield "DIS-10: one id with one hook twice"


def _operation_outcome(place: str, value: Any) -> Iterator[str]:
    if not isinstance(value, dict) or value.get("resourceType") != "OperationOutcome":
        yield "RSP-6: an error without an OperationOutcome"
        return
    issues = value.get("issue")
    if not isinstance(issues, list) or not issues:
        yield "RSP-6: an OperationOutcome without an issue"
        return
    yield from _nothing_empty(place, value)
    for issue in issues:
        if issue.get("severity") not in ("fatal", "error", "warning", "information") or not issue.get("code"):
            yield "RSP-6: an issue without severity or code"


# --- cards ----------------------------------------------------------------------------------------------------------


def _card(place: str, card: Any) -> Iterator[str]:
    optional = ("uuid", "detail", "suggestions", "selectionBehavior", "overrideReasons", "links", "extension")
    yield from _keys(place, card, ("summary", "indicator", "source"), optional, "CARD")
    if not isinstance(card, dict):
        return
    yield from _texts(place, card, ("summary", "detail", "uuid"), "CARD-2")
    summary = card.get("summary")
    if isinstance(summary, str) and len(summary) >= 140:
        yield f"CARD-2: {place}.summary has {len(summary)} characters"
    if "uuid" in card and not _UUID.fullmatch(str(card["uuid"])):
        yield f"CARD-1: {place}.uuid is no lower-case UUID"
    if card.get("indicator") not in ("info", "warning", "critical"):
        yield f"CARD-4: {place}.indicator"
    yield from _source(f"{place}.source", card.get("source"))
    if "suggestions" in card:
        yield from _array(f"{place}.suggestions", card["suggestions"], _suggestion, "SUG")
        yield from _selection(place, card)
    if "overrideReasons" in card:
        yield from _array(f"{place}.overrideReasons", card["overrideReasons"], _reason, "CARD-10")
    if "links" in card:
        yield from _array(f"{place}.links", card["links"], _link, "CARD-11")


def _source(place: str, source: Any) -> Iterator[str]:
    yield from _keys(place, source, ("label",), ("url", "icon", "topic", "extension"), "CARD-5")
    if isinstance(source, dict):
        yield from _texts(place, source, ("label",), "CARD-5")
        for name in ("url", "icon"):
            if name in source and not _absolute(source[name]):
                yield f"CARD-6: {place}.{name} is not an absolute URL"
        if "topic" in source:
            yield from _coding(f"{place}.topic", source["topic"], "CARD-8")


def _selection(place: str, card: dict[str, Any]) -> Iterator[str]:
    if card.get("selectionBehavior") not in ("at-most-one", "any"):
        yield f"CARD-9: {place}.selectionBehavior"
    listed = card["suggestions"] if isinstance(card["suggestions"], list) else []
    suggestions = [each for each in listed if isinstance(each, dict)]
    recommended = [each for each in suggestions if each.get("isRecommended") is True]
    if len(recommended) > 1 and card.get("selectionBehavior") != "any":
        yield f"SUG-3: {place} recommends {len(recommended)} of which one may be chosen"
    uuids = [each["uuid"] for each in suggestions if "uuid" in each]
    if len(set(uuids)) < len(uuids):
        yield f"SUG-2: {place} has two suggestions with one uuid"


def _suggestion(place: str, suggestion: Any) -> Iterator[str]:
    yield from _keys(place, suggestion, ("label",), ("uuid", "isRecommended", "actions", "extension"), "SUG-1")
    if isinstance(suggestion, dict):
        yield from _texts(place, suggestion, ("label", "uuid"), "SUG-1")
        if not isinstance(suggestion.get("isRecommended", True), bool):
            yield f"SUG-3: {place}.isRecommended is not a boolean"
        if "actions" in suggestion:
            yield from _array(f"{place}.actions", suggestion["actions"], _action, "SUG-4")


def _action(place: str, action: Any) -> Iterator[str]:
    yield from _keys(place, action, ("type", "description"), ("resource", "resourceId", "extension"), "ACT-2")
    if not isinstance(action, dict):
        return
    yield from _texts(place, action, ("type", "description", "resourceId"), "ACT-2")
    kind, resource = action.get("type"), action.get("resource")
    if kind not in ("create", "update", "delete"):
        yield f"ACT-1: {place}.type"
    if kind in ("create", "update") and not (isinstance(resource, dict) and resource.get("resourceType")):
        yield f"ACT-3: {place}.resource is not a resource"
    if kind == "update" and isinstance(resource, dict) and not resource.get("id"):
        yield f"ACT-4: {place}.resource has no id"
    if kind == "delete" and (resource is not None or not _RELATIVE.fullmatch(str(action.get("resourceId")))):
        yield f"ACT-5: {place} deletes by something else than a resourceId"


def _link(place: str, link: Any) -> Iterator[str]:
    required, optional = ("label", "url", "type"), ("appContext", "autolaunchable", "extension")
    yield from _keys(place, link, required, optional, "LNK-1")
    if not isinstance(link, dict):
        return
    yield from _texts(place, link, (*required, "appContext"), "LNK-1")
    if link.get("type") not in ("absolute", "smart"):
        yield f"LNK-1: {place}.type"
    if not _absolute(link.get("url")):
        yield f"LNK-1: {place}.url is not an absolute URL"
    if "appContext" in link and link.get("type") != "smart":
        yield f"LNK-2: {place} has an appContext and is not a SMART link"
    if not isinstance(link.get("autolaunchable", True), bool):
        yield f"LNK-3: {place}.autolaunchable is not a boolean"


def _reason(place: str, reason: Any) -> Iterator[str]:
    yield from _coding(place, reason, "CARD-10")
    if isinstance(reason, dict) and not reason.get("display"):
        yield f"CARD-10: {place} has no display"


def _coding(place: str, coding: Any, row: str) -> Iterator[str]:
    yield from _keys(place, coding, ("code", "system"), ("display", "version", "extension"), "GEN-9")
    if isinstance(coding, dict):
        yield from _texts(place, coding, ("code", "system", "display"), row)


# --- what holds everywhere --------------------------------------------------------------------------------------------


def _keys(place: str, value: Any, required: Iterable[str], optional: Iterable[str], row: str) -> Iterator[str]:
    if not isinstance(value, dict):
        yield f"{row}: {place} is not an object"
        return
    required = tuple(required)
    for name in required:
        if name not in value:
            yield f"{row}: {place}.{name} is missing"
    for name in value.keys() - {*required, *optional}:
        yield f"{row}: {place}.{name} is unknown"
    if not isinstance(value.get("extension", {}), dict):
        yield f"GEN-6: {place}.extension is not an object"


def _texts(place: str, value: dict[str, Any], names: Iterable[str], row: str) -> Iterator[str]:
    for name in names:
        if name in value and not isinstance(value[name], str):
            yield f"{row}: {place}.{name} is not a string"


def _array(place: str, value: Any, check: Check, row: str) -> Iterator[str]:
    if not isinstance(value, list) or not value:
        yield f"{row}: {place} is not an array with something in it"
        return
    for number, item in enumerate(value):
        yield from check(f"{place}[{number}]", item)


def _nothing_empty(place: str, value: Any) -> Iterator[str]:
    if value is None or value in ("", [], {}):
        yield f"GEN-3: {place} is {json.dumps(value)}"
    elif isinstance(value, dict):
        for name, inner in value.items():
            yield from _nothing_empty(f"{place}.{name}", inner)
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from _nothing_empty(f"{place}[{number}]", inner)


def _absolute(value: Any) -> bool:
    if not isinstance(value, str):
        return False
    try:
        parts = urlsplit(value)
    except ValueError:
        return False
    return bool(parts.scheme and parts.netloc)
