"""What the schemas of all files share: the base class, and the kinds of values that keys take."""

import re
from collections.abc import Sequence
from typing import Annotated, Any, Generic, TypeVar

import msgspec
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, Strict, ValidationError

from wardgate.domain.documents import Document, Wrong, duration_of, findings_of
from wardgate.domain.errors import ConfigurationError


class Wire(BaseModel):
    """One mapping of a file: no key that it does not name, no value that is not of its type."""

    model_config = ConfigDict(extra="forbid", frozen=True)


W = TypeVar("W", bound=BaseModel)


class Sheet(msgspec.Struct, Generic[W], frozen=True):
    """A file that was read and whose keys are right: the document for findings and digests, the wire for values."""

    document: Document
    wire: W


def sheet(document: Document, kind: type[W]) -> Sheet[W]:
    """Raises ConfigurationError with every wrong key of the file."""
    try:
        return Sheet(document, kind.model_validate(document.data))
    except ValidationError as error:
        errors: Sequence[Any] = error.errors(include_url=False)
        raise ConfigurationError(findings_of(document, errors, kind)) from None


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
