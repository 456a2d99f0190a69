"""Where records are looked at, and where outcomes come in. Every look is on the access log before anything is given
out; where that cannot be written, there is nothing to see (ArchiveUnavailable)."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC

import msgspec

from wardgate.domain.clients import Client
from wardgate.domain.feedback import DOUBT
from wardgate.domain.follow_up import FollowUp
from wardgate.domain.record_names import RecordNames
from wardgate.domain.records import DecisionRecord
from wardgate.domain.times import parse_full_instant
from wardgate.records.archive import AccessEntry, AffectedRow, Archive, BatchResult, OutcomeBatch
from wardgate.records.figures import CardFigures, OutcomeFigures, feedback_figures, outcome_figures
from wardgate.records.joined import Joined, joined
from wardgate.records.outcomes import Form, Ground, OutcomeReader, ground_of
from wardgate.records.story import ReleaseNow, Story, stories

MONTH = 30 * 86400.0
ALWAYS = float("inf")
"""For `span_of`."""

NOTHING = "nothing"
"""The subject of a look that found nothing."""
_NAMED_STORIES = 20


@dataclass(frozen=True, slots=True)
class Facts:
    """What the configuration at hand says: `releases` by digest, `rules` by service, `clients` by name, and the ids of
    its services."""

    clients: Mapping[str, Client]
    rules: Mapping[str, FollowUp]
    releases: Mapping[str, ReleaseNow]
    services: frozenset[str]


class Span(msgspec.Struct, frozen=True):
    """Epoch seconds, half open."""

    since: float
    until: float


class NoTime(Exception):
    """What was named is no span of time; `what` says why, and how to name one."""

    def __init__(self, what: str) -> None:
        super().__init__(what)
        self.what = what


def span_of(since: str | None, until: str | None, now: float, usual: float) -> Span:
    """Dates and times without an offset are UTC's. Without `until` to now; without `since` the `usual` seconds before
    that. Raises NoTime."""
    end = now if until is None else _instant(until, "until")
    begin = max(end - usual, 0.0) if since is None else _instant(since, "since")
    if since is not None and begin >= end:
        named = "now" if until is None else "`until` (--to)"
        raise NoTime(f"`since` (--from) is not before {named}: there is no time between the two.")
    return Span(begin, end)


def _instant(text: str, name: str) -> float:
    at = parse_full_instant(text, UTC)
    if at is None:
        raise NoTime(f"`{name}` is no date or time: write 2026-03-01, or 2026-03-01T08:00:00Z.")
    return at


class AffectedSummary(msgspec.Struct, frozen=True):
    """Who was shown cards of these releases. Patients, encounters and users are counted by their pseudonyms; the same
    person under two clients, or after a change of key, counts twice."""

    digests: tuple[str, ...]
    span: Span
    decisions: int
    first: float | None
    last: float | None
    patients: int
    encounters: int
    users: int
    services: Mapping[str, int]
    sites: Mapping[str, int]
    units: Mapping[str, int]
    steps: Mapping[str, int]


class Loaded(msgspec.Struct, frozen=True):
    """`read` rows were sound, `skipped` were not; `result` is what the store made of the sound ones, a row for each key
    of the ring."""

    read: int
    skipped: int
    digest: str
    result: BatchResult


class Ambiguous(Exception):
    """Several releases are called so. `what` is a sentence for a person."""

    def __init__(self, digests: Sequence[str]) -> None:
        super().__init__("several releases are called so")
        self.what = f"More than one release is called so: {', '.join(digests)}. Name one by more of its digits."


class RecordsDesk:
    """Blocking; not for the loop that answers calls. `facts` are asked anew each time: a reload may change them."""

    def __init__(
        self, archive: Archive, names: RecordNames, now: Callable[[], float], facts: Callable[[], Facts]
    ) -> None:
        self._archive = archive
        self._names = names
        self.now = now
        self._facts = facts

    # looks

    def trace(self, asked: str, principal: str, action: str = "trace") -> tuple[Story, ...]:
        """See `stories`."""
        facts = self._facts()
        found = stories(self._archive, self._names, sorted(facts.clients), asked, facts.rules, facts.releases)
        for story in found[:_NAMED_STORIES]:
            self._note(principal, action, story.decision.decision_id, 1)
        if len(found) > _NAMED_STORIES or not found:
            self._note(principal, action, NOTHING if not found else "more of the same call", len(found))
        return found

    def digests(self, release: str) -> tuple[str, ...]:
        """Of a digest or its beginning, or of `model@version`; none of what never decided: anything may be asked for,
        also the hash of a patient's name, and the access log has only digests of wardgate's own (law 4). Raises
        Ambiguous."""
        model, at, version = release.rpartition("@")
        if at:
            return tuple(self._archive.digests_of(model, version))
        found = tuple(self._archive.digests_like(f"sha256:{release.removeprefix('sha256:')}"))
        if len(found) > 1:
            raise Ambiguous(found)
        return found

    def affected(
        self, digests: Sequence[str], span: Span, principal: str
    ) -> tuple[AffectedSummary, Iterator[AffectedRow]]:
        """The summary, and then each decision, oldest first within a digest; up to now."""
        span = Span(span.since, min(span.until, self.now()))
        summary = summary_of(digests, span, self._affected(digests, span))
        for digest in digests or (NOTHING,):
            self._note(principal, "affected", digest, summary.decisions)
        return summary, self._affected(digests, span)

    def export(self, span: Span, principal: str, service_id: str = "") -> Iterator[Joined]:
        """Every decision with what came home to it, oldest first. On the access log at its beginning, and at its end
        with its number."""
        subject = self._service(service_id)
        self._note(principal, "export", subject, 0)
        return self._exported(span, principal, service_id, subject)

    def _exported(self, span: Span, principal: str, service_id: str, subject: str) -> Iterator[Joined]:
        rows = 0
        try:
            for each in self._joined(span, service_id):
                rows += 1
                yield each
        finally:
            self._note(principal, "export", subject, rows)

    def _service(self, service_id: str) -> str:
        """As the access log may have it: what is asked for may be anything, also a patient's name (law 4)."""
        if not service_id:
            return "all services"
        return service_id if self.knows(service_id) else "a service that is not configured"

    def knows(self, service_id: str) -> bool:
        """Whether it is one of the configuration's."""
        return service_id in self._facts().services

    # figures, which show nobody

    def feedback_figures(self, service_id: str, span: Span) -> list[CardFigures]:
        return feedback_figures(self._joined(span, service_id))

    def unmatched(self, service_id: str, span: Span) -> int:
        """Reports that came in this time of cards that their client did not get, or whose record never came."""
        reports = self._archive.feedback(span.since, span.until, service_id=service_id)
        return sum(decision is None for _, decision in reports)

    def outcome_figures(self, service_id: str, span: Span) -> list[OutcomeFigures]:
        return outcome_figures(self._joined(span, service_id))

    # what comes in

    def ground(self, source: str, client: str | None, fhir_server: str | None) -> Ground:
        """See `ground_of`."""
        facts = self._facts()
        labels = frozenset(rule.label for rule in facts.rules.values())
        return ground_of(facts.clients, labels, source, client, fhir_server)

    def load_outcomes(self, lines: Iterable[bytes], form: Form, ground: Ground, skip_bad: bool = False) -> Loaded:
        """All rows or none; raises BadRows, NoHeader, and whatever `lines` raises."""
        reader = OutcomeReader(ground, self._names, skip_bad, self.now() + DOUBT)

        def batch() -> OutcomeBatch:
            return OutcomeBatch(reader.digest, ground.source, self.now(), reader.earlier_digests)

        result = self._archive.add_outcomes(reader.rows(lines, form), batch)
        return Loaded(reader.read, reader.skipped, reader.digest, result)

    def _joined(self, span: Span, service_id: str) -> Iterator[Joined]:
        records: Iterable[DecisionRecord] = self._archive.decisions(span.since, span.until, service_id=service_id)
        return joined(self._archive, records, self._names, self._facts().rules)

    def _affected(self, digests: Sequence[str], span: Span) -> Iterator[AffectedRow]:
        for digest in digests:
            yield from self._archive.affected(digest, span.since, span.until)

    def _note(self, principal: str, action: str, subject: str, rows: int) -> None:
        self._archive.note_access(AccessEntry(self.now(), principal, action, subject, rows))


def summary_of(digests: Sequence[str], span: Span, rows: Iterable[AffectedRow]) -> AffectedSummary:
    """In one pass; of the pseudonyms only a hash of each is held."""
    people: dict[str, set[int]] = {"patient": set(), "encounter": set(), "user": set()}
    services: Counter[str] = Counter()
    sites: Counter[str] = Counter()
    units: Counter[str] = Counter()
    steps: Counter[str] = Counter()
    decisions, first, last = 0, None, None
    for row in rows:
        decisions += 1
        first = row.at if first is None else min(first, row.at)
        last = row.at if last is None else max(last, row.at)
        for kind, known in people.items():
            name = getattr(row, kind)
            if name is not None:
                known.add(hash(name))
        services[row.service_id] += 1
        sites[row.site_id or "unknown"] += 1
        units[row.unit or "unknown"] += 1
        steps[row.step] += 1
    return AffectedSummary(
        tuple(digests),
        span,
        decisions,
        first,
        last,
        len(people["patient"]),
        len(people["encounter"]),
        len(people["user"]),
        dict(services.most_common()),
        dict(sites.most_common()),
        dict(units.most_common()),
        dict(steps.most_common()),
    )
