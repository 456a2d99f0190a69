"""What a card says of a score that a rule gave: its points, item by item, and that no model was asked."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from operator import attrgetter
from typing import NamedTuple
from zoneinfo import ZoneInfo

from wardgate.domain.cards.language import Get, Table
from wardgate.domain.cards.shapes import Shape, mark_text, measured_text, value_text
from wardgate.domain.cards.text import Markdown, escape, exact
from wardgate.domain.cards.wording import names_text, unavailable_text
from wardgate.domain.decisions.ladder import RuleRung
from wardgate.domain.decisions.rules import Band
from wardgate.domain.features.vector import FeatureValue
from wardgate.domain.outcomes import Reason


class ItemRow(NamedTuple):
    """One item of the sum; the names are those of `reasons`, so that a template can loop over either."""

    input: str
    value: str
    measured: str
    effect: str


ITEM_ROW: Mapping[str, Get] = {name: attrgetter(name) for name in ItemRow._fields}


class Part(NamedTuple):
    """`shape` and `found` are those of the feature that the item is about; None where it is about none."""

    display: str | None
    points: float
    shape: Shape | None
    found: FeatureValue | None


class Parts(Table):
    __slots__ = ("parts", "zone")

    def __init__(self, parts: Sequence[Part], zone: ZoneInfo) -> None:
        self.parts = parts
        self.zone = zone

    def __iter__(self) -> Iterator[ItemRow]:
        return map(self._row, self.parts)

    def __len__(self) -> int:
        return len(self.parts)

    def _row(self, part: Part) -> ItemRow:
        name = part.display or (part.shape.display if part.shape is not None else "")
        if part.shape is None or part.found is None:
            return ItemRow(name, "", "", exact(part.points))
        text, measured = value_text(part.shape, part.found), measured_text(part.found, self.zone)
        if part.found.value is None:
            text = mark_text(part.shape, part.found)
        return ItemRow(name, text, measured, exact(part.points))

    def markdown(self) -> Markdown:
        lines = ["| Input | Value | Measured | Points |\n| --- | --- | --- | --- |"]
        for row in self:
            lines.append("| " + " | ".join(escape(text) if text else "–" for text in row) + " |")
        return Markdown("\n".join(lines))

    def line(self) -> str:
        return names_text([f"{row.input} {row.value}: {row.effect}" for row in self])


_PARTLY = "not all that the model needs could be read"  # what the rule needs could


def rule_text(title: str, model: str, version: str, why: Reason) -> str:
    reason = _PARTLY if why is Reason.CONTEXT_UNAVAILABLE else unavailable_text(why)
    return f"Rule: {title}, in place of {model} {version}: {reason}."


def rule_certainty_text(band: Band | None, rung: RuleRung) -> str:
    """How sure: what the band means, from where on the card is shown, and that points are no probability."""
    shown = ""
    if rung.threshold is not None:
        shown = f"Shown from {exact(rung.threshold)} points."
    elif rung.shown_from is not None:
        shown = f"Shown from band {rung.shown_from.name}."
    return " ".join(filter(None, (_band_text(band, rung.bands), shown, "Points of a rule, not a probability.")))


def _band_text(band: Band | None, bands: Iterable[Band]) -> str:
    if band is None:
        return "Below the lowest band."
    above = [other.start for other in bands if other.start > band.start and other.single is None]
    upper = f" to below {exact(min(above))} points" if above else " points and above"
    alone = f", {exact(band.single)} of them from one item alone" if band.single is not None else ""
    return f"Band {band.name}: {exact(band.start)}{upper}{alone}."
