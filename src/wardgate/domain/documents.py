"""A configuration file as it was read, and how what is wrong with it is told.

A `Document` is plain data with the place of everything in it, so that each finding names file and line.
`findings_of` turns the errors of a schema (pydantic's dicts; no pydantic here) into plain sentences.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from math import inf
from typing import Any, get_args, get_origin

import msgspec

from wardgate.domain.findings import Finding
from wardgate.domain.units import parse_duration

Place = tuple[str | int, ...]
"""Where something stands in a file: keys and, in lists, indexes from 0."""


class Document(msgspec.Struct, frozen=True):
    """`file` is its name as the user would type it; `data` is plain JSON data; `lines` maps a place to its
    (line, column), both from 1."""

    file: str
    data: Any
    lines: Mapping[Place, tuple[int, int]]

    def __repr__(self) -> str:
        """Nothing of the data: a password may stand there."""
        return f"Document({self.file!r})"

    def line(self, place: Place) -> int:
        """The line of this place or, where it is not written, of the nearest one around it."""
        for length in range(len(place), 0, -1):
            if place[:length] in self.lines:
                return self.lines[place[:length]][0]
        return 1

    def finding(self, place: Place, what: str, remedy: str, warning: bool = False) -> Finding:
        return Finding(self.file, self.line(place), dotted(place), what, remedy, warning)


class Wrong(ValueError):
    """A value that its key does not allow: what is wrong, and how to mend it. Raised by validators."""

    def __init__(self, what: str, remedy: str) -> None:
        super().__init__(what)
        self.what = what
        self.remedy = remedy


_DURATION = "write a number with ms, s, m (minutes), h or d, such as 500ms or 12h"


def duration_of(value: object) -> float:
    """Seconds of a duration as a file writes it, above 0; Wrong otherwise."""
    if not isinstance(value, str):
        raise Wrong(f"expected a duration, found {_kind_of(value)}", _DURATION)
    try:
        seconds = parse_duration(value)
    except ValueError:
        raise Wrong("not a duration", _DURATION) from None
    if not 0 < seconds < inf:
        raise Wrong("not a duration that passes", "write one above 0, and an end")
    return seconds


def dotted(place: Place) -> str:
    return ".".join(str(step) for step in place)


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known word that was probably meant."""
    folded = {name.casefold(): name for name in known}
    close = get_close_matches(word.casefold(), folded, n=1, cutoff=0.6)
    return folded[close[0]] if close else None


def did_you_mean(word: str, known: Sequence[str], otherwise: str) -> str:
    """A remedy: the nearest known word, else `otherwise`."""
    meant = nearest(word, known)
    return otherwise if meant is None else f"did you mean `{meant}`?"


def findings_of(document: Document, errors: Iterable[Mapping[str, Any]], model: type) -> list[Finding]:
    """One for each error; `model` is the class that was read, whose keys are suggested for unknown ones."""
    return [document.finding(*_told(error, model)) for error in errors if not _is_echo(error)]


def _is_echo(error: Mapping[str, Any]) -> bool:
    """A list whose entries are wrong counts as too short as well: its entries' own errors are enough."""
    return error["type"] == "too_short" and bool(len(error["input"]) >= error["ctx"]["min_length"])


_EXPECTED = {
    "string_type": ("text", "write text; put it in quotes where it looks like a number, a date or true"),
    "int_type": ("a whole number", "write digits without quotes, a point or a unit"),
    "float_type": ("a number", "write a number without quotes or a unit"),
    "bool_type": ("true or false", "write true or false (yes, no, on and off are text in YAML 1.2)"),
    "list_type": ("a list", "write [a, b], or one entry a line, each after a dash"),
    "tuple_type": ("a list", "write [a, b], or one entry a line, each after a dash"),
    "set_type": ("a list", "write [a, b], or one entry a line, each after a dash"),
    "frozen_set_type": ("a list", "write [a, b], or one entry a line, each after a dash"),
    "dict_type": ("a mapping", "write `key: value`, one a line or in braces"),
    "model_type": ("a mapping", "write `key: value`, one a line or in braces"),
    "model_attributes_type": ("a mapping", "write `key: value`, one a line or in braces"),
}

_BOUNDS = {
    "greater_than": ("gt", "above"),
    "greater_than_equal": ("ge", "at least"),
    "less_than": ("lt", "below"),
    "less_than_equal": ("le", "at most"),
}


def _told(error: Mapping[str, Any], model: type) -> tuple[Place, str, str]:
    """Place, what, remedy."""
    kind, context = error["type"], error.get("ctx", {})
    place = tuple(step for step in error["loc"] if step != "[key]")  # pydantic's mark for a wrong key of a mapping
    if kind == "missing" and isinstance(place[-1], int):
        return place[:-1], "the list is too short", f"give {place[-1] + 1} entries"
    if kind == "missing":
        return place, f"`{place[-1]}` is required", f"add `{place[-1]}:`"
    if kind == "extra_forbidden":
        known = keys_at(model, place[:-1])
        return place, "unknown key", did_you_mean(str(place[-1]), known, f"the keys here are {', '.join(known)}")
    if kind in ("literal_error", "enum"):
        return place, "not one of the values that this key takes", _choice(error["input"], context["expected"])
    if kind in _EXPECTED:
        expected, remedy = _EXPECTED[kind]
        return place, f"expected {expected}, found {_kind_of(error['input'])}", remedy
    if kind in _BOUNDS:
        name, word = _BOUNDS[kind]
        return place, "the number is out of bounds", f"write a number {word} {context[name]:g}"
    if kind in ("too_short", "too_long"):
        return place, *_length(kind, error["input"], context)
    if kind == "string_too_short":
        return place, "the text is empty", "write it"
    if isinstance(context.get("error"), Wrong):
        return place, context["error"].what, context["error"].remedy
    return place, "not what is expected here", "see docs/configuration.md"


def _choice(value: object, expected: str) -> str:
    choices = re.findall(r"'([^']*)'", expected)
    return did_you_mean(str(value), choices, "use " + " or ".join(filter(None, (", ".join(choices[:-1]), choices[-1]))))


def _length(kind: str, value: Sequence[object], context: Mapping[str, Any]) -> tuple[str, str]:
    if kind == "too_short" and not value:
        return "the list is empty", "give one entry at least"
    bound = context["min_length"] if kind == "too_short" else context["max_length"]
    return "the list has the wrong length", f"give {bound} entries"


def _kind_of(value: object) -> str:
    match value:
        case None:
            return "nothing"
        case bool():
            return "true or false"
        case int() | float():
            return "a number"
        case str():
            return "text"
        case list() | tuple():
            return "a list"
        case _:
            return "a mapping"


def keys_at(model: Any, place: Place) -> tuple[str, ...]:
    """The keys that a file may have at this place. Works on any class with pydantic's `model_fields`."""
    return tuple(field.alias or name for kind in _kinds_at(model, place) for name, field in fields_of(kind).items())


def fields_of(kind: Any) -> Mapping[str, Any]:
    """By attribute name; {} for what is no model."""
    fields = getattr(kind, "model_fields", None)
    return fields if isinstance(fields, Mapping) else {}


def _kinds_at(model: Any, place: Place) -> list[Any]:
    kinds = list(unwrapped(model))
    for step in place:
        kinds = [inner for kind in kinds for found in _inside(kind, step) for inner in unwrapped(found)]
    return kinds


def _inside(kind: Any, step: str | int) -> list[Any]:
    arguments = get_args(kind)
    if get_origin(kind) is dict:
        return [arguments[1]]
    if arguments:
        return [arguments[0]]
    return [field.annotation for name, field in fields_of(kind).items() if (field.alias or name) == step]


def unwrapped(annotation: Any) -> Iterable[Any]:
    """The types that an annotation allows: without Annotated, and each member of a union."""
    arguments = get_args(annotation)
    if hasattr(annotation, "__metadata__"):
        yield from unwrapped(arguments[0])
    elif arguments and get_origin(annotation) not in (dict, list, tuple, frozenset):
        for argument in arguments:
            yield from unwrapped(argument)
    else:
        yield annotation
