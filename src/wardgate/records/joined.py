"""A decision with what came home to it: what was reported of its card, and what became of the patient."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice

import msgspec

from wardgate.domain.feedback import DOUBT
from wardgate.domain.follow_up import FollowUp, Happened, outcome_of
from wardgate.domain.record_names import RecordNames, card
from wardgate.domain.records import DecisionRecord
from wardgate.records.archive import Archive, FeedbackEntry, OutcomeRow

_PAGE = 500


class Joined(msgspec.Struct, frozen=True):
    """`reports` oldest first, all from the client that got the card; `outcome` None: none is declared, or known."""

    record: DecisionRecord
    reports: tuple[FeedbackEntry, ...] = ()
    happened: tuple[OutcomeRow, ...] = ()
    outcome: float | None = None

    @property
    def last(self) -> FeedbackEntry | None:
        """What counts of several reports: the newest by the client's own clock, which may run ahead, but nobody has
        acted after the report of it came in."""
        return max(self.reports, key=_acted, default=None)


def _acted(report: FeedbackEntry) -> tuple[float, float]:
    return report.received if report.at is None else min(report.at, report.received), report.received


def joined(
    archive: Archive, records: Iterable[DecisionRecord], names: RecordNames, rules: Mapping[str, FollowUp]
) -> Iterator[Joined]:
    """In the order of `records`, a page at a time. `rules` by service id."""
    left = iter(records)
    while page := list(islice(left, _PAGE)):
        reports = _reports(archive, page, names)
        happened = _happened(archive, page, rules)
        for record in page:
            rule = rules.get(record.service_id)
            rows = () if rule is None else _of(record, rule, happened)
            known = None if rule is None else outcome_of(rule, record.at, [Happened(row.value, row.at) for row in rows])
            yield Joined(record, tuple(reports.get(record.decision_id, ())), tuple(rows), known)


def _reports(archive: Archive, page: Sequence[DecisionRecord], names: RecordNames) -> dict[str, list[FeedbackEntry]]:
    """By decision id, of those whose card left."""
    by_client: dict[str, dict[str, DecisionRecord]] = {}
    for record in page:
        for uuid in record.card_uuids if record.visible else ():
            for name in names.all_of(card(uuid)):
                by_client.setdefault(record.client, {})[name] = record
    found: dict[str, list[FeedbackEntry]] = {}
    for client, cards in by_client.items():
        for entry in archive.feedback_of(list(cards), client):
            record = cards[entry.card_key]
            found.setdefault(record.decision_id, []).append(_timed(entry, record.at))
    return found


def _timed(entry: FeedbackEntry, decided_at: float) -> FeedbackEntry:
    """Without its time where nobody can have acted then: before there was a card, or after the report came."""
    if entry.at is None or decided_at - DOUBT <= entry.at <= entry.received + DOUBT:
        return entry
    return msgspec.structs.replace(entry, at=None)


def _happened(
    archive: Archive, page: Sequence[DecisionRecord], rules: Mapping[str, FollowUp]
) -> dict[str, list[OutcomeRow]]:
    """By the pseudonym of a patient or an encounter."""
    subjects = {
        subject
        for record in page
        if record.service_id in rules
        for subject in (record.patient, record.encounter)
        if subject is not None
    }
    found: dict[str, list[OutcomeRow]] = {}
    for row in archive.outcomes_of(sorted(subjects)) if subjects else ():
        found.setdefault(row.subject, []).append(row)
    return found


def _of(record: DecisionRecord, rule: FollowUp, happened: Mapping[str, list[OutcomeRow]]) -> list[OutcomeRow]:
    rows = [row for subject in (record.patient, record.encounter) if subject for row in happened.get(subject, ())]
    return [row for row in rows if row.label == rule.label]
