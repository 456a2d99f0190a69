"""The thread that flushes. fdatasync may take as long as the disk likes; the writer does not wait for it.

What a failed fdatasync was about is not on the disk, and the kernel may never try it again: it drops the pages, and the
next fdatasync of the same descriptor tells of no error. So that descriptor is given up, and the writer writes what no
flush has covered once more, to another segment. Until that is flushed, the spool is `failing`, and takes nothing.
"""

import errno
import os
import threading
from collections.abc import Callable
from pathlib import Path

Sync = Callable[[int], None]
"""Has what was written to a descriptor on the disk; raises OSError."""

_AGAIN, _LONGEST = 0.1, 5.0
"""Seconds between two attempts while flushes fail: doubled each time, up to the second."""


class Flusher:
    """Closes every descriptor that it was given. What the writer has written is counted by it (`written`)."""

    def __init__(
        self,
        folder: Path,
        every: float,
        monotonic: Callable[[], float],
        renew: Callable[[], None],
        fault: Callable[[BaseException], None],
        sync: Sync = os.fdatasync,
    ) -> None:
        """`every`: seconds from the end of a flush to the begin of the next; `renew` asks the writer for another
        segment."""
        self._folder, self._every, self._monotonic = folder, every, monotonic
        self._renew, self._fault, self._sync = renew, fault, sync
        self._dirty, self._closing = threading.Event(), threading.Event()
        self._lock = threading.Lock()  # around what follows
        self._descriptor: int | None = None
        self._retired: list[int] = []
        self._given_up: list[int] = []
        self._written = 0
        self._new_name = False
        self.flushed = 0
        """Up to which of the writer's writes everything is on the disk."""
        self.failing = False
        """Since a flush failed, until all of what it was about is flushed."""
        self.wanted = False
        """Whether another segment is needed, with what no flush has covered."""
        self._again = _AGAIN
        self._since: float | None = None  # when the first write came that no flush has begun for
        self._flushing_since: float | None = None  # the same of the flush that goes on
        self._thread = threading.Thread(target=self._run, name="spool-flusher", daemon=True)

    def start(self) -> None:
        self._thread.start()

    # --- the writer -------------------------------------------------------------------------------------------------

    def begun(self, descriptor: int) -> None:
        """Another segment: its name has to be flushed as well."""
        with self._lock:
            self._new_name = True
            self._descriptor = descriptor

    def written(self, number: int) -> None:
        """After each write: how many there were."""
        self._written = number
        if self._since is None:
            self._since = self._monotonic()
            self._dirty.set()

    def retire(self, descriptor: int) -> None:
        """Nothing more is written to it: it is flushed once more, where that says anything, and closed here."""
        with self._lock:
            self._descriptor = None
            (self._given_up if self.wanted else self._retired).append(descriptor)
        self._dirty.set()

    def renewed(self, number: int) -> None:
        """What was wanted stands in another segment."""
        with self._lock:
            self.wanted = False
        self.written(number)
        self._dirty.set()

    def not_renewed(self) -> None:
        """It does not: it is asked for again."""
        self._again = min(2 * self._again, _LONGEST)
        self._dirty.set()

    # --- anybody ----------------------------------------------------------------------------------------------------

    def unflushed_for(self) -> float:
        """Seconds that the oldest write waits for its flush."""
        since = self._flushing_since
        if since is None:
            since = self._since
        return 0.0 if since is None else self._monotonic() - since

    def close(self, seconds: float) -> bool:
        """Whether all is flushed."""
        self._closing.set()
        self._dirty.set()
        self._thread.join(seconds)
        return not self._thread.is_alive() and not self.failing and self.unflushed_for() == 0.0

    # --- the thread -------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        while not self._closing.is_set():
            self._dirty.wait()
            self._dirty.clear()
            self._flush()
            self._closing.wait(self._again if self.failing else self._every)
        self._flush()

    def _flush(self) -> None:
        if self._flushing_since is None:
            self._flushing_since = self._since
        self._since = None  # before the flush: what is written from here on may be in it, or not
        with self._lock:
            written, retired, given_up = self._written, tuple(self._retired), self._given_up
            open_ = retired if self._descriptor is None else (*retired, self._descriptor)
            self._given_up = []
        for each in given_up:
            os.close(each)
        if self.wanted:
            self._renew()
            return
        new_name, self._new_name = self._new_name, False
        try:
            for each in open_:
                self._sync(each)
            if new_name:
                self._flush_names()
        except OSError as error:
            self._new_name = True
            self._failed(error)
            return
        with self._lock:
            del self._retired[: len(retired)]
        for each in retired:
            os.close(each)
        self.flushed, self.failing, self._again = written, False, _AGAIN
        self._flushing_since = None

    def _failed(self, error: OSError) -> None:
        """As good as no flush: `unflushed_for` goes on. What is no file can never be flushed, by no descriptor."""
        if error.errno == errno.EINVAL:
            self._dirty.set()
            return
        self._again = min(2 * self._again, _LONGEST) if self.failing else _AGAIN
        with self._lock:
            self.failing = self.wanted = True
            self._given_up += self._retired
            self._retired.clear()
        self._fault(error)
        self._renew()

    def _flush_names(self) -> None:
        descriptor = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
