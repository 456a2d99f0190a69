"""`control.ports.SnapshotStore` and `Replicas` in SQLite or PostgreSQL."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import msgspec
from sqlalchemy import ColumnElement, Connection, delete, func, literal_column, select
from sqlalchemy.dialects import postgresql, sqlite

from wardgate.adapters.sql.chain import chain, nothing_since
from wardgate.adapters.sql.database import Database
from wardgate.adapters.sql.opened import Opened
from wardgate.adapters.sql.tables import REPLICAS, SNAPSHOTS
from wardgate.control.audit import Happened
from wardgate.control.ports import Change, KeptSnapshot, Replica, StoreUnavailable
from wardgate.records.archive import ArchiveUnavailable, RecordRefused

_FORGOTTEN = 7 * 86400.0
"""Seconds after which a replica that was never heard of again is one no more."""


class SqlSnapshotStore:
    def __init__(self, database: Database) -> None:
        self._database = Opened(database)

    def close(self) -> None:
        self._database.close()

    def newest(self) -> KeptSnapshot | None:
        return self._one(SNAPSHOTS.c.epoch == select(func.max(SNAPSHOTS.c.epoch)).scalar_subquery())

    def at(self, epoch: int) -> KeptSnapshot | None:
        return self._one(SNAPSHOTS.c.epoch == epoch)

    def append(
        self, kept: KeptSnapshot, change: Change, told: Sequence[Happened] = (), judged: int | None = None
    ) -> bool:
        row = {**msgspec.structs.asdict(kept), **msgspec.structs.asdict(change)}
        with _told(), self._database.chaining() as connection:
            newest = connection.execute(select(func.max(SNAPSHOTS.c.epoch))).scalar_one()
            if newest is not None and newest >= kept.epoch:
                return False
            if judged is not None:
                nothing_since(connection, judged)
            connection.execute(SNAPSHOTS.insert(), row)
            chain(connection, told)
        return True

    def history(self, subject: str | None = None, limit: int = 100) -> Sequence[tuple[int, Change]]:
        s = SNAPSHOTS.c
        asked = select(s.epoch, s.at, s.by, s.what, s.subject, s.reason, s.ticket).order_by(s.epoch.desc()).limit(limit)
        if subject is not None:
            asked = asked.where(s.subject == subject)
        with _told(), self._database.reading() as connection:
            return [(row.epoch, Change(*row[1:])) for row in connection.execute(asked)]

    def _one(self, which: ColumnElement[bool]) -> KeptSnapshot | None:
        s = SNAPSHOTS.c
        with _told(), self._database.reading() as connection:
            row = connection.execute(select(s.epoch, s.document, s.mac).where(which)).first()
        return None if row is None else KeptSnapshot(row.epoch, bytes(row.document), row.mac)


class SqlReplicas:
    def __init__(self, database: Database) -> None:
        self._database = Opened(database)

    def close(self) -> None:
        self._database.close()

    def beat(self, replica: Replica) -> None:
        r = REPLICAS.c
        said = msgspec.json.encode(msgspec.structs.replace(replica, seen=0.0)).decode()
        with _told(), self._database.writing() as connection:
            now = _now(connection)
            dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
            values = {"id": replica.id, "seen": now, "replica": said}
            added = dialect.insert(REPLICAS).values(values)
            connection.execute(added.on_conflict_do_update(index_elements=[r.id], set_={"seen": now, "replica": said}))
            connection.execute(delete(REPLICAS).where(r.seen < now - _FORGOTTEN))

    def leave(self, replica_id: str) -> None:
        with _told(), self._database.writing() as connection:
            connection.execute(delete(REPLICAS).where(REPLICAS.c.id == replica_id))

    def all(self) -> Sequence[Replica]:
        asked = select(REPLICAS).order_by(REPLICAS.c.id)
        with _told(), self._database.reading() as connection:
            rows = connection.execute(asked).all()
        try:
            found = [(msgspec.json.decode(row.replica, type=Replica), row.seen) for row in rows]
        except msgspec.MsgspecError:
            raise StoreUnavailable("what stands in the table of replicas was not written by this version") from None
        replicas = [msgspec.structs.replace(replica, seen=seen) for replica, seen in found]
        return sorted(replicas, key=lambda replica: (replica.name, replica.id))

    def now(self) -> float:
        with _told(), self._database.reading() as connection:
            return _now(connection)


def _now(connection: Connection) -> float:
    """Epoch seconds, by the clock of whoever keeps the table: one for all replicas."""
    postgres = connection.dialect.name == "postgresql"
    said = "extract(epoch from clock_timestamp())" if postgres else "(julianday('now') - 2440587.5) * 86400.0"
    return float(connection.execute(select(literal_column(said))).scalar_one())


@contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except ArchiveUnavailable as error:
        raise StoreUnavailable(error.trouble.meaning) from None
    except RecordRefused:
        raise StoreUnavailable("the durable store does not take what was decided") from None
