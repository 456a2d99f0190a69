"""The tables of a card: what a score was computed from, what is missing, what is known."""

from collections.abc import Iterator, Mapping, Sequence
from operator import attrgetter
from typing import NamedTuple

from wardgate.domain.cards.language import Get, Table
from wardgate.domain.cards.text import Markdown, escape
from wardgate.domain.cards.wording import names_text


class MissingRow(NamedTuple):
    input: str
    found: str
    measured: str
    why: str
    earlier: str


class KnownRow(NamedTuple):
    input: str
    value: str
    measured: str
    trend: str


class Column(NamedTuple):
    header: str
    attribute: str


class Rows(Table):
    """Rows under headers. A column that every row leaves empty is not printed, unless it is one of the first two."""

    __slots__ = ("columns", "rows")

    def __init__(self, columns: Sequence[Column], rows: Sequence[object]) -> None:
        self.columns = columns
        self.rows = rows

    def __iter__(self) -> Iterator[object]:
        return iter(self.rows)

    def __len__(self) -> int:
        return len(self.rows)

    def markdown(self) -> Markdown:
        if not self.rows:
            return Markdown("")
        kept = [c for i, c in enumerate(self.columns) if i < 2 or any(getattr(row, c.attribute) for row in self.rows)]
        lines = ["| " + " | ".join([column.header for column in kept]) + " |", "|" + " --- |" * len(kept)]
        for row in self.rows:
            cells = [escape(text) if (text := getattr(row, column.attribute)) else "–" for column in kept]
            lines.append("| " + " | ".join(cells) + " |")
        return Markdown("\n".join(lines))

    def line(self) -> str:
        first, second = self.columns[:2]
        return names_text([f"{getattr(row, first.attribute)} {getattr(row, second.attribute)}" for row in self.rows])


MISSING = (
    Column("Input", "input"),
    Column("In the chart", "found"),
    Column("Measured", "measured"),
    Column("Why it cannot be used", "why"),
    Column("Last usable before", "earlier"),
)
KNOWN = (
    Column("Input", "input"),
    Column("Value", "value"),
    Column("Measured", "measured"),
    Column("Earlier to latest", "trend"),
)

MISSING_ROW: Mapping[str, Get] = {name: attrgetter(name) for name in MissingRow._fields}
KNOWN_ROW: Mapping[str, Get] = {name: attrgetter(name) for name in KnownRow._fields}
