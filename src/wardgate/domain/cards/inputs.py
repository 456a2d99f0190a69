"""What a score was computed from: each input with its value, its time and its effect."""

from collections.abc import Iterator, Mapping, Sequence
from operator import attrgetter
from typing import NamedTuple
from zoneinfo import ZoneInfo

from wardgate.domain.cards.language import Get, Table
from wardgate.domain.cards.shapes import Shape, mark_text, measured_text, value_markdown, value_text
from wardgate.domain.cards.text import Markdown, escape, plain
from wardgate.domain.cards.wording import names_text
from wardgate.domain.features.vector import FeatureValue


class Input(NamedTuple):
    """`changed`: what the gateway put in or cut, in words; `effect`: the model's contribution, None if not given."""

    shape: Shape
    found: FeatureValue
    changed: str | None
    effect: float | None


class InputRow(NamedTuple):
    """One input as plain text, for templates that loop."""

    input: str
    value: str
    measured: str
    effect: str


INPUT_ROW: Mapping[str, Get] = {name: attrgetter(name) for name in InputRow._fields}


class Inputs(Table):
    __slots__ = ("inputs", "zone")

    def __init__(self, inputs: Sequence[Input], zone: ZoneInfo) -> None:
        self.inputs = inputs
        self.zone = zone

    def __iter__(self) -> Iterator[InputRow]:
        for one in self.inputs:
            effect = "" if one.effect is None else effect_text(one.effect)
            yield InputRow(one.shape.display, _value(one), measured_text(one.found, self.zone), effect)

    def __len__(self) -> int:
        return len(self.inputs)

    def markdown(self) -> Markdown:
        """The table; its last column stands only where the model gave contributions."""
        effects = any(one.effect is not None for one in self.inputs)
        lines = [_HEAD_EFFECTS if effects else _HEAD]
        for one in self.inputs:
            shape, found = one.shape, one.found
            plainly = found.value is not None and one.changed is None
            value = value_markdown(shape, found) if plainly else escape(_value(one))
            line = f"| {shape.display.markdown} | {value} | {measured_text(found, self.zone) or '–'} |"
            if effects:
                line = f"{line} {'–' if one.effect is None else effect_text(one.effect)} |"
            lines.append(line)
        return Markdown("\n".join(lines)) if self.inputs else Markdown("")

    def line(self) -> str:
        return names_text([f"{one.shape.display} {_value(one)}" for one in self.inputs])


_HEAD = "| Input | Value | Measured |\n| --- | --- | --- |"
_HEAD_EFFECTS = "| Input | Value | Measured | Effect on the score |\n| --- | --- | --- | --- |"


def _value(one: Input) -> str:
    text = value_text(one.shape, one.found)
    if one.found.value is None:
        mark = mark_text(one.shape, one.found)
        text = f"{text}, {mark}" if one.found.shown else mark
    return f"{text} ({one.changed})" if one.changed else text


def effect_text(contribution: float) -> str:
    """The sign and the size; their order is what a reader can use, since the unit is the model's own."""
    text = f"{abs(contribution):.2g}"
    if text == "0":
        return "none"
    if "e" in text:
        text = plain(float(text))
    return f"raises (+{text})" if contribution > 0 else f"lowers (−{text})"
