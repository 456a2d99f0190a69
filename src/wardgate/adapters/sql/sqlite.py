"""SQLite: one file on a local disk, for one machine.

WAL, so that readers and the writer do not wait for each other. `synchronous = FULL`: a spool forgets what the store has
taken, so that must be on the disk; NORMAL would lose the last transactions at a power cut. One connection writes, with
BEGIN IMMEDIATE, since a transaction that begins by reading cannot always be allowed to write; others read.
"""

import os
import sqlite3
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from sqlalchemy import Connection, Engine, Pool, create_engine, event
from sqlalchemy.pool import NullPool, QueuePool

from wardgate.adapters.sql.errors import translated
from wardgate.adapters.sql.schema import bring_forward
from wardgate.adapters.sql.staging import STAGED, StagedRow
from wardgate.domain.durable import SqlitePlace
from wardgate.records.archive import ArchiveUnavailable, Trouble

_APPLICATION_ID = 0x57475231
"""In the file's header: it is wardgate's."""


@dataclass(frozen=True, slots=True)
class SqliteOptions:
    wait: float = 5.0
    """Seconds for a connection, and for a lock that another process or a purge holds."""
    readers: int = 4


class Sqlite:
    """Meets `database.Database`."""

    kind = "sqlite"

    def __init__(self, place: SqlitePlace, options: SqliteOptions | None = None) -> None:
        options = options or SqliteOptions()
        self._path, self._options = place.path, options
        self._writer = self._engine(1, "BEGIN IMMEDIATE")
        self._readers = self._engine(options.readers, "BEGIN", "PRAGMA query_only = ON")
        self._stagers = self._engine(0, "BEGIN")
        self._file: tuple[int, int] | None = None

    def open(self) -> None:
        """Makes folder and file, where there are none, for this user's eyes alone. Other processes may do the same at
        the same time."""
        with translated():
            os.makedirs(os.path.dirname(self._path) or ".", mode=0o700, exist_ok=True)
            _make(self._path)
            self._file = self._identity()
            with self._writer.begin() as connection:
                application = connection.exec_driver_sql("PRAGMA application_id").scalar_one()
                if application not in (0, _APPLICATION_ID):
                    raise ArchiveUnavailable(Trouble.FOREIGN)
                bring_forward(connection)
                connection.exec_driver_sql(f"PRAGMA application_id = {_APPLICATION_ID}")

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        with translated(), self._standing(), self._readers.begin() as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        with translated(), self._standing(), self._writer.begin() as connection:
            yield connection

    chaining = writing

    @contextmanager
    def staging(self, batches: Iterable[list[StagedRow]]) -> Iterator[Connection]:
        """A temporary table is in a file of its own: others write meanwhile, until the first write to a table."""
        with translated(), self._standing(), self._stagers.connect() as connection:
            with connection.begin():
                STAGED.create(connection)
                for rows in batches:
                    connection.execute(STAGED.insert(), rows)
            with connection.begin():
                yield connection

    def prepare(self, ats: Iterable[float]) -> None:
        """There are no partitions."""

    def drop_before(self, before: float) -> int:
        return 0

    def forget(self) -> bool:
        """The write-ahead log has pages as they were before, also such as `secure_delete` has overwritten in the file,
        until it is cut off. It waits for those who read just now, as long as for a lock."""
        with translated(), self._standing(), self._stagers.connect() as connection:
            busy, *_ = connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)").one()
        return not busy

    def close(self) -> None:
        for engine in (self._writer, self._readers, self._stagers):
            engine.dispose()

    def _engine(self, connections: int, begin: str, *pragmas: str) -> Engine:
        pool: type[Pool] = QueuePool if connections else NullPool
        bounds = {"pool_size": connections, "max_overflow": 0, "pool_timeout": self._options.wait}
        engine = create_engine(
            "sqlite://",
            creator=lambda: self._connect(pragmas),
            poolclass=pool,
            hide_parameters=True,
            **(bounds if connections else {}),
        )
        event.listen(engine, "begin", lambda connection: connection.exec_driver_sql(begin))
        return engine

    def _connect(self, pragmas: Iterable[str]) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self._path, timeout=self._options.wait, isolation_level=None, check_same_thread=False
        )
        try:
            _keep_a_log(connection, self._options.wait)
            for pragma in (
                "PRAGMA synchronous = FULL",
                "PRAGMA secure_delete = ON",  # what is purged is overwritten
                "PRAGMA cache_size = -16000",
                *pragmas,
            ):
                connection.execute(pragma).fetchall()
        except sqlite3.Error:
            connection.close()
            raise
        return connection

    @contextmanager
    def _standing(self) -> Iterator[None]:
        """A file that was taken away or replaced is not written to any longer: nobody would ever see that."""
        if self._identity() != self._file:
            self.close()
            raise ArchiveUnavailable(Trouble.DOWN)
        yield

    def _identity(self) -> tuple[int, int] | None:
        try:
            status = os.stat(self._path)
        except OSError:
            return None
        return status.st_dev, status.st_ino


_A_MOMENT = 0.002


def _keep_a_log(connection: sqlite3.Connection, wait: float) -> None:
    """WAL. The one change that SQLite's own timeout does not cover: two who open a new file at the same time would wait
    for each other's locks, and one of them is sent away at once."""
    end = time.monotonic() + wait
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL").fetchall()
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > end:
                raise
            time.sleep(_A_MOMENT)


_ONE_MAKES = threading.Lock()


def _make(path: str) -> None:
    """An empty file, where there is none. One that is there is not touched: to close any descriptor of it gives up the
    locks of all connections that this process has to it (POSIX), whereupon another process may take the write-ahead log
    away from under them, with all that they commit afterwards (sqlite.org/howtocorrupt.html, 2.2)."""
    with _ONE_MAKES:
        try:
            descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600)
        except FileExistsError:
            return
        os.close(descriptor)
