"""How each feature looks on a card: its name, its unit, its values. Compiled once from the schema."""

import math
from collections.abc import Callable, Mapping
from zoneinfo import ZoneInfo

import msgspec

from wardgate.domain.cards.language import ABSENT, GAP, Absent
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

NOTHING = Absent("")

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
    derived: bool  # worked out: no more digits than anybody measured
    dated: bool
    within: float | None
    window: str | None  # `within` in words
    required: bool
    numeric: bool

    def text(self, value: Value) -> str:
        """The value alone, in plain text: codes and raw strings may come from outside."""
        if type(value) is float and not self.codes:
            if self.whole_steps and abs(value) < 1e6:
                return plain(math.floor(round(value * 10, 6)) / 10)
            return plain(round(value, 1) if self.derived and abs(value) >= 10 else value)
        if isinstance(value, str):
            return outside(value)
        if value in self.codes:
            return self.codes[value]
        return ("yes" if value else "no") if isinstance(value, bool) else plain(value)

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
        derived=spec.derive is not None,
        dated=spec.source != "Patient",
        within=spec.within,
        window=window_text(spec.within) if spec.within is not None else None,
        required=spec.required,
        numeric=spec.type is FeatureType.NUMBER or spec.map is not None or spec.take is Take.COUNT,
    )


def _display(spec: FeatureSpec) -> str:
    if spec.map is not None and spec.path is not None:
        return _words(spec.path.rsplit(".", 1)[-1])
    return _words(spec.name.removeprefix("has_"))


def _words(name: str) -> str:
    return " ".join(_ABBREVIATIONS.get(word, word) for word in name.lower().split("_"))


def _codes(spec: FeatureSpec) -> dict[float | bool, str]:
    """Only where one code alone has the value; two codes behind one number cannot be told apart again."""
    codes: dict[float | bool, list[str]] = {}
    for code, value in (spec.map or {}).items():
        codes.setdefault(value, []).append(code)
    return {value: names[0] for value, names in codes.items() if len(names) == 1}


Look = Callable[[Shape, FeatureValue, ZoneInfo], object]


def _value(shape: Shape, found: FeatureValue, zone: ZoneInfo) -> object:
    value = found.value
    if value is None:
        return ABSENT
    if isinstance(value, (bool, str)) and not shape.codes:
        return value if isinstance(value, bool) else outside(value)
    return outside(value) if isinstance(value, str) else Shown(value, shape.text(value))


def _age(shape: Shape, found: FeatureValue, zone: ZoneInfo) -> object:
    return ABSENT if found.age is None else Markdown(describe_age(found.age))


def _date(shape: Shape, found: FeatureValue, zone: ZoneInfo) -> object:
    return ABSENT if found.at is None else Markdown(date_text(found.at, zone))


def _mark(shape: Shape, found: FeatureValue, zone: ZoneInfo) -> object:
    return NOTHING if found.mark is None else mark_text(shape, found)


def _trend(shape: Shape, found: FeatureValue, zone: ZoneInfo) -> object:
    return trend_text(shape, found, zone) or NOTHING


LOOKS: Mapping[str, Look] = {
    "name": lambda shape, found, zone: shape.display,
    "value": _value,
    "unit": lambda shape, found, zone: shape.unit_of(found),
    "text": lambda shape, found, zone: value_text(shape, found),
    "age": _age,
    "date": _date,
    "mark": _mark,
    "trend": _trend,
}
"""A feature in a template: `value` alone, `unit`, `text` (both, or what stands in the chart instead), `age` (`3 days`),
`date`, `mark` (why there is no value; false where there is one), `trend` (false where there is no other value)."""


def _own_value(shape: Shape, found: FeatureValue, zone: ZoneInfo) -> object:
    """A number, a mapped code, yes or no; never a string of the chart, which may be anything."""
    value = _value(shape, found, zone)
    return GAP if isinstance(value, str) else value


def _own_text(shape: Shape, found: FeatureValue, zone: ZoneInfo) -> object:
    if found.value is None or isinstance(found.value, str):
        return GAP
    return f"{shape.text(found.value)} {shape.unit}".rstrip()


OWN_LOOKS: Mapping[str, Look] = {
    **{look: LOOKS[look] for look in ("name", "age", "date", "trend")},
    "value": _own_value,
    "unit": lambda shape, found, zone: shape.unit,
    "text": _own_text,
}
"""A feature in a resource that goes into the chart: only what was read as a value, in the words of the schema."""


def trend_text(shape: Shape, found: FeatureValue, zone: ZoneInfo) -> str:
    """`71 → 64 → 58 since 2025-03-14`, the newest last; empty where there is only one value."""
    if len(found.trend) < 2:
        return ""
    values = " → ".join([shape.text(point.value) for point in found.trend])
    return f"{values} since {date_text(found.trend[0].at, zone)}"


def earlier_text(shape: Shape, found: FeatureValue, zone: ZoneInfo) -> str:
    """`280 mg/g, 2026-10-01`: the newest usable value before one that cannot be used; empty where there is none."""
    if found.value is not None or not found.trend:
        return ""
    last = found.trend[-1]
    return f"{shape.text(last.value)} {shape.unit}".rstrip() + f", {date_text(last.at, zone)}"


def value_text(shape: Shape, found: FeatureValue) -> str:
    if found.value is not None:
        unit = shape.unit_of(found)
        text = shape.text(found.value)
        text = f"{text} {unit}" if unit else text
        return f"{text} ({outside(found.shown)} in the chart)" if found.shown else text
    if found.shown:
        raw = found.shown
        if shape.declared_unit and raw.endswith(" " + shape.declared_unit):
            raw = raw.removesuffix(shape.declared_unit) + shape.unit
        return outside(raw)
    if found.unobtained:
        return "unknown"
    if found.lacks is not None:
        return "not worked out"
    if found.mark not in (None, Mark.MISSING):
        return "nothing that can be used"
    return "nothing" if found.at is None else "values of one time only"  # of which no delta or slope can be had


def value_markdown(shape: Shape, found: FeatureValue) -> str:
    """`value_text` as Markdown; a number in the declared unit, the usual case, needs no escaping."""
    value = found.value
    if type(value) is float and not shape.codes and found.unit == shape.declared_unit and found.shown is None:
        return f"{shape.text(value)} {shape.unit.markdown}" if shape.unit else shape.text(value)
    return escape(value_text(shape, found))


def mark_text(shape: Shape, found: FeatureValue) -> str:
    if found.unobtained:
        return UNOBTAINED
    mark = found.mark or Mark.MISSING
    if found.lacks is not None:
        return f"an input of it: {MARKS[mark]}"
    if mark is Mark.MISSING and found.at is not None:
        return "too few" if shape.window is None else f"too few in the last {shape.window}"
    if shape.window is not None and mark is Mark.MISSING:
        return f"not found in the last {shape.window}"
    if shape.window is not None and mark is Mark.STALE:
        return f"older than {shape.window}"
    return MARKS[mark]


def measured_text(found: FeatureValue, zone: ZoneInfo) -> str:
    """`2026-02-27, 3 days ago`, nothing in it to escape; empty where the feature has no time."""
    if found.at is None:
        return ""
    date = date_text(found.at, zone)
    return date if found.age is None else f"{date}, {describe_age(found.age)} ago"
