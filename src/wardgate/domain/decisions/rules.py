"""What a service and a release say about when to answer, compiled."""

from collections.abc import Mapping
from enum import StrEnum

import msgspec

from wardgate.domain.expressions import Expression
from wardgate.domain.outcomes import Reason


class Show(StrEnum):
    CARD = "card"
    NONE = "none"


class DeferRule(msgspec.Struct, frozen=True):
    when: Expression
    reason: Reason
    show: Show


class Exclusion(msgspec.Struct, frozen=True):
    """One standard question. `when` None: not asked; then `not_applicable` holds why, or it is not checked."""

    name: str
    when: Expression | None = None
    not_applicable: str | None = None

    @property
    def not_checked(self) -> bool:
        return self.when is None and self.not_applicable is None


STANDARD_QUESTIONS = ("pregnancy", "dialysis", "transplant", "deceased")


class Threshold(msgspec.Struct, frozen=True):
    """`default` None: every score is shown. A site that is not named takes `default`."""

    default: float | None = None
    sites: Mapping[str, float] = {}
    indeterminate: float = 0.0

    def at(self, site: str | None) -> float | None:
        return self.sites.get(site, self.default) if site is not None else self.default


class Band(msgspec.Struct, frozen=True):
    """`single`: of a rule's points, the band holds only where one item alone gives so many."""

    name: str
    start: float  # the file's `from`
    indicator: str  # info | warning | critical
    single: float | None = None


class Rules(msgspec.Struct, frozen=True):
    """`required`: features that must have a value. `bands` ascend by start.

    `filled`: optional inputs of the model. Their `fill` stands in where nothing, or nothing of late, is charted, and
    never for a value that is there and cannot be used.

    `defer` keeps the file's order; a rule whose expression uses outputs is tried after the prediction,
    every other one before it.
    """

    audience: frozenset[str] | None
    population: Expression | None
    exclusions: tuple[Exclusion, ...]
    defer: tuple[DeferRule, ...]
    show_unknown: Show
    required: tuple[str, ...]
    threshold: Threshold
    bands: tuple[Band, ...]
    filled: tuple[str, ...] = ()
