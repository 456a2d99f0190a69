"""What the hook's context itself carries: draft orders, selections among them, appointments, tasks.

These resources are the least finished ones of a call (trap T-7), so they are decoded as leniently as any other, and
only where a feature reads them. They belong to the patient of the call or they do not count, like all others.
"""

import re
from collections.abc import Sequence

import msgspec

from wardgate.domain.context.lenient import UNDECODABLE, fields_of, items_of
from wardgate.domain.context.resources import Bytes, Page, decode_field
from wardgate.domain.hooks.library import FORMER_NAMES

DRAFT_ORDERS, SELECTIONS = "draftOrders", "selections"

_SELECTED = re.compile(r"(?:.*/)?([A-Z][A-Za-z]+/[^/\s]+)")


class Drafts(msgspec.Struct, frozen=True):
    """`pages` by context field, None where the field is absent or cannot be read.

    `selections` are the drafts that the user has chosen, as `Type/id`; None where that is not known.
    """

    pages: dict[str, Page | None]
    selections: frozenset[str] | None = None


def decode_drafts(context: Bytes, names: Sequence[str]) -> Drafts:
    """The fields of the context that features read. `selections` names resources of `draftOrders`."""
    fields = _fields(context)
    wanted = dict.fromkeys(DRAFT_ORDERS if name == SELECTIONS else name for name in names)
    pages = {name: _page(fields, name) for name in wanted}
    chosen = fields.get(SELECTIONS) if SELECTIONS in names else None
    return Drafts(pages, None if chosen is None else _selected(chosen))


def _page(fields: dict[str, msgspec.Raw], name: str) -> Page | None:
    """Also where it came under a former name (trap T-14); null counts as absent."""
    for each in (name, *FORMER_NAMES.get(name, ())):
        if each in fields and bytes(fields[each]) != b"null":
            return decode_field(_inner(fields[each]))
    return None


def _inner(raw: msgspec.Raw) -> msgspec.Raw:
    """Without the object that the examples of some hook pages put around a resource, `{"resource": …}`."""
    try:
        fields = fields_of(raw)
    except UNDECODABLE:
        return raw
    return raw if "resourceType" in fields else fields.get("resource", raw)


def _fields(context: Bytes) -> dict[str, msgspec.Raw]:
    try:
        return fields_of(context)
    except UNDECODABLE:  # a name of a field that is no text: the edge has read only those that it knows
        return {}


def _selected(raw: Bytes) -> frozenset[str] | None:
    try:
        texts = [msgspec.json.decode(item, type=str).strip() for item in items_of(raw)]
    except UNDECODABLE:
        return None
    matches = [_SELECTED.fullmatch(text) for text in texts]
    return frozenset(match[1] for match in matches if match is not None) if all(matches) else None
