"""Dotted paths: what they find, and what they refuse to guess."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wardgate.domain.context.paths import compile_path

DOCUMENT: dict[str, Any] = {
    "gender": "female",
    "location": [{"location": {"display": "Ward 7"}}, {"location": {"display": "Ward 8"}}],
    "name": [{"family": "X"}],
    "empty": [],
    "nothing": None,
}


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("gender", "female"),
        ("location[0].location.display", "Ward 7"),
        ("location[1].location.display", "Ward 8"),
        ("location[2].location.display", None),
        ("name.family", "X"),
        ("name", {"family": "X"}),
        ("location.location.display", None),
        ("location", None),
        ("empty", None),
        ("nothing", None),
        ("nothing.more", None),
        ("gender[0]", None),
        ("gender.code", None),
        ("absent.a.b[3].c", None),
    ],
)
def test_a_path_finds_one_value_or_none(path: str, found: object) -> None:
    """A list without an index yields its only element; several, or a missing step, yield nothing."""
    assert compile_path(path)(DOCUMENT) == found


@pytest.mark.parametrize(
    "path", ["", ".", "a.", ".a", "a..b", "a[", "a[x]", "a[-1]", "a[0][1]", "[0]", "a b", "a()", "a[0"]
)
def test_bad_grammar_is_refused_at_start(path: str) -> None:
    """What is not names, dots and indexes never compiles."""
    with pytest.raises(ValueError):
        compile_path(path)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=20,
)


@given(
    document=st.dictionaries(st.sampled_from("abc"), JSON, max_size=3),
    path=st.sampled_from(["a", "a.b", "a[0].b", "b[1]", "a.b.c", "c[0].a[0]"]),
)
def test_no_document_makes_a_path_raise(document: dict[str, Any], path: str) -> None:
    """Whatever stands where the path leads, a compiled path agrees with a walk that says every step aloud."""
    assert compile_path(path)(document) == _slowly(document, path)


def _slowly(value: Any, path: str) -> Any:
    for step in path.split("."):
        name, _, index = step.rstrip("]").partition("[")
        found = value.get(name) if isinstance(value, dict) else None
        if index:
            items = found if isinstance(found, list) else []
            found = items[int(index)] if int(index) < len(items) else None
        elif isinstance(found, list):
            found = found[0] if len(found) == 1 else None
        value = None if isinstance(found, list) else found
    return value
