"""`rules/<name>.yaml`: a score of points, for the fallback ladder (docs/configuration.md)."""

from typing import Annotated

from pydantic import Field, model_validator

from wardgate.adapters.files.wire import Number, Text, Wire
from wardgate.adapters.files.wire_card import BandEntry
from wardgate.domain.documents import Wrong


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
        return self


class Points(Wire):
    feature: Text
    steps: Annotated[tuple[PointStep, ...], Field(min_length=1)]
    """The first that holds."""
    else_: Annotated[Number, Field(alias="else")] = 0.0


class Rule(Wire):
    population: Text | None = None
    points: Annotated[tuple[Points, ...], Field(min_length=1)] | None = None
    """The sum over these; or `expression`."""
    expression: Text | None = None
    threshold: Number | None = None
    bands: Annotated[tuple[BandEntry, ...], Field(min_length=1)]
    summary: Text
    detail: Text | None = None

    @model_validator(mode="after")
    def _one_score(self) -> "Rule":
        if (self.points is None) == (self.expression is None):
            raise Wrong("a rule has `points` or an `expression`", "give one of the two")
        return self
