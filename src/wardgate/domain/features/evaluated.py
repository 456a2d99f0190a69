"""Features by FHIRPath (`engine: fhirpath`): the value of each resource that counts is what an expression yields.

Which resources count, their order, `within` and `take` are those of any other feature. Whole resources are decoded
here, one by one and newest first, and no more of them than the bounds of `fhirpath.py` and MAX_RESOURCES allow.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from math import inf
from typing import Any

import msgspec

from wardgate.domain.context.fhir import Component, Resource
from wardgate.domain.context.lenient import Unreadable, lenient_document
from wardgate.domain.context.record import PatientRecord
from wardgate.domain.features.candidates import CodeIndex, Dated, Findings, Found, Moment
from wardgate.domain.features.coverage import codes_of
from wardgate.domain.features.events import found_in, medicines_of
from wardgate.domain.features.fhirpath import UNREADABLE, Exhausted, Steps, compile_fhirpath, holder_of
from wardgate.domain.features.lateness import is_late
from wardgate.domain.features.schema import FeatureSchema, FeatureSpec, Take
from wardgate.domain.features.sources import PATIENT, SOURCES
from wardgate.domain.features.takes import compile_take, missing
from wardgate.domain.features.values import compile_read
from wardgate.domain.features.vector import FeatureValue, Mark

MAX_RESOURCES = 50
"""Resources that one feature looks at in one call."""

_ENOUGH = 5
"""Values of `latest`: the one, and those of its trend."""


class Evaluated:
    """One feature. Holds no state of a call."""

    __slots__ = (
        "_codes",
        "_counted",
        "_enough",
        "_evaluate",
        "_gather",
        "_kind",
        "_sorter",
        "_take",
        "_unknown",
        "spec",
    )

    def __init__(self, spec: FeatureSpec) -> None:
        """For a spec with an expression that `fhirpath.problem_of` has nothing against."""
        source, codes = SOURCES[spec.source], codes_of(spec)
        self.spec = spec
        self._gather = source.gather(codes, spec.statuses)
        self._kind = source.kind
        self._codes = codes
        self._sorter = CodeIndex([codes])
        self._evaluate = compile_fhirpath(spec.expression or "")
        self._take = compile_take(spec, compile_read(spec))
        self._counted = spec.take in (Take.COUNT, Take.ANY)
        self._enough = _ENOUGH if spec.take is Take.LATEST else inf
        self._unknown = missing(spec, unobtained=True)

    def find(self, record: PatientRecord, moment: Moment, steps: Steps) -> tuple[FeatureValue, Findings]:
        """The value, and what it rests on; `steps` are those of the whole call. Unobtained where not all could be
        looked at that `take` rests on."""
        candidates, named = self._candidates(record)
        dated, undated = self._gather(candidates, moment)
        findings, unsure, seen = self._evaluated(dated, undated, record.wholes, moment, steps)
        value = self._take(*findings, moment.as_of)
        if unsure and value.value is not True:
            value = self._unreadable(unsure[0], moment)
        if not (named and seen) and value.value is not True and (self.spec.take is not Take.LATEST or not findings[0]):
            return self._unknown, findings
        if value.at is not None and is_late(self.spec, value.at, findings[0], moment):
            value = msgspec.structs.replace(value, late=True)
        return value, findings

    def _candidates(self, record: PatientRecord) -> tuple[Sequence[Found], bool]:
        """Each resource once that its code, or that of a component, chooses; whether it has a value is for the
        expression to say. False where the code of one stands in a resource that is not there."""
        resources = record.resources.get(self.spec.home, ())
        if self._kind is not None:
            medicines = medicines_of(record.resources.get("Medication", ()))
            found, nameless = found_in(self._kind, resources, medicines, measured=False)
            return self._sorter.sort_by(found)[0], not (nameless and self._codes)
        if self._codes:
            resources = tuple({id(one): one for _, one in self._sorter.sort(resources)[0]}.values())
        return [(Component(one.code, valueBoolean=True), one) for one in resources], True

    def _evaluated(
        self,
        dated: Sequence[Dated],
        undated: Sequence[Found],
        wholes: Mapping[int, msgspec.Raw],
        moment: Moment,
        steps: Steps,
    ) -> tuple[Findings, list[float | None], bool]:
        """The same with values, without those that have none; the times, newest first, of those of which `any` and
        `count` cannot tell; and whether all were looked at that count."""
        looked_at = 0
        newest_first: Iterator[tuple[float | None, Resource]] = chain(
            ((at, resource) for at, _, resource in reversed(dated)),
            ((None, resource) for _, resource in reversed(undated)),
        )
        known: list[Dated] = []
        timeless: list[Found] = []
        unsure: list[float | None] = []
        for at, resource in newest_first:
            if len(known) >= self._enough or (
                known and at is not None and moment.as_of - at > (self.spec.within or inf)
            ):
                break
            looked_at += 1
            if looked_at > MAX_RESOURCES:
                return (known[::-1], timeless[::-1]), unsure, False
            try:
                value = self._value_of(resource, wholes, steps)
            except Exhausted:
                return (known[::-1], timeless[::-1]), unsure, False
            if value is None or (self._counted and value is False):
                continue
            if self._counted and value is UNREADABLE:
                if self.spec.within is None or (at is not None and moment.as_of - at <= self.spec.within):
                    unsure.append(at)
                continue
            holder = holder_of(resource, value)
            if at is None:
                timeless.append((holder, resource))
            else:
                known.append((at, holder, resource))
        return (known[::-1], timeless[::-1]), unsure, True

    def _unreadable(self, at: float | None, moment: Moment) -> FeatureValue:
        age = None if at is None else max(moment.as_of - at, 0.0)
        return FeatureValue(self.spec.name, None, Mark.NOT_NUMERIC, at, age)

    def _value_of(self, resource: Resource, wholes: Mapping[int, msgspec.Raw], steps: Steps) -> Any:
        try:
            document = lenient_document(wholes[id(resource)])
        except (KeyError, Unreadable):
            return UNREADABLE
        return self._evaluate(document, steps)


def reads_whole(schema: FeatureSchema) -> bool:
    """Whether an expression reads whole resources; the Patient is whole in any case. Then all keys are read so: what
    counts is the union of what they hold, and each may hold resources of any type."""
    return any(spec.expression is not None and spec.source != PATIENT for spec in schema.features)
