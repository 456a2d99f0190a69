"""From the spool to the durable store: in batches, in order, at least once, for as long as it takes.

    segments ─► window ─► settled? ─► Archive ─► position ─► segments removed

The window holds an entry back for a moment, since the next ones may say that its card was withheld. A store that is
down is asked again, ever more rarely; an entry that it refuses is set aside, and the others go on.
"""

import os
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import msgspec

from wardgate.adapters.spool.folder import QUARANTINE, SpoolFolder
from wardgate.adapters.spool.frames import Entry, Found, Gap, framed
from wardgate.adapters.spool.reader import Item, Place, SpoolReader
from wardgate.domain.records import DecisionRecord, withheld
from wardgate.domain.spool import SpoolEvent, SpoolTold
from wardgate.records.archive import ArchiveUnavailable, FeedbackEntry, RecordRefused


@dataclass(frozen=True, slots=True)
class DrainerOptions:
    every: float = 0.5
    """Seconds between two looks at a spool that was empty."""
    batch: int = 1000
    """Entries that the store is given at a time."""
    hold: float = 1.0
    """Seconds, and"""
    ahead: int = 1000
    """entries, one of which must lie between an entry and its delivery: a late record is corrected within that."""
    pause: float = 0.5
    """Seconds before a store that is down is asked again, for the first time; then twice as long each time, up to"""
    longest_pause: float = 10.0
    quarantine: int = 16 * 1024**2
    """Bytes of the quarantine."""


class _Waiting(msgspec.Struct, frozen=True):
    item: Item
    since: float


Wanted = DecisionRecord | FeedbackEntry
_decoders: dict[int, Any] = {
    Entry.DECISION: msgspec.msgpack.Decoder(DecisionRecord),
    Entry.FEEDBACK: msgspec.msgpack.Decoder(FeedbackEntry),
}


class Takes(Protocol):
    """What of an `Archive` is needed here."""

    def add_decisions(self, records: Sequence[DecisionRecord]) -> int: ...

    def add_feedback(self, entries: Sequence[FeedbackEntry]) -> int: ...


class Drainer:
    """Has a thread of its own; `behind` and `up` are for anybody."""

    def __init__(
        self,
        folder: SpoolFolder,
        reader: SpoolReader,
        removed: Callable[[int], None],
        archive: Takes,
        told: SpoolTold,
        fault: Callable[[BaseException], None],
        options: DrainerOptions | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """`removed` hears of bytes that the spool has again."""
        self._folder = folder
        self._reader = reader
        self._removed = removed
        self._archive = archive
        self._told = told
        self._fault = fault
        self._options = options or DrainerOptions()
        self._monotonic = monotonic
        self._window: deque[_Waiting] = deque()
        self._withheld: set[str] = set()
        self._failures = 0
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="spool-drainer", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def close(self, seconds: float = 2.0) -> bool:
        """Whether the store has everything; what is left is for the next start."""
        self._closing.set()
        if self._thread.ident is None:  # never started
            return False
        self._thread.join(seconds)
        return not self._thread.is_alive() and not self._window

    @property
    def up(self) -> bool:
        """Whether the store took what it was given last."""
        return self._failures == 0

    def behind(self) -> float:
        """Seconds that the oldest entry which was read has waited for the store."""
        try:
            return max(self._monotonic() - self._window[0].since, 0.0)
        except IndexError:
            return 0.0

    # --- the thread -------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        while not self._closing.is_set():
            self._closing.wait(0.0 if self._turn() else self._pause())
        while self._turn(last=True) and self.up:
            pass

    def _pause(self) -> float:
        if self.up:
            return self._options.every
        return min(self._options.pause * (1 << min(self._failures - 1, 10)), self._options.longest_pause)

    def _turn(self, last: bool = False) -> bool:
        """Whether anything was delivered."""
        try:
            self._read()
            return self._deliver(self._settled(last))
        except Exception as error:  # a disk that cannot be read, and whatever else: the gateway goes on, and so do we
            self._failures += 1
            self._fault(error)
            return False

    def _read(self) -> None:
        room = self._options.batch + self._options.ahead - len(self._window)
        if room <= 0:
            return
        now = self._monotonic()
        for item in self._reader.read(room):
            if isinstance(item.what, Gap):
                self._told(SpoolEvent.TORN if item.what.torn else SpoolEvent.DAMAGED, 1)
            elif item.what.kind == Entry.WITHHELD:
                self._withheld.add(item.what.payload.decode("ascii", "replace"))
            self._window.append(_Waiting(item, now))

    def _settled(self, last: bool) -> list[Item]:
        """What may go to the store."""
        ahead = len(self._window) - self._options.ahead
        until = self._monotonic() - self._options.hold
        settled: list[Item] = []
        for number, waiting in enumerate(self._window):
            if len(settled) == self._options.batch or not (last or number < ahead or waiting.since <= until):
                break
            settled.append(waiting.item)
        return settled

    def _deliver(self, items: Sequence[Item]) -> bool:
        if not items:
            return False
        wanted: list[tuple[Found, Wanted]] = []
        refused: list[Found] = []
        for item in items:
            found = item.what
            if isinstance(found, Gap) or found.kind == Entry.WITHHELD:
                continue
            value = self._decoded(found)
            if value is None:
                refused.append(found)
            else:
                wanted.append((found, value))
        try:
            refused += self._given(wanted)
        except ArchiveUnavailable:
            self._failures += 1
            return False
        for found in refused:  # last, so that a second attempt does not set it aside twice
            self._set_aside(found)
        self._failures = 0
        self._told(SpoolEvent.DELIVERED, len(wanted))
        self._move_on(items)
        return True

    def _decoded(self, found: Found) -> Wanted | None:
        """None: a later version of the program wrote it."""
        decoder = _decoders.get(found.kind)
        try:
            value = None if decoder is None else decoder.decode(found.payload)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            return None
        if isinstance(value, DecisionRecord) and value.decision_id in self._withheld:
            return withheld(value)
        return value

    def _given(self, wanted: Sequence[tuple[Found, Wanted]]) -> list[Found]:
        """Those that the store refuses. Raises ArchiveUnavailable; what was given by then may be given again."""
        try:
            self._add([value for _, value in wanted])
            return []
        except ArchiveUnavailable:
            raise
        except Exception as error:
            if not isinstance(error, RecordRefused):
                self._fault(error)
        refused: list[Found] = []
        for found, value in wanted:
            try:
                self._add([value])
            except ArchiveUnavailable:
                raise
            except Exception as error:  # whatever is wrong with one entry must not hold up the others
                if not isinstance(error, RecordRefused) and len(refused) == len(wanted) - 1 > 0:
                    raise  # not with the entries
                refused.append(found)
        return refused

    def _add(self, values: Sequence[Wanted]) -> None:
        decisions = [value for value in values if isinstance(value, DecisionRecord)]
        feedback = [value for value in values if isinstance(value, FeedbackEntry)]
        if decisions:
            self._archive.add_decisions(decisions)
        if feedback:
            self._archive.add_feedback(feedback)

    def _set_aside(self, found: Found) -> None:
        """Raises OSError."""
        path = self._folder.path / QUARANTINE
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            room = self._options.quarantine - os.fstat(descriptor).st_size
            if room < len(found.payload):
                self._told(SpoolEvent.DROPPED, 1)
                return
            os.write(descriptor, framed(found.kind, found.payload))
            os.fdatasync(descriptor)
        finally:
            os.close(descriptor)
        self._told(SpoolEvent.QUARANTINED, 1)

    def _move_on(self, items: Sequence[Item]) -> None:
        for item in items:
            self._window.popleft()
            if isinstance(item.what, Found) and item.what.kind == Entry.WITHHELD:
                self._withheld.discard(item.what.payload.decode("ascii", "replace"))
        place: Place = items[-1].end
        for number in self._reader.passed(place):  # first: a full disk may have no room for a position
            path = self._folder.segment(number)
            size = path.stat().st_size
            path.unlink()
            self._removed(size)
        self._folder.keep_position(*place)
