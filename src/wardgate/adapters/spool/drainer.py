"""From the spool to the durable store: in batches, in order, at least once, for as long as it takes.

    segments ─► window ─► settled? ─► Archive ─► position ─► segments removed

The window holds an entry back for a moment, since the next ones may say that its card was withheld. A store that is
down is asked again, ever more rarely; an entry that it refuses is set aside, and the others go on. So is a segment that
the disk does not give back, after some tries.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import msgspec

from wardgate.adapters.spool.delivery import Takes, Wanted, decoded, undelivered
from wardgate.adapters.spool.folder import SpoolFolder
from wardgate.adapters.spool.frames import Entry, Found, Gap, framed
from wardgate.adapters.spool.quarantine import Quarantine, frame_of
from wardgate.adapters.spool.reader import Item, Place, SpoolReader, Unreadable
from wardgate.domain.records import DecisionRecord, withheld
from wardgate.domain.spool import SpoolEvent, SpoolTold
from wardgate.records.archive import ArchiveUnavailable


@dataclass(frozen=True, slots=True)
class DrainerOptions:
    every: float = 0.5
    """Seconds between two looks at a spool that was empty."""
    batch: int = 500
    """Entries that the store is given at a time; 10 ms and more of the processor, which calls want as well."""
    rest: float = 0.03
    """Seconds between two batches. Without it each is what came meanwhile: a dozen entries, at thrice their cost."""
    hold: float = 1.0
    """Seconds, and"""
    ahead: int = 1000
    """entries, one of which must lie between an entry and its delivery: a late record is corrected within that."""
    pause: float = 0.5
    """Seconds before a store that is down is asked again, for the first time; then twice as long each time, up to"""
    longest_pause: float = 10.0
    quarantine: int = 16 * 1024**2
    """Bytes of the quarantine."""
    tries: int = 4
    """How often a segment is read that the disk does not give back; with pauses as above."""


class _Waiting(msgspec.Struct, frozen=True):
    item: Item
    since: float


Unread = Callable[[int, OSError, bool], None]
"""The number of a segment, why it cannot be read, and whether it is set aside; told at first, and in the end."""


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
        unreadable: Unread = lambda number, error, aside: None,
        leave: Callable[[int], None] = lambda number: None,
    ) -> None:
        """`removed` hears of bytes that the spool has again, `unreadable` of segments; `leave` has the writer go on in
        another one."""
        self._folder = folder
        self._reader = reader
        self._removed = removed
        self._archive = archive
        self._told = told
        self._fault = fault
        self._options = options or DrainerOptions()
        self._monotonic = monotonic
        self._unreadable, self._leave = unreadable, leave
        self._quarantine = Quarantine(folder, self._options.quarantine, told, removed)
        self._window: deque[_Waiting] = deque()
        self._withheld: set[str] = set()
        self._corrected: set[str] = set()
        self._failures = 0
        self._unread: tuple[int, int] | None = None  # a segment that cannot be read, and how often that was tried
        self._read_again = float("-inf")
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

    @property
    def reads(self) -> bool:
        """Whether the disk gives back what it has."""
        return self._unread is None

    @property
    def unreadable_segments(self) -> int:
        """Those that are set aside."""
        return self._quarantine.segments

    def behind(self) -> float:
        """Seconds that the oldest entry which was read has waited for the store."""
        try:
            return max(self._monotonic() - self._window[0].since, 0.0)
        except IndexError:
            return 0.0

    # --- the thread -------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        while not self._closing.is_set():
            self._closing.wait(self._options.rest if self._turn() else self._pause())
        while self._turn(last=True) and self.up:
            pass

    def _pause(self) -> float:
        return self._options.every if self.up else self._longer(self._failures)

    def _longer(self, failures: int) -> float:
        return min(self._options.pause * (1 << min(failures - 1, 10)), self._options.longest_pause)

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
        room, now = self._options.batch + self._options.ahead - len(self._window), self._monotonic()
        if room <= 0 or now < self._read_again:
            return
        try:
            items = self._reader.read(room)
        except Unreadable as failure:
            self._not_read(failure)
            return
        if items:
            self._unread = None
        for item in items:
            if isinstance(item.what, Gap):
                self._told(SpoolEvent.TORN if item.what.torn else SpoolEvent.DAMAGED, 1)
            elif item.what.kind == Entry.WITHHELD:
                self._withheld.add(item.what.payload.decode("ascii", "replace"))
            self._window.append(_Waiting(item, now))

    def _not_read(self, failure: Unreadable) -> None:
        """The next segment is not given back: it is tried again, and set aside in the end. One that is being written
        is left by the writer first."""
        number, live = failure.number, self._reader.is_live(failure.number)
        tries = 1 if self._unread is None or self._unread[0] != number else self._unread[1] + 1
        self._unread = (number, tries)
        self._read_again = self._monotonic() + self._longer(tries)
        if live:
            self._leave(number)
        aside = tries >= self._options.tries and not live
        if aside:
            self._quarantine.keep_segment(number)
            self._reader.skip(number)
            self._told(SpoolEvent.UNREADABLE, 1)
            self._unread, self._read_again = None, float("-inf")
        if aside or tries == 1:
            self._unreadable(number, failure.error, aside)

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
        wanted: list[Wanted] = []
        refused: list[bytes] = []
        for item in items:
            found = item.what
            if isinstance(found, Gap) or found.kind == Entry.WITHHELD:
                continue
            value = decoded(found)
            if value is None:
                refused.append(framed(found.kind, found.payload))
            else:
                wanted.append(self._corrected_by_now(value))
        try:
            refused += map(frame_of, undelivered(self._archive, wanted, self._fault))
        except ArchiveUnavailable:
            self._failures += 1
            return False
        for frame in refused:  # last, so that a second attempt does not set it aside twice
            self._quarantine.keep(frame)
        self._failures = 0
        self._told(SpoolEvent.DELIVERED, len(wanted))
        self._move_on(items)
        return True

    def _corrected_by_now(self, value: Wanted) -> Wanted:
        if isinstance(value, DecisionRecord) and value.decision_id in self._withheld:
            self._corrected.add(value.decision_id)
            return withheld(value)
        return value

    def _move_on(self, items: Sequence[Item]) -> None:
        for item in items:
            self._window.popleft()
            if isinstance(item.what, Found) and item.what.kind == Entry.WITHHELD:
                self._done_with(item.what)
        place: Place = items[-1].end
        for number in self._reader.passed(place):  # first: a full disk may have no room for a position
            path = self._folder.segment(number)
            size = path.stat().st_size
            path.unlink()
            self._removed(size)
        self._folder.keep_position(*place)

    def _done_with(self, correction: Found) -> None:
        """What it corrects has been delivered, was never written, or stands in a segment that could not be read."""
        decision_id = correction.payload.decode("ascii", "replace")
        self._withheld.discard(decision_id)
        if decision_id not in self._corrected and self._quarantine.segments:
            self._quarantine.keep(framed(correction.kind, correction.payload))
        self._corrected.discard(decision_id)
