"""The thread that writes. Entries that come together are one group: one write(2), one acknowledgement.

    loop: put ─► queue ─► writer: frame, write ─► loop: told, once for the group
                              └─► flusher: fdatasync, every 100 ms, in a thread of its own

Acknowledged means: in the page cache, so that kill -9 loses nothing; a power cut loses what was not flushed yet. A disk
that takes nothing (full, broken, hung) is seen from here by `state`, and costs a caller no time. What is not flushed is
held in memory as well: where a flush fails, it is written again.
"""

import errno
import os
import threading
import time
from asyncio import Future
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from queue import SimpleQueue

from wardgate.adapters.spool.flusher import Flusher, Sync
from wardgate.adapters.spool.folder import SpoolFolder
from wardgate.adapters.spool.frames import OVERHEAD, framed
from wardgate.adapters.spool.unflushed import Unflushed
from wardgate.domain.spool import SpoolEvent, SpoolState, SpoolTold


@dataclass(frozen=True, slots=True)
class SpoolOptions:
    limit: int = 1024 * 1024**2
    """Bytes of all segments (`stores.spool_limit`)."""
    reserve: int = 64 * 1024**2
    """Bytes of the disk that are left free."""
    segment: int = 8 * 1024**2
    """Bytes after which another segment begins; an eighth of the limit at most, so that room comes back in time."""
    waiting: int = 10_000
    """Entries that wait for the disk."""
    waiting_bytes: int = 16 * 1024**2
    """Bytes of their payloads."""
    stuck: float = 0.25
    """Seconds that a write may take; beyond, nobody waits for it any more."""
    flush: float = 0.1
    """Seconds between two flushes: what a power cut may cost."""
    unflushed: float = 2.0
    """Seconds that something may stay unflushed; beyond, nothing is acknowledged."""
    unflushed_bytes: int = 64 * 1024**2
    """Bytes of it; beyond, nothing is taken."""


class Slip:
    """One entry on its way. `future`: somebody waits for it, and is told whether it was written. `since`: when it came,
    by the monotonic clock. `written`: None until the disk has answered."""

    __slots__ = ("future", "kind", "payload", "since", "written")

    def __init__(self, kind: int, payload: bytes, since: float, future: Future[bool] | None = None) -> None:
        self.kind = kind
        self.payload = payload
        self.since = since
        self.future = future
        self.written: bool | None = None


Open = Callable[[Path], int]
"""Makes a segment and gives its descriptor; raises OSError."""
Tell = Callable[[Sequence[Slip]], object]
"""Has the waiting ones of a group told, in the thread of the callers; called in the writer's."""


class _Sign(Enum):
    END = "end"
    RENEW = "renew"


_LOOK_AT_DISK = 1.0


def create(path: Path) -> int:
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, 0o600)


def _taken_away(descriptor: int) -> bool:
    """Whether somebody has removed the file: what is written there, nobody would ever read."""
    return os.fstat(descriptor).st_nlink == 0


class SpoolWriter:
    """`put` is for one thread, that of the callers; `end` and `removed` for that of the drainer."""

    def __init__(
        self,
        folder: SpoolFolder,
        tell: Tell,
        options: SpoolOptions | None = None,
        opened: Open = create,
        monotonic: Callable[[], float] = time.monotonic,
        told: SpoolTold = lambda event, count: None,
        fault: Callable[[BaseException], None] = lambda error: None,
        sync: Sync = os.fdatasync,
    ) -> None:
        """`told` hears of entries that were lost, or written again; `fault` of flushes that failed."""
        self._folder = folder
        self._tell = tell
        self._told = told
        self._options = options or SpoolOptions()
        self._segment = min(self._options.segment, self._options.limit // 8)
        self._opened = opened
        self._monotonic = monotonic
        self._queue: SimpleQueue[Slip | _Sign] = SimpleQueue()
        self._flusher = Flusher(folder.path, self._options.flush, monotonic, self._ask_to_renew, fault, sync)
        # Each number below has one thread that writes it, so that none needs a lock.
        self._put_entries = self._put_bytes = 0  # the callers
        self._taken_entries = self._taken_bytes = 0  # the writer
        self._written_bytes = folder.size()  # the writer
        self._removed_bytes = 0  # the drainer
        self._writes = 0  # the writer
        self._unflushed = Unflushed()  # the writer
        self._left = 0  # the drainer
        self._writing_since: float | None = None
        self._trouble = SpoolState.UP
        self._descriptor: int | None = None
        self._number = self._length = 0
        self._end = (0, 0)
        self._looked_at_disk = float("-inf")
        self._thread = threading.Thread(target=self._run, name="spool-writer", daemon=True)

    def start(self) -> None:
        self._thread.start()
        self._flusher.start()

    # --- the callers ------------------------------------------------------------------------------------------------

    def put(self, slip: Slip) -> bool:
        """False: too much waits already."""
        options = self._options
        if self._put_entries - self._taken_entries >= options.waiting:
            return False
        if self._put_bytes - self._taken_bytes >= options.waiting_bytes:
            return False
        self._put_entries += 1
        self._put_bytes += len(slip.payload)
        self._queue.put(slip)
        return True

    def writing_for(self) -> float:
        """Seconds that the write under way takes already."""
        since = self._writing_since
        return 0.0 if since is None else self._monotonic() - since

    @property
    def state(self) -> SpoolState:
        if self.writing_for() > self._options.stuck:
            return SpoolState.STUCK
        if self._flusher.unflushed_for() > self._options.unflushed:
            return SpoolState.STUCK
        return SpoolState.FAILED if self._flusher.failing else self._trouble

    @property
    def waiting(self) -> int:
        """Entries that wait for the disk."""
        return self._put_entries - self._taken_entries

    @property
    def size(self) -> int:
        """Bytes of all segments."""
        return self._written_bytes - self._removed_bytes

    def unflushed_for(self) -> float:
        """Seconds that the oldest write waits for its flush."""
        return self._flusher.unflushed_for()

    def close(self, seconds: float = 2.0) -> bool:
        """Whether all that was put is written and flushed; a hung disk is not waited for."""
        until = self._monotonic() + seconds
        self._queue.put(_Sign.END)
        self._thread.join(seconds)
        flushed = self._flusher.close(max(until - self._monotonic(), 0.05))
        return flushed and not self._thread.is_alive()

    # --- the drainer ------------------------------------------------------------------------------------------------

    def end(self) -> tuple[int, int]:
        """Number and length of the segment that is written now; what lies before is whole."""
        return self._end

    def removed(self, number_of_bytes: int) -> None:
        """Room came back."""
        self._removed_bytes += number_of_bytes

    def leave(self, number: int) -> None:
        """This segment cannot be read: the next group begins another."""
        self._left = number

    # --- the writer -------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        get, size = self._queue.get, self._queue.qsize
        last = False
        while not last:
            group = [get()]
            group += [get() for _ in range(size())]
            last = _Sign.END in group
            if _Sign.RENEW in group or (last and self._flusher.wanted):
                self._renew()
            slips = [slip for slip in group if isinstance(slip, Slip)]
            if slips:
                self._write(slips)
        if self._descriptor is not None:
            self._flusher.retire(self._descriptor)

    def _write(self, slips: Sequence[Slip]) -> None:
        data = b"".join([framed(slip.kind, slip.payload) for slip in slips])
        written = not self._flusher.failing and self._written(data, len(slips))
        if not written:
            self._told(SpoolEvent.LOST, len(slips))
        for slip in slips:
            slip.written = written
        self._taken_entries += len(slips)
        self._taken_bytes += len(data) - OVERHEAD * len(slips)
        waited = [slip for slip in slips if slip.future is not None]
        if waited:
            self._tell(waited)

    def _written(self, data: bytes, entries: int) -> bool:
        self._writing_since = self._monotonic()
        try:
            self._trouble = self._append(data, entries)
        except OSError as error:
            full = error.errno in (errno.ENOSPC, errno.EDQUOT)
            self._trouble = SpoolState.FULL if full else SpoolState.FAILED
            self._cut_off(keep=full)
        finally:
            self._writing_since = None
        return self._trouble is SpoolState.UP

    def _append(self, data: bytes, entries: int) -> SpoolState:
        """Raises OSError. What is written in part is cut off again, or left behind as a torn tail."""
        self._unflushed.forget(self._flusher.flushed)
        if self._unflushed.size + len(data) > self._options.unflushed_bytes:
            return SpoolState.STUCK
        if self.size + len(data) > self._options.limit or self._disk_full():
            return SpoolState.FULL
        if self._descriptor is None or self._ends_here() or _taken_away(self._descriptor):
            self._begin_segment()
        self._put_down(data)
        self._writes += 1
        self._unflushed.add(self._writes, data, entries)
        self._flusher.written(self._writes)
        return SpoolState.UP

    def _ends_here(self) -> bool:
        return self._length >= self._segment or self._left == self._number

    def _put_down(self, data: bytes) -> None:
        """Raises OSError."""
        descriptor = self._descriptor
        assert descriptor is not None
        written = os.write(descriptor, data)
        while written < len(data):
            written += os.write(descriptor, data[written:])
        self._length += len(data)
        self._written_bytes += len(data)
        self._end = (self._number, self._length)

    def _ask_to_renew(self) -> None:
        """From the flusher's thread."""
        self._queue.put(_Sign.RENEW)

    def _renew(self) -> None:
        """What no flush has covered is written once more, to another segment: the store takes it once."""
        if not self._flusher.wanted:
            return
        self._unflushed.forget(self._flusher.flushed)
        self._writing_since = self._monotonic()
        try:
            self._begin_segment()
            self._put_down(self._unflushed.data)
        except OSError:
            self._cut_off(keep=False)
            with suppress(OSError):  # it holds nothing, and there may be many of them
                self._folder.segment(self._number).unlink()
            self._flusher.not_renewed()
            return
        finally:
            self._writing_since = None
        self._told(SpoolEvent.REWRITTEN, self._unflushed.entries)
        self._trouble = SpoolState.UP
        self._flusher.renewed(self._writes)

    def _begin_segment(self) -> None:
        if self._descriptor is not None:
            descriptor, self._descriptor = self._descriptor, None
            self._flusher.retire(descriptor)
        number, path = self._folder.next()
        self._number, self._length = number, 0
        self._end = (number, 0)  # before it is there: who reads must not take it for a whole one
        self._descriptor = self._opened(path)
        self._flusher.begun(self._descriptor)

    def _cut_off(self, keep: bool) -> None:
        """What a failed write has left must not stand before the next entry: it is cut off, and where the disk may be
        broken, or that fails too, the next group begins another segment. Then the reader finds a torn tail."""
        if self._descriptor is None:
            return
        try:
            os.ftruncate(self._descriptor, self._length)
        except OSError:
            keep = False
        if not keep:
            descriptor, self._descriptor = self._descriptor, None
            self._flusher.retire(descriptor)

    def _disk_full(self) -> bool:
        now = self._monotonic()
        if now - self._looked_at_disk < _LOOK_AT_DISK and self._trouble is SpoolState.UP:
            return False
        self._looked_at_disk = now
        disk = os.statvfs(self._folder.path)
        return disk.f_bavail * disk.f_frsize < self._options.reserve
