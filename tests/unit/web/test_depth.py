"""Nesting is measured without parsing, so it is compared with a parser that looks at every character."""

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wardgate.web.depth import deeper_than, exact_depth


def slow_depth(text: str) -> int:
    """The obvious reference: walks the text, honouring strings and escapes."""
    depth = deepest = 0
    in_string = escaped = False
    for character in text:
        if in_string:
            if escaped:
                escaped = False
            elif character == "\\":
                escaped = True
            elif character == '"':
                in_string = False
        elif character == '"':
            in_string = True
        elif character in "[{":
            depth += 1
            deepest = max(deepest, depth)
        elif character in "]}":
            depth -= 1
    return deepest


TRICKY = st.text(alphabet='[]{}"\\ab,:\n', max_size=12)
BALANCED = st.sampled_from(["", "a", "{1.73_m2}", "[Mass/volume] in Serum", '"quoted"', "\\", '\\"[x]\\', "[[{}]]"])


def documents(strings: st.SearchStrategy[str]) -> st.SearchStrategy[object]:
    return st.recursive(
        st.none() | st.integers() | strings,
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(strings, inner, max_size=4),
        max_leaves=40,
    )


@given(documents(BALANCED), st.booleans())
def test_exact_where_strings_are_balanced(document: object, spaced: bool) -> None:
    """At the limit and one below, with the brackets, quotes and escapes that charts hold."""
    text = json.dumps(document, indent=1 if spaced else None)
    depth = slow_depth(text)
    assert not deeper_than(depth, text.encode())
    assert depth == 0 or deeper_than(depth - 1, text.encode())


@given(documents(TRICKY), st.booleans())
def test_never_too_strict(document: object, spaced: bool) -> None:
    """Whatever stands in strings, a text at the limit passes, and the second look is exact."""
    text = json.dumps(document, indent=1 if spaced else None)
    assert not deeper_than(slow_depth(text), text.encode())
    assert exact_depth(text.encode()) == slow_depth(text)


def test_what_strings_can_hide_the_parser_finds() -> None:
    """Closing brackets in strings can cancel real opening ones here; the second look sees through them."""
    text = b'["]",' * 100 + b"1" + b',"["]' * 100
    assert not deeper_than(64, text)
    assert exact_depth(text) == 100


@pytest.mark.parametrize("depth", [64, 65])
def test_long_texts_are_counted_exactly(depth: int) -> None:
    """A text with very many brackets takes the other way and comes to the same answer."""
    text = b"[" + b",".join([b"[" * (depth - 1) + b"]" * (depth - 1)] * 2000) + b"]"
    assert deeper_than(64, text) == (depth > 64)


HOSTILE = {
    "open": b"[" * 2_000_000,
    "nested": b"[" * 1_000_000 + b"]" * 1_000_000,
    "closed": b"]" * 2_000_000,
    "groups": b"[" + b",".join([b"[" * 63 + b"]" * 63] * 16_000) + b"]",
    "comb": b"[[]," * 500_000,
    "quotes": b'"' * 1_999_999,
    "backslashes": b'"' + b"\\" * 1_999_997,
    "strings": b'["[",' * 400_000,
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_texts_cost_little(name: str) -> None:
    """Two megabytes made to be slow take a fraction of a second, not minutes."""
    began = time.process_time()
    deeper_than(64, HOSTILE[name])
    assert time.process_time() - began < 1.0
