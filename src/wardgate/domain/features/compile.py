"""Compile a feature schema to an extractor: the one definition of each feature (law 9).

All that can be decided at start is decided here. In a call, one pass sorts the resources by code; then a
closure for each feature takes its value. The hook call and an offline run over an export use the same object.
"""

from collections.abc import Mapping, Sequence
from zoneinfo import ZoneInfo

from wardgate.domain.context.prefetch import PrefetchKey
from wardgate.domain.context.record import KeyState, PatientRecord
from wardgate.domain.expressions import Type
from wardgate.domain.features.candidates import (
    Code,
    CodeIndex,
    Findings,
    Gather,
    Times,
    codes_matched,
    conditions,
    observations,
)
from wardgate.domain.features.check import SchemaProblem, check_schema
from wardgate.domain.features.coverage import codes_of, keys_by_code, needs_of
from wardgate.domain.features.derived import Derive, compile_derived, in_order, scope_of, timed_of
from wardgate.domain.features.patient import ReadPatient, compile_patient, is_deceased
from wardgate.domain.features.schema import FeatureSchema, FeatureSpec, Take, Use
from wardgate.domain.features.takes import Reduce, compile_take, missing
from wardgate.domain.features.values import compile_read
from wardgate.domain.features.vector import FeatureValue, FeatureVector
from wardgate.domain.times import local_date

__all__ = ["Extractor", "SchemaProblem", "check_schema", "compile_schema"]

_OBTAINED = KeyState.OBTAINED  # looking up a member of an enum costs more than the comparison
_GATHER = {"Observation": observations, "Condition": conditions}

_Group = tuple[str, frozenset[Code], tuple[str, ...] | None]
"""Source, codes and statuses: features that share them share what is found."""


def compile_schema(schema: FeatureSchema, prefetch: Sequence[PrefetchKey]) -> "Extractor":
    """For a schema without problems (see `check_schema`) and the keys of the service that asks."""
    return Extractor(schema, prefetch)


class Extractor:
    """Computes all features of a schema from one patient's record. Holds no state of a call."""

    __slots__ = ("_by_code", "_by_patient", "_derived", "_keys", "_sources", "_unobtained", "_watch", "schema")

    def __init__(self, schema: FeatureSchema, prefetch: Sequence[PrefetchKey]) -> None:
        self.schema = schema
        groups = list(dict.fromkeys(_group_of(spec) for spec in schema.features if spec.source in _GATHER))
        groups.sort(key=lambda group: group[0])  # by source, in the order in which `extract` fills them
        self._sources = [_source(source, groups) for source in _GATHER if any(g[0] == source for g in groups)]
        self._sources.sort(key=lambda source: source[0])
        self._by_code: list[tuple[str, int, Reduce]] = []
        self._by_patient: list[tuple[str, ReadPatient]] = []
        for spec in schema.features:
            if spec.source in _GATHER:
                reduce = compile_take(spec, compile_read(spec))
                self._by_code.append((spec.name, groups.index(_group_of(spec)), reduce))
            elif spec.derive is None:
                self._by_patient.append((spec.name, compile_patient(spec)))
        scope = scope_of(schema)
        self._derived: list[tuple[str, Derive]] = [
            (spec.name, compile_derived(spec, scope)) for spec in in_order(schema.features)[0]
        ]
        self._unobtained = {spec.name: missing(spec, unobtained=True) for spec in schema.features}
        self._watch = [_Watch(spec, prefetch) for spec in schema.features if spec.derive is None]
        uncovered = any(not keys for watch in self._watch for keys in watch.needs)
        self._keys = None if uncovered else frozenset[str]().union(*(k for w in self._watch for k in w.needs))

    def extract(self, record: PatientRecord, as_of: float, zone: ZoneInfo) -> FeatureVector:
        """All features as they stand at `as_of` (epoch seconds); naive times and dates are read in `zone`."""
        findings: list[Findings] = []
        times: Times = {}
        for source, index, gathers in self._sources:
            buckets = index.sort(record.resources.get(source, ()))
            for gather, bucket in zip(gathers, buckets, strict=True):
                findings.append(gather(bucket, as_of, zone, times) if bucket else ([], []))
        values: dict[str, FeatureValue] = {}
        for name, group, reduce in self._by_code:
            dated, undated = findings[group]
            values[name] = reduce(dated, undated, as_of)
        if self._by_patient:
            self._read_patient(record, as_of, zone, values)
        if not self._all_obtained(record.keys):
            self._hide_unobtained(record, findings, values)
        if record.doubtful:
            self._hide_doubtful(record.doubtful, values)
        for name, derive in self._derived:
            values[name] = derive(values)
        return FeatureVector(values, is_deceased(record.patient, as_of, zone), as_of)

    def scope(self) -> tuple[Mapping[str, Type], frozenset[str]]:
        """The names that expressions may use, with `deceased`; and those whose `age_of` is defined."""
        names = {spec.name: spec.yields for spec in self.schema.features if spec.use is not Use.COHORT_ONLY}
        names["deceased"] = Type.BOOLEAN
        return names, timed_of(self.schema) & names.keys()

    def _read_patient(
        self, record: PatientRecord, as_of: float, zone: ZoneInfo, values: dict[str, FeatureValue]
    ) -> None:
        today = local_date(as_of, zone)
        patient = record.patient if record.patient is not None else {}
        for name, read in self._by_patient:
            values[name] = read(patient, today)

    def _all_obtained(self, states: Mapping[str, KeyState]) -> bool:
        if self._keys is None:
            return False
        for key in self._keys:
            if states.get(key) is not _OBTAINED:
                return False
        return True

    def _hide_unobtained(
        self, record: PatientRecord, findings: Sequence[Findings], values: dict[str, FeatureValue]
    ) -> None:
        groups = {name: group for name, group, _ in self._by_code}
        for watch in self._watch:
            name = watch.spec.name
            if name in groups:
                known = watch.is_known(record.keys, findings[groups[name]])
            else:
                known = record.patient is not None or watch.is_known(record.keys, ([], []))
            if not known:
                values[name] = self._unobtained[name]

    def _hide_doubtful(self, types: frozenset[str], values: dict[str, FeatureValue]) -> None:
        """None found, or so many, proves nothing where something was dropped that may be one; one found does."""
        for spec in self.schema.features:
            if spec.source not in types:
                continue
            if spec.take is Take.COUNT or (spec.take is Take.ANY and values[spec.name].value is not True):
                values[spec.name] = self._unobtained[spec.name]


class _Watch:
    """Whether what a feature needs to know was obtained. Used only where something was not."""

    __slots__ = ("_by_code", "_codes", "needs", "spec")

    def __init__(self, spec: FeatureSpec, prefetch: Sequence[PrefetchKey]) -> None:
        self.spec = spec
        self.needs = needs_of(spec, prefetch)
        self._by_code = keys_by_code(spec, prefetch)
        self._codes = codes_of(spec)

    def is_known(self, states: Mapping[str, KeyState], findings: Findings) -> bool:
        """One obtained key for each code; `latest` may also rest on the newest part of a key.

        Of a partly read key the newest is known only where something was found: an unread page may hold
        an older result of a code that the read pages do not show.
        """
        for keys in self.needs:
            if any(states.get(key) is KeyState.OBTAINED for key in keys):
                continue
            newest = [key for key in keys if states.get(key) is KeyState.PARTIAL_NEWEST]
            if self.spec.take is not Take.LATEST or not newest or self._found_by(findings).isdisjoint(newest):
                return False
        return True

    def _found_by(self, findings: Findings) -> frozenset[str]:
        """The keys that ask for a code under which something was found."""
        dated, _ = findings
        pairs = {pair for _, holder, _ in dated for pair in codes_matched(holder, self._codes)}
        return frozenset[str]().union(*(self._by_code[f"{system}|{code}"] for system, code in pairs))


def _group_of(spec: FeatureSpec) -> _Group:
    return spec.source, codes_of(spec), spec.statuses


def _source(source: str, groups: Sequence[_Group]) -> tuple[str, CodeIndex, list[Gather]]:
    own = [group for group in groups if group[0] == source]
    index = CodeIndex([codes for _, codes, _ in own])
    return source, index, [_GATHER[source](codes, statuses) for _, codes, statuses in own]
