"""The durable store of records as the use cases see it; and what stands in it.

    spool ─► Archive ◄─ feedback (by the spool too), outcomes
                │
                └─► trace, affected, purge, figures for gates

Nothing here holds a value of a patient: ids are keyed pseudonyms or wardgate's own, text comes from closed lists or the
configuration (law 4). What belongs to a card is found by `card_key`, the keyed hash of the card's UUID, never by the
order in which things arrive: feedback may come before the record of its card, from another replica's spool.
"""

from collections.abc import Iterable, Iterator, Sequence
from enum import StrEnum
from typing import Protocol

import msgspec

from wardgate.domain.records import DecisionRecord


class ArchiveUnavailable(Exception):
    """The store is down, full, or did not answer in time; nothing of the call was written. Says no more: a driver's
    message may hold a value."""


class Kind(StrEnum):
    """What is kept for a time of its own."""

    DECISIONS = "decisions"
    FEEDBACK = "feedback"
    OUTCOMES = "outcomes"
    ACCESS = "access"
    CUSTODY = "custody"


class FeedbackEntry(msgspec.Struct, frozen=True, omit_defaults=True):
    """One report about one card; the same report twice is one entry (FB-6), a later one of the same card another."""

    card_key: str
    service_id: str
    client: str
    outcome: str  # accepted | overridden
    at: float  # epoch seconds, by the client's clock
    received: float  # by ours
    suggestion_keys: tuple[str, ...] = ()  # keyed hashes of the accepted ones
    override_system: str | None = None  # as the card offers it
    override_code: str | None = None
    override_class: str = (
        "none"  # disagree | already_done | not_applicable | patient_choice | workflow | unknown | none
    )
    user_role: str | None = None


class OutcomeRow(msgspec.Struct, frozen=True, omit_defaults=True):
    """What became of somebody: the pseudonym of a patient or of an encounter, a label of the release's, and when."""

    subject: str
    label: str  # the name of what is observed, such as kidney_failure
    value: float  # 1 happened, 0 did not
    at: float  # epoch seconds
    """When it happened, or until when it was known not to have."""


class OutcomeBatch(msgspec.Struct, frozen=True):
    """One file or one post: it counts once, by its digest."""

    digest: str
    source: str
    received: float
    rows: int


class BatchResult(msgspec.Struct, frozen=True):
    new: int = 0
    corrected: int = 0  # replaced an earlier row of the same subject, label and source
    unchanged: int = 0
    known: bool = False  # the batch had been loaded before: nothing was done


class AffectedRow(msgspec.Struct, frozen=True):
    """One decision whose card somebody was shown."""

    decision_id: str
    at: float
    service_id: str
    release_digest: str
    site_id: str | None
    unit: str | None
    patient: str | None
    encounter: str | None
    user: str | None
    step: str


class AccessEntry(msgspec.Struct, frozen=True, omit_defaults=True):
    """Somebody looked at records."""

    at: float
    principal: str
    action: str  # trace | replay | affected | export | custody
    subject: str  # a decision id, a release digest: what was looked at, in our own ids
    rows: int = 0


class Archive(Protocol):
    """Blocking, thread-safe; each method is one transaction. All raise ArchiveUnavailable. Adding is idempotent, so a
    spool may be read again from any earlier place."""

    def add_decisions(self, records: Sequence[DecisionRecord]) -> int:
        """How many were new, by decision id."""
        ...

    def add_feedback(self, entries: Sequence[FeedbackEntry]) -> int: ...

    def add_outcomes(self, batch: OutcomeBatch, rows: Iterable[OutcomeRow]) -> BatchResult:
        """All rows, or none; a million of them are not held in memory at once."""
        ...

    def decisions_named(
        self, *, decision_id: str = "", card_key: str = "", hook_instance: Sequence[str] = ()
    ) -> list[DecisionRecord]:
        """By one of the three (`hook_instance`: the pseudonym under each key of the ring), oldest first; those of the
        shadow releases of the same call with them. At most a hundred."""
        ...

    def feedback_of(self, card_keys: Sequence[str], client: str) -> list[FeedbackEntry]:
        """Oldest first; only what the client said that got the card."""
        ...

    def outcomes_of(self, subjects: Sequence[str]) -> list[OutcomeRow]:
        """As last corrected, oldest first."""
        ...

    def affected(self, release_digest: str, since: float, until: float) -> Iterator[AffectedRow]:
        """Streams, oldest first; visible cards only."""
        ...

    def note_access(self, entry: AccessEntry) -> None: ...

    def accesses(self, since: float, until: float) -> Iterator[AccessEntry]: ...

    def purge(self, kind: Kind, before: float, batch: int = 5000) -> int:
        """Removes at most `batch` rows older than `before` and says how many; blocks no reader or writer for long."""
        ...
