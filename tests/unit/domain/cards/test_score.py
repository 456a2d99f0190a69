"""A score as text: never across a boundary, and no further from the score than a decimal place."""

from decimal import Decimal

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from wardgate.domain.cards.score import percent_of, round_within, score_of


@pytest.mark.parametrize(
    ("score", "decimals", "text"),
    [
        (0.0473, 4, "0.0473"),
        (0.04732, 4, "0.0473"),
        (0.09996, 4, "0.1000"),
        (0.09996, 2, "0.09"),
        (0.1, 2, "0.10"),
        (0.1004, 2, "0.10"),
        (0.19999999, 3, "0.199"),
        (0.0999999999999, 12, "0.099999999999"),
        (0.5, 0, "0"),
        (3.2, 0, "3"),
    ],
)
def test_rounding_stays_below_a_boundary(score: float, decimals: int, text: str) -> None:
    """With a band from 0.10, 0.0999 is never shown as 0.10; without one near, the nearest number is taken."""
    boundaries: tuple[float, ...] = (0.2,) if text == "0.1000" else (0.1, 0.2)
    if score >= 0.4:
        boundaries = ()
    assert round_within(score, boundaries, decimals) == text


def test_rounding_stays_above_a_boundary() -> None:
    """A score that meets 0.126 is not shown as 0.12 or 0.125: it is rounded up to its own side."""
    assert round_within(0.1261, (0.126,), 2) == "0.13"
    assert round_within(0.12601, (0.126,), 3) == "0.126"


def test_two_boundaries_close_together_get_a_decimal_more() -> None:
    """Where neither neighbour fits between two boundaries, the next place does."""
    assert round_within(0.1023, (0.101, 0.104), 2) == "0.102"


@pytest.mark.parametrize(
    ("text", "percent"),
    [("0.0473", "4.73 %"), ("0.10", "10 %"), ("0.3", "30 %"), ("1", "100 %"), ("0.123456789012", "12.3456789012 %")],
)
def test_percent_keeps_the_digits(text: str, percent: str) -> None:
    """Per cent moves the point and nothing else; `precision` counts decimals of the number."""
    assert percent_of(text) == percent


probabilities = st.floats(0, 1, allow_nan=False)
near = st.builds(lambda edge, off: edge + off, st.sampled_from([0.01, 0.1, 0.2]), st.floats(-1e-6, 1e-6))
boundaries = st.lists(st.one_of(st.sampled_from([0.01, 0.1, 0.2]), st.decimals(0, 1, places=6).map(float)), max_size=5)


@given(st.one_of(probabilities, near), boundaries, st.integers(0, 12))
def test_no_text_is_on_the_other_side(score: float, edges: list[float], decimals: int) -> None:
    """As decimals, the number and its per cent stand on the score's side of every boundary."""
    shown = score_of(score, edges, decimals)
    number = Decimal(shown.text)
    percent = Decimal(shown.percent.removesuffix(" %"))
    for edge in edges:
        exact = Decimal(repr(edge))
        assert (number >= exact) is (score >= edge)
    if decimals >= 2:
        assert percent == number * 100


@given(probabilities, boundaries, st.integers(0, 12))
def test_text_is_within_one_place(score: float, edges: list[float], decimals: int) -> None:
    """The text is the nearest number or its neighbour, so never a whole last place away."""
    text = round_within(score, edges, decimals)
    places = -int(Decimal(text).as_tuple().exponent)
    assert places >= decimals
    assert abs(Decimal(text) - Decimal(score)) <= Decimal(1).scaleb(-places)


@given(probabilities, st.integers(0, 12))
def test_without_boundaries_it_is_plain_rounding(score: float, decimals: int) -> None:
    """Nothing near: the same text as ordinary rounding."""
    assume(score > 0)
    assert round_within(score, (), decimals) == f"{score:.{decimals}f}"
