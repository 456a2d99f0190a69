"""A feature schema, read and validated (`features.yaml`); `compile.py` turns it into an extractor."""

from collections.abc import Mapping
from enum import StrEnum

import msgspec

from wardgate.domain.context.record import home_in_context
from wardgate.domain.expressions import Type

LENGTH = "length"
"""The one `path` of a DocumentReference: how many bytes it has."""


class Take(StrEnum):
    LATEST = "latest"
    EARLIEST = "earliest"
    MIN = "min"
    MAX = "max"
    MEAN = "mean"
    SUM = "sum"
    COUNT = "count"
    ANY = "any"
    DELTA = "delta"
    SLOPE = "slope"


class Use(StrEnum):
    MODEL = "model"
    RULE_ONLY = "rule_only"
    COHORT_ONLY = "cohort_only"


class FeatureType(StrEnum):
    NUMBER = "number"
    BOOLEAN = "boolean"
    CODE = "code"


class CodeSet(msgspec.Struct, frozen=True):
    system: str
    any: frozenset[str]


class FeatureSpec(msgspec.Struct, frozen=True, kw_only=True):
    """One entry of `features`. Durations are seconds; None where the file says nothing."""

    name: str
    source: str = ""  # the `from` key; "" of a derived one
    codes: tuple[CodeSet, ...] = ()
    take: Take = Take.LATEST
    path: str | None = None
    as_: str | None = None  # years | whole_years, of a date of the Patient; hours | days, of a time of the Encounter
    within: float | None = None
    max_lag: float | None = None
    feed: str | None = None  # the `source` key: who owns the feed
    statuses: tuple[str, ...] | None = None  # None: the type's default
    unit: str | None = None
    convert: Mapping[str, float] = {}
    plausible: tuple[float, float] | None = None
    type: FeatureType = FeatureType.NUMBER
    map: Mapping[str, float | bool] | None = None
    required: bool = False
    use: Use = Use.MODEL
    cohort: str | None = None
    max_missing: float | None = None
    bins: tuple[float, ...] = ()
    derive: str | None = None
    expression: str | None = None  # the `path` key where `engine: fhirpath` reads it

    @property
    def home(self) -> str:
        """Under which name the record holds what it is read from."""
        return home_in_context(self.path or "") if self.source == "context" else self.source

    @property
    def reads_document(self) -> bool:
        """Whether it is read by a path from the Patient, or from the Encounter of the call."""
        return self.source == "Patient" or (self.source == "Encounter" and self.path is not None)

    @property
    def reads_length(self) -> bool:
        return self.source == "DocumentReference" and self.path == LENGTH

    @property
    def yields(self) -> Type:
        """What its value is to an expression."""
        if self.take is Take.ANY:
            return Type.BOOLEAN
        if self.take is Take.COUNT or self.type is FeatureType.NUMBER:
            return Type.NUMBER
        if self.type is FeatureType.BOOLEAN:
            return Type.BOOLEAN
        if self.map is None:
            return Type.CODE
        return Type.BOOLEAN if all(isinstance(value, bool) for value in self.map.values()) else Type.NUMBER


class FeatureSchema(msgspec.Struct, frozen=True):
    version: str
    features: tuple[FeatureSpec, ...]
