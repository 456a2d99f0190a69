"""Dotted paths into a whole resource: `location[0].location.display`. Compiled once at start."""

import re
from collections.abc import Callable, Mapping
from typing import Any

_STEP = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)(?:\[(\d{1,4})\])?")


def compile_path(path: str) -> Callable[[Mapping[str, Any]], Any]:
    """A reader of one value; ValueError where `path` is not `name`, `name[index]` and dots.

    The reader answers None for whatever is missing or of another shape, and never raises. A list without an
    index yields its only element; of several, none is picked, since the first one would be a guess.
    """
    steps: list[tuple[str, int | None]] = []
    for step in path.split("."):
        match = _STEP.fullmatch(step)
        if match is None:
            raise ValueError("a path is names with dots between them, each with at most one index: a.b[0].c")
        steps.append((match[1], None if match[2] is None else int(match[2])))
    if len(steps) == 1 and steps[0][1] is None:
        return _field(steps[0][0])
    return _walk(tuple(steps))


def _field(name: str) -> Callable[[Mapping[str, Any]], Any]:
    def read(document: Mapping[str, Any]) -> Any:
        value = document.get(name)
        return _only(value) if isinstance(value, list) else value

    return read


def _walk(steps: tuple[tuple[str, int | None], ...]) -> Callable[[Mapping[str, Any]], Any]:
    def read(document: Mapping[str, Any]) -> Any:
        value: Any = document
        for name, index in steps:
            if not isinstance(value, dict):
                return None
            value = value.get(name)
            if index is not None:
                value = _no_list(value[index]) if isinstance(value, list) and index < len(value) else None
            elif isinstance(value, list):
                value = _only(value)
        return value

    return read


def _only(values: list[Any]) -> Any:
    return _no_list(values[0]) if len(values) == 1 else None


def _no_list(value: Any) -> Any:
    """FHIR has no lists of lists."""
    return None if isinstance(value, list) else value
