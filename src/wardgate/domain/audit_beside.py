"""What the store has beside the entries of the chain, and no seal covers: the columns by which entries are found, and
the remarks. Whoever may write to the store could else hide an entry from every search, or put other words into
somebody's mouth, and the chain would be sound.
"""

from collections.abc import Callable, Iterator, Mapping
from enum import StrEnum
from typing import Any

import msgspec

from wardgate.domain.audit import Action, Result, SealedEntry, body_of, remark_hash


class Row(msgspec.Struct, frozen=True):
    """An entry as the store has it. `remark`: salt and text."""

    entry: SealedEntry
    id: str
    at: str
    who: str
    subject: str
    remark: tuple[bytes, str] | None = None


class Beside(StrEnum):
    MISFILED = "misfiled"
    """It is found under another id, time, name or subject than it has, so searches miss it."""
    REMARK_ALTERED = "remark_altered"
    REMARK_ADDED = "remark_added"
    REMARK_LOST = "remark_lost"
    """It is gone, and no entry says that it was erased."""
    REMARK_KEPT = "remark_kept"
    """An entry says that it was erased, and it is there."""


class Misplaced(msgspec.Struct, frozen=True):
    fault: Beside
    number: int


class Judge:
    """Takes the rows of a whole store, in order. `ours`: whether this deployment has written an entry; None: nobody can
    tell. What is no entry is the `Verifier`'s to say. Memory grows with the remarks that are gone or were erased."""

    def __init__(self, ours: Callable[[Mapping[str, Any]], bool] | None = None) -> None:
        self._ours = ours
        self._found: list[Misplaced] = []
        self._gone: dict[str, int] = {}
        self._erased: set[str] = set()
        self._there: dict[str, int] = {}
        self.foreign = 0
        """Entries that this deployment did not write, or under a key that it has no more."""
        self.first_foreign = 0

    def take(self, row: Row) -> None:
        try:
            said = body_of(row.entry)
        except (msgspec.MsgspecError, UnicodeError):
            return
        number = row.entry.number
        if any(said.get(name) != getattr(row, name) for name in ("id", "at", "who", "subject")):
            self._note(Beside.MISFILED, number)
        if said.get("what") == Action.REMARK_ERASE and said.get("result") == Result.DONE:
            self._erased.add(str(said.get("subject")))
        self._remark(said.get("remark"), row, str(said.get("id")))
        if self._ours is not None and not self._ours(said):
            self.foreign, self.first_foreign = self.foreign + 1, self.first_foreign or number

    def found(self) -> Iterator[Misplaced]:
        """By number."""
        lost = [Misplaced(Beside.REMARK_LOST, at) for event, at in self._gone.items() if event not in self._erased]
        kept = [Misplaced(Beside.REMARK_KEPT, at) for event, at in self._there.items() if event in self._erased]
        yield from sorted((*self._found, *lost, *kept), key=lambda each: each.number)

    def _remark(self, hashed: object, row: Row, event: str) -> None:
        number, remark = row.entry.number, row.remark
        if hashed is None and remark is not None:
            self._note(Beside.REMARK_ADDED, number)
        elif hashed is not None and remark is None:
            self._gone[event] = number
        elif remark is not None:
            self._there[event] = number
            if remark_hash(*remark) != hashed:
                self._note(Beside.REMARK_ALTERED, number)

    def _note(self, fault: Beside, number: int) -> None:
        self._found.append(Misplaced(fault, number))
