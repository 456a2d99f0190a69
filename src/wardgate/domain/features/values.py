"""What one Observation, or one of its components, says: a value, or the mark that says why it has none.

Marks take precedence in this order: comparator, not_numeric, wrong_unit, implausible.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from math import isfinite
from sys import float_info

from wardgate.domain.context.fhir import OTHER_VALUES, CodeableConcept, Component, Quantity, Resource
from wardgate.domain.features.schema import FeatureSpec, FeatureType
from wardgate.domain.features.ucum import UCUM_SYSTEM, factors_of
from wardgate.domain.features.vector import Mark, Value

Holder = Resource | Component
"""What carries a value: an Observation, or one of its components."""

Reading = tuple[Value | None, Mark | None]
Read = Callable[[Holder], Reading]

NOT_NUMERIC: Reading = (None, Mark.NOT_NUMERIC)
COMPARATOR: Reading = (None, Mark.COMPARATOR)
_WRONG_UNIT: Reading = (None, Mark.WRONG_UNIT)
_IMPLAUSIBLE: Reading = (None, Mark.IMPLAUSIBLE)

_DECIMAL = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?", re.ASCII)
_COMPARED = re.compile(r"(?:[<>]=?|[≤≥])\s*[+-]?\.?\d", re.ASCII)
_SHOWN_LENGTH = 80


def has_value(holder: Holder) -> bool:
    """Whether there is something to read; a dataAbsentReason says no, whatever stands beside it."""
    if holder.dataAbsentReason is not None:
        return False
    quantity = holder.valueQuantity
    if quantity is not None and (quantity.value.__class__ is float or is_given(quantity.value)):
        return True
    return (
        holder.valueInteger is not None
        or holder.valueBoolean is not None
        or (holder.valueString is not None and is_given(holder.valueString))
        or (holder.valueCodeableConcept is not None and _name_of(holder.valueCodeableConcept) is not None)
        or _other_value(holder) is not None
    )


def _other_value(holder: Holder) -> str | None:
    """What a value is called that no feature can read: a range, a date. None where there is none."""
    for element, words in OTHER_VALUES.items():
        value = getattr(holder, element)
        if value is not None and value != {} and not (isinstance(value, str) and not value.strip()):
            return words
    return None


def is_given(value: float | str | None) -> bool:
    return value is not None and (not isinstance(value, str) or value.strip() != "")


def read_number(text: str) -> float | Mark:
    """A plain decimal number that came as text, `-1.5e3`; `<5` has a comparator, `1,5` is not a number."""
    text = text.strip()
    if _DECIMAL.fullmatch(text):
        return float(text)
    return Mark.COMPARATOR if _COMPARED.match(text) else Mark.NOT_NUMERIC


def compile_read(spec: FeatureSpec) -> Read:
    """How the value of one matching Observation or component is read for this feature."""
    if spec.type is FeatureType.NUMBER:
        return _number_reader(spec)
    table = values_of(spec.map)
    return _boolean_reader(table) if spec.type is FeatureType.BOOLEAN else _code_reader(table)


QUALIFIED = "|"
"""Between system and code, in a map whose codes are those of one system only."""


def values_of(table: Mapping[str, float | bool] | None) -> dict[str, Value] | None:
    """A declared map with its numbers as floats."""
    if table is None:
        return None
    return {code: value if isinstance(value, bool) else float(value) for code, value in table.items()}


def _number_reader(spec: FeatureSpec) -> Read:
    label = spec.unit is None or spec.reads_length  # a length is in bytes, whatever they are called
    factors = None if label else factors_of(spec.unit or "", spec.convert)
    low, high = spec.plausible or (-float_info.max, float_info.max)

    def read(holder: Holder) -> Reading:
        quantity = holder.valueQuantity
        if quantity is not None and quantity.comparator is None and isinstance(raw := quantity.value, float):
            factor = 1.0
            if factors is not None:
                system = quantity.system
                found = factors.get(quantity.code) if system is None or system == UCUM_SYSTEM else None
                if found is None:
                    return read_slowly(holder)
                factor = found
            number = raw * factor
            if low <= number <= high:
                return number, None
        return read_slowly(holder)

    def read_slowly(holder: Holder) -> Reading:
        quantity = holder.valueQuantity
        if quantity is not None and (raw := quantity.value) is not None and is_given(raw):
            if quantity.comparator is not None and quantity.comparator.strip():
                return COMPARATOR
            number = read_number(raw) if isinstance(raw, str) else raw
        else:
            quantity = None
            number = _bare_number(holder)
        if isinstance(number, Mark):
            return None, number
        if not isfinite(number):
            return NOT_NUMERIC
        if factors is not None:
            factor = None if quantity is None else _factor(quantity, factors)
            if factor is None:
                return _WRONG_UNIT
            number *= factor
        return (number, None) if low <= number <= high else _IMPLAUSIBLE

    return read


def _bare_number(holder: Holder) -> float | Mark:
    """The number of a value that has no unit of its own."""
    if holder.valueInteger is not None:
        return holder.valueInteger
    if holder.valueString is not None and is_given(holder.valueString):
        return read_number(holder.valueString)
    return Mark.NOT_NUMERIC


def _factor(quantity: Quantity, factors: Mapping[str | None, float]) -> float | None:
    """By the UCUM code, else by the unit's text; a unit of another system is never compared."""
    system = quantity.system
    if system is not None and system != UCUM_SYSTEM and system.strip() not in ("", UCUM_SYSTEM):
        return None
    code = quantity.code
    if code is None or not code.strip():
        code = quantity.unit
        if code is None:
            return None
    factor = factors.get(code)
    return factor if factor is not None else factors.get(code.strip())


def _boolean_reader(table: Mapping[str, Value] | None) -> Read:
    codes = _codes_for(table)

    def read(holder: Holder) -> Reading:
        if holder.valueBoolean is not None:
            return holder.valueBoolean, None
        return _mapped(codes(holder), table) if table is not None else NOT_NUMERIC

    return read


def _code_reader(table: Mapping[str, Value] | None) -> Read:
    codes = _codes_for(table)

    def read(holder: Holder) -> Reading:
        if table is not None:
            return _mapped(codes(holder), table)
        code = next(_codes_of(holder), None)
        return (code, None) if code is not None else NOT_NUMERIC

    return read


def _codes_for(table: Mapping[str, Value] | None) -> Callable[[Holder], Iterator[str]]:
    return _with_systems if any(QUALIFIED in code for code in table or ()) else _codes_of


def _mapped(codes: Iterator[str], table: Mapping[str, Value]) -> Reading:
    for code in codes:
        value = table.get(code)
        if value is not None:
            return value, None
    return NOT_NUMERIC


def _with_systems(holder: Holder) -> Iterator[str]:
    """Each code with its system, then alone: the map's word on one system goes before its word on all."""
    concept = holder.valueCodeableConcept
    if concept is None or _name_of(concept) is None:
        yield from _codes_of(holder)
        return
    for coding in concept.coding or ():
        code = (coding.code or "").strip()
        if code:
            yield f"{(coding.system or '').strip()}{QUALIFIED}{code}"
            yield code


def _codes_of(holder: Holder) -> Iterator[str]:
    if holder.valueCodeableConcept is not None and _name_of(holder.valueCodeableConcept) is not None:
        yield from codes_in(holder.valueCodeableConcept)
    elif holder.valueString is not None and is_given(holder.valueString):
        yield holder.valueString.strip()
    elif holder.valueBoolean is not None:
        yield "true" if holder.valueBoolean else "false"


def codes_in(concept: CodeableConcept) -> Iterator[str]:
    for coding in concept.coding or ():
        if coding.code is not None and (code := coding.code.strip()):
            yield code


def _name_of(concept: CodeableConcept) -> str | None:
    """What a reader would call it: its text, else the first display, else the first code."""
    if concept.text is not None and (text := concept.text.strip()):
        return text
    codings = concept.coding or ()
    displays = (coding.display.strip() for coding in codings if coding.display is not None)
    return next(filter(None, displays), None) or next(codes_in(concept), None)


def converts_units(spec: FeatureSpec) -> bool:
    return any(factor != 1.0 for factor in spec.convert.values())


def is_converted(holder: Holder, value: Value | None) -> bool:
    """Whether the chart holds another number than the value: then a card names both, so that it can be found."""
    quantity = holder.valueQuantity
    return value is not None and quantity is not None and quantity.value is not None and not _equals(quantity, value)


def _equals(quantity: Quantity, value: Value) -> bool:
    raw = quantity.value
    return (read_number(raw) if isinstance(raw, str) else raw) == value


def shown_of(holder: Holder) -> str | None:
    """The value as it stands in the chart (`> 60 mL/min`), for a card; at most 80 characters."""
    text = _as_charted(holder)
    return None if text is None else shorten(text)


def shorten(text: str) -> str:
    return text if len(text) <= _SHOWN_LENGTH else text[: _SHOWN_LENGTH - 1] + "…"


def _as_charted(holder: Holder) -> str | None:
    quantity = holder.valueQuantity
    if quantity is not None and quantity.value is not None and is_given(quantity.value):
        value = quantity.value
        unit = quantity.unit if quantity.unit is not None and quantity.unit.strip() else quantity.code
        words = (quantity.comparator, value if isinstance(value, str) else plain_number(value), unit)
        return " ".join(word.strip() for word in words if word is not None and word.strip())
    if holder.valueInteger is not None:
        return plain_number(holder.valueInteger)
    if holder.valueString is not None and is_given(holder.valueString):
        return holder.valueString.strip()
    if holder.valueBoolean is not None:
        return "true" if holder.valueBoolean else "false"
    concept = holder.valueCodeableConcept
    return (None if concept is None else _name_of(concept)) or _other_value(holder)


def plain_number(number: float) -> str:
    """`60` for 60.0, otherwise the shortest text that reads back as the same number."""
    return str(int(number)) if isfinite(number) and number == int(number) and abs(number) < 1e15 else repr(number)
