"""Two contents of a release beside each other: what differs by meaning, and by line."""

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from wardgate.adapters.files.digest import NOT_DECIDING
from wardgate.adapters.files.library import DEFAULT_PATHS
from wardgate.adapters.files.places import Held
from wardgate.adapters.files.yaml_documents import read_json, read_yaml_as_far_as_possible
from wardgate.control.ports import Content
from wardgate.domain.differences import Difference, differences, lines
from wardgate.domain.errors import ConfigurationError


class Comparison(msgspec.Struct, frozen=True):
    """`differences` are of what the digest covers; `diff` is unified, of whole files, for whoever wants to see more."""

    differences: tuple[Difference, ...]
    diff: tuple[str, ...]


class _Part(msgspec.Struct, frozen=True):
    """A file by what it is to the release. `data` None: it is no document (evidence)."""

    place: str
    content: bytes
    data: Any


def differing(before: Content, after: Content) -> tuple[Difference, ...]:
    """By meaning, of what the digest covers."""
    return _differing(_parts(before), _parts(after))


def _differing(one: Mapping[str, _Part], other: Mapping[str, _Part]) -> tuple[Difference, ...]:
    roles = dict.fromkeys((*one, *other))
    return tuple(each for role in roles for each in _differences(role, one.get(role), other.get(role)))


def compared(before: Content, after: Content) -> Comparison:
    one, other = _parts(before), _parts(after)
    diff: list[str] = []
    for role in dict.fromkeys((*one, *other)):
        old, new = one.get(role), other.get(role)
        there = new or old
        assert there is not None
        name = _shown(there.place)
        diff += lines(None if old is None else old.content, None if new is None else new.content, name)
    return Comparison(_differing(one, other), tuple(diff))


def _differences(role: str, old: _Part | None, new: _Part | None) -> list[Difference]:
    if old is None or new is None:
        return [Difference(role, _place(old), _place(new), added=old is None, removed=new is None)]
    if old.data is not None and new.data is not None:
        return [
            msgspec.structs.replace(each, place=f"{role}: {each.place}") for each in differences(old.data, new.data)
        ]
    if old.content == new.content:
        return []
    return [Difference(role, _print(old.content), _print(new.content))]


def _place(part: _Part | None) -> str | None:
    return None if part is None else _shown(part.place)


def _print(content: bytes) -> str:
    return f"sha256 {hashlib.sha256(content).hexdigest()[:12]}"


def _parts(content: Content) -> dict[str, _Part]:
    """By role, in the order in which people read them: the service first, evidence last."""
    release = f"models/{content.model}/releases/{content.version}.yaml"
    probes = _probes(content, release)
    parts: dict[str, _Part] = {}
    for place in sorted(content.files, key=lambda place: (_rank(place, release, probes), place)):
        data = _data(content, place, probes)
        parts[_role(place, data, release, probes)] = _Part(place, content.files[place], data)
    return parts


def _rank(place: str, release: str, probes: str) -> int:
    folders = [DEFAULT_PATHS[kind] for kind in ("services", "cards", "rules")]
    if place in (release, probes):
        return 4 + (place == probes)
    kind = os.path.dirname(place)
    return folders.index(kind) if kind in folders else 3 if "/features" in place else 6


def _role(place: str, data: Any, release: str, probes: str) -> str:
    stem = Path(place).stem
    match _rank(place, release, probes):
        case 0:
            return f"service ({data.get('hook')})" if isinstance(data, dict) else f"service {stem}"
        case 1:
            return f"card {stem}"
        case 2:
            return f"rule {stem}"
        case 3:
            return "features"
        case 4:
            return "release"
        case 5:
            return "probes"
    return f"evidence {os.path.relpath(place, os.path.dirname(release))}"


def _probes(content: Content, release: str) -> str:
    data = _data(content, release, "")
    named = data.get("probes") if isinstance(data, dict) else None
    file = named.get("file") if isinstance(named, dict) else None
    return os.path.normpath(os.path.join(os.path.dirname(release), file)) if isinstance(file, str) else ""


def _data(content: Content, place: str, probes: str) -> Any:
    """None for what is no document, or cannot be read as one."""
    files = Held(content.files)
    try:
        if place == probes:
            return read_json(Path(place), place, files).data
        if not place.endswith(".yaml"):
            return None
        data = read_yaml_as_far_as_possible(Path(place), place, files)[0].data
    except ConfigurationError:
        return None
    if os.path.dirname(place) != DEFAULT_PATHS["services"] or not isinstance(data, Mapping):
        return data
    return {key: value for key, value in data.items() if key not in NOT_DECIDING}


def _shown(place: str) -> str:
    return place.removeprefix("../")
