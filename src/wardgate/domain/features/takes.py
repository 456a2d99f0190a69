"""`take`: from the measurements that may count to the one value of a feature. One closure each, made at start."""

from collections.abc import Callable, Sequence
from math import fsum, inf, isfinite

from wardgate.domain.features.candidates import Dated, Found
from wardgate.domain.features.schema import FeatureSpec, FeatureType, Take
from wardgate.domain.features.values import Read, converts_units, is_converted, shown_of
from wardgate.domain.features.vector import FeatureValue, Mark, Point, Value

Reduce = Callable[[Sequence[Dated], Sequence[Found], float], FeatureValue]
"""Dated findings in ascending order, undated ones, the clock in epoch seconds."""

Combine = Callable[[Sequence[float], Sequence[float]], float | None]
"""Values and, of those that have one, times, both ascending by time; None where there are too few."""

_TREND_LENGTH = 5
_DAY = 86400.0


def compile_take(spec: FeatureSpec, read: Read) -> Reduce:
    match spec.take:
        case Take.LATEST:
            return _latest(spec, read)
        case Take.EARLIEST:
            return _earliest(spec, read)
        case Take.COUNT | Take.ANY:
            return _count(spec)
        case _:
            combine, timed = _COMBINE[spec.take]
            return _aggregate(spec, read, combine, timed)


def missing(spec: FeatureSpec, unobtained: bool = False) -> FeatureValue:
    return FeatureValue(spec.name, None, Mark.MISSING, unit=spec.unit, unobtained=unobtained)


def _latest(spec: FeatureSpec, read: Read) -> Reduce:
    name, unit = spec.name, spec.unit
    within = inf if spec.within is None else spec.within
    nothing = missing(spec)
    trending = spec.type is FeatureType.NUMBER
    converts = converts_units(spec)

    def take(dated: Sequence[Dated], undated: Sequence[Found], as_of: float) -> FeatureValue:
        if not dated:
            return nothing
        at, holder, _ = dated[-1]
        age = as_of - at if at < as_of else 0.0
        if age > within:
            return _stale(spec, dated, as_of)
        value, mark = read(holder)
        trend = _trend(dated, value, as_of, within, read) if trending and len(dated) > 1 else ()
        shown = shown_of(holder) if mark is not None or (converts and is_converted(holder, value)) else None
        return FeatureValue(name, value, mark, at, age, unit, shown, False, trend)

    return take


def _trend(dated: Sequence[Dated], latest: Value | None, as_of: float, within: float, read: Read) -> tuple[Point, ...]:
    """The newest usable values, oldest first; a value on its own is no trend."""
    points: list[Point] = []
    if isinstance(latest, float):
        points.append(Point(dated[-1][0], latest))
    alone = len(points)
    for i in range(len(dated) - 2, -1, -1):
        at, holder, _ = dated[i]
        if as_of - at > within or len(points) == _TREND_LENGTH:
            break
        value, _mark = read(holder)
        if isinstance(value, float):
            points.append(Point(at, value))
    if len(points) == alone:
        return ()
    points.reverse()
    return tuple(points)


def _earliest(spec: FeatureSpec, read: Read) -> Reduce:
    nothing = missing(spec)
    converts = converts_units(spec)

    def take(dated: Sequence[Dated], undated: Sequence[Found], as_of: float) -> FeatureValue:
        if not dated:
            return nothing
        members = window(spec, dated, as_of)
        if not members:
            return _stale(spec, dated, as_of)
        i = 0
        while i + 1 < len(members) and members[i + 1][0] == members[0][0]:
            i += 1  # of one instant the last is preferred
        at, holder, _ = members[i]
        value, mark = read(holder)
        shown = shown_of(holder) if mark is not None or (converts and is_converted(holder, value)) else None
        return FeatureValue(spec.name, value, mark, at, max(as_of - at, 0.0), spec.unit, shown)

    return take


def _count(spec: FeatureSpec) -> Reduce:
    """An Observation counts once, however many of its components match."""
    any_at_all = spec.take is Take.ANY
    datable = spec.source == "Condition" and spec.within is not None
    unknown = missing(spec, unobtained=True)

    def take(dated: Sequence[Dated], undated: Sequence[Found], as_of: float) -> FeatureValue:
        members = window(spec, dated, as_of)
        if datable and undated and not (any_at_all and members):
            return unknown  # an illness without a date may be of today
        resources = {id(resource) for _, _, resource in members}
        if spec.within is None:
            resources.update(id(resource) for _, resource in undated)
        value = bool(resources) if any_at_all else float(len(resources))
        at = members[-1][0] if members else None
        return FeatureValue(spec.name, value, None, at, None if at is None else max(as_of - at, 0.0))

    return take


def _aggregate(spec: FeatureSpec, read: Read, combine: Combine, timed: bool) -> Reduce:
    nothing = missing(spec)
    ignore_undated = timed or spec.within is not None

    def take(dated: Sequence[Dated], undated: Sequence[Found], as_of: float) -> FeatureValue:
        members = window(spec, dated, as_of)
        loose = () if ignore_undated else undated
        if not members and not loose:
            return _stale(spec, dated, as_of) if dated else nothing
        values: list[float] = []
        # newest first: one that cannot be used marks the feature, since leaving it out would be a guess
        for at, holder, _ in reversed(members):
            value, mark = read(holder)
            if not isinstance(value, float):
                return FeatureValue(spec.name, None, mark, at, _age(at, as_of), spec.unit, shown_of(holder))
            values.append(value)
        for holder, _ in reversed(loose):
            value, mark = read(holder)
            if not isinstance(value, float):
                return FeatureValue(spec.name, None, mark, None, None, spec.unit, shown_of(holder))
            values.append(value)
        values.reverse()
        newest = members[-1][0] if members else None
        result = combine(values, [time for time, _, _ in members])
        outcome: Mark | None = None
        if result is None:
            outcome = Mark.MISSING
        elif not isfinite(result):
            result, outcome = None, Mark.NOT_NUMERIC
        return FeatureValue(spec.name, result, outcome, newest, _age(newest, as_of), spec.unit)

    return take


def _age(at: float | None, as_of: float) -> float | None:
    return None if at is None else max(as_of - at, 0.0)


def window(spec: FeatureSpec, dated: Sequence[Dated], as_of: float) -> Sequence[Dated]:
    within = spec.within
    if within is None:
        return dated
    return [entry for entry in dated if as_of - entry[0] <= within]


def _stale(spec: FeatureSpec, dated: Sequence[Dated], as_of: float) -> FeatureValue:
    """All are too old; the newest one is named, so that a reader can see by how much."""
    at, holder, _ = dated[-1]
    return FeatureValue(spec.name, None, Mark.STALE, at, max(as_of - at, 0.0), spec.unit, shown_of(holder))


def _sum(values: Sequence[float], times: Sequence[float]) -> float:
    """Infinite, and so no value, where it is too large: of an infinity, or of one and its opposite, it says so too."""
    try:
        return fsum(values)
    except (OverflowError, ValueError):
        return inf


def _mean(values: Sequence[float], times: Sequence[float]) -> float:
    return _sum(values, times) / len(values)


def _least(values: Sequence[float], times: Sequence[float]) -> float:
    return float(min(values))


def _greatest(values: Sequence[float], times: Sequence[float]) -> float:
    return float(max(values))


def _delta(values: Sequence[float], times: Sequence[float]) -> float | None:
    """Last less first, each the preferred one of its instant; None where all are of one instant."""
    if times[0] == times[-1]:
        return None
    first = 0
    while times[first + 1] == times[0]:
        first += 1
    return float(values[-1] - values[first])


def _slope(values: Sequence[float], times: Sequence[float]) -> float | None:
    """Least squares per day; None where all are of one instant."""
    if times[0] == times[-1]:
        return None
    days = [(time - times[0]) / _DAY for time in times]
    middle, level = _mean(days, ()), _mean(values, ())
    offsets = [day - middle for day in days]
    rise = _sum([offset * (value - level) for offset, value in zip(offsets, values, strict=True)], ())
    return rise / _sum([offset * offset for offset in offsets], ())


_COMBINE: dict[Take, tuple[Combine, bool]] = {
    Take.MIN: (_least, False),
    Take.MAX: (_greatest, False),
    Take.MEAN: (_mean, False),
    Take.SUM: (_sum, False),
    Take.DELTA: (_delta, True),
    Take.SLOPE: (_slope, True),
}
