"""The folder of one process: its segments, its lock, and what it takes over from processes that are gone.

STORES.SPOOL/             0700
  worker-0/               of the one process; worker-1 … with --workers
    lock                  held for as long as the process lives
    0000000001.segment    0600; a process never goes on with an earlier one's
    position              up to where the store has it
    quarantine            entries that the store refuses; beside it segments that cannot be read (`quarantine.py`)
"""

import fcntl
import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import count
from pathlib import Path

LOCK, POSITION = "lock", "position"
_SEGMENT = ".segment"
_PATIENCE, _MOMENT = 1.0, 0.01
"""Seconds: another process that begins looks into this folder, and holds its lock for a moment."""


class SpoolUnusable(Exception):
    """The folder cannot be used; says where, why, and what to do."""


class SpoolFolder:
    def __init__(self, root: Path, worker: int = 0) -> None:
        """Makes and locks it; raises SpoolUnusable, also where another process has it."""
        self.root = root
        self.path = root / f"worker-{worker}"
        try:
            root.mkdir(parents=True, exist_ok=True, mode=0o700)
            self.path.mkdir(exist_ok=True, mode=0o700)
            lock = _locked(self.path, _PATIENCE)
            known = [number for number, _ in _segments(self.path)]
            self.position = _credible(_position(self.path), known, self.segment)
        except OSError as error:
            what = os.strerror(error.errno or 0).lower()
            raise SpoolUnusable(f"{self.path} cannot be used ({what}): name a folder that can be written") from None
        if lock is None:
            raise SpoolUnusable(f"{self.path} belongs to another process: stop that one, or name another folder")
        self._lock = lock
        self._numbers = count(max([*known, self.position[0]]) + 1)
        self._numbering = threading.Lock()

    def next(self) -> tuple[int, Path]:
        """The number and the place of a segment that is not there yet."""
        with self._numbering:
            number = next(self._numbers)
        return number, self.segment(number)

    def segment(self, number: int) -> Path:
        return self.path / f"{number:010}{_SEGMENT}"

    def segments(self) -> list[int]:
        """The numbers of those that are there, oldest first."""
        return [number for number, _ in _segments(self.path)]

    def keep_position(self, number: int, offset: int) -> None:
        """How far the store has everything; raises OSError. Not flushed: an earlier one costs a few records that are
        sent once more."""
        self.position = (number, offset)
        new = self.path / f"{POSITION}.new"
        new.write_text(f"{number} {offset}\n")
        new.replace(self.path / POSITION)

    def size(self) -> int:
        """Bytes of all segments."""
        return sum(path.stat().st_size for _, path in _segments(self.path))

    def adopt(self) -> int:
        """Take over the segments of processes that are gone, and say how many. They are read from their beginning:
        the store knows what it has."""
        adopted = 0
        for other in sorted(self.root.glob("worker-*")):
            if other == self.path or not other.is_dir():
                continue
            try:
                adopted += self._adopt(other)
            except OSError:  # somebody else's files: they stay where they are
                continue
        return adopted

    def _adopt(self, other: Path) -> int:
        lock = _locked(other)
        if lock is None:
            return 0
        try:
            left = list(_segments(other))
            for _, path in left:
                path.rename(self.next()[1])
            (other / POSITION).unlink(missing_ok=True)
            return len(left)
        finally:
            os.close(lock)

    def close(self) -> None:
        os.close(self._lock)


def _position(folder: Path) -> tuple[int, int]:
    """Where the store stopped; the very beginning where that is not known."""
    try:
        number, offset = (folder / POSITION).read_text().split()
        return int(number), int(offset)
    except (FileNotFoundError, ValueError):
        return 0, 0


def _credible(position: tuple[int, int], known: Sequence[int], segment: Callable[[int], Path]) -> tuple[int, int]:
    """Segments are removed before a position beyond them is kept, so one that has some before it, or lies outside of
    its own, is none: it would have records removed that no store has."""
    number, offset = position
    if any(each < number for each in known) or offset < 0:
        return 0, 0
    return position if number not in known or offset <= segment(number).stat().st_size else (0, 0)


def _segments(folder: Path) -> Iterator[tuple[int, Path]]:
    for path in sorted(folder.glob(f"*{_SEGMENT}")):
        if path.name.removesuffix(_SEGMENT).isdecimal():
            yield int(path.name.removesuffix(_SEGMENT)), path


def _locked(folder: Path, patience: float = 0.0) -> int | None:
    """A descriptor that holds the lock; None: somebody else has it, for so many seconds. The kernel lets it go with its
    holder."""
    descriptor, end = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600), time.monotonic() + patience
    try:
        while not _taken(descriptor):
            if time.monotonic() >= end:
                os.close(descriptor)
                return None
            time.sleep(_MOMENT)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def _taken(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
