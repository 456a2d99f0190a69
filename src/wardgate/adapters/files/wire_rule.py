"""`rules/<name>.yaml`: a score of points, for the fallback ladder (docs/rules.md)."""

from typing import Annotated

from pydantic import Field, model_validator

from wardgate.adapters.files.wire import Number, Text, Wire
from wardgate.adapters.files.wire_card import BandEntry, Precision
from wardgate.domain.decisions.rules import Band
from wardgate.domain.documents import Wrong
from wardgate.domain.scores import Within


class PointStep(Wire):
    lt: Number | None = None
    le: Number | None = None
    gt: Number | None = None
    ge: Number | None = None
    eq: Number | None = None
    points: Number

    @model_validator(mode="after")
    def _says_when(self) -> "PointStep":
        if all(bound is None for bound in (self.lt, self.le, self.gt, self.ge, self.eq)):
            raise Wrong("a step without a bound", "add lt, le, gt, ge or eq; two of them are a range")
        if not self._may_hold():
            raise Wrong("a step that never holds", "is a bound the wrong way round?")
        return self

    def _may_hold(self) -> bool:
        over = [bound for bound in (self.gt, self.ge) if bound is not None]
        under = [bound for bound in (self.lt, self.le) if bound is not None]
        if self.eq is not None:
            candidates = [self.eq]
        elif over and under:
            low, high = max(over), min(under)
            candidates = [low, low / 2 + high / 2, high]
        else:
            return True
        return any(map(self.within().holds, candidates))

    def within(self) -> Within:
        return Within(self.points, self.lt, self.le, self.gt, self.ge, self.eq)


class Points(Wire):
    name: Text | None = None
    """What a clinician calls this part of the score. Absent: the name of the feature."""
    feature: Text | None = None
    """With `steps`; without: `when` and `points`."""
    steps: Annotated[tuple[PointStep, ...], Field(min_length=1)] | None = None
    """The first that holds."""
    else_: Annotated[Number, Field(alias="else")] = 0.0
    """Points where no step holds."""
    missing: Number | None = None
    """Points where the chart holds no value, or none within the window. Absent: the score is then unknown."""
    when: Text | None = None
    """An expression: where it is false, the steps do not count, and `points` are 0."""
    points: Number | None = None

    @model_validator(mode="after")
    def _one_kind(self) -> "Points":
        table = self.feature is not None and self.steps is not None and self.points is None
        given = self.model_fields_set
        alone = (
            self.when is not None and self.points is not None and not given & {"feature", "steps", "else_", "missing"}
        )
        if not (table or alone):
            raise Wrong(
                "neither a table of steps nor points under a condition",
                "write {feature: …, steps: […]}, or {when: …, points: …}",
            )
        return self


class RuleBand(BandEntry):
    single: Number | None = None
    """The band holds only where one item alone gives so many points."""

    def band(self) -> Band:
        return Band(self.name, self.from_, self.indicator, self.single)


class Rule(Wire):
    title: Text | None = None
    """What a clinician calls the rule. Absent: the name of its file."""
    population: Text | None = None
    """An expression: unless it is true, the rule is not for this patient. Absent: for everybody."""
    points: Annotated[tuple[Points, ...], Field(min_length=1)] | None = None
    """The sum over these; or `expression`."""
    expression: Text | None = None
    threshold: Number | None = None
    """Shown at or above it; or `shown_from`. With neither every score is shown."""
    shown_from: Text | None = None
    """The lowest band that is shown."""
    bands: Annotated[tuple[RuleBand, ...], Field(min_length=1)]
    """Ascending; the highest one that holds."""
    precision: Precision | None = None
    """Absent: whole numbers where all points are."""
    summary: Text
    """A template, plain text; `fallback.label` of the service's card stands before it."""
    detail: Text | None = None
    """A template, Markdown. Source, links and override reasons come from the service's card."""

    @model_validator(mode="after")
    def _one_score(self) -> "Rule":
        if (self.points is None) == (self.expression is None):
            raise Wrong("a rule has `points` or an `expression`", "give one of the two")
        if self.threshold is not None and self.shown_from is not None:
            raise Wrong("a rule has a `threshold` or `shown_from`", "keep one of the two")
        return self
