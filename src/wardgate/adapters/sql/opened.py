"""A database that opens itself when it is first asked for something, so that one which is down at the start is no
special case."""

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

from sqlalchemy import Connection

from wardgate.adapters.sql.database import Database
from wardgate.records.archive import ArchiveUnavailable


class Opened:
    """All raise ArchiveUnavailable; leaving a transaction commits it, an exception undoes it."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._opening, self._open = threading.Lock(), False

    def reading(self) -> AbstractContextManager[Connection]:
        return self._opened(self._database.reading)

    def writing(self) -> AbstractContextManager[Connection]:
        return self._opened(self._database.writing)

    def chaining(self) -> AbstractContextManager[Connection]:
        return self._opened(self._database.chaining)

    def forget(self) -> bool:
        return self._database.forget()

    def close(self) -> None:
        self._database.close()

    @contextmanager
    def _opened(self, transaction: Callable[[], AbstractContextManager[Connection]]) -> Iterator[Connection]:
        try:
            if not self._open:
                with self._opening:
                    if not self._open:
                        self._database.open()
                        self._open = True
            with transaction() as connection:
                yield connection
        except ArchiveUnavailable:
            self._open = False  # what comes back may be another store
            raise
