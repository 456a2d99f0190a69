"""Reading files: YAML 1.2's core schema, lines, and what hostile files come to."""

import os
import time
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from wardgate.adapters.files import yaml_documents
from wardgate.adapters.files.yaml_documents import MAX_BYTES, read_json, read_yaml, resolve
from wardgate.domain.errors import ConfigurationError
from wardgate.domain.findings import Finding


def _findings(path: Path, content: str | bytes) -> tuple[Finding, ...]:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    with pytest.raises(ConfigurationError) as caught:
        (read_json if path.suffix == ".json" else read_yaml)(path, path.name)
    return caught.value.findings


@pytest.mark.parametrize(
    ("text", "value"),
    [
        *((word, word) for word in ("off", "on", "yes", "no", "Yes", "NO", "2027-05-01", "12:30", "1_000", "0b1", "=")),
        *((word, True) for word in ("true", "True", "TRUE")),
        *((word, False) for word in ("false", "False", "FALSE")),
        *((word, None) for word in ("null", "~", "", "Null", "NULL")),
        ("1e-6", 1e-6),
        ("1.", 1.0),
        (".5", 0.5),
        ("-1.5E+3", -1500.0),
        ("010", 10),
        ("0o17", 15),
        ("0x1F", 31),
        ("+7", 7),
        ("1.0.0", "1.0.0"),
        ("e5", "e5"),
        (".", "."),
    ],
)
def test_plain_scalars_follow_the_core_schema(text: str, value: object) -> None:
    """YAML 1.2.2, section 10.3.2, and not what YAML 1.1 made of the same words."""
    resolved = resolve(text)

    assert resolved == value
    assert type(resolved) is type(value)


@pytest.mark.parametrize("text", [".inf", "-.INF", ".nan", "1e999", "9007199254740993", "9" * 5000])
def test_numbers_that_json_cannot_hold_are_refused(text: str, tmp_path: Path) -> None:
    """A digest over canonical JSON needs every number to be a finite double."""
    (finding,) = _findings(tmp_path / "a.yaml", f"a: 1\nb: {text}\n")

    assert (finding.line, finding.key) == (2, "b")


def test_quoted_and_block_scalars_are_text(tmp_path: Path) -> None:
    """Quotes keep a version a text, and a block keeps its lines."""
    path = tmp_path / "a.yaml"
    path.write_text("a: \"1.0\"\nb: 'off'\nc: |\n  1\n  2\nd: ! 7\n")

    assert read_yaml(path, "a.yaml").data == {"a": "1.0", "b": "off", "c": "1\n2\n", "d": "7"}


def test_every_place_has_its_line_and_column(tmp_path: Path) -> None:
    """Keys stand where they are written, items where they begin, and what is not written at its surroundings."""
    path = tmp_path / "a.yaml"
    path.write_text("# a comment\na:\n  - x: 1\n    y: 2\n  - {z: 3}\n")
    document = read_yaml(path, "a.yaml")

    assert document.lines[("a", 0, "y")] == (4, 5)
    assert document.lines[("a", 1, "z")] == (5, 6)
    assert document.line(("a", 0, "missing", "deeper")) == 3
    assert document.line(("nothing",)) == 1


def test_both_parsers_read_alike(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where PyYAML has no C library, its own parser gives the same data and lines."""
    path = tmp_path / "a.yaml"
    path.write_text("a: off\nb: ['1', 1, ~, {c: 1e-6}]\nd: \"x\"\ne: |\n  text\n")
    with_c = read_yaml(path, "a")
    monkeypatch.setattr(yaml_documents, "_Loader", yaml.SafeLoader)

    assert read_yaml(path, "a") == with_c


@pytest.mark.parametrize(
    ("text", "line", "word"),
    [
        ("a: 1\nb: 2\na: 3\n", 3, "twice"),
        ("a: {b: 1,\n  b: 2}\n", 2, "twice"),
        ("a: &x 1\n", 1, "anchor"),
        ("a: &x {b: 1}\nc: *x\n", 1, "anchor"),
        ("a: !!str 1\n", 1, "tag"),
        ("a: !python/object:os.system x\n", 1, "tag"),
        ("<<: {a: 1}\n", 1, "merge key"),
        ("[a]: 1\n", 1, "key"),
        ("a: 1\n---\nb: 2\n", 2, "second document"),
        ("a: [1\n", 2, "not YAML"),
        ("a: b: c\n", 1, "not YAML"),
        ("a:\n\t- 1\n", 2, "not YAML"),
        ("", 0, "empty"),
        ("# only a comment\n", 0, "empty"),
        ("- a\n", 1, "mapping"),
        ("just text\n", 1, "mapping"),
        (b"a: 1\nb: \xff\n", 2, "UTF-8"),
        (b"a: 1\nb: \x00\n", 2, "control"),
        (os.urandom(2000) + b"\xff\xfe", None, ""),
    ],
)
def test_what_readers_may_understand_differently_is_refused(
    tmp_path: Path, text: str | bytes, line: int | None, word: str
) -> None:
    """Each ends in a finding with its line and a remedy, never in a traceback."""
    finding = _findings(tmp_path / "a.yaml", text)[0]

    assert word in finding.what
    assert finding.remedy
    if line is not None:
        assert finding.line == line


def test_all_findings_of_a_file_come_at_once(tmp_path: Path) -> None:
    """Reading goes on after the first one."""
    findings = _findings(tmp_path / "a.yaml", "a: &x 1\nb: *x\nb: .nan\nc: !t 1\n")

    assert [finding.line for finding in findings] == [1, 2, 3, 3, 4]


def test_a_byte_order_mark_is_no_part_of_the_first_key(tmp_path: Path) -> None:
    """Editors of one large vendor write one."""
    path = tmp_path / "a.yaml"
    path.write_bytes(b"\xef\xbb\xbfa: 1\n")

    assert read_yaml(path, "a").data == {"a": 1}


_LAUGHS = "a: &a [lol]\n" + "".join(
    f"{name}: &{name} [{', '.join([f'*{before}'] * 9)}]\n" for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)


@pytest.mark.parametrize(
    "content",
    [
        _LAUGHS,
        "a: " + "[" * 20_000,
        "a: " + "{b: " * 20_000,
        "- " * 20_000,
        "x" * (MAX_BYTES + 1),
        "a: '" + "x" * (MAX_BYTES - 20),
        "? " * 10_000,
    ],
    ids=["laughs", "lists", "maps", "dashes", "huge", "open quote", "keys"],
)
def test_hostile_files_end_quickly(tmp_path: Path, content: str) -> None:
    """Nothing expands, and nothing nests deeper than a configuration does."""
    started = time.process_time()
    findings = _findings(tmp_path / "a.yaml", content)

    assert 1 <= len(findings) < 200
    assert time.process_time() - started < 2


def test_a_missing_file_and_a_folder_are_findings(tmp_path: Path) -> None:
    """Line 0: the file as a whole."""
    for path in (tmp_path / "none.yaml", tmp_path, tmp_path / ("x" * 300)):
        with pytest.raises(ConfigurationError) as caught:
            read_yaml(path, "name")
        assert caught.value.findings[0].line == 0


@given(st.text(max_size=60))
def test_any_text_is_a_document_or_findings(text: str) -> None:
    """No input raises anything else."""
    try:
        document = yaml_documents._Reader("a", text).document()
    except (ConfigurationError, yaml.YAMLError):
        return
    assert document.file == "a"


@given(st.binary(max_size=60), st.sampled_from([read_yaml, read_json]))
def test_any_bytes_are_a_document_or_findings(
    tmp_path_factory: pytest.TempPathFactory, content: bytes, read: object
) -> None:
    """Neither reader lets an exception of its library out."""
    path = tmp_path_factory.getbasetemp() / "any"
    path.write_bytes(content)
    for reader in (read_yaml, read_json):
        try:
            reader(path, "any")
        except ConfigurationError as error:
            assert error.findings


def test_json_has_lines_too(tmp_path: Path) -> None:
    """A probe file is JSON; its findings name the vector's line."""
    path = tmp_path / "probes.json"
    path.write_text('[\n  {"a": 1.0},\n  {"b": [1, 2]}\n]\n')
    document = read_json(path, "probes.json")

    assert document.data == [{"a": 1.0}, {"b": [1, 2]}]
    assert document.line((1, "b")) == 3


@pytest.mark.parametrize(
    "text", ["[NaN]", "[1e999]", '[{"a": 1, "a": 2}]', "{}", "", "[1,]", "[" * 100_000, "[- 1]", "[9007199254740993]"]
)
def test_json_is_strict(tmp_path: Path, text: str) -> None:
    """YAML's liberties do not hold in a .json file."""
    assert _findings(tmp_path / "probes.json", text)
