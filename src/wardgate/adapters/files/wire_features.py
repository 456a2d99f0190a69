"""`models/<model>/features.yaml`: the feature schema (docs/configuration.md; its meaning: docs/features.md)."""

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, PlainValidator

from wardgate.adapters.files.wire import Duration, Flag, Number, Range, Share, Text, Wire
from wardgate.domain.documents import Wrong
from wardgate.domain.features.schema import CodeSet, FeatureSchema, FeatureSpec, FeatureType, Take, Use


class Codes(Wire):
    system: Text
    any: Annotated[tuple[Text, ...], Field(min_length=1)]


def _several(value: object) -> object:
    return [value] if isinstance(value, dict) else value


def _meaning(value: object) -> float | bool:
    if isinstance(value, bool | int | float):
        return value
    raise Wrong("a code means a number, or true or false", "write code: number")


class Feature(Wire):
    name: Text
    """How expressions, templates and the release call it."""
    from_: Annotated[
        Literal[
            "Observation",
            "Condition",
            "MedicationRequest",
            "MedicationStatement",
            "Encounter",
            "DocumentReference",
            "Patient",
            "context",
        ]
        | None,
        Field(alias="from"),
    ] = None
    """Required, but where there is `derive`."""
    code: Annotated[tuple[Codes, ...], BeforeValidator(_several)] = ()
    """One code set, or a list of them."""
    take: Take = Take.LATEST
    within: Duration | None = None
    """By effective time. Absent: no limit."""
    max_lag: Duration | None = None
    """Effective to available, the contract with the source; what took longer is used, and noted as late."""
    source: Text | None = None
    """Who owns the feed: a name of `sources` in wardgate.yaml, where there are any."""
    statuses: tuple[Text, ...] | None = None
    """Absent: the usual ones of the resource (docs/features.md)."""
    unit: Text | None = None
    """UCUM; of a derived feature or a length a label."""
    convert: dict[str, Number] = {}
    """Factors from other units; a unit that is not here is a quality mark."""
    plausible: Range | None = None
    type: FeatureType = FeatureType.NUMBER
    map: dict[str, Annotated[float | bool, PlainValidator(_meaning)]] | None = None
    """What codes mean: `code`, or `system|code` where codes of several systems must be told apart."""
    path: Text | None = None
    """In dots, from Patient or the call's Encounter; `length` of a DocumentReference; a field of the context."""
    as_: Annotated[Literal["years", "whole_years", "hours", "days"] | None, Field(alias="as")] = None
    """How a date is read: years, whole_years of the Patient's; hours, days since one of the Encounter's."""
    required: Flag = False
    """An optional feature of the model needs `fill` in the release."""
    use: Use = Use.MODEL
    cohort: Text | None = None
    """The name of the cohort that it makes in rollups."""
    max_missing: Share | None = None
    bins: tuple[Number, ...] = ()
    """Edges for records and rollups, ascending."""
    derive: Text | None = None
    """An expression over other features, instead of `from`."""
    engine: Literal["fhirpath"] | None = None
    """`path` is general FHIRPath, over each whole resource that counts."""

    def spec(self) -> FeatureSpec:
        return FeatureSpec(
            name=self.name,
            source=self.from_ or "",
            codes=tuple(CodeSet(codes.system, frozenset(codes.any)) for codes in self.code),
            take=self.take,
            path=self.path if self.engine is None else None,
            as_=self.as_,
            within=self.within,
            max_lag=self.max_lag,
            feed=self.source,
            statuses=self.statuses,
            unit=self.unit,
            convert=self.convert,
            plausible=self.plausible,
            type=self.type,
            map=self.map,
            required=self.required,
            use=self.use,
            cohort=self.cohort,
            max_missing=self.max_missing,
            bins=self.bins,
            derive=self.derive,
            expression=None if self.engine is None else self.path or "",
        )


class Features(Wire):
    version: Text
    """What releases name; other versions stand in features/<version>.yaml beside this file."""
    features: Annotated[tuple[Feature, ...], Field(min_length=1)]

    def schema_(self) -> FeatureSchema:
        return FeatureSchema(self.version, tuple(feature.spec() for feature in self.features))
