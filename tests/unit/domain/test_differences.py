"""What differs is told by meaning, once, and safely."""

import copy
from typing import Any

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from wardgate.domain.differences import differences, lines, told

_BANDS = [{"name": "raised", "from": 0.1}, {"name": "high", "from": 0.2}]

_PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(-1000, 1000) | st.floats(-10, 10) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.lists(st.fixed_dictionaries({"name": st.sampled_from("abc"), "x": inner}), max_size=3)
        | st.dictionaries(st.text(max_size=4), inner, max_size=4)
    ),
    max_leaves=12,
)


@pytest.mark.parametrize(
    ("before", "after", "told_"),
    [
        ({"threshold": {"default": 0.10}}, {"threshold": {"default": 0.20}}, ["threshold.default: 0.1 → 0.2"]),
        ({"a": 1}, {"a": 1, "b": "x"}, ['b: added, "x"']),
        ({"a": 1, "b": [1]}, {"a": 1}, ["b: removed, was [1]"]),
        ({"bands": _BANDS}, {"bands": [_BANDS[0], {**_BANDS[1], "from": 0.3}]}, ["bands.high.from: 0.2 → 0.3"]),
        (
            {"bands": _BANDS},
            {"bands": [{"name": "new", "from": 0}, *_BANDS]},
            ['bands.new: added, {"name":"new","from":0}'],
        ),
        ({"bands": _BANDS}, {"bands": _BANDS[::-1]}, ['bands.(order): ["raised","high"] → ["high","raised"]']),
        ({"order": ["a", "b"]}, {"order": ["b", "a"]}, ['order: ["a","b"] → ["b","a"]']),
        ([{"in": {"x": 1}}, {"in": {"x": 2}}], [{"in": {"x": 1}}, {"in": {"x": 3}}], ["1.in.x: 2 → 3"]),
        ({"a": 1}, {"a": 1.0}, []),
        ({"a": 1}, {"a": True}, ["a: 1 → true"]),
        ({"a": "0.5"}, {"a": 0.5}, ['a: "0.5" → 0.5']),
    ],
)
def test_by_meaning(before: object, after: object, told_: list[str]) -> None:
    assert [str(difference) for difference in differences(before, after)] == told_


@given(_PLAIN, _PLAIN)
def test_there_is_a_difference_where_the_digest_has_one(before: Any, after: Any) -> None:
    """And none where it has none."""
    assert bool(list(differences(before, after))) == (rfc8785.dumps(before) != rfc8785.dumps(after))
    assert not list(differences(before, copy.deepcopy(before)))


@given(_PLAIN)
def test_a_value_is_one_line_without_control_characters(value: object) -> None:
    assert told(value).isprintable() and len(told(value)) < 300


def test_what_is_long_is_cut() -> None:
    assert told("x" * 1000).endswith("… (1002 characters)")


def test_lines() -> None:
    assert lines(b"a\nb\n", b"a\nc\n", "f.yaml") == ["--- f.yaml", "+++ f.yaml", "@@ -1,2 +1,2 @@", " a", "-b", "+c"]
    assert lines(None, b"a\n", "f")[:2] == ["--- /dev/null", "+++ f"]
    assert lines(b"a", b"a", "f") == [] and lines(None, None, "f") == []
    assert "no text" in lines(b"\xff", b"\xfe", "f")[2] and "no text" in lines(b"a\n" * 6000, b"", "f")[2]
