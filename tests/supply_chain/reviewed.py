"""`reviewed.yaml`: what a person has looked at, and why it may stay. Findings that stand there are not told again."""

from datetime import date
from pathlib import Path
from typing import Annotated

import yaml
from pydantic import BaseModel, ConfigDict, Field

ROOT = Path(__file__).parents[2]
FILE = Path(__file__).with_name("reviewed.yaml")

Reason = Annotated[str, Field(min_length=10)]


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Harmless(_Entry):
    """What looks like secrets in one file, and is none."""

    file: str
    sha1: tuple[Annotated[str, Field(pattern=r"^[0-9a-f]{40}$")], ...] = Field(min_length=1)
    """Of each, as detect-secrets counts it."""
    why: Reason


class Waived(_Entry):
    """An advisory that does not concern us, or cannot be mended yet. It comes back after `until`."""

    id: str
    package: str
    until: date
    why: Reason


class Licensed(_Entry):
    """A package whose licence is not on the list of those that may be in what we ship, or that names none itself."""

    package: str
    licence: str
    """SPDX."""
    why: Reason


class Reviewed(_Entry):
    secrets: tuple[Harmless, ...] = ()
    advisories: tuple[Waived, ...] = ()
    licences: tuple[Licensed, ...] = ()


def reviewed(path: Path = FILE) -> Reviewed:
    """Raises pydantic's ValidationError, which says where."""
    return Reviewed.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
