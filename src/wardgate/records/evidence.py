"""What a release has shown of itself, from its records: the figures that gates ask for.

A *trial* is a decision that nobody could see: beside another release's answer, in mode shadow, or in silent. It is
*live* in canary and active, for whoever was not in the control arm. Previews and repeats count for nothing. Days,
nights and weekends are those of the client's clock, and one counts from `ENOUGH` decisions on.
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from datetime import UTC, date, datetime, timedelta, tzinfo
from math import ceil

from wardgate.domain.gates import Reading
from wardgate.domain.governance import ENOUGH, WINDOW_DAYS, Figure
from wardgate.domain.outcomes import Arm, Mode, Outcome
from wardgate.domain.record_names import RecordNames
from wardgate.domain.records import DecisionRecord, EventType
from wardgate.records.archive import AccessEntry, Archive, ArchiveUnavailable, FeedbackEntry
from wardgate.records.figures import counts_as_card
from wardgate.records.joined import joined

_DAY = 86400.0
_EVENING, _MORNING = 22, 6
_SATURDAY = 5
_PAGE = 500
_PREVIEW = "preview"  # the arm of cards that named users see in silent


class TooSlow(Exception):
    """The records could not be read in the time that there is."""


class EvidenceDesk:
    """Blocking; not for the loop that answers calls. `zones` by client, UTC for one that is not there."""

    def __init__(
        self,
        archive: Archive,
        names: RecordNames,
        zones: Callable[[], Mapping[str, tzinfo]],
        now: Callable[[], float],
        monotonic: Callable[[], float],
        limit: float = 60.0,
    ) -> None:
        """`limit`: seconds for all of it; half of the records would be a wrong figure, so none is given then."""
        self._archive, self._names, self._zones = archive, names, zones
        self._now, self._monotonic, self._limit = now, monotonic, limit

    def figures(
        self, service: str, digest: str, required: Collection[str], wanted: Collection[Figure], who: str
    ) -> Mapping[Figure, Reading]:
        """Of the last `WINDOW_DAYS` days. The look is on the access log before anything is given out."""
        now, end = self._now(), self._monotonic() + self._limit
        tally = Tally(required, self._zones())
        try:
            for record, last in self._read(service, digest, now, end, Figure.OVERRIDE_RATE in wanted):
                tally.add(record)
                if last is not None and counts_as_card(record):
                    tally.report(last.outcome == "overridden" and last.override_class == "disagree")
            self._archive.note_access(AccessEntry(now, who, "gate", digest, tally.records))
        except ArchiveUnavailable as error:
            return dict.fromkeys(wanted, Reading(None, error.trouble.meaning))
        except TooSlow:
            return dict.fromkeys(wanted, Reading(None, f"the records were not read within {self._limit:g} s"))
        return {figure: tally.reading(figure) for figure in wanted}

    def _read(
        self, service: str, digest: str, now: float, end: float, reports: bool
    ) -> Iterator[tuple[DecisionRecord, FeedbackEntry | None]]:
        since = now - WINDOW_DAYS * _DAY
        records = self._until(end, self._archive.decisions(since, now, service_id=service, release_digest=digest))
        if not reports:
            yield from ((record, None) for record in records)
        else:
            yield from ((each.record, each.last) for each in joined(self._archive, records, self._names, {}))

    def _until(self, end: float, records: Iterable[DecisionRecord]) -> Iterator[DecisionRecord]:
        for number, record in enumerate(records):
            if number % _PAGE == 0 and self._monotonic() > end:
                raise TooSlow
            yield record


class Tally:
    """Pure: takes the records of one release, in any order. Holds counts, and a float for each decision's time."""

    def __init__(self, required: Collection[str], zones: Mapping[str, tzinfo]) -> None:
        self._required, self._zones = frozenset(required), zones
        self.records = 0
        self._days: Counter[date] = Counter()
        self._nights: Counter[date] = Counter()
        self._weekends: Counter[tuple[int, int]] = Counter()
        self._sites: Counter[str] = Counter()
        self._live: Counter[date] = Counter()
        self._lacking: Counter[str] = Counter()
        self._with_inputs = self._asked = self._failed = self._calls = self._would_show = 0
        self._reported = self._disagreed = 0
        self._times: list[float] = []

    def add(self, record: DecisionRecord) -> None:
        self.records += 1
        if record.repeats is not None or record.arm == _PREVIEW or not _computed(record):
            return
        at = datetime.fromtimestamp(record.at, self._zones.get(record.client, UTC))
        if record.event_type is EventType.SHADOW or record.mode == Mode.SILENT:
            self._trial(record, at)
        elif record.arm != Arm.CONTROL and record.mode in (Mode.CANARY, Mode.ACTIVE):
            self._live[at.date()] += 1
        self._quality(record)

    def report(self, disagreed: bool) -> None:
        """What a clinician did with a card of it."""
        self._reported += 1
        self._disagreed += disagreed

    def reading(self, figure: Figure) -> Reading:
        match figure:
            case Figure.SHADOW_DAYS:
                return Reading(_enough(self._days))
            case Figure.NIGHTS:
                return Reading(_enough(self._nights))
            case Figure.WEEKENDS:
                return Reading(_enough(self._weekends))
            case Figure.SITES:
                return Reading(_enough(self._sites))
            case Figure.DECISIONS:
                return Reading(self._days.total())
            case Figure.CANARY_DAYS:
                return Reading(_enough(self._live))
            case Figure.CANARY_DECISIONS:
                return Reading(self._live.total())
            case Figure.P99_MS:
                return _p99(self._times)
            case Figure.MISSING:
                return self._missing()
            case Figure.ERRORS:
                return _share(self._failed, self._asked, "no score was wanted of it yet")
            case Figure.ALERT_BURDEN:
                return _share(100 * self._would_show, self._calls, "it was not called yet")
            case Figure.OVERRIDE_RATE:
                return _share(self._disagreed, self._reported, "nothing was reported of its cards yet")
            case _:
                return Reading(None, "not a figure of the records")

    def _trial(self, record: DecisionRecord, at: datetime) -> None:
        self._days[at.date()] += 1
        if at.hour >= _EVENING or at.hour < _MORNING:
            self._nights[(at - timedelta(hours=_MORNING)).date()] += 1
        if at.weekday() >= _SATURDAY:
            year, week, _ = at.isocalendar()
            self._weekends[year, week] += 1
        if record.site_id not in (None, "other"):
            self._sites[str(record.site_id)] += 1

    def _quality(self, record: DecisionRecord) -> None:
        self._calls += 1
        self._would_show += record.outcome in (Outcome.SHOWN, Outcome.WITHHELD) and bool(record.card_uuids)
        failed = record.outcome == Outcome.UNAVAILABLE or record.fallback_from is not None
        self._failed += failed
        self._asked += failed or record.score is not None
        if record.inputs and record.outcome != Outcome.OUT_OF_SCOPE:
            self._with_inputs += 1
            self._lacking.update(
                fact.name for fact in record.inputs if fact.mark is not None and fact.name in self._required
            )
        taken = _time_of(record)
        if taken is not None:
            self._times.append(taken)

    def _missing(self) -> Reading:
        if not self._with_inputs:
            return Reading(None, "no inputs were recorded yet")
        name, most = max(self._lacking.items(), key=lambda each: each[1], default=("", 0))
        return Reading(most / self._with_inputs, name)


def _computed(record: DecisionRecord) -> bool:
    """In mode shadow, the answer to the call computes nothing: what stands beside it does. Nor does what was off or
    refused."""
    answered = record.event_type is EventType.SHADOW or record.mode not in (Mode.SHADOW, Mode.OFF, Mode.NONE)
    return answered and record.outcome not in (Outcome.OFF, Outcome.SHED, Outcome.REFUSED)


def _time_of(record: DecisionRecord) -> float | None:
    """Milliseconds until the record; beside an answer, of its own stages."""
    if record.event_type is EventType.SHADOW:
        return sum(record.stages_ms.values()) if record.stages_ms else None
    return record.latency_ms


def _enough(counts: Counter[date] | Counter[tuple[int, int]] | Counter[str]) -> float:
    return float(sum(count >= ENOUGH for count in counts.values()))


def _share(part: int, whole: int, otherwise: str) -> Reading:
    return Reading(part / whole) if whole else Reading(None, otherwise)


def _p99(times: list[float]) -> Reading:
    """The nearest rank."""
    if not times:
        return Reading(None, "no times were recorded yet")
    return Reading(sorted(times)[ceil(0.99 * len(times)) - 1])
