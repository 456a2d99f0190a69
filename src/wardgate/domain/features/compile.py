"""Compile a feature schema to an extractor: the one definition of each feature (law 9).

All that can be decided at start is decided here. In a call, one pass sorts the resources by code; then a
closure for each feature takes its value. The hook call and an offline run over an export use the same object.
"""

from collections.abc import Mapping, Sequence
from math import inf
from typing import NamedTuple
from zoneinfo import ZoneInfo

import msgspec

from wardgate.domain.context.prefetch import PrefetchKey
from wardgate.domain.context.record import DRAFT_MEDICATIONS, KeyState, PatientRecord
from wardgate.domain.expressions import Type
from wardgate.domain.features.candidates import Code, CodeIndex, Findings, Found, Gather, Moment
from wardgate.domain.features.check import SchemaProblem, check_schema
from wardgate.domain.features.coverage import codes_of, needs_of
from wardgate.domain.features.derived import Derive, compile_derived, in_order, scope_of, timed_of
from wardgate.domain.features.evaluated import Evaluated
from wardgate.domain.features.events import EventKind, found_in, medicines_of
from wardgate.domain.features.fhirpath import Steps
from wardgate.domain.features.lateness import is_late
from wardgate.domain.features.patient import compile_document, is_deceased
from wardgate.domain.features.schema import FeatureSchema, FeatureSpec, Take, Use
from wardgate.domain.features.sources import CONTEXT, SOURCES
from wardgate.domain.features.takes import Reduce, compile_take, missing
from wardgate.domain.features.values import compile_read
from wardgate.domain.features.vector import FeatureValue, FeatureVector, Mark

__all__ = ["Extractor", "SchemaProblem", "check_schema", "compile_schema"]

_OBTAINED = KeyState.OBTAINED  # looking up a member of an enum costs more than the comparison
_NOTHING = (Mark.MISSING, Mark.STALE)
_DRAFTS = SOURCES[CONTEXT].kind


class _Group(NamedTuple):
    """Features that share all this share what is found."""

    home: str
    measured: bool  # they read the length of its documents
    source: str
    codes: frozenset[Code]
    statuses: tuple[str, ...] | None

    @property
    def kind(self) -> EventKind | None:
        return SOURCES[self.source].kind


class _Home(NamedTuple):
    """What is gathered from one place of the record: a type's resources, or a context field's."""

    name: str
    measured: bool
    sorter: CodeIndex
    groups: tuple[_Group, ...]
    gathers: tuple[Gather, ...]
    kind: EventKind | None


def compile_schema(schema: FeatureSchema, prefetch: Sequence[PrefetchKey]) -> "Extractor":
    """For a schema without problems (see `check_schema`) and the keys of the service that asks."""
    return Extractor(schema, prefetch)


class Extractor:
    """Computes all features of a schema from one patient's record. Holds no state of a call.

    `lagging` are the features whose feed has promised how late it may be.
    """

    __slots__ = (
        "_by_code",
        "_by_encounter",
        "_by_patient",
        "_derived",
        "_evaluated",
        "_events",
        "_groups",
        "_keys",
        "_lags",
        "_slim",
        "_unobtained",
        "_watch",
        "lagging",
        "schema",
    )

    def __init__(self, schema: FeatureSchema, prefetch: Sequence[PrefetchKey]) -> None:
        self.schema = schema
        found = [spec for spec in schema.features if spec.derive is None and not _is_apart(spec)]
        groups = list(dict.fromkeys(_group_of(spec) for spec in found))
        groups.sort(key=lambda group: (group.kind is not None, *group[:2]))  # in the order in which they are filled
        homes = _homes(groups)
        self._groups = groups
        self._slim = [home for home in homes if home.kind is None]
        self._events = [(home, home.kind) for home in homes if home.kind is not None]
        self._by_code: list[tuple[str, int, Reduce]] = [
            (spec.name, groups.index(_group_of(spec)), compile_take(spec, compile_read(spec))) for spec in found
        ]
        documents = [(spec, compile_document(spec)) for spec in schema.features if spec.reads_document]
        self._by_patient = [(spec.name, read) for spec, read in documents if spec.source == "Patient"]
        self._by_encounter = [(spec.name, read) for spec, read in documents if spec.source == "Encounter"]
        whole = [spec for spec in schema.features if spec.expression is not None and not spec.reads_document]
        self._evaluated = [Evaluated(spec) for spec in whole]
        scope = scope_of(schema)
        self._derived: list[tuple[str, Derive]] = [
            (spec.name, compile_derived(spec, scope)) for spec in in_order(schema.features)[0]
        ]
        self._lags = [(spec, groups.index(_group_of(spec))) for spec in found if spec.max_lag is not None]
        self.lagging = tuple(spec.name for spec in schema.features if spec.max_lag is not None)
        self._unobtained = {spec.name: missing(spec, unobtained=True) for spec in schema.features}
        self._watch = [_Watch(spec, prefetch) for spec in schema.features if spec.derive is None]
        uncovered = any(not keys for watch in self._watch for keys in watch.needs)
        self._keys = None if uncovered else frozenset[str]().union(*(k for w in self._watch for k in w.needs))

    def extract(self, record: PatientRecord, as_of: float, zone: ZoneInfo) -> FeatureVector:
        """All features as they stand at `as_of` (epoch seconds); naive times and dates are read in `zone`."""
        moment = Moment(as_of, zone)
        findings: list[Findings] = []
        for home in self._slim:
            buckets = home.sorter.sort(record.resources.get(home.name, ()))
            for gather, bucket in zip(home.gathers, buckets, strict=True):
                findings.append(gather(bucket, moment) if bucket else ([], []))
        unknown = self._find_events(record, moment, findings) if self._events else None
        values: dict[str, FeatureValue] = {}
        for name, group, reduce in self._by_code:
            dated, undated = findings[group]
            values[name] = reduce(dated, undated, as_of)
        evaluated: dict[str, Findings] = {}
        steps = Steps()
        for feature in self._evaluated:
            values[feature.spec.name], evaluated[feature.spec.name] = feature.find(record, moment, steps)
        for name, read in self._by_patient:
            values[name] = read(record.patient or {}, moment, steps)
        for name, read in self._by_encounter:
            values[name] = read(record.encounter or {}, moment, steps)
        if not self._all_obtained(record.keys):
            self._hide_unobtained(record, findings, evaluated, values, as_of)
        if record.doubtful:
            self._hide_doubtful(record.doubtful, values)
        if unknown:
            self._hide_unknown(unknown, moment, values)
        for spec, group in self._lags:
            self._mark_late(spec, findings[group], moment, values)
        for name, derive in self._derived:
            values[name] = derive(values)
        return FeatureVector(values, is_deceased(record.patient, as_of, zone), as_of)

    def scope(self) -> tuple[Mapping[str, Type], frozenset[str]]:
        """The names that expressions may use, with `deceased`; and those whose `age_of` is defined."""
        names = {spec.name: spec.yields for spec in self.schema.features if spec.use is not Use.COHORT_ONLY}
        names["deceased"] = Type.BOOLEAN
        return names, timed_of(self.schema) & names.keys()

    def _find_events(
        self, record: PatientRecord, moment: Moment, findings: list[Findings]
    ) -> dict[str, tuple[_Home, list[Found]]]:
        """Adds to `findings`; by home, those whose code stands in a resource that is not there."""
        medicines = medicines_of(record.resources.get("Medication", ()))
        drafted = medicines | medicines_of(record.resources.get(DRAFT_MEDICATIONS, ()))
        nameless: dict[str, tuple[_Home, list[Found]]] = {}
        for home, kind in self._events:
            known, unknown = found_in(
                kind, record.resources.get(home.name, ()), drafted if kind is _DRAFTS else medicines, home.measured
            )
            buckets = home.sorter.sort_by([*known, *unknown])
            findings += [gather(bucket, moment) for gather, bucket in zip(home.gathers, buckets, strict=True)]
            if unknown:
                nameless[home.name] = home, unknown
        return nameless

    def _all_obtained(self, states: Mapping[str, KeyState]) -> bool:
        if self._keys is None:
            return False
        for key in self._keys:
            if states.get(key) is not _OBTAINED:
                return False
        return True

    def _hide_unobtained(
        self,
        record: PatientRecord,
        findings: Sequence[Findings],
        evaluated: Mapping[str, Findings],
        values: dict[str, FeatureValue],
        as_of: float,
    ) -> None:
        groups = {name: group for name, group, _ in self._by_code}
        for watch in self._watch:
            name = watch.spec.name
            if name in groups:
                dated, _ = findings[groups[name]]
            elif name in evaluated:
                dated, _ = evaluated[name]
            else:
                dated = []
                if (record.patient if watch.spec.source == "Patient" else record.encounter) is not None:
                    continue
            newest = dated[-1][0] if dated else -inf
            unread = watch.unread_before(record, newest, as_of)
            if unread is None:
                values[name] = self._unobtained[name]
            elif values[name].mark is Mark.STALE and newest <= unread:
                values[name] = missing(watch.spec)  # that there is none in the window is all that is known

    def _hide_doubtful(self, types: frozenset[str], values: dict[str, FeatureValue]) -> None:
        """None found, or so many, proves nothing where something was dropped that may be one; one found does."""
        for spec in self.schema.features:
            if spec.home not in types:
                continue
            if spec.take is Take.COUNT or (spec.take is Take.ANY and values[spec.name].value is not True):
                values[spec.name] = self._unobtained[spec.name]

    def _hide_unknown(
        self, unknown: Mapping[str, tuple[_Home, list[Found]]], moment: Moment, values: dict[str, FeatureValue]
    ) -> None:
        """A medicine whose name is not there may be the one that is asked for: what would it say then?"""
        for name, number, reduce in self._by_code:
            group = self._groups[number]
            if group.home not in unknown or not group.codes or values[name].value is True:
                continue
            home, nameless = unknown[group.home]
            gather = home.gathers[home.groups.index(group)]
            possible = reduce(*gather(nameless, moment), moment.as_of)
            if possible.value or possible.mark not in (None, *_NOTHING):
                values[name] = self._unobtained[name]

    def _mark_late(
        self, spec: FeatureSpec, findings: Findings, moment: Moment, values: dict[str, FeatureValue]
    ) -> None:
        value = values[spec.name]
        if value.at is not None and is_late(spec, value.at, findings[0], moment):
            values[spec.name] = msgspec.structs.replace(value, late=True)


class _Watch:
    """Whether what a feature needs to know was obtained. Used only where something was not."""

    __slots__ = ("needs", "spec")

    def __init__(self, spec: FeatureSpec, prefetch: Sequence[PrefetchKey]) -> None:
        self.spec = spec
        self.needs = needs_of(spec, prefetch)

    def unread_before(self, record: PatientRecord, newest: float, as_of: float) -> float | None:
        """The time (epoch seconds) up to which something of it may be unread: -inf where nothing is. None: too much may
        be for a value to be known.

        A partly read key is as good as a whole one where it was read back beyond the window. So it is for `latest`,
        if something was found that is newer than all that is unread; `newest` is the newest that was found.
        """
        latest, window = self.spec.take is Take.LATEST, as_of - (self.spec.within or inf)
        unread = -inf
        for keys in self.needs:
            if any(record.keys.get(key) is KeyState.OBTAINED for key in keys):
                continue
            back_to = min((record.read_back_to.get(key, inf) for key in keys), default=inf)
            if not (back_to < window or (latest and back_to < newest)):
                return None
            unread = max(unread, back_to)
        return unread


def _is_apart(spec: FeatureSpec) -> bool:
    """Whether it does not come from codes and the slim shapes of resources alone."""
    return spec.reads_document or spec.expression is not None


def _group_of(spec: FeatureSpec) -> _Group:
    return _Group(spec.home, spec.reads_length, spec.source, codes_of(spec), spec.statuses)


def _homes(groups: Sequence[_Group]) -> list[_Home]:
    homes = []
    for name, measured in dict.fromkeys(group[:2] for group in groups):
        own = tuple(group for group in groups if group[:2] == (name, measured))
        gathers = tuple(SOURCES[group.source].gather(group.codes, group.statuses) for group in own)
        homes.append(_Home(name, measured, CodeIndex([group.codes for group in own]), own, gathers, own[0].kind))
    return homes
