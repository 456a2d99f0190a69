"""`control.audit.AuditStore` in SQLite or PostgreSQL."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Connection, Select, delete, select

from wardgate.adapters.sql.database import Database
from wardgate.adapters.sql.opened import Opened
from wardgate.adapters.sql.tables import AUDIT_CHAIN, AUDIT_REMARKS
from wardgate.control.audit import AuditUnavailable, Happened, Remark, Wanted
from wardgate.control.ports import Overtaken
from wardgate.domain.approvals import bears
from wardgate.domain.audit import START, Link, SealedEntry, body_of, seal
from wardgate.domain.audit_beside import Row
from wardgate.records.archive import ArchiveUnavailable, RecordRefused

_PAGE = 1000


class SqlAuditStore:
    def __init__(self, database: Database) -> None:
        self._database = Opened(database)

    def close(self) -> None:
        self._database.close()

    def append(self, happened: Sequence[Happened], now: float) -> list[Link]:
        if not happened:
            return []
        with _told(), self._database.chaining() as connection:
            return chain(connection, happened, now)

    def entries(self, after: int = 0) -> Iterator[SealedEntry]:
        yield from self._pages(after, [])

    def rows(self) -> Iterator[Row]:
        c, r = AUDIT_CHAIN.c, AUDIT_REMARKS.c
        beside = AUDIT_CHAIN.outerjoin(AUDIT_REMARKS, c.id == r.id)
        asked = select(AUDIT_CHAIN, r.salt, r.remark).select_from(beside)
        for row in self._paged(asked, 0):
            remark = None if row.salt is None else (row.salt, row.remark)
            yield Row(SealedEntry(row.number, row.seal, row.entry), row.id, row.at, row.who, row.subject, remark)

    def search(self, wanted: Wanted) -> Iterator[SealedEntry]:
        c = AUDIT_CHAIN.c
        conditions = [c.at >= wanted.since] if wanted.since else []
        conditions += [c.at < wanted.until] if wanted.until else []
        conditions += [c.who == wanted.who] if wanted.who else []
        conditions += [c.subject == wanted.subject] if wanted.subject else []
        said = {name: value for name in ("what", "ticket") if (value := getattr(wanted, name))}
        for entry in self._pages(0, conditions):
            if not said or said.items() <= _said(entry).items():
                yield entry

    def last(self) -> Link:
        with _told(), self._database.reading() as connection:
            return _last(connection)

    def remark(self, event_id: str) -> Remark | None:
        asked = select(AUDIT_REMARKS).where(AUDIT_REMARKS.c.id == event_id)
        with _told(), self._database.reading() as connection:
            row = connection.execute(asked).first()
        return None if row is None else Remark(row.salt, row.remark)

    def erase_remark(self, event_id: str, told: Happened) -> bool:
        with _told(), self._database.chaining() as connection:
            erased = connection.execute(delete(AUDIT_REMARKS).where(AUDIT_REMARKS.c.id == event_id)).rowcount > 0
            if erased:
                chain(connection, [told])
            return erased

    def forget(self) -> bool:
        """See `Database.forget`."""
        with _told():
            return self._database.forget()

    def _pages(self, after: int, conditions: Sequence[ColumnElement[bool]]) -> Iterator[SealedEntry]:
        c = AUDIT_CHAIN.c
        for row in self._paged(select(c.number, c.seal, c.entry).where(*conditions), after):
            yield SealedEntry(row.number, row.seal, row.entry)

    def _paged(self, asked: Select[Any], after: int) -> Iterator[Any]:
        number = AUDIT_CHAIN.c.number
        page = asked.order_by(number).limit(_PAGE)
        while True:
            with _told(), self._database.reading() as connection:
                rows = connection.execute(page.where(number > after)).all()
            yield from rows
            if len(rows) < _PAGE:
                return
            after = rows[-1].number


def chain(connection: Connection, happened: Sequence[Happened], now: float | None = None) -> list[Link]:
    """As part of a transaction of `Database.chaining`: what else it does is done with these entries, or not at all.
    Each once, by its id; `now` as `domain.audit.seal` has it."""
    if not happened:
        return []
    known = _known(connection, [each.event.id for each in happened])
    last = _last(connection)
    for each in happened:
        if each.event.id in known:
            continue
        entry = seal(each.event, last, now)
        connection.execute(AUDIT_CHAIN.insert(), _row(each, entry))
        if each.remark is not None:
            remark = {"id": each.event.id, "salt": each.remark.salt, "remark": each.remark.text}
            connection.execute(AUDIT_REMARKS.insert(), remark)
        last = known[each.event.id] = entry.link
    return [known[each.event.id] for each in happened]


def nothing_since(connection: Connection, judged: int) -> None:
    """As part of such a transaction. Raises Overtaken where something bears on releases after the entry `judged`."""
    c = AUDIT_CHAIN.c
    if any(bears(text) for text in connection.execute(select(c.entry).where(c.number > judged)).scalars()):
        raise Overtaken


def _last(connection: Connection) -> Link:
    c = AUDIT_CHAIN.c
    row = connection.execute(select(c.number, c.seal).order_by(c.number.desc()).limit(1)).first()
    return START if row is None else Link(row.number, row.seal)


def _known(connection: Connection, ids: Sequence[str]) -> dict[str, Link]:
    c = AUDIT_CHAIN.c
    rows = connection.execute(select(c.id, c.number, c.seal).where(c.id.in_(ids)))
    return {row.id: Link(row.number, row.seal) for row in rows}


@contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except ArchiveUnavailable as error:
        raise AuditUnavailable(error.trouble.meaning) from None
    except RecordRefused:
        raise AuditUnavailable("the durable store does not take what was to be chained") from None


def _row(happened: Happened, entry: SealedEntry) -> dict[str, object]:
    event = happened.event
    return {
        "number": entry.number,
        "id": event.id,
        "seal": entry.seal,
        "entry": entry.text,
        "at": event.at,
        "who": event.who,
        "subject": event.subject,
    }


def _said(entry: SealedEntry) -> dict[str, object]:
    try:
        return body_of(entry)
    except (msgspec.MsgspecError, UnicodeError):  # somebody changed it: `audit verify` says so
        return {}
