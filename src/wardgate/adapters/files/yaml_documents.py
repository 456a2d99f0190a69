"""YAML 1.2 and JSON files to `Document`s, with the line of everything in them.

YAML by the core schema (YAML 1.2.2, section 10.3), so that `off` is text and `1e-6` a number; PyYAML splits the
text into events, and what it would make of them by YAML 1.1 is not asked. What two readers may understand
differently, or what makes a small file large, is refused: duplicate keys, anchors, aliases, tags, several
documents in one file, numbers that no double holds.
"""

import json
import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

import yaml

from wardgate.adapters.files.places import DISK, Files
from wardgate.domain.documents import Document, Place, dotted
from wardgate.domain.errors import ConfigurationError
from wardgate.domain.findings import Finding

MAX_BYTES = 1024 * 1024
MAX_DEPTH = 32

_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

_NULLS = frozenset({"", "~", "null", "Null", "NULL"})
_TRUE = frozenset({"true", "True", "TRUE"})
_FALSE = frozenset({"false", "False", "FALSE"})
_INTEGER = re.compile(r"[-+]?[0-9]+")
_OCTAL = re.compile(r"0o[0-7]+")
_HEXADECIMAL = re.compile(r"0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_NOT_A_NUMBER = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")
_MOST_EXACT = 2**53
"""From here on a double, and so canonical JSON (RFC 8785), does not hold every whole number."""

_CONTROL = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_SHAPES: dict[type, tuple[str, str]] = {
    dict: ("a mapping", "write `key: value` lines"),
    list: ("a list", "write [ ... ]"),
}


def read_yaml(path: Path, name: str) -> Document:
    """`name` is what findings call the file. Raises ConfigurationError for all that is wrong with it as YAML."""
    document, findings = read_yaml_as_far_as_possible(path, name)
    if findings:
        raise ConfigurationError(findings)
    return document


def read_yaml_as_far_as_possible(path: Path, name: str, files: Files = DISK) -> tuple[Document, tuple[Finding, ...]]:
    """With what is wrong where the rest can be read all the same (a key that stands twice, an anchor).

    Raises ConfigurationError where it cannot.
    """
    text = _text(path, name, files)
    reader = _Reader(name, text)
    try:
        document = reader.document()
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark is not None else 1
        if text.splitlines()[line - 1 : line] and "\t" in text.splitlines()[line - 1]:
            _refuse(name, line, "not YAML: a tab where YAML wants spaces", "indent with spaces")
        _refuse(name, line, f"not YAML: {error.problem}", "check indentation, colons, quotes and brackets around here")
    except yaml.YAMLError:
        _refuse(name, 1, "not YAML", "write it as YAML 1.2 in UTF-8")
    _expect(document, dict)
    return document, tuple(reader.findings)


def read_json(path: Path, name: str, files: Files = DISK) -> Document:
    """A JSON file that holds a list. Raises ConfigurationError for all that is wrong with it as JSON."""
    text = _text(path, name, files)
    try:
        data = json.loads(
            text, parse_constant=_no_constant, parse_float=_finite, parse_int=_integer, object_pairs_hook=_once
        )
    except json.JSONDecodeError as error:
        _refuse(name, error.lineno, f"not JSON: {error.msg}", "mend it around here")
    except RecursionError:
        _refuse(name, 1, "nested too deeply", f"{MAX_DEPTH} levels are the most")
    except ValueError as error:
        _refuse(name, 1, str(error), "write each key once, and numbers that a double holds")
    document = Document(name, data, _lines_of_json(name, text))
    _expect(document, list)
    return document


def _text(path: Path, name: str, files: Files) -> str:
    try:
        if files.exists(path) and not files.is_file(path):
            _refuse(name, 0, "not a file", "put a file there")
        with files.open(path) as file:
            content = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        _refuse(name, 0, "the file does not exist", "create it, or mend the name where it is named")
    except (OSError, ValueError):
        _refuse(name, 0, "the file cannot be read", "check its permissions and its name")
    if len(content) > MAX_BYTES:
        _refuse(name, 0, "the file is larger than 1 MiB", "a configuration file is short: remove what does not belong")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        _refuse(name, content.count(b"\n", 0, error.start) + 1, "not UTF-8", "save the file as UTF-8 text")
    control = _CONTROL.search(text)
    if control is not None:
        line = text.count("\n", 0, control.start()) + 1
        _refuse(name, line, "a control character", "remove it; in double quotes it can be escaped")
    return text


def _expect(document: Document, shape: type) -> None:
    if document.data is None:
        _refuse(document.file, 0, "the file is empty", "see docs/configuration.md for what belongs here")
    if not isinstance(document.data, shape):
        expected, remedy = _SHAPES[shape]
        _refuse(document.file, 1, f"the file does not hold {expected}", remedy)


def _refuse(name: str, line: int, what: str, remedy: str) -> NoReturn:
    raise ConfigurationError([Finding(name, line, "", what, remedy)])


class _Reader:
    """Events to data. Goes on after a finding, so that one run tells them all."""

    def __init__(self, name: str, text: str) -> None:
        self._name = name
        self._events: Iterator[Any] = iter(yaml.parse(text, Loader=_Loader))
        self._lines: dict[Place, tuple[int, int]] = {}
        self.findings: list[Finding] = []

    def document(self) -> Document:
        data: Any = None
        documents = 0
        for event in self._events:
            if isinstance(event, yaml.DocumentStartEvent):
                documents += 1
                if documents > 1:
                    self._found(event, (), "a second document in one file", "keep one; put the other in its own file")
                    break
                data = self._node(next(self._events), ())
        return Document(self._name, data, self._lines)

    def _node(self, event: Any, place: Place) -> Any:
        if len(place) > MAX_DEPTH:
            self._found(event, place[:4], "nested too deeply", f"{MAX_DEPTH} levels are the most")
            raise ConfigurationError(self.findings)
        if isinstance(event, yaml.AliasEvent):
            self._found(event, place, "an alias (*)", "write the value out")
            return None
        if event.anchor is not None:
            self._found(event, place, "an anchor (&)", "remove it, and write the value out where it is used")
        if event.tag is not None and event.tag != "!":
            self._found(event, place, "a tag (!)", "remove it: types follow from the key")
        if isinstance(event, yaml.ScalarEvent):
            return self._scalar(event, place)
        if isinstance(event, yaml.SequenceStartEvent):
            return self._sequence(place)
        return self._mapping(place)

    def _sequence(self, place: Place) -> list[Any]:
        items: list[Any] = []
        while not isinstance(event := next(self._events), yaml.SequenceEndEvent):
            inner = (*place, len(items))
            self._lines[inner] = _mark(event)
            items.append(self._node(event, inner))
        return items

    def _mapping(self, place: Place) -> dict[str, Any]:
        entries: dict[str, Any] = {}
        while not isinstance(event := next(self._events), yaml.MappingEndEvent):
            key = self._key(event, place)
            inner = (*place, key)
            if key in entries:
                what = f"the key stands twice, first in line {self._lines[inner][0]}"
                self._found(event, inner, what, "keep one of the two")
            else:
                self._lines[inner] = _mark(event)
            entries[key] = self._node(next(self._events), inner)
        return entries

    def _key(self, event: Any, place: Place) -> str:
        """Keys are text, as JSON's: `1: a` and `true: b` have the keys "1" and "true"."""
        if isinstance(event, yaml.ScalarEvent) and event.anchor is None and event.tag is None:
            if event.value == "<<" and not event.style:
                self._found(event, (*place, "<<"), "a merge key (<<)", "write the entries out")
            return str(event.value)
        self._found(event, place, "a key that is not plain text", "use a word as key")
        raise ConfigurationError(self.findings)

    def _scalar(self, event: Any, place: Place) -> Any:
        if event.style or event.tag is not None:  # quoted, or a block: text as it stands
            return event.value
        try:
            return resolve(event.value)
        except ValueError as error:
            self._found(event, place, str(error), "write a number that a double holds, or put it in quotes")
            return None

    def _found(self, event: Any, place: Place, what: str, remedy: str) -> None:
        self.findings.append(Finding(self._name, event.start_mark.line + 1, dotted(place), what, remedy))


def _mark(event: Any) -> tuple[int, int]:
    return event.start_mark.line + 1, event.start_mark.column + 1


def resolve(text: str) -> str | int | float | bool | None:
    """A plain scalar by the core schema; ValueError for a number that JSON cannot hold."""
    if text in _NULLS:
        return None
    if text in _TRUE or text in _FALSE:
        return text in _TRUE
    for pattern, base in ((_INTEGER, 10), (_OCTAL, 8), (_HEXADECIMAL, 16)):
        if pattern.fullmatch(text):
            return _whole(text, base)
    if _FLOAT.fullmatch(text):
        return _finite(text)
    if _NOT_A_NUMBER.fullmatch(text):
        raise ValueError("not a finite number")
    return text


def _whole(text: str, base: int) -> int:
    # Python refuses to parse thousands of digits, and no such number passes anyway.
    number = int(text, base) if len(text) <= 40 else _MOST_EXACT
    if abs(number) >= _MOST_EXACT:
        raise ValueError("a whole number beyond 2^53")
    return number


def _integer(text: str) -> int:
    return _whole(text, 10)


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError("not a finite number")
    return number


def _no_constant(text: str) -> NoReturn:
    raise ValueError(f"{text} is not JSON")


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(dict(pairs)) < len(pairs):
        raise ValueError("a key stands twice in one object")
    return dict(pairs)


def _lines_of_json(name: str, text: str) -> dict[Place, tuple[int, int]]:
    """JSON is YAML but for a few escapes; where it is not, findings name the file without a line."""
    try:
        return dict(_Reader(name, text).document().lines)
    except (yaml.YAMLError, ConfigurationError):
        return {}
