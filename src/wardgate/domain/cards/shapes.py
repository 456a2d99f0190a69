"""How each feature looks on a card: its name, its unit, its values. Compiled once from the schema."""

import math
from collections.abc import Mapping
from zoneinfo import ZoneInfo

import msgspec

from wardgate.domain.cards.language import ABSENT, Absent, View
from wardgate.domain.cards.score import Shown
from wardgate.domain.cards.text import (
    Markdown,
    Prepared,
    clean,
    date_text,
    escape,
    outside,
    plain,
    unit_text,
    window_text,
)
from wardgate.domain.cards.wording import MARKS, UNOBTAINED
from wardgate.domain.features.schema import FeatureSpec, FeatureType, Take
from wardgate.domain.features.vector import FeatureValue, Mark, Value
from wardgate.domain.units import describe_age

_ABBREVIATIONS = {
    short.lower(): short
    for short in (
        "eGFR UACR ACR BUN AKI CKD BMI BP SBP DBP MAP HbA1c LDL HDL ALT AST CRP BNP NTproBNP INR WBC RBC GCS"
        " SpO2 FiO2 PaO2 PaCO2 pH NEWS2 SOFA ICU COPD"
    ).split()
}
"""What a clinician writes in capitals and a schema does not."""


class Shape(msgspec.Struct, frozen=True):
    """A feature on a card. `codes` turns a mapped value back to the code that the chart holds (`1` to `male`)."""

    name: str
    display: Prepared
    unit: Prepared
    declared_unit: str | None
    codes: Mapping[float | bool, str]
    whole_steps: bool  # an age: never rounded up to a birthday that has not been
    dated: bool
    within: float | None
    window: str | None  # `within` in words
    required: bool
    numeric: bool

    def text(self, value: Value) -> str:
        """The value alone, in plain text: codes and raw strings may come from outside."""
        if self.codes and not isinstance(value, str) and value in self.codes:
            return self.codes[value]
        if isinstance(value, bool):
            return "yes" if value else "no"
        if isinstance(value, str):
            return outside(value)
        return plain(math.floor(round(value * 10, 6)) / 10 if self.whole_steps else value)

    def unit_of(self, found: FeatureValue) -> str:
        if found.unit is None or found.unit == self.declared_unit:
            return self.unit
        return outside(found.unit)


def shape_of(spec: FeatureSpec, display: str | None) -> Shape:
    return Shape(
        name=spec.name,
        display=Prepared(clean(display or _display(spec))),
        unit=Prepared(unit_text(spec.unit or "")),
        declared_unit=spec.unit,
        codes=_codes(spec),
        whole_steps=spec.as_ is not None,
        dated=spec.source != "Patient",
        within=spec.within,
        window=window_text(spec.within) if spec.within is not None else None,
        required=spec.required,
        numeric=spec.type is FeatureType.NUMBER or spec.map is not None or spec.take is Take.COUNT,
    )


def _display(spec: FeatureSpec) -> str:
    if spec.map is not None and spec.path is not None:
        return _words(spec.path.rsplit(".", 1)[-1])
    return _words(spec.name)


def _words(name: str) -> str:
    return " ".join(_ABBREVIATIONS.get(word, word) for word in name.lower().split("_"))


def _codes(spec: FeatureSpec) -> dict[float | bool, str]:
    """Only where one code alone has the value; two codes behind one number cannot be told apart again."""
    codes: dict[float | bool, list[str]] = {}
    for code, value in (spec.map or {}).items():
        codes.setdefault(value, []).append(code)
    return {value: names[0] for value, names in codes.items() if len(names) == 1}


class FeatureView(View):
    """One feature as templates see it; every attribute prints, whether there is a value or not."""

    __slots__ = ("_found", "_shape", "_zone")
    readable = frozenset({"value", "unit", "age", "date", "mark", "trend", "text", "name"})

    def __init__(self, shape: Shape, found: FeatureValue, zone: ZoneInfo) -> None:
        self._shape = shape
        self._found = found
        self._zone = zone

    @property
    def name(self) -> str:
        return self._shape.display

    @property
    def value(self) -> object:
        value = self._found.value
        if value is None:
            return ABSENT
        if isinstance(value, (bool, str)):
            return value if isinstance(value, bool) else outside(value)
        return Shown(value, self._shape.text(value))

    @property
    def unit(self) -> str:
        return self._shape.unit_of(self._found)

    @property
    def age(self) -> object:
        """Without `ago` or `old`: `3 days`."""
        return ABSENT if self._found.age is None else describe_age(self._found.age)

    @property
    def date(self) -> object:
        return ABSENT if self._found.at is None else date_text(self._found.at, self._zone)

    @property
    def mark(self) -> object:
        """Why there is no value; false where there is one."""
        return Absent("") if self._found.mark is None else mark_text(self._shape, self._found)

    @property
    def trend(self) -> object:
        """`71 → 64 → 58`, the newest last; false where there is only one value."""
        points = self._found.trend
        return " → ".join(self._shape.text(point.value) for point in points) if len(points) > 1 else Absent("")

    @property
    def text(self) -> str:
        """Value and unit, or what stands in the chart instead, or that there is nothing."""
        return value_text(self._shape, self._found)


def value_text(shape: Shape, found: FeatureValue) -> str:
    if found.value is not None:
        unit = shape.unit_of(found)
        text = shape.text(found.value)
        return f"{text} {unit}" if unit else text
    if found.shown:
        raw = found.shown
        if shape.declared_unit and raw.endswith(" " + shape.declared_unit):
            raw = raw.removesuffix(shape.declared_unit) + shape.unit
        return outside(raw)
    return "unknown" if found.unobtained else "nothing"


def value_markdown(shape: Shape, found: FeatureValue) -> str:
    """`value_text` as Markdown; a number in the declared unit, the usual case, needs no escaping."""
    value = found.value
    if type(value) is float and not shape.codes and found.unit == shape.declared_unit:
        return f"{shape.text(value)} {shape.unit.markdown}" if shape.unit else shape.text(value)
    return escape(value_text(shape, found))


def mark_text(shape: Shape, found: FeatureValue) -> str:
    if found.unobtained:
        return UNOBTAINED
    mark = found.mark or Mark.MISSING
    if shape.window is not None and mark is Mark.MISSING:
        return f"not found in the last {shape.window}"
    if shape.window is not None and mark is Mark.STALE:
        return f"older than {shape.window}"
    return MARKS[mark]


def measured_text(found: FeatureValue, zone: ZoneInfo) -> Markdown:
    """`2026-02-27, 3 days ago`; empty where the feature has no time."""
    if found.at is None:
        return Markdown("")
    date = date_text(found.at, zone)
    return date if found.age is None else Markdown(f"{date}, {describe_age(found.age)} ago")
