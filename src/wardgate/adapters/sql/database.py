"""What the archive needs of a database, beyond SQL that both speak."""

from collections.abc import Iterable
from contextlib import AbstractContextManager
from typing import Protocol

from sqlalchemy import Connection

from wardgate.adapters.sql.staging import StagedRow


class Database(Protocol):
    """All but `close` raise ArchiveUnavailable; leaving a transaction commits it, an exception undoes it."""

    @property
    def kind(self) -> str: ...

    def open(self) -> None:
        """Brings the tables forward to this version, where they are not; one process at a time does so."""
        ...

    def reading(self) -> AbstractContextManager[Connection]: ...

    def writing(self) -> AbstractContextManager[Connection]: ...

    def chaining(self) -> AbstractContextManager[Connection]:
        """A transaction beside which nobody else has one of these; what it commits is on the disk."""
        ...

    def staging(self, batches: Iterable[list[StagedRow]]) -> AbstractContextManager[Connection]:
        """A transaction that has all rows in the temporary table `staged`, while no other batch is settled."""
        ...

    def prepare(self, ats: Iterable[float]) -> None:
        """Makes room for decisions of these times."""
        ...

    def drop_before(self, before: float) -> int:
        """Removes what can be removed at one stroke; how many decisions that were."""
        ...

    def forget(self) -> bool:
        """What was deleted is left in no file that we can clean; False: in one still, since somebody reads it now."""
        ...

    def close(self) -> None: ...
