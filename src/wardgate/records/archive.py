"""The durable store of records as the use cases see it; and what stands in it.

    spool ─► Archive ◄─ outcomes, custody
                │
                └─► trace, affected, export, figures for gates, purge

Nothing here holds a value of a patient: ids are keyed pseudonyms or wardgate's own, text comes from closed lists or the
configuration (law 4). What belongs to a card is found by its keyed name (`domain.record_names`), never by the order in
which things arrive: feedback may come before the record of its card, from another replica's spool.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from enum import StrEnum
from typing import Protocol

import msgspec

from wardgate.domain.feedback import FeedbackEntry as FeedbackEntry
from wardgate.domain.records import DecisionRecord


class Trouble(StrEnum):
    """Why the store did not do what it was asked for."""

    DOWN = "down"
    """Nobody answers, or the answer is an error."""
    LATE = "late"
    """It did not answer, or not let us in, in time."""
    FULL = "full"
    DENIED = "denied"
    """User, password, rights, file or database are not as the configuration says."""
    NEWER = "newer"
    """A later version of wardgate has written there; this one must not."""
    FOREIGN = "foreign"
    """It is no store of wardgate's, or a damaged one."""

    @property
    def meaning(self) -> str:
        """What a person is told, and how to mend it."""
        return _MEANINGS[self]

    @property
    def sentence(self) -> str:
        """The same, to stand alone."""
        return f"{self.meaning[0].upper()}{self.meaning[1:]}."


_MEANINGS = {
    Trouble.DOWN: "the durable store does not answer: see that it runs, where stores.durable says",
    Trouble.LATE: "the durable store did not answer in time: try again, or see what holds it up",
    Trouble.FULL: "the durable store's disk is full: make room, or shorten retention and purge",
    Trouble.DENIED: "the durable store lets nobody in: see its user, password, rights and database, or its folder",
    Trouble.NEWER: "a later version of wardgate has written to the durable store: use that version, or another store",
    Trouble.FOREIGN: "what stores.durable names is no store of wardgate's, or a damaged one: it is left as it is",
}


class ArchiveUnavailable(Exception):
    """Nothing of the call was written. Says no more than why: a driver's message may hold a value."""

    def __init__(self, trouble: Trouble) -> None:
        super().__init__(trouble.value)
        self.trouble = trouble

    @property
    def lasting(self) -> bool:
        """Whether only a person can mend it."""
        return self.trouble in (Trouble.NEWER, Trouble.FOREIGN)


class RecordRefused(Exception):
    """The store answers, and does not take what it was given; nothing of the call was written. Which one of several
    it is, can be found by giving it fewer. Says no more."""


class Kind(StrEnum):
    """What is kept for a time of its own."""

    DECISIONS = "decisions"
    FEEDBACK = "feedback"
    OUTCOMES = "outcomes"
    ACCESS = "access"
    CUSTODY = "custody"


class OutcomeRow(msgspec.Struct, frozen=True, omit_defaults=True):
    """What became of somebody: the pseudonym of a patient or of an encounter, a label of the release's, and when.

    Rows of one source with the same subject, label and event are the same fact, so that the later one corrects the
    earlier. A source that knows several events of one subject (readmissions) names each; without names there is one.
    """

    subject: str
    label: str  # the name of what is observed, such as kidney_failure
    value: float  # 1 happened, 0 did not
    at: float  # epoch seconds
    """When it happened, or until when it was known not to have."""
    event: str = ""
    """The pseudonym of the source's id of the event."""


class OutcomeBatch(msgspec.Struct, frozen=True):
    """One file or one post: it counts once, by its digest."""

    digest: str
    source: str
    received: float
    earlier: tuple[str, ...] = ()
    """The digests that it had under previous keys of the ring."""


class BatchResult(msgspec.Struct, frozen=True):
    new: int = 0
    corrected: int = 0  # replaced an earlier row of the same subject, label, event and source
    unchanged: int = 0
    repeated: int = 0  # earlier lines of the same batch about the same fact: the last one counts
    known: bool = False  # the batch had been loaded before: nothing was done
    loaded: float | None = None  # when that was, in epoch seconds
    superseded: int = 0  # of such a batch: facts that a later one has said otherwise since


class AffectedRow(msgspec.Struct, frozen=True):
    """One decision whose card somebody was shown."""

    decision_id: str
    at: float
    service_id: str
    release_digest: str
    step: str
    site_id: str | None = None
    unit: str | None = None
    patient: str | None = None
    encounter: str | None = None
    user: str | None = None


class AccessEntry(msgspec.Struct, frozen=True, omit_defaults=True):
    """Somebody looked at records."""

    at: float
    principal: str
    action: str  # trace | replay | affected | export | custody
    subject: str  # a decision id, a release digest: what was looked at, in our own ids
    rows: int = 0


class SealedIdentity(msgspec.Struct, frozen=True):
    """Whom a pseudonym stands for, sealed for the custodian: nobody here can open it."""

    pseudonym: str
    sealed: bytes
    noted: float  # epoch seconds, when it was last seen


class Archive(Protocol):
    """Blocking, thread-safe, and bounded in time; each method is one transaction, each page of an iterator another.
    All raise ArchiveUnavailable, also when an iterator is advanced; those that add raise RecordRefused besides.

    Adding is idempotent, so a spool may be read again from any earlier place. What was added stays, through a power
    cut as well. Spans of time are half open: `since` belongs to them, `until` does not.
    """

    def add_decisions(self, records: Sequence[DecisionRecord]) -> int:
        """How many were new, by decision id."""
        ...

    def add_feedback(self, entries: Sequence[FeedbackEntry]) -> int:
        """How many were new: all but `received` tells one report from another."""
        ...

    def add_outcomes(self, rows: Iterable[OutcomeRow], batch: Callable[[], OutcomeBatch]) -> BatchResult:
        """All rows, or none; a million of them are not held in memory at once. `batch` is asked when the last row has
        been taken, so that rows and digest can come from one reading. What `rows` or `batch` raises goes through."""
        ...

    def decisions_named(
        self, *, decision_id: str = "", card_key: Sequence[str] = (), hook_instance: Sequence[str] = ()
    ) -> list[DecisionRecord]:
        """By one of the three (the last two: under each key of the ring), oldest first; those of the shadow releases of
        the same call with them. At most a hundred."""
        ...

    def decisions(
        self, since: float, until: float, *, service_id: str = "", release_digest: str = ""
    ) -> Iterator[DecisionRecord]:
        """Streams, oldest first; of one service or release where it is named."""
        ...

    def digests_of(self, model: str, version: str) -> list[str]:
        """The release digests under which this release ever decided: one for each service, and each edit."""
        ...

    def digests_like(self, beginning: str) -> list[str]:
        """Those that begin so under which there ever was a decision, also after it was purged; a few of them at
        most."""
        ...

    def affected(self, release_digest: str, since: float, until: float) -> Iterator[AffectedRow]:
        """Streams, oldest first; visible cards only."""
        ...

    def feedback_of(self, card_keys: Sequence[str], client: str) -> list[FeedbackEntry]:
        """Oldest first, as received; any number of cards; only what the client said that got them."""
        ...

    def feedback(
        self, since: float, until: float, *, service_id: str = ""
    ) -> Iterator[tuple[FeedbackEntry, DecisionRecord | None]]:
        """Streams by `received`, oldest first, each with the decision of its card, where its client got such a one."""
        ...

    def outcomes_of(self, subjects: Sequence[str]) -> list[OutcomeRow]:
        """As last corrected, oldest first; any number of subjects."""
        ...

    def note_access(self, entry: AccessEntry) -> None: ...

    def accesses(self, since: float, until: float) -> Iterator[AccessEntry]: ...

    def add_identities(self, identities: Sequence[SealedIdentity]) -> int:
        """How many pseudonyms were new; of a known one, `noted` moves on."""
        ...

    def identities_of(self, pseudonyms: Sequence[str]) -> list[SealedIdentity]: ...

    def count_before(self, kind: Kind, before: float) -> int:
        """How many rows a purge up to `before` would remove."""
        ...

    def ping(self) -> None:
        """Returns if the store is there, and its tables are this version's."""
        ...

    def purge(self, kind: Kind, before: float, batch: int = 5000) -> int:
        """Removes some of what is older than `before`, about `batch` rows or a whole partition, and says how many; 0:
        nothing is left to remove. Blocks no reader or writer for long."""
        ...
