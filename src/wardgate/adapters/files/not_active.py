"""Keys whose step this version does not have yet: validated all the same, with one warning each.

A line goes away with the step that it waits for. What would change a score (`protocol`, `from`, `derive`, `engine`)
is an error instead, told where it is compiled.
"""

from collections.abc import Callable, Iterable
from typing import Any

from wardgate.domain.documents import Document, Place, dotted
from wardgate.domain.findings import Finding

Asks = Callable[[Any], bool]


def _given(value: Any) -> bool:
    return value is not None and value != {} and value != []


def _is(*values: Any) -> Asks:
    return lambda value: value in values


NOT_ACTIVE: dict[str, tuple[tuple[str, Asks, str], ...]] = {
    "wardgate": (),
    "features": (
        ("features.*.max_missing", _given, "missing values are not watched"),
        ("features.*.cohort", _given, "there are no rollups"),
    ),
}
"""By kind of file: key, what counts as asking for it, and what happens instead."""


def not_active(document: Document, kind: str) -> list[Finding]:
    """The warnings for one file, in the order of the table."""
    return [
        _warning(document, place, instead)
        for pattern, asks, instead in NOT_ACTIVE[kind]
        for place, value in _places(document.data, tuple(pattern.split(".")))
        if asks(value)
    ]


def _warning(document: Document, place: Place, instead: str) -> Finding:
    what = f"not active yet: {document.file}:{dotted(place)}"
    return document.finding(place, what, instead, warning=True)


def _places(data: Any, pattern: tuple[str, ...], place: Place = ()) -> Iterable[tuple[Place, Any]]:
    if not pattern:
        yield place, data
    elif pattern[0] == "*" and isinstance(data, list):
        for number, item in enumerate(data):
            yield from _places(item, pattern[1:], (*place, number))
    elif isinstance(data, dict):
        yield from _places(data.get(pattern[0]), pattern[1:], (*place, pattern[0]))
