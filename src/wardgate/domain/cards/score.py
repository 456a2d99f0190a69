"""A score as text: rounding never takes it across a threshold or into another band."""

from collections.abc import Iterable
from decimal import Decimal

MOST_DECIMALS = 12


class Shown(float):
    """A number that knows its text: it compares as the number and prints as the text."""

    __slots__ = ("text",)
    text: str

    def __new__(cls, number: float, text: str) -> "Shown":
        self = float.__new__(cls, number)
        self.text = text
        return self

    def __str__(self) -> str:
        return self.text


class Share(Shown):
    """A number that also knows itself in per cent."""

    __slots__ = ("percent",)
    percent: str

    @classmethod
    def of(cls, number: float, text: str, percent: str) -> "Share":
        self = cls(number, text)
        self.percent = percent
        return self


def score_of(score: float, boundaries: Iterable[float], decimals: int) -> Share:
    """`decimals` are those of the number, also for per cent: 0.0473 at four is `4.73 %`."""
    text = round_within(score, boundaries, decimals)
    return Share.of(score, text, percent_of(text))


def round_within(score: float, boundaries: Iterable[float], decimals: int) -> str:
    """The score at `decimals` places, on the same side of every boundary as the score itself.

    The nearest number is taken where it stays on its side, else its neighbour on that side; where two boundaries
    leave no room for either, a decimal more. A boundary belongs to what lies above it.
    """
    edges = tuple(boundaries)
    for places in range(decimals, MOST_DECIMALS + 1):
        text = f"{score:.{places}f}"
        if _same_side(score, float(text), edges):
            return text
        step = 10.0**-places
        text = f"{float(text) + (step if float(text) < score else -step):.{places}f}"
        if _same_side(score, float(text), edges):
            return text
    return f"{Decimal(repr(score)):f}"


def _same_side(score: float, rounded: float, edges: tuple[float, ...]) -> bool:
    for edge in edges:
        if (rounded >= edge) is not (score >= edge):
            return False
    return True


def percent_of(text: str) -> str:
    """A decimal text in per cent, none of its digits rounded away: `0.0473` is `4.73 %`, `0.3` is `30 %`."""
    places = len(text) - text.find(".") - 1 if "." in text else 0
    if places > 9:  # beyond what a product of floats keeps
        return f"{Decimal(text).scaleb(2):f} %"
    return f"{float(text) * 100:.{max(places - 2, 0)}f} %"
