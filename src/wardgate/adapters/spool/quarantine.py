"""What could not be delivered, set aside so that it holds up nothing else: entries that the store refuses, segments
that the disk does not give back. `wardgate records requeue` tries them again.

    worker-0/quarantine              entries, framed as in a segment; under a lock, since that command takes it away
    worker-0/0000000001.unreadable   a segment, as it was
"""

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import msgspec

from wardgate.adapters.spool.delivery import Wanted
from wardgate.adapters.spool.folder import SpoolFolder
from wardgate.adapters.spool.frames import Entry, framed
from wardgate.domain.records import DecisionRecord
from wardgate.domain.spool import SpoolEvent, SpoolTold

QUARANTINE, UNREADABLE = "quarantine", ".unreadable"
_encode = msgspec.msgpack.Encoder().encode


def frame_of(value: Wanted) -> bytes:
    return framed(Entry.DECISION if isinstance(value, DecisionRecord) else Entry.FEEDBACK, _encode(value))


class Quarantine:
    """Of one process's folder."""

    def __init__(self, folder: SpoolFolder, limit: int, told: SpoolTold, removed: Callable[[int], None]) -> None:
        """`limit` in bytes of entries; `removed` hears of bytes that the spool has again."""
        self._folder, self._limit, self._told, self._removed = folder, limit, told, removed
        self.segments = len(list(folder.path.glob(f"*{UNREADABLE}")))
        """Those that are set aside."""

    def keep(self, frame: bytes) -> None:
        """Raises OSError."""
        with appended(self._folder.path / QUARANTINE) as descriptor:
            if os.fstat(descriptor).st_size + len(frame) > self._limit:
                self._told(SpoolEvent.DROPPED, 1)
                return
            put_down(descriptor, frame)
        self._told(SpoolEvent.QUARANTINED, 1)

    def keep_segment(self, number: int) -> None:
        """Where the disk does not even rename a file, it stays as it is, and the next start tries it again."""
        self.segments += 1
        path = self._folder.segment(number)
        with suppress(OSError):
            size = path.stat().st_size
            path.rename(path.with_suffix(UNREADABLE))
            self._removed(size)


@contextmanager
def appended(path: Path) -> Iterator[int]:
    """A descriptor of what stands under this name, for as long as it is locked. Raises OSError."""
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            if _stands(path, descriptor):
                yield descriptor
                return
        finally:
            os.close(descriptor)


def put_down(descriptor: int, data: bytes) -> None:
    """On the disk when it returns; raises OSError."""
    written = 0
    while written < len(data):
        written += os.write(descriptor, data[written:])
    os.fdatasync(descriptor)


def _stands(path: Path, descriptor: int) -> bool:
    """Whether nobody has taken it away while its lock was waited for."""
    mine = os.fstat(descriptor)
    try:
        there = path.stat()
    except FileNotFoundError:
        return False
    return (mine.st_dev, mine.st_ino) == (there.st_dev, there.st_ino)
