"""From a patient's resources to the measurements that may count for a feature, oldest first.

One pass sorts all resources by the codes that any feature wants. Features with the same codes and statuses
share what is found: status, time and value are looked at once for all of them.
"""

from collections.abc import Callable, Iterable, Sequence
from datetime import date, timedelta
from functools import lru_cache
from operator import attrgetter, itemgetter
from zoneinfo import ZoneInfo

from wardgate.domain.context.fhir import CodeableConcept, Resource
from wardgate.domain.features.values import Holder, codes_in, has_value
from wardgate.domain.times import local_date, parse_instant

Code = tuple[str, str]
"""System and code."""

Found = tuple[Holder, Resource]
"""What carries the value, and the resource whose status and time hold for it."""

Dated = tuple[float, Holder, Resource]
"""A finding with its time in epoch seconds."""

Findings = tuple[list[Dated], list[Found]]
"""Dated ones in ascending order of preference, then the undated ones likewise."""

_Systems = dict[str | None, tuple[int, ...]]
"""Which buckets want a code, by its system."""

CLOCK_SKEW = 300.0
"""Seconds that a time may lie ahead of the call's clock and still be taken for now."""

NEVER = frozenset({"entered-in-error", "cancelled", "draft"})
OBSERVATION_STATUSES = ("final", "amended", "corrected")
CONDITION_STATUSES = ("active", "recurrence", "relapse")
_REFUTED = frozenset({"refuted", "entered-in-error"})
_RANK = {"amended": 1, "corrected": 2}
_NO_CODE = ("", "")
_TIME = itemgetter(0)
_DAY = 86400.0
_EPOCH = date(1970, 1, 1)


class Moment:
    """The clock of one extraction, and the zone in which times without offset are read."""

    __slots__ = ("_today", "as_of", "horizon", "settled", "times", "zone")

    def __init__(self, as_of: float, zone: ZoneInfo) -> None:
        self.as_of = as_of
        self.zone = zone
        self.horizon = as_of + CLOCK_SKEW
        self.times: dict[str, float] = {}  # parsed before: all tests of one specimen share one
        self.settled = _date_of(int(as_of // _DAY) - 2)  # what is written with an earlier date is past in every zone
        self._today: date | None = None

    @property
    def today(self) -> date:
        if self._today is None:
            self._today = local_date(self.as_of, self.zone)
        return self._today

    def has_come(self, text: str | None) -> bool:
        """Whether what became available at this time is there already. In a call it always is; an export also holds
        what came later (law 9)."""
        if not text or "0" <= text < self.settled:
            return True
        at = parse_instant(text, self.zone)
        return at is None or at <= self.horizon


@lru_cache(maxsize=1024)
def _date_of(day: int) -> str:
    """Of a day since 1970."""
    return (_EPOCH + timedelta(days=day)).isoformat()


Gather = Callable[[Sequence[Found], Moment], Findings]


class CodeIndex:
    """Sorts resources into one bucket for each set of codes."""

    __slots__ = ("_everything", "_size", "_wanted")

    def __init__(self, code_sets: Sequence[frozenset[Code]]) -> None:
        self._size = len(code_sets)
        self._everything = [number for number, codes in enumerate(code_sets) if not codes]
        self._wanted: dict[str | None, _Systems] = {}
        for number, codes in enumerate(code_sets):
            for system, code in codes:
                systems = self._wanted.setdefault(code, {})
                systems[system] = (*systems.get(system, ()), number)

    def sort(self, resources: Iterable[Resource]) -> list[list[Found]]:
        """Each resource, or component of it, stands once in every bucket that one of its codings belongs to."""
        buckets: list[list[Found]] = [[] for _ in range(self._size)]
        wanted = self._wanted
        for resource in resources:
            components = resource.component
            holders: tuple[Holder, ...] = (resource,) if components is None else (resource, *components)
            for holder in holders:
                concept = holder.code
                if concept is None or concept.coding is None:
                    continue
                for coding in concept.coding:
                    code = coding.code
                    systems = wanted.get(code)
                    if systems is None:
                        if code is None or (stripped := code.strip()) is code:
                            continue
                        systems = wanted.get(stripped)
                    if systems is not None:
                        _put(systems, coding.system, (holder, resource), buckets)
        return buckets

    def sort_by(self, found: Iterable[Found]) -> list[list[Found]]:
        """The same by each holder's `code` alone; a set without codes takes everything."""
        buckets: list[list[Found]] = [[] for _ in range(self._size)]
        for one in found:
            for number in self._everything:
                buckets[number].append(one)
            concept = one[0].code
            for coding in (concept.coding if concept is not None else None) or ():
                systems = self._wanted.get((coding.code or "").strip())
                if systems is not None:
                    _put(systems, coding.system, one, buckets)
        return buckets


def _put(systems: _Systems, system: str | None, found: Found, buckets: list[list[Found]]) -> None:
    numbers = systems.get(system)
    if numbers is None:
        numbers = systems.get(system.strip(), ()) if system is not None else ()
    for number in numbers:
        bucket = buckets[number]
        if not bucket or bucket[-1][0] is not found[0]:  # several codings of one holder may belong to one bucket
            bucket.append(found)


def normal(status: str | None) -> str | None:
    return None if status is None else status.strip().casefold()


def observations(codes: frozenset[Code], statuses: Iterable[str] | None) -> Gather:
    """Gathers Observations: usable status, a value, and neither measured nor issued ahead of now."""
    usable = frozenset(map(normal, statuses if statuses is not None else OBSERVATION_STATUSES)) - NEVER

    def gather(bucket: Sequence[Found], moment: Moment) -> Findings:
        horizon, zone, times, settled = moment.horizon, moment.zone, moment.times, moment.settled
        dated: list[Dated] = []
        undated: list[Found] = []
        for found in bucket:
            holder, resource = found
            if (resource.status not in usable and normal(resource.status) not in usable) or not has_value(holder):
                continue
            issued = resource.issued
            if issued is not None and not "0" <= issued < settled and not moment.has_come(issued):
                continue
            text = resource.effectiveDateTime
            at = times.get(text) if text else _observed_at(resource, zone)
            if at is None and text:
                at = parse_instant(text, zone)
                if at is not None:
                    times[text] = at
            if at is None:
                undated.append(found)
            elif at <= horizon:
                dated.append((at, holder, resource))
        return settle(dated, undated, codes, zone) if len(dated) > 1 or len(undated) > 1 else (dated, undated)

    return gather


def conditions(codes: frozenset[Code], statuses: Iterable[str] | None) -> Gather:
    """Gathers Conditions: not refuted, of a usable clinical status, neither begun nor recorded ahead of now."""
    usable = frozenset(map(normal, statuses if statuses is not None else CONDITION_STATUSES))
    absent_counts = statuses is None

    def gather(bucket: Sequence[Found], moment: Moment) -> Findings:
        as_of, horizon, zone = moment.as_of, moment.horizon, moment.zone
        dated: list[Dated] = []
        undated: list[Found] = []
        for holder, resource in bucket:
            if not _REFUTED.isdisjoint(_status_codes(resource.verificationStatus)):
                continue
            clinical = _status_codes(resource.clinicalStatus)
            if usable.isdisjoint(clinical) if clinical else not absent_counts or _has_abated(resource, as_of, zone):
                continue
            if not moment.has_come(resource.recordedDate or resource.assertedDate):
                continue
            at = _began_at(resource, zone)
            if at is None:
                undated.append((holder, resource))
            elif at <= horizon:
                dated.append((at, holder, resource))
        return settle(dated, undated, codes, zone) if len(dated) > 1 or len(undated) > 1 else (dated, undated)

    return gather


def _status_codes(status: CodeableConcept | str | None) -> list[str]:
    """A code in STU3, codings in R4; a concept without codes is read by its text."""
    if status is None:
        return []
    if isinstance(status, str):
        texts = [status]
    else:
        texts = list(codes_in(status)) or [status.text or ""]
    return [text for text in (text.strip().casefold() for text in texts) if text]


def _has_abated(resource: Resource, as_of: float, zone: ZoneInfo) -> bool:
    """However it was recorded; not by a date, or a period, that begins later or cannot be read."""
    when: object = resource.abatementDateTime
    if when is None and isinstance(resource.abatementPeriod, dict):
        when = resource.abatementPeriod.get("start")
    if isinstance(when, str):
        at = parse_instant(when, zone)
        return at is not None and at <= as_of
    return any(element not in _NO_ABATEMENT for element in _abatements(resource))


_abatements = attrgetter("abatementPeriod", "abatementAge", "abatementRange", "abatementString", "abatementBoolean")
_NO_ABATEMENT: tuple[object, ...] = (None, False, "", {})


def _observed_at(resource: Resource, zone: ZoneInfo) -> float | None:
    """Without effectiveDateTime. `issued` is no substitute: a result may be issued weeks after its specimen."""
    text = resource.effectiveInstant
    if not text and (period := resource.effectivePeriod) is not None:
        text = period.end or period.start
    return parse_instant(text, zone) if text else None


def _began_at(resource: Resource, zone: ZoneInfo) -> float | None:
    text = resource.onsetDateTime
    if not text and resource.onsetPeriod is not None:
        text = resource.onsetPeriod.start
    text = text or resource.recordedDate or resource.assertedDate
    return parse_instant(text, zone) if text else None


def settle(dated: list[Dated], undated: list[Found], codes: frozenset[Code], zone: ZoneInfo) -> Findings:
    """Brings into order, without what a correction replaced. Nearly always the times alone decide."""
    if len(dated) > 1:
        dated.sort(key=_TIME)
        if _has_ties(dated):
            dated.sort(key=lambda entry: (entry[0], *_preference(entry[2], zone)))
            dated = _without_replaced(dated, codes)
    if len(undated) > 1:
        undated.sort(key=lambda found: _preference(found[1], zone))
    return dated, undated


def _has_ties(dated: Sequence[Dated]) -> bool:
    earlier: float | None = None
    for entry in dated:
        at = entry[0]
        if at == earlier:
            return True
        earlier = at
    return False


def _preference(resource: Resource, zone: ZoneInfo) -> tuple[int, float, float, str]:
    """Of two measurements of one instant the greater counts: corrected, then last issued, then last updated."""
    issued = parse_instant(resource.issued, zone) if resource.issued else None
    updated = parse_instant(resource.meta.lastUpdated, zone) if resource.meta and resource.meta.lastUpdated else None
    return (
        _rank(resource),
        issued if issued is not None else float("-inf"),
        updated if updated is not None else float("-inf"),
        resource.id or "",
    )


def _rank(resource: Resource) -> int:
    return _RANK.get(normal(resource.status) or "", 0)


def _without_replaced(dated: list[Dated], codes: frozenset[Code]) -> list[Dated]:
    """A corrected or amended result replaces all others of its instant and code."""
    preferred: dict[tuple[float, Code], Resource] = {}
    keys = [(at, matched_code(holder, codes)) for at, holder, _ in dated]
    for key, (_, _, resource) in zip(keys, dated, strict=True):
        preferred[key] = resource
    return [
        entry for key, entry in zip(keys, dated, strict=True) if not _rank(preferred[key]) or preferred[key] is entry[2]
    ]


def matched_code(holder: Holder, codes: frozenset[Code]) -> Code:
    """By which code it was found; of several the first in alphabetical order."""
    return min(codes_matched(holder, codes), default=_NO_CODE)


def codes_matched(holder: Holder, codes: frozenset[Code]) -> set[Code]:
    """Those of `codes` that it bears; where no code is asked for, all its own."""
    codings = holder.code.coding if holder.code is not None and holder.code.coding is not None else ()
    own = {((coding.system or "").strip(), (coding.code or "").strip()) for coding in codings}
    return {*codes} & own if codes else own
