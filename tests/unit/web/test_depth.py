"""Nesting is measured without parsing, so it is compared with a parser that looks at every character."""

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wardgate.web.depth import deeper_than


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
DOCUMENTS = st.recursive(
    st.none() | st.integers() | TRICKY,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TRICKY, inner, max_size=4),
    max_leaves=40,
)


@given(DOCUMENTS, st.booleans())
def test_exact_on_any_json(document: object, spaced: bool) -> None:
    """The answer is exact at the limit and one below, whatever brackets, quotes and escapes stand in strings."""
    text = json.dumps(document, indent=1 if spaced else None)
    depth = slow_depth(text)
    assert not deeper_than(depth, text.encode())
    assert depth == 0 or deeper_than(depth - 1, text.encode())


def test_brackets_in_strings_cannot_hide_depth() -> None:
    """Closing brackets in strings after each real opening one do not cancel it."""
    text = b'["]",' * 100 + b"1" + b',"["]' * 100
    assert deeper_than(99, text)
    assert not deeper_than(100, text)


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
