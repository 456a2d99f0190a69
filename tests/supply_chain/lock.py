"""Reads what uv writes: `requirements.lock`, `requirements-dev.lock`."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.supply_chain.reviewed import ROOT

RUN = ROOT / "requirements.lock"
ALL = ROOT / "requirements-dev.lock"

_HEAD = re.compile(
    r"(?P<name>[a-z0-9][a-z0-9._-]*)(?:\[[a-z0-9,_-]+\])?==(?P<version>[^\s;\\]+)(?: ; (?P<marker>[^\\]+))?"
)
_HASH = re.compile(r"\s+--hash=sha256:([0-9a-f]{64})")
_VIA = re.compile(r"\s+# (?:via |  )([a-z0-9][a-z0-9._-]*)")


@dataclass(frozen=True)
class Locked:
    name: str
    version: str
    marker: str | None
    """Where it is installed, such as `python_full_version < '3.11.3'`; None: everywhere."""
    sha256: list[str] = field(default_factory=list)
    """Of its files, any of which may be installed."""
    via: list[str] = field(default_factory=list)
    """Who needs it; `wardgate` itself among them."""


def locked(path: Path = RUN) -> Sequence[Locked]:
    """Raises ValueError for a line that is none of a lock's, with its number."""
    found: list[Locked] = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if head := _HEAD.match(line):
            marker = head["marker"]
            found.append(Locked(head["name"], head["version"], marker and marker.strip()))
        elif found and (digest := _HASH.match(line)):
            found[-1].sha256.append(digest[1])
        elif found and (via := _VIA.match(line)):
            found[-1].via.append(via[1])
        elif line.strip() not in ("", "# via", "#   -c requirements.lock"):
            raise ValueError(f"{path.name}:{number}: not a line of a lock")
    return found


def needs(packages: Sequence[Locked]) -> Mapping[str, list[str]]:
    """By package, and for `wardgate` itself, what it needs."""
    found: dict[str, list[str]] = {"wardgate": [], **{package.name: [] for package in packages}}
    for package in packages:
        for who in package.via:
            found[who].append(package.name)
    return found
