"""The second look at what did not fit: field by field, so that one wrong-typed field costs only itself.

Some fields may not simply fall away, because without them a resource would say more than it does:

- subject, patient, focus, for, participant: whose resource this is (law 11); unreadable ones cost the resource;
- verificationStatus, clinicalStatus, docStatus, doNotPerform, intent, taken: modifier elements (FHIR R4, 2.1.0.2),
  and what stands beside them: the same;
- dataAbsentReason, comparator: an unreadable one still says "this is not a plain value", so a mark stays;
- values: an unreadable one still says that there is one, so that an older result does not stand in for it.
"""

import types
from collections.abc import Callable, Sequence
from typing import Any, TypeVar, Union, get_args, get_origin

import msgspec

from wardgate.domain.context import fhir
from wardgate.domain.context.fhir import CodeableConcept, Component, Document, Event, Quantity, Resource

UNDECODABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
"""All that decoding raises, whatever the bytes are."""

MISFITS = 2000
"""So many misfits in one value, and it is not looked at any further: each costs about 15 µs, and no chart that
somebody keeps has more than a few to a resource. Without a bound, two megabytes of them would take seconds (law 1).
"""

_BINDING = frozenset(
    {
        *("subject", "patient", "focus", "for", "participant"),
        *("verificationStatus", "clinicalStatus", "docStatus", "doNotPerform", "intent", "taken"),
    }
)
_UNREADABLE = "?"

T = TypeVar("T")

fields_of: Callable[[bytes | msgspec.Raw], dict[str, msgspec.Raw]] = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
items_of: Callable[[bytes | msgspec.Raw], list[msgspec.Raw]] = msgspec.json.Decoder(list[msgspec.Raw]).decode
_any: Callable[[bytes | msgspec.Raw], Any] = msgspec.json.Decoder().decode
_event: Callable[[bytes | msgspec.Raw], Event] = msgspec.json.Decoder(Event).decode
_decoders: dict[Any, Callable[[bytes | msgspec.Raw], Any]] = {}
_fields_by_name: dict[type, dict[str, tuple[str, Any]]] = {
    kind: {field.encode_name: (field.name, field.type) for field in msgspec.structs.fields(kind)}
    for kind in vars(fhir).values()
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct)
}
"""Of each shape: by its name in JSON, a field's name and type."""


class Unreadable(Exception):
    """Nothing of the expected type is left of this value. Carries no text: the value may be a patient's name."""


class Hopeless(Exception):
    """More misfits than `MISFITS`: the whole value cannot be used."""


class Patience:
    """What is left of `MISFITS`, for all resources of one value together."""

    __slots__ = ("_left",)

    def __init__(self) -> None:
        self._left = MISFITS

    def spend(self) -> None:
        """One misfit more; raises Hopeless where it is one too many."""
        self._left -= 1
        if self._left < 0:
            raise Hopeless


def lenient_resource(raw: bytes | msgspec.Raw, patience: Patience | None = None) -> Event:
    """The resource without what could not be read of it; Unreadable where it must not count at all.

    Raises Hopeless. Without `patience` it is a value of its own.
    """
    try:
        return _event(raw)
    except UNDECODABLE:
        return _struct(raw, Event, patience or Patience())


def lenient_document(raw: bytes | msgspec.Raw) -> Document:
    """A whole resource, without the fields that cannot be decoded."""
    document: Document = {}
    for name, value in _fields(raw).items():
        try:
            document[name] = _any(value)
        except UNDECODABLE:
            continue
    return document


def _value(raw: msgspec.Raw, kind: Any, patience: Patience) -> Any:
    try:
        return _decode(raw, kind)
    except UNDECODABLE:
        patience.spend()
    if get_origin(kind) in (Union, types.UnionType):
        return _first_of(raw, get_args(kind), patience)
    if get_origin(kind) in (list, Sequence):
        return _list(raw, get_args(kind)[0], patience)
    if kind in _fields_by_name:
        return _struct(raw, kind, patience)
    raise Unreadable


def _struct(raw: bytes | msgspec.Raw, kind: type[T], patience: Patience) -> T:
    kept: dict[str, Any] = {}
    fields = _fields_by_name[kind]
    for name, value in _fields(raw).items():
        if name not in fields:
            continue
        attribute, wanted = fields[name]
        try:
            kept[attribute] = _value(value, wanted, patience)
        except Unreadable:
            if issubclass(kind, Resource) and name in _BINDING:
                raise
            _leave_mark(kept, kind, name)
    return kind(**kept)


def _leave_mark(kept: dict[str, Any], kind: type, name: str) -> None:
    coded = issubclass(kind, (Component, Resource))
    if name == "dataAbsentReason" and coded:
        kept[name] = CodeableConcept()
    elif name == "comparator" and kind is Quantity:
        kept[name] = _UNREADABLE
    elif name == "value" and kind is Quantity:
        kept[name] = _UNREADABLE
    elif name.startswith("value") and coded:
        kept["valueUnreadable"] = True


def _list(raw: msgspec.Raw, kind: Any, patience: Patience) -> list[Any]:
    """One object where a list belongs counts as its only item (trap T-7); items that cannot be read fall away."""
    try:
        items = items_of(raw)
    except UNDECODABLE:
        return [_value(raw, kind, patience)]
    kept = []
    for item in items:
        try:
            kept.append(_value(item, kind, patience))
        except Unreadable:
            continue
    if items and not kept:
        raise Unreadable
    return kept


def _first_of(raw: msgspec.Raw, kinds: tuple[Any, ...], patience: Patience) -> Any:
    for kind in kinds:
        if kind is type(None):
            continue
        try:
            return _value(raw, kind, patience)
        except Unreadable:
            continue
    raise Unreadable


def _fields(raw: bytes | msgspec.Raw) -> dict[str, msgspec.Raw]:
    try:
        return fields_of(raw)
    except UNDECODABLE:
        raise Unreadable from None


def _decode(raw: bytes | msgspec.Raw, kind: Any) -> Any:
    decoder = _decoders.get(kind)
    if decoder is None:
        decoder = _decoders[kind] = msgspec.json.Decoder(kind).decode
    return decoder(raw)
