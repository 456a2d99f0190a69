"""The whole story of a call: what was decided, what stood beside it, what came home. `wardgate trace` and the API."""

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from wardgate.domain.feedback import issued_id
from wardgate.domain.follow_up import FollowUp
from wardgate.domain.record_names import RecordNames, card, hook_instance
from wardgate.domain.records import DecisionRecord, EventType
from wardgate.records.archive import Archive, FeedbackEntry, OutcomeRow
from wardgate.records.figures import time_step
from wardgate.records.joined import joined


class Reported(msgspec.Struct, frozen=True):
    """A report of the card, with how long it took somebody to act; None: the clocks disagree. `suggestions` are the
    places of the accepted ones on the card, from 1."""

    entry: FeedbackEntry
    after: str | None


class ReleaseNow(msgspec.Struct, frozen=True):
    """What the configuration at hand knows of the release of a record: empty where it has another digest by now.

    `ranges` gives for each feature the words of its bins, in order, in the unit of the schema.
    """

    ranges: Mapping[str, tuple[str, ...]] = {}
    approvals: str = ""


class Story(msgspec.Struct, frozen=True):
    """`repeats` were given the same answer once more; `shadows` are what other releases would have answered."""

    decision: DecisionRecord
    shadows: tuple[DecisionRecord, ...] = ()
    repeats: tuple[DecisionRecord, ...] = ()
    reports: tuple[Reported, ...] = ()
    follow_up: FollowUp | None = None
    happened: tuple[OutcomeRow, ...] = ()
    outcome: float | None = None
    ranges: Mapping[str, str] = {}
    """Of the inputs that fell in a bin: the bin in words."""
    approvals: str = ""


class Stories(msgspec.Struct, frozen=True):
    """What the admin API answers; empty where nothing is kept of what was asked."""

    stories: tuple[Story, ...]


def stories(
    archive: Archive,
    names: RecordNames,
    clients: Sequence[str],
    asked: str,
    rules: Mapping[str, FollowUp],
    releases: Mapping[str, ReleaseNow],
) -> tuple[Story, ...]:
    """Of the card, decision or hookInstance of this UUID, oldest first; none where nothing is kept of it.

    `clients` are those whose hookInstance it may be, `releases` by digest what the configuration at hand knows.
    """
    uuid = issued_id(asked)
    if uuid is None:
        return ()
    found = _found(archive, names, clients, uuid)
    return tuple([_story(archive, names, decision, found, rules, releases) for decision in _decisions(archive, found)])


def _found(archive: Archive, names: RecordNames, clients: Sequence[str], uuid: str) -> list[DecisionRecord]:
    """The three kinds of UUIDs do not meet: cards have version 5, decisions 4, and a hookInstance is the EHR's own."""
    instances = [name for client in clients for name in names.all_of(hook_instance(client, uuid))]
    return (
        archive.decisions_named(decision_id=uuid)
        or archive.decisions_named(card_key=names.all_of(card(uuid)))
        or archive.decisions_named(hook_instance=instances)
    )


def _decisions(archive: Archive, found: Sequence[DecisionRecord]) -> list[DecisionRecord]:
    """Each decision of its own once: a repeat, or a release in shadow, leads to the one that it belongs to."""
    by_id = {record.decision_id: record for record in found}
    own: dict[str, DecisionRecord] = {}
    for record in found:
        origin = record.repeats or (record.of if record.event_type is EventType.SHADOW else None)
        if origin is None:
            own[record.decision_id] = record
        elif origin in by_id:
            own[origin] = by_id[origin]
        elif known := [each for each in archive.decisions_named(decision_id=origin) if each.decision_id == origin]:
            own[origin] = known[0]
        else:  # what it belongs to was purged, or never came
            own[record.decision_id] = record
    return sorted(own.values(), key=lambda record: record.at)


def _story(
    archive: Archive,
    names: RecordNames,
    decision: DecisionRecord,
    found: Sequence[DecisionRecord],
    rules: Mapping[str, FollowUp],
    releases: Mapping[str, ReleaseNow],
) -> Story:
    beside = {record.decision_id: record for record in (*found, *_beside(archive, decision))}
    (home,) = joined(archive, [decision], names, rules)
    release = releases.get(decision.release_digest or "", ReleaseNow())
    own = decision.decision_id
    return Story(
        decision,
        tuple([each for each in beside.values() if each.of == own and each.event_type is EventType.SHADOW]),
        tuple([each for each in beside.values() if each.repeats == own]),
        tuple([Reported(report, time_step(decision.at, report)) for report in home.reports]),
        rules.get(decision.service_id),
        home.happened,
        home.outcome,
        ranges_of(decision, release),
        release.approvals,
    )


def _beside(archive: Archive, decision: DecisionRecord) -> list[DecisionRecord]:
    """Its shadows come with it; a repeat has its hookInstance."""
    own = archive.decisions_named(decision_id=decision.decision_id)
    if decision.hook_instance is None:
        return own
    return [*own, *archive.decisions_named(hook_instance=[decision.hook_instance])]


def ranges_of(decision: DecisionRecord, release: ReleaseNow) -> dict[str, str]:
    ranges = {}
    for fact in decision.inputs:
        words = release.ranges.get(fact.name, ())
        if fact.bin is not None and fact.bin < len(words):
            ranges[fact.name] = words[fact.bin]
    return ranges


def words_of(bins: Iterable[float], unit: str | None) -> tuple[str, ...]:
    """A bin holds its lower edge: `15 to 30`, is 15 or more and below 30."""
    edges = [f"{edge:g}" for edge in bins]
    if not edges:
        return ()
    after = f" {unit}" if unit else ""
    between = [f"{low} to {high}{after}" for low, high in zip(edges, edges[1:], strict=False)]
    return (f"below {edges[0]}{after}", *between, f"{edges[-1]}{after} or more")
