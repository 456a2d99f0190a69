"""What a change would alter, by the calls of the last day: each is assigned once more, as it is decided now and as it
would be, and what the model said then is taken as it was.

That is no forecast: another release may have said something else, which is known only where it was asked in shadow.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

import msgspec

from wardgate.domain.context.caller import Caller
from wardgate.domain.outcomes import Mode, Outcome
from wardgate.domain.records import DecisionRecord, EventType
from wardgate.domain.rollout.assignment import Assignment, Occasion, assign_again
from wardgate.domain.rollout.rollouts import Snapshot
from wardgate.records.archive import AccessEntry, Archive

DAY = 86400.0
MOST = 50_000
"""Calls that are looked at: the newest."""
SITES = 20
_WHERE = ("site_id", "unit", "specialty", "user_role", "bucket", "bucket_by")
_STEP = 3600.0
"""Seconds of records that are read at a time, from now backwards."""


class SiteImpact(msgspec.Struct):
    calls: int = 0
    shown_before: int = 0
    shown_after: int = 0


class ServiceImpact(msgspec.Struct):
    """`calls` of the span. Cards `shown_before`, and `shown_after` the change; `unknown_after`: calls that another
    release would have answered, which was not asked then."""

    calls: int = 0
    shown_before: int = 0
    shown_after: int = 0
    unknown_after: int = 0
    sites: dict[str, SiteImpact] = {}
    """Those with the most calls; `unknown`: nobody knew where."""


class Impact(msgspec.Struct, frozen=True):
    """`since`: epoch seconds. `sample`: there were more calls than are looked at; these are the newest."""

    since: float
    calls: int
    sample: bool
    services: dict[str, ServiceImpact]


@dataclass(frozen=True, slots=True)
class ImpactDesk:
    """Blocking; not for the loop that answers calls. `names_sites`: services with thresholds of their own for sites.
    Raises ArchiveUnavailable."""

    archive: Archive
    now: Callable[[], float]
    names_sites: Callable[[], frozenset[str]]
    most: int = MOST

    def of(self, before: Snapshot, after: Snapshot, services: Iterable[str], who: str, span: float = DAY) -> Impact:
        """Of these services. The look is on the access log before anything is given out."""
        now, wanted = self.now(), sorted(services)
        since, tally, read = now - span, _Tally(before, after, self.names_sites()), 0
        oldest, sample = now, False
        while oldest > since and not sample:
            newer, oldest = oldest, max(oldest - _STEP, since)
            for service in wanted:
                for record, beside in _together(self.archive.decisions(oldest, newer, service_id=service)):
                    tally.add(record, beside)
                    read += 1
            sample = read > self.most
        subject = wanted[0] if len(wanted) == 1 else "all"
        self.archive.note_access(AccessEntry(now, who, "impact", subject, read))
        return Impact(oldest, read, sample and oldest > since, tally.ended(wanted))


def _together(records: Iterator[DecisionRecord]) -> Iterator[tuple[DecisionRecord, Mapping[str, bool]]]:
    """Each call with what the releases beside it would have shown, by digest. Both have the clock of the call. Where a
    call in mode shadow came from is known of what was asked after it."""
    calls: list[DecisionRecord] = []
    beside: dict[str, dict[str, bool]] = {}
    located: dict[str, DecisionRecord] = {}
    at = float("-inf")
    for record in records:
        if record.at != at:
            yield from _each(calls, beside, located)
            calls, beside, located, at = [], {}, {}, record.at
        if record.event_type is EventType.SHADOW:
            beside.setdefault(record.of or "", {})[record.release_digest or ""] = bool(record.card_uuids)
            located[record.of or ""] = record
        else:
            calls.append(record)
    yield from _each(calls, beside, located)


def _each(
    calls: Iterable[DecisionRecord], beside: Mapping[str, Mapping[str, bool]], located: Mapping[str, DecisionRecord]
) -> Iterator[tuple[DecisionRecord, Mapping[str, bool]]]:
    for call in calls:
        there = located.get(call.decision_id)
        if call.mode == Mode.SHADOW and there is not None:
            known = {name: getattr(there, name) for name in _WHERE}
            call = msgspec.structs.replace(call, **known)
        yield call, beside.get(call.decision_id, {})


class _Tally:
    def __init__(self, before: Snapshot, after: Snapshot, names_sites: frozenset[str]) -> None:
        self._before, self._after, self._names_sites = before, after, names_sites
        self._services: dict[str, ServiceImpact] = {}

    def add(self, record: DecisionRecord, beside: Mapping[str, bool]) -> None:
        if record.repeats is not None:  # it is counted where it was answered first
            return
        service = self._services.setdefault(record.service_id, ServiceImpact())
        known = {**beside, record.release_digest or "": bool(record.card_uuids)} if _computed(record) else beside
        before, after = (self._shown(snapshot, record, known) for snapshot in (self._before, self._after))
        site = service.sites.setdefault(record.site_id or "unknown", SiteImpact())
        for each in (service, site):
            each.calls += 1
            each.shown_before += bool(before)
            each.shown_after += bool(after)
        service.unknown_after += after is None

    def ended(self, services: Iterable[str]) -> dict[str, ServiceImpact]:
        found = {name: self._services.get(name, ServiceImpact()) for name in services}
        for impact in found.values():
            most = sorted(impact.sites.items(), key=lambda each: (-each[1].calls, each[0]))[:SITES]
            impact.sites = dict(most)
        return found

    def _shown(self, snapshot: Snapshot, record: DecisionRecord, known: Mapping[str, bool]) -> bool | None:
        """None: nobody asked that release then."""
        assigned = assigned_again(snapshot, record, record.service_id in self._names_sites)
        if record.mode == Mode.SHADOW and not known and not assigned.closed:  # nobody was asked, so nobody was located
            return None
        if assigned.withheld is not None or assigned.preview:
            return False
        return known.get(assigned.release)


def _computed(record: DecisionRecord) -> bool:
    """In off and shadow, nothing is."""
    none = (Outcome.OFF, Outcome.SHED, Outcome.REFUSED)
    return record.mode not in (Mode.OFF, Mode.SHADOW, Mode.NONE) and record.outcome not in none


def assigned_again(snapshot: Snapshot, record: DecisionRecord, names_sites: bool) -> Assignment:
    occasion = Occasion(
        record.hook,
        Caller(record.site_id, record.unit, record.specialty, record.user_role),
        record.at,
        record.client,
        None,
        "",
        users=() if record.user is None else (record.user,),
    )
    return assign_again(snapshot, record.service_id, occasion, names_sites, record.bucket_by, record.bucket)
