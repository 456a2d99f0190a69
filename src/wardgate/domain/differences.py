"""What differs between two readings of a file: by meaning, and as lines."""

import difflib
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec
import rfc8785

_IDENTITIES = ("name", "code", "text", "hook", "id", "kind", "label", "feature", "when")
"""Keys by which entries of a list are recognised, the first that all have and none shares."""
_MOST_LINES = 5_000
_LONGEST = 240


class Difference(msgspec.Struct, frozen=True):
    """`place` as people write it (`threshold.default`); None: there was, or is, nothing. Values are plain data."""

    place: str
    before: Any
    after: Any
    added: bool = False
    removed: bool = False

    def __str__(self) -> str:
        if self.added:
            return f"{self.place}: added, {told(self.after)}"
        if self.removed:
            return f"{self.place}: removed, was {told(self.before)}"
        return f"{self.place}: {told(self.before)} → {told(self.after)}"


def differences(before: Any, after: Any, place: str = "") -> Iterator[Difference]:
    """Of plain data. Entries of a list are compared by what names them, so that one more shifts none; that the same
    entries stand in another order is one difference."""
    if isinstance(before, dict) and isinstance(after, dict):
        yield from _of_mappings(before, after, place)
    elif isinstance(before, list) and isinstance(after, list) and (key := _identity(before, after)):
        yield from _of_mappings(_by(key, before), _by(key, after), place)
        yield from _of_order(_by(key, before), _by(key, after), place)
    elif isinstance(before, list) and isinstance(after, list) and len(before) == len(after) and _nested(before, after):
        for number, (one, other) in enumerate(zip(before, after, strict=True)):
            yield from differences(one, other, _inside(place, str(number)))
    elif not _same(before, after):
        yield Difference(place, before, after)


def lines(before: bytes | None, after: bytes | None, name: str) -> list[str]:
    """A unified diff of one file, without the ends of its lines; [] where nothing differs."""
    if before == after:
        return []
    one, other = _text(before), _text(after)
    if one is None or other is None:
        return [f"--- {name}", f"+++ {name}", "the file differs, and is no text of a length that is compared by line"]
    old, new = ("/dev/null" if content is None else name for content in (before, after))
    return list(difflib.unified_diff(one, other, old, new, lineterm=""))


def told(value: Any) -> str:
    """Plain data for one line of a terminal: control characters do not reach it, and what is long is cut."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    text = msgspec.json.encode(value).decode() if not isinstance(value, float) else repr(value)
    text = "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}… ({len(text)} characters)"


def _of_mappings(before: Mapping[str, Any], after: Mapping[str, Any], place: str) -> Iterator[Difference]:
    for key in dict.fromkeys((*before, *after)):
        inner = _inside(place, key)
        if key not in after:
            yield Difference(inner, before[key], None, removed=True)
        elif key not in before:
            yield Difference(inner, None, after[key], added=True)
        else:
            yield from differences(before[key], after[key], inner)


def _of_order(before: Mapping[str, Any], after: Mapping[str, Any], place: str) -> Iterator[Difference]:
    one, other = [key for key in before if key in after], [key for key in after if key in before]
    if one != other:
        yield Difference(_inside(place, "(order)"), one, other)


def _identity(before: list[Any], after: list[Any]) -> str:
    for key in _IDENTITIES:
        if all(_names(entries, key) for entries in (before, after)) and (before or after):
            return key
    return ""


def _names(entries: list[Any], key: str) -> bool:
    if not all(isinstance(entry, dict) and isinstance(entry.get(key), str) for entry in entries):
        return False
    return len({entry[key] for entry in entries}) == len(entries)


def _by(key: str, entries: list[Any]) -> dict[str, Any]:
    return {entry[key]: entry for entry in entries}


def _nested(before: list[Any], after: list[Any]) -> bool:
    return any(isinstance(entry, dict | list) for entry in (*before, *after))


def _same(before: Any, after: Any) -> bool:
    """As the digest sees it: 1 and 1.0 are one number, 1 and true are not."""
    return rfc8785.dumps(before) == rfc8785.dumps(after)


def _inside(place: str, key: str) -> str:
    return f"{place}.{key}" if place else key


def _text(content: bytes | None) -> list[str] | None:
    try:
        split = [] if content is None else content.decode().splitlines()
    except UnicodeDecodeError:
        return None
    return None if len(split) > _MOST_LINES else split
