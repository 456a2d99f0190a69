"""What a dotted path reads from the Patient, or from the Encounter of the call; and the built-in `deceased`."""

from collections.abc import Callable
from datetime import date
from math import inf, isfinite
from typing import Any
from zoneinfo import ZoneInfo

from wardgate.domain.context.fhir import Document, Resource
from wardgate.domain.context.paths import compile_path
from wardgate.domain.features.candidates import Moment
from wardgate.domain.features.fhirpath import UNREADABLE, Exhausted, Steps, compile_fhirpath, holder_of
from wardgate.domain.features.schema import FeatureSpec, FeatureType
from wardgate.domain.features.takes import missing
from wardgate.domain.features.values import (
    NOT_NUMERIC,
    Reading,
    compile_read,
    plain_number,
    read_number,
    shorten,
    values_of,
)
from wardgate.domain.features.vector import FeatureValue, Mark
from wardgate.domain.times import parse_days, parse_instant

ReadDocument = Callable[[Document, Moment, Steps], FeatureValue]
"""The whole resource, the clock, and what expressions may still do."""

_YEAR = 365.2425
"""Days: the mean year of the Gregorian calendar."""

_SECONDS = {"hours": 3600.0, "days": 86400.0}
_IMPLAUSIBLE: Reading = (None, Mark.IMPLAUSIBLE)


def compile_document(spec: FeatureSpec) -> ReadDocument:
    """ValueError where the path does not compile (`check_schema` reports it before)."""
    path = _path(spec.path or "") if spec.expression is None else _evaluator(spec.expression)
    convert = _converter(spec) if spec.expression is None or spec.as_ is not None else _reader(spec)
    nothing = missing(spec)

    def read(document: Document, moment: Moment, steps: Steps) -> FeatureValue:
        raw = path(document, steps)
        if raw is None or (isinstance(raw, str) and not raw.strip()):
            return nothing
        value, mark = convert(raw, moment)
        return FeatureValue(spec.name, value, mark, unit=spec.unit, shown=None if mark is None else _shown(raw))

    return read


def _path(dotted: str) -> Callable[[Document, Steps], Any]:
    path = compile_path(dotted)
    return lambda document, steps: path(document)


def _evaluator(expression: str) -> Callable[[Document, Steps], Any]:
    evaluate = compile_fhirpath(expression)

    def path(document: Document, steps: Steps) -> Any:
        try:
            return evaluate(document, steps)
        except Exhausted:
            return UNREADABLE

    return path


def _reader(spec: FeatureSpec) -> Callable[[Any, Moment], Reading]:
    """What an expression yields may be more than a text or a number: it is read as a value of an Observation is."""
    read = compile_read(spec)
    return lambda raw, moment: read(holder_of(Resource(), raw))


def _converter(spec: FeatureSpec) -> Callable[[Any, Moment], Reading]:
    low, high = spec.plausible or (-inf, inf)
    table = values_of(spec.map)

    def number(raw: Any, moment: Moment) -> Reading:
        found = _number(raw) if spec.as_ is None else _since(raw, moment, spec.as_)
        if isinstance(found, Mark):
            return None, found
        return (found, None) if low <= found <= high else _IMPLAUSIBLE

    def boolean(raw: Any, moment: Moment) -> Reading:
        return (raw, None) if isinstance(raw, bool) else code(raw, moment) if table is not None else NOT_NUMERIC

    def code(raw: Any, moment: Moment) -> Reading:
        text = ("true" if raw else "false") if isinstance(raw, bool) else raw.strip() if isinstance(raw, str) else None
        value = text if table is None or text is None else table.get(text)
        return (value, None) if value is not None else NOT_NUMERIC

    return {FeatureType.NUMBER: number, FeatureType.BOOLEAN: boolean, FeatureType.CODE: code}[spec.type]


def _number(raw: Any) -> float | Mark:
    found = read_number(raw) if isinstance(raw, str) else _as_float(raw)
    if found is None or (not isinstance(found, Mark) and not isfinite(found)):
        return Mark.NOT_NUMERIC
    return found


def _as_float(raw: Any) -> float | None:
    """A JSON number; None for what is none, or an integer beyond what a float can hold."""
    if isinstance(raw, bool) or not isinstance(raw, int | float):
        return None
    try:
        return float(raw)
    except OverflowError:
        return None


def _since(raw: Any, moment: Moment, unit: str) -> float | Mark:
    """From a date or time until now."""
    seconds = _SECONDS.get(unit)
    if seconds is None:
        return _age(raw, moment.today, unit)
    at = parse_instant(raw, moment.zone) if isinstance(raw, str) else None
    if at is None:
        return Mark.NOT_NUMERIC
    return max(moment.as_of - at, 0.0) / seconds if at <= moment.horizon else Mark.IMPLAUSIBLE


def _age(raw: Any, today: date, unit: str) -> float | Mark:
    """A partial date stands for its last day that is not ahead: a child must not be taken for an adult."""
    span = parse_days(raw) if isinstance(raw, str) else None
    if span is None:
        return Mark.NOT_NUMERIC
    first, last = span
    if first > today:
        return Mark.IMPLAUSIBLE
    born = min(last, today)
    if unit == "whole_years":
        return float(today.year - born.year - ((today.month, today.day) < (born.month, born.day)))
    return (today - born).days / _YEAR


def _shown(raw: Any) -> str | None:
    if isinstance(raw, bool):
        return "true" if raw else "false"
    if isinstance(raw, str):
        return shorten(raw.strip())
    number = _as_float(raw)
    return None if number is None else plain_number(number)


def is_deceased(patient: Document | None, as_of: float, zone: ZoneInfo) -> bool | None:
    """None where there is no Patient. A date that cannot be read still says that the patient has died."""
    if patient is None:
        return None
    if patient.get("deceasedBoolean") is True:
        return True
    when = patient.get("deceasedDateTime")
    if when is None or (isinstance(when, str) and not when.strip()):
        return False
    at = parse_instant(when, zone) if isinstance(when, str) else None
    return at is None or at <= as_of
