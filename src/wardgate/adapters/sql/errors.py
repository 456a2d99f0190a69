"""The drivers' errors in the store's own words. Their messages are dropped: they quote values."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from sqlalchemy import exc

from wardgate.records.archive import ArchiveUnavailable, RecordRefused, Trouble

_SQLITE = {
    sqlite3.SQLITE_BUSY: Trouble.LATE,
    sqlite3.SQLITE_LOCKED: Trouble.LATE,
    sqlite3.SQLITE_INTERRUPT: Trouble.LATE,
    sqlite3.SQLITE_FULL: Trouble.FULL,
    sqlite3.SQLITE_NOTADB: Trouble.FOREIGN,
    sqlite3.SQLITE_CORRUPT: Trouble.FOREIGN,
    sqlite3.SQLITE_PERM: Trouble.DENIED,
    sqlite3.SQLITE_AUTH: Trouble.DENIED,
    sqlite3.SQLITE_READONLY: Trouble.DENIED,
    sqlite3.SQLITE_CANTOPEN: Trouble.DENIED,
}
"""By primary result code."""

_SQLSTATES = {
    "53100": Trouble.FULL,  # disk_full
    "57014": Trouble.LATE,  # query_canceled: statement_timeout
    "55P03": Trouble.LATE,  # lock_not_available: lock_timeout
    "40": Trouble.LATE,  # a deadlock, a serialization failure: the next try succeeds
    "42501": Trouble.DENIED,  # insufficient_privilege
    "25006": Trouble.DENIED,  # read_only_sql_transaction: a standby
    "28": Trouble.DENIED,
    "3D": Trouble.DENIED,  # no such database
    "42P01": Trouble.FOREIGN,  # undefined_table
    "42703": Trouble.FOREIGN,  # undefined_column
    "XX001": Trouble.FOREIGN,  # data_corrupted
    "XX002": Trouble.FOREIGN,  # index_corrupted
}
"""By SQLSTATE, or its class."""

_DENIALS = ("password", "authentication", "pg_hba.conf", "does not exist", "permission denied for database")
"""A refused login has no SQLSTATE in libpq: these are its words, in English, which is what most servers speak."""


@contextmanager
def translated() -> Iterator[None]:
    """Around whatever speaks to a database."""
    try:
        yield
    except exc.TimeoutError:  # every connection is in use
        raise ArchiveUnavailable(Trouble.LATE) from None
    except exc.DBAPIError as error:
        raise _meaning(error.orig) from None
    except (sqlite3.Error, psycopg.Error) as error:
        raise _meaning(error) from None
    except (exc.StatementError, UnicodeError, OverflowError):  # a value that no statement can carry
        raise RecordRefused from None
    except OSError:
        raise ArchiveUnavailable(Trouble.DENIED) from None


def _meaning(error: BaseException | None) -> ArchiveUnavailable | RecordRefused:
    if isinstance(error, sqlite3.Error | psycopg.Error) and _refused(error):
        return RecordRefused()
    if isinstance(error, sqlite3.Error):
        return ArchiveUnavailable(_SQLITE.get(getattr(error, "sqlite_errorcode", 0) & 0xFF, _unnamed(error)))
    if isinstance(error, psycopg.Error):
        if error.sqlstate is None:
            return ArchiveUnavailable(_unreached(error))
        state = error.sqlstate
        return ArchiveUnavailable(_SQLSTATES.get(state) or _SQLSTATES.get(state[:2], Trouble.DOWN))
    return ArchiveUnavailable(Trouble.DOWN)


def _refused(error: sqlite3.Error | psycopg.Error) -> bool:
    return isinstance(
        error, sqlite3.IntegrityError | sqlite3.DataError | psycopg.IntegrityError | psycopg.DataError
    ) or (isinstance(error, sqlite3.DatabaseError) and error.args[:1] == ("string or blob too big",))


def _unnamed(error: sqlite3.Error) -> Trouble:
    """`no such table` comes as the general SQLITE_ERROR."""
    return Trouble.FOREIGN if "no such" in str(error) else Trouble.DOWN


def _unreached(error: psycopg.Error) -> Trouble:
    if isinstance(error, psycopg.errors.ConnectionTimeout):
        return Trouble.LATE
    words = str(error)
    return Trouble.DENIED if any(denial in words for denial in _DENIALS) else Trouble.DOWN
