"""PostgreSQL 13 or later: for several replicas.

Whatever the server does, a caller waits for a bounded time: connecting and statements have their limits on both sides,
and a server that takes a statement and falls silent, which no limit of its own can end, has its connection cut.
"""

import os
import socket
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from time import monotonic
from typing import Any

import psycopg
from psycopg.conninfo import make_conninfo
from sqlalchemy import Connection, create_engine, exc, text
from sqlalchemy.pool import QueuePool

from wardgate.adapters.sql import partitions
from wardgate.adapters.sql.errors import translated
from wardgate.adapters.sql.schema import bring_forward
from wardgate.adapters.sql.staging import STAGED, StagedRow
from wardgate.domain.durable import PostgresPlace
from wardgate.records.archive import ArchiveUnavailable, Trouble


@dataclass(frozen=True, slots=True)
class PostgresOptions:
    connect: int = 3
    """Seconds to connect and log in."""
    wait: float = 3.0
    """Seconds for a connection of the pool."""
    lock: float = 1.0
    """Seconds for a lock. Whoever waits for a whole table holds up everybody behind, so it is short."""
    limit: float = 8.0
    """Seconds for a transaction; a second more, and its connection is cut."""
    bulk_limit: float = 120.0
    """The same, locks included, for a batch of outcomes once its last row is here, and for changing the tables."""
    again: float = 30.0
    """Seconds until a partition that could not be made is tried again: each try holds others up for `lock`."""
    connections: int = 6


_LIMITS = text("SELECT set_config('statement_timeout', :statement, true), set_config('lock_timeout', :lock, true)")
_LOCK = text("SELECT pg_advisory_xact_lock(:number)")
_MIGRATING, _SETTLING, _PARTITIONING, _CHAINING = 0x57475201, 0x57475202, 0x57475203, 0x57475204
"""Numbers of advisory locks, one for all programs that use the database."""


class Postgres:
    """Meets `database.Database`."""

    kind = "postgresql"

    def __init__(self, place: PostgresPlace, options: PostgresOptions | None = None) -> None:
        self._place, self._options = place, options or PostgresOptions()
        self._fresh = _Fresh()
        self._made: set[partitions.Month] = set()
        self._again = 0.0
        self._engine = create_engine(
            "postgresql+psycopg://",
            creator=self._connect,
            poolclass=QueuePool,
            pool_size=self._options.connections,
            max_overflow=0,
            pool_timeout=self._options.wait,
            pool_use_lifo=True,
            hide_parameters=True,
        )

    def open(self) -> None:
        self._made.clear()  # where it opens once more, it may be another one, put back from a backup
        with translated(), self._transaction(self._options.bulk_limit, self._options.limit) as connection:
            connection.execute(_LOCK, {"number": _MIGRATING})
            bring_forward(connection)

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        with translated(), self._transaction(self._options.limit, self._options.lock) as connection:
            yield connection

    writing = reading

    @contextmanager
    def chaining(self) -> Iterator[Connection]:
        with self.writing() as connection:
            connection.execute(text("SET LOCAL synchronous_commit = on"))
            connection.execute(_LOCK, {"number": _CHAINING})
            yield connection

    @contextmanager
    def staging(self, batches: Iterable[list[StagedRow]]) -> Iterator[Connection]:
        """A slow sender keeps a transaction open, which holds nobody up; each piece of it has the limit for itself."""
        limit, columns = self._options.bulk_limit, ", ".join([column.name for column in STAGED.columns])
        with translated(), self._begun(limit, limit) as (connection, cut):
            with cut.within(limit):
                connection.execute(text("DROP TABLE IF EXISTS staged, facts"))
                STAGED.create(connection)
            driver = connection.connection.driver_connection
            assert isinstance(driver, psycopg.Connection)
            for rows in batches:
                with (
                    cut.within(limit),
                    driver.cursor() as cursor,
                    cursor.copy(f"COPY staged ({columns}) FROM STDIN") as c,
                ):
                    for row in rows:
                        c.write_row(tuple(row.values()))
            with cut.within(limit):
                connection.execute(_LOCK, {"number": _SETTLING})
                yield connection
                connection.execute(text("DROP TABLE IF EXISTS staged, facts"))
                connection.commit()

    def prepare(self, ats: Iterable[float]) -> None:
        """Sees to it that the months of these times, and those after them, have their partitions. One that cannot be
        made now, since a backup holds the tables, is made later: until then, its rows lie in the default partition."""
        missing = partitions.months_of(ats) - self._made
        if not missing or monotonic() < self._again:
            return
        for month in sorted(missing):
            try:
                with self.writing() as connection:
                    connection.execute(_LOCK, {"number": _PARTITIONING})
                    partitions.make(connection, month)
            except ArchiveUnavailable as error:
                if error.trouble is not Trouble.LATE:
                    raise
                self._again = monotonic() + self._options.again
                return
            self._made.add(month)

    def drop_before(self, before: float) -> int:
        """Drops the oldest month if all of it is over by then; how many decisions that were."""
        with self.writing() as connection:
            connection.execute(_LOCK, {"number": _PARTITIONING})
            month = partitions.past(connection, before)
            if month is None:
                return 0
            self._made.discard(month)
            return partitions.drop(connection, month)

    def forget(self) -> bool:
        """Its pages and its log are its administrator's (VACUUM, the retention of archives): nothing to do here."""
        return True

    def close(self) -> None:
        self._engine.dispose()

    def _connect(self) -> psycopg.Connection[Any]:
        place = self._place
        given = make_conninfo(
            host=place.host,
            port=place.port,
            dbname=place.database,
            user=place.user,
            password=place.password,
            passfile=place.passfile,
            sslmode=place.sslmode,
            sslrootcert=place.ca,
            sslcert=place.certificate,
            sslkey=place.key,
            connect_timeout=self._options.connect,
            application_name="wardgate",
        )
        # no prepared statements: behind a pooler each transaction may meet another connection of the server
        driver = psycopg.connect(given, prepare_threshold=None)
        self._fresh.cut = _Cut(driver)
        self._fresh.cut.start(self._options.connect)
        return driver

    @contextmanager
    def _connected(self) -> Iterator[Connection]:
        """Of the pool, or new. SQLAlchemy asks a new server for its version and more, without a limit of its own."""
        self._fresh.cut = None
        try:
            connection = self._engine.connect()
        except (exc.DBAPIError, psycopg.Error):
            if self._fresh.cut is not None and self._fresh.cut.fired:
                raise ArchiveUnavailable(Trouble.LATE) from None
            raise
        finally:
            if self._fresh.cut is not None:
                self._fresh.cut.close()
        with connection:
            yield connection

    @contextmanager
    def _transaction(self, limit: float, lock: float) -> Iterator[Connection]:
        with self._begun(limit, lock) as (connection, cut), cut.within(limit + 1):
            yield connection
            connection.commit()

    @contextmanager
    def _begun(self, limit: float, lock: float) -> Iterator[tuple[Connection, "_Cut"]]:
        """A connection in a transaction whose statements have the limit. Setting that is the first thing that a pooled
        connection is asked for; where it has died meanwhile, another one takes its place."""
        values = {"statement": f"{1000 * limit:.0f}ms", "lock": f"{1000 * lock:.0f}ms"}
        for last in (False, True):
            with self._connected() as connection, _cut_of(connection) as cut:
                try:
                    with cut.within(self._options.connect):
                        connection.execute(_LIMITS, values)
                except exc.DBAPIError as error:
                    if last or not error.connection_invalidated:
                        raise
                    continue
                try:
                    yield connection, cut
                except BaseException:
                    with suppress(exc.DBAPIError), cut.within(self._options.connect):
                        connection.rollback()
                    raise
                return


class _Cut:
    """Ends a connection whose server has fallen silent: the socket is shut beneath the driver, which is waiting."""

    def __init__(self, driver: psycopg.Connection[Any]) -> None:
        self._socket = socket.socket(fileno=os.dup(driver.fileno()))
        self._timer: threading.Timer | None = None
        self.fired = False

    def __enter__(self) -> "_Cut":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        self._stop()
        self._socket.close()

    def start(self, seconds: float) -> None:
        self._timer = threading.Timer(seconds, self._fire)
        self._timer.daemon = True
        self._timer.start()

    def _stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    @contextmanager
    def within(self, seconds: float) -> Iterator[None]:
        self.start(seconds)
        try:
            yield
        except (exc.DBAPIError, psycopg.Error):
            if self.fired:
                raise ArchiveUnavailable(Trouble.LATE) from None
            raise
        finally:
            self._stop()

    def _fire(self) -> None:
        self.fired = True
        with suppress(OSError):  # closed meanwhile: it was in time after all
            self._socket.shutdown(socket.SHUT_RDWR)


class _Fresh(threading.local):
    """The cut of the connection that this thread is making."""

    cut: _Cut | None = None


def _cut_of(connection: Connection) -> _Cut:
    driver = connection.connection.driver_connection
    assert isinstance(driver, psycopg.Connection)
    return _Cut(driver)
