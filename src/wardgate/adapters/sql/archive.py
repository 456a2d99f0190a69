"""`records.archive.Archive` over one set of tables, in SQLite or PostgreSQL."""

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import msgspec
from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    Row,
    Select,
    Table,
    bindparam,
    delete,
    func,
    or_,
    select,
    tuple_,
)

from wardgate.adapters.sql.database import Database
from wardgate.adapters.sql.inserts import insert_new
from wardgate.adapters.sql.rows import decision_row, feedback_row, read
from wardgate.adapters.sql.staging import Passed, asked_of, passing, settle, staged_rows
from wardgate.adapters.sql.tables import (
    ACCESS,
    CARDS,
    CUSTODY,
    DECISIONS,
    FEEDBACK,
    OUTCOME_BATCHES,
    OUTCOMES,
    RELEASES,
)
from wardgate.domain.records import DecisionRecord
from wardgate.records.archive import (
    AccessEntry,
    AffectedRow,
    ArchiveUnavailable,
    BatchResult,
    FeedbackEntry,
    Kind,
    OutcomeBatch,
    OutcomeRow,
    SealedIdentity,
    Trouble,
)

_PAGE = 2000
_FEW = 10
"""Of what several names could be."""
"""Rows of one transaction of a stream."""
_NAMES = 500
"""Names in one question."""
_MOST_NAMED = 100

_TIMES: dict[Kind, tuple[tuple[Table, str], ...]] = {
    Kind.DECISIONS: ((DECISIONS, "at"), (CARDS, "at")),
    Kind.FEEDBACK: ((FEEDBACK, "received"),),
    Kind.OUTCOMES: ((OUTCOMES, "received"), (OUTCOME_BATCHES, "received")),
    Kind.ACCESS: ((ACCESS, "at"),),
    Kind.CUSTODY: ((CUSTODY, "noted"),),
}
"""By which time each kind ages: its table first, then what goes with it."""

_BY_TIME = (DECISIONS.c.at, DECISIONS.c.decision_id)


class SqlArchive:
    """Opens itself when it is first asked for something, so a store that is down at the start is no special case."""

    def __init__(self, database: Database, card_key: Callable[[str], str]) -> None:
        """`card_key` makes the name under which a card's UUID is found (`domain.record_names`)."""
        self._database, self._card_key = database, card_key
        self._opening, self._open = threading.Lock(), False
        self._known_releases: frozenset[str] = frozenset()

    @property
    def kind(self) -> str:
        return self._database.kind

    def ping(self) -> None:
        with self._reading() as connection:
            connection.execute(select(func.count()).select_from(select(DECISIONS.c.at).limit(1).subquery()))

    def close(self) -> None:
        self._database.close()

    # --- decisions --------------------------------------------------------------------------------------------------

    def add_decisions(self, records: Sequence[DecisionRecord]) -> int:
        rows = [decision_row(record) for record in sorted(records, key=lambda record: record.decision_id)]
        cards = [  # sorted, as all rows are: two writers that lock in one order never wait for each other
            {"card_key": key, "decision_id": record.decision_id, "at": record.at}
            for key, record in sorted(self._cards_of(records), key=lambda card: card[0])
        ]
        releases = {
            record.release_digest: {
                "digest": record.release_digest,
                "model": record.model_name,
                "version": record.model_version,
            }
            for record in records
            if record.release_digest and record.model_name and record.model_version
        }
        self._ready()
        self._database.prepare([record.at for record in records])
        unknown = releases.keys() - self._known_releases
        with self._writing() as connection:
            insert_new(connection, RELEASES, [releases[digest] for digest in sorted(unknown)])
            new = insert_new(connection, DECISIONS, rows)
            insert_new(connection, CARDS, cards)
        self._known_releases |= unknown
        return new

    def _cards_of(self, records: Iterable[DecisionRecord]) -> Iterator[tuple[str, DecisionRecord]]:
        for record in records:
            for uuid in record.card_uuids:
                yield self._card_key(uuid), record

    def decisions_named(
        self, *, decision_id: str = "", card_key: Sequence[str] = (), hook_instance: Sequence[str] = ()
    ) -> list[DecisionRecord]:
        d = DECISIONS.c
        if decision_id:
            named = select(d.decision_id).where(d.decision_id == decision_id)
        elif card_key:
            named = select(CARDS.c.decision_id).where(CARDS.c.card_key.in_(card_key))
        else:
            named = select(d.decision_id).where(d.hook_instance.in_(hook_instance))
        with self._reading() as connection:
            ids = connection.execute(named.limit(_MOST_NAMED)).scalars().all()
            asked = select(d.record).where(or_(d.decision_id.in_(ids), d.of_id.in_(ids)))
            found = connection.execute(asked.order_by(d.at, d.decision_id).limit(_MOST_NAMED)).scalars().all()
        return [read(text, DecisionRecord) for text in found]

    def decisions(
        self, since: float, until: float, *, service_id: str = "", release_digest: str = ""
    ) -> Iterator[DecisionRecord]:
        asked = select(DECISIONS.c.record)
        if service_id:
            asked = asked.where(DECISIONS.c.service_id == service_id)
        if release_digest:
            asked = asked.where(DECISIONS.c.release_digest == release_digest)
        for page in self._pages(asked, _BY_TIME, since, until):
            for row in page:
                yield read(row.record, DecisionRecord)

    def digests_of(self, model: str, version: str) -> list[str]:
        asked = select(RELEASES.c.digest).where(RELEASES.c.model == model, RELEASES.c.version == version)
        with self._reading() as connection:
            return list(connection.execute(asked.order_by(RELEASES.c.digest)).scalars())

    def digests_like(self, beginning: str) -> list[str]:
        asked = select(RELEASES.c.digest).distinct().where(RELEASES.c.digest.startswith(beginning, autoescape=True))
        with self._reading() as connection:
            return list(connection.execute(asked.order_by(RELEASES.c.digest).limit(_FEW)).scalars())

    def affected(self, release_digest: str, since: float, until: float) -> Iterator[AffectedRow]:
        shown = (DECISIONS.c.visible, DECISIONS.c.release_digest == release_digest)
        for page in self._pages(select(DECISIONS.c.record), _BY_TIME, since, until, shown):
            for row in page:
                yield read(row.record, AffectedRow)

    # --- feedback ---------------------------------------------------------------------------------------------------

    def add_feedback(self, entries: Sequence[FeedbackEntry]) -> int:
        rows = {row["report"]: row for row in map(feedback_row, entries)}
        with self._writing() as connection:
            return insert_new(connection, FEEDBACK, [rows[report] for report in sorted(rows)])

    def feedback_of(self, card_keys: Sequence[str], client: str) -> list[FeedbackEntry]:
        f = FEEDBACK.c
        asked = select(f.received, f.report, f.entry).where(f.client == client)
        found = sorted([tuple(row) for row in self._of(asked, f.card_key, card_keys)])
        return [read(text, FeedbackEntry) for _, _, text in found]

    def feedback(
        self, since: float, until: float, *, service_id: str = ""
    ) -> Iterator[tuple[FeedbackEntry, DecisionRecord | None]]:
        f = FEEDBACK.c
        asked = select(f.entry)
        if service_id:
            asked = asked.where(f.service_id == service_id)
        for page in self._pages(asked, (f.received, f.report), since, until):
            entries = [read(row.entry, FeedbackEntry) for row in page]
            decided = self._decisions_of_cards({key for entry in entries for key in _keys_of(entry)})
            for entry in entries:
                found = [decided.get((key, entry.client)) for key in _keys_of(entry)]
                yield entry, next(filter(None, found), None)

    def _decisions_of_cards(self, card_keys: Iterable[str]) -> dict[tuple[str, str], DecisionRecord]:
        """By card and client: the first decision that showed the card, which may have been repeated since."""
        c, d = CARDS.c, DECISIONS.c
        joined = CARDS.join(DECISIONS, (c.decision_id == d.decision_id) & (c.at == d.at))
        asked = select(c.card_key, d.at, d.decision_id, d.record).select_from(joined).where(d.visible)
        found: dict[tuple[str, str], DecisionRecord] = {}
        for key, _, _, text in sorted([tuple(row) for row in self._of(asked, c.card_key, sorted(card_keys))]):
            record = read(text, DecisionRecord)
            found.setdefault((key, record.client), record)
        return found

    # --- outcomes ---------------------------------------------------------------------------------------------------

    def add_outcomes(self, rows: Iterable[OutcomeRow], batch: Callable[[], OutcomeBatch]) -> BatchResult:
        staged = staged_rows(passing(rows))
        try:
            with self._opened(lambda: self._database.staging(staged)) as connection:
                return settle(connection, asked_of(batch))
        except Passed as passed:
            raise passed.error from None

    def outcomes_of(self, subjects: Sequence[str]) -> list[OutcomeRow]:
        o = OUTCOMES.c
        asked = select(o.at, o.id, o.subject, o.label, o.value, o.event).where(o.superseded.is_(None))
        found = sorted([tuple(row) for row in self._of(asked, o.subject, subjects)])
        return [OutcomeRow(subject, label, value, at, event) for at, _, subject, label, value, event in found]

    # --- access and custody -----------------------------------------------------------------------------------------

    def note_access(self, entry: AccessEntry) -> None:
        with self._writing() as connection:
            connection.execute(ACCESS.insert(), [msgspec.structs.asdict(entry)])

    def accesses(self, since: float, until: float) -> Iterator[AccessEntry]:
        for page in self._pages(select(ACCESS), (ACCESS.c.at, ACCESS.c.id), since, until):
            for row in page:
                yield AccessEntry(row.at, row.principal, row.action, row.subject, row.rows)

    def add_identities(self, identities: Sequence[SealedIdentity]) -> int:
        rows = {one.pseudonym: msgspec.structs.asdict(one) for one in sorted(identities, key=lambda one: one.noted)}
        with self._writing() as connection:
            new = insert_new(connection, CUSTODY, [rows[name] for name in sorted(rows)])
            if new < len(rows):
                later = CUSTODY.update().where(
                    CUSTODY.c.pseudonym == bindparam("name"), CUSTODY.c.noted < bindparam("to")
                )
                connection.execute(
                    later.values(noted=bindparam("to")),
                    [{"name": name, "to": rows[name]["noted"]} for name in sorted(rows)],
                )
        return new

    def identities_of(self, pseudonyms: Sequence[str]) -> list[SealedIdentity]:
        found = self._of(select(CUSTODY), CUSTODY.c.pseudonym, pseudonyms)
        return [SealedIdentity(row.pseudonym, row.sealed, row.noted) for row in found]

    # --- purge ------------------------------------------------------------------------------------------------------

    def count_before(self, kind: Kind, before: float) -> int:
        table, column = _TIMES[kind][0]
        with self._reading() as connection:
            asked = select(func.count()).select_from(table).where(table.c[column] < before)
            return int(connection.execute(asked).scalar_one())

    def purge(self, kind: Kind, before: float, batch: int = 5000) -> int:
        self._ready()
        if kind is Kind.DECISIONS and (dropped := self._database.drop_before(before)):
            return dropped
        table, column = _TIMES[kind][0]
        time = table.c[column]
        last = select(time).where(time < before).order_by(time).limit(1)
        with self._writing() as connection:
            upto = connection.execute(last.offset(batch - 1)).scalar()
            limit = time < before if upto is None else time <= upto
            removed = connection.execute(delete(table).where(limit)).rowcount
            for other, name in _TIMES[kind][1:]:
                connection.execute(
                    delete(other).where(other.c[name] < before if upto is None else other.c[name] <= upto)
                )
        return removed

    # --- beneath ----------------------------------------------------------------------------------------------------

    def _reading(self) -> AbstractContextManager[Connection]:
        return self._opened(self._database.reading)

    def _writing(self) -> AbstractContextManager[Connection]:
        return self._opened(self._database.writing)

    @contextmanager
    def _opened(self, transaction: Callable[[], AbstractContextManager[Connection]]) -> Iterator[Connection]:
        self._ready()
        try:
            with transaction() as connection:
                yield connection
        except ArchiveUnavailable as error:
            if error.trouble not in (Trouble.LATE, Trouble.FULL):
                # what comes back may be another store, or one that has been brought forward
                self._open, self._known_releases = False, frozenset()
            raise

    def _ready(self) -> None:
        if not self._open:
            with self._opening:
                if not self._open:
                    self._database.open()
                    self._open = True

    def _of(self, asked: Select[Any], column: Column[Any], names: Sequence[str]) -> Iterator[Row[Any]]:
        """The rows whose column is one of the names; a transaction for each few hundred of them."""
        for start in range(0, len(names), _NAMES):
            with self._reading() as connection:
                rows = connection.execute(asked.where(column.in_(names[start : start + _NAMES]))).all()
            yield from rows

    def _pages(
        self,
        asked: Select[Any],
        order: tuple[Column[Any], Column[Any]],
        since: float,
        until: float,
        indexed: Sequence[ColumnElement[bool]] = (),
    ) -> Iterator[Sequence[Row[Any]]]:
        """In the order of time and id, which have an index; `indexed` are conditions which that index knows besides.
        A page ends after so many rows of the index, not of the answer: what is rare takes more pages, not longer."""
        key = tuple_(*order)
        within = [order[0] >= since, order[0] < until, *indexed]
        while True:
            with self._reading() as connection:
                ends = select(*order).where(*within).order_by(*order).limit(1).offset(_PAGE - 1)
                end = connection.execute(ends).first()
                upto = [] if end is None else [key <= tuple_(*end)]
                rows = connection.execute(asked.where(*within, *upto).order_by(*order)).all()
            yield rows
            if end is None:
                return
            within = [order[0] >= end[0], order[0] < until, key > tuple_(*end), *indexed]


def _keys_of(entry: FeedbackEntry) -> tuple[str, ...]:
    """All names that its card may be known by."""
    return (entry.card_key, *entry.earlier_keys)
