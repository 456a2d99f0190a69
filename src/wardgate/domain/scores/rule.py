"""A rule's score: compiled once, pure, three-valued.

A score is the sum over items, each a step table over one feature or a condition that is worth points; or it is one
expression. What it needs and does not have leaves it unknown, with the names of the features that are to blame: a
sum without one of its parts would be a lower score that nobody measured.
"""

from collections.abc import Iterable
from math import isfinite

import msgspec

from wardgate.domain.expressions import Environment, Expression, Known
from wardgate.domain.features.vector import FeatureValue, Mark

Name = str
_ABSENT = Known(None, unobtained=True)


class Within(msgspec.Struct, frozen=True):
    """One step of a table; a bound that is None does not bind."""

    points: float
    lt: float | None = None
    le: float | None = None
    gt: float | None = None
    ge: float | None = None
    eq: float | None = None

    def holds(self, number: float) -> bool:
        return (
            (self.lt is None or number < self.lt)
            and (self.le is None or number <= self.le)
            and (self.gt is None or number > self.gt)
            and (self.ge is None or number >= self.ge)
            and (self.eq is None or number == self.eq)
        )


class Item(msgspec.Struct, frozen=True):
    """One part of the sum. With a `feature`: its steps, counted only where `when` holds. Without one: `otherwise`
    points where `when` holds, and none where it does not.

    `missing` are the points where the chart holds no value, or none that is recent enough; None: the score is then
    unknown. `reads` are all features that the item rests on, the one that it is about first.
    """

    reads: tuple[Name, ...]
    otherwise: float
    feature: Name | None = None
    steps: tuple[Within, ...] = ()
    when: Expression | None = None
    missing: float | None = None
    display: str | None = None


class Counted(msgspec.Struct, frozen=True):
    item: Item
    points: float


class Points(msgspec.Struct, frozen=True):
    """`items` are those that counted, in the file's order; none where the score is an expression."""

    total: float
    items: tuple[Counted, ...] = ()

    @property
    def most(self) -> float:
        """What the heaviest item gave."""
        return max((counted.points for counted in self.items), default=0.0)


class Unknown(msgspec.Struct, frozen=True):
    """The score cannot be said; `features` are the ones without a value."""

    features: tuple[Name, ...]


class RuleScore(msgspec.Struct, frozen=True):
    """`features` is everything that the score reads, each once; `population` None: for everybody."""

    items: tuple[Item, ...]
    features: tuple[Name, ...]
    expression: Expression | None = None
    population: Expression | None = None

    def applies(self, facts: Environment) -> bool:
        """Whether the rule is for this patient; not known is not enough."""
        return self.population is None or self.population.evaluate(facts) is True

    def evaluate(self, facts: Environment) -> Points | Unknown:
        if self.expression is not None:
            score = self.expression.evaluate(facts)
            return Points(score) if isinstance(score, float) else self._unknown(self.features, facts)
        counted: list[Counted] = []
        unknown: list[Name] = []
        for item in self.items:
            holds = True if item.when is None else item.when.evaluate(facts)
            points = _points(item, holds is True, facts)
            if holds is None or points is None:
                unknown += item.reads
            elif holds or item.feature is None:
                counted.append(Counted(item, points))
        total = sum(each.points for each in counted)
        if unknown or not isfinite(total):
            return self._unknown(unknown, facts)
        return Points(total, tuple(counted))

    def _unknown(self, names: Iterable[Name], facts: Environment) -> Unknown:
        lacking = tuple(dict.fromkeys(name for name in names if facts.get(name, _ABSENT).value is None))
        return Unknown(lacking or self.features)


def _points(item: Item, holds: bool, facts: Environment) -> float | None:
    """None: unknown."""
    if not holds:
        return 0.0
    if item.feature is None:
        return item.otherwise
    found = facts.get(item.feature, _ABSENT)
    number = found.value
    if isinstance(number, bool) or not isinstance(number, float | int):
        return item.missing if isinstance(found, FeatureValue) and _is_absent(found) else None
    return next((step.points for step in item.steps if step.holds(number)), item.otherwise)


def _is_absent(found: FeatureValue) -> bool:
    """Nothing was charted, which is something else than a value that cannot be read, or could not be fetched."""
    return not found.unobtained and found.mark in (Mark.MISSING, Mark.STALE)
