"""What the schemas of all files share: the base class, and the kinds of values that keys take."""

import copy
import re
from collections.abc import Sequence
from typing import Annotated, Any, Generic, TypeVar

import msgspec
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, Strict, ValidationError

from wardgate.domain.documents import Document, Place, Wrong, duration_of, findings_of, keys_at, nearest
from wardgate.domain.findings import Finding


class Wire(BaseModel):
    """One mapping of a file: no key that it does not name, no value that is not of its type."""

    model_config = ConfigDict(extra="forbid", frozen=True)


W = TypeVar("W", bound=BaseModel)


class Sheet(msgspec.Struct, Generic[W], frozen=True):
    """A file that was read: the document for findings and digests, the wire for values.

    `gaps` are the places whose keys were wrong, and were told: the wire is what is left without them, so that one
    wrong key does not hide what else is wrong. No plan is made from a sheet with gaps.
    """

    document: Document
    wire: W
    gaps: frozenset[Place] = frozenset()

    def lacks(self, *place: str | int) -> bool:
        """Whether something wrong stood at, in or around this place, so that nothing follows from what is left."""
        return any(gap[: len(place)] == place[: len(gap)] for gap in self.gaps)


_ROUNDS = 8
"""What is missing after a first cut is cut with what holds it, and so on outwards."""

_STAND_INS: dict[str, object] = {
    "title": "-",
    "description": "-",
    "summary": "-",
    "source": {"label": "-"},
    "mode": "off",
}
"""For required keys that nothing else is proved by."""


def sheet(document: Document, kind: type[W]) -> tuple[Sheet[W] | None, list[Finding]]:
    """The sheet and every wrong key of the file; None where too little is left without these."""
    try:
        return Sheet(document, kind.model_validate(document.data)), []
    except ValidationError as error:
        errors: Sequence[Any] = error.errors(include_url=False)
        return _remainder(document, kind, errors), findings_of(document, errors, kind)


def _remainder(document: Document, kind: type[W], errors: Sequence[Any]) -> Sheet[W] | None:
    data, gaps = copy.deepcopy(document.data), set[Place]()
    for _ in range(_ROUNDS):
        for error in errors:
            place: Place = tuple(step for step in error["loc"] if step != "[key]")
            gap = _stood_in(data, place) if error["type"] == "missing" else None
            gap = gap or _cut(data, place)
            if gap is None:
                return None
            gaps.add(gap)
            meant = nearest(str(gap[-1]), keys_at(kind, gap[:-1])) if error["type"] == "extra_forbidden" else None
            if meant is not None:
                gaps.add((*gap[:-1], meant))
        try:
            return Sheet(document, kind.model_validate(data), frozenset(gaps))
        except ValidationError as error:
            errors = error.errors(include_url=False)
    return None


def _stood_in(data: Any, place: Place) -> Place | None:
    holders = _way(data, place[:-1])
    if len(holders) < len(place) or not isinstance(holders[-1], dict) or place[-1] not in _STAND_INS:
        return None
    holders[-1][place[-1]] = _STAND_INS[str(place[-1])]
    return place


def _way(data: Any, place: Place) -> list[Any]:
    """What stands on the way to `place`, from the outside in, as far as it exists."""
    holders = [data]
    for step in place:
        inner = holders[-1]
        there = step in inner if isinstance(inner, dict) else isinstance(inner, list) and step in range(len(inner))
        if not there:
            break
        holders.append(inner[step])
    return holders


def _cut(data: Any, place: Place) -> Place | None:
    """Removes the innermost entry of a mapping on the way to `place`; list items stay, or lines would shift."""
    holders = _way(data, place)
    for depth in range(len(holders) - 2, -1, -1):
        if isinstance(holders[depth], dict):
            del holders[depth][place[depth]]
            return place[: depth + 1]
    return None


def matching(pattern: str, what: str, remedy: str) -> BeforeValidator:
    """Text that must match the whole pattern; what is not text is left to the type."""
    compiled = re.compile(pattern)

    def check(value: object) -> object:
        if isinstance(value, str) and not compiled.fullmatch(value):
            raise Wrong(what, remedy)
        return value

    return BeforeValidator(check)


def _visible(value: object) -> object:
    if isinstance(value, str) and not value.strip():
        raise Wrong("the text is empty", "write it, or remove the key")
    return value


Text = Annotated[str, BeforeValidator(_visible)]
Flag = Annotated[bool, Strict()]
Whole = Annotated[int, Strict()]
Number = Annotated[float, Strict()]
Count = Annotated[int, Strict(), Field(ge=1)]
Share = Annotated[float, Strict(), Field(ge=0, le=1)]
Rate = Annotated[float, Strict(), Field(gt=0, le=1)]
Duration = Annotated[float, BeforeValidator(duration_of)]
"""Seconds, above 0."""
Range = tuple[Number, Number]

SERVICE_ID = matching(
    r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,62}[A-Za-z0-9])?",
    "not an id that stands in a URL",
    "use letters, digits, `-`, `_` and `.`, 64 at most, a letter or digit first and last (CDS Hooks, DIS-7)",
)
SHA256 = matching(r"sha256:[0-9a-f]{64}", "not a SHA-256 digest", "write sha256: and 64 lower-case hex digits")
Name = Annotated[
    str,
    matching(
        r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", "not the name of a file", "use letters, digits, `-`, `_` and `.`, no folder"
    ),
]
"""The stem of a file: a model, a card, a rule, a version."""
