"""The thread that flushes. fdatasync may take as long as the disk likes; the writer does not wait for it."""

import os
import threading
from collections import deque
from collections.abc import Callable
from pathlib import Path


class Flusher:
    def __init__(self, folder: Path, every: float, monotonic: Callable[[], float]) -> None:
        """`every`: seconds from the end of a flush to the begin of the next."""
        self._folder = folder
        self._every = every
        self._monotonic = monotonic
        self._dirty = threading.Event()
        self._descriptor: int | None = None
        self._new_name = False
        self._retired: deque[int] = deque()
        self._since: float | None = None  # when the first write came that no flush has begun for
        self._flushing_since: float | None = None  # the same of the flush that goes on
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="spool-flusher", daemon=True)

    def start(self) -> None:
        self._thread.start()

    # --- the writer -------------------------------------------------------------------------------------------------

    def begun(self, descriptor: int) -> None:
        """Another segment: its name has to be flushed as well."""
        self._new_name = True
        self._descriptor = descriptor

    def written(self) -> None:
        """After each write."""
        if self._since is None:
            self._since = self._monotonic()
            self._dirty.set()

    def retire(self, descriptor: int) -> None:
        """Nothing more is written to it: it is flushed once more, and closed here."""
        self._descriptor = None
        self._retired.append(descriptor)
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
        return not self._thread.is_alive() and self.unflushed_for() == 0.0

    # --- the thread -------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        while not self._closing.is_set():
            self._dirty.wait()
            self._dirty.clear()
            self._flush()
            self._closing.wait(self._every)
        self._flush()

    def _flush(self) -> None:
        """A failure is as good as no flush: `unflushed_for` goes on, and the next one tries again."""
        if self._flushing_since is None:
            self._flushing_since = self._since
        self._since = None  # before the flush: what is written from here on may be in it, or not
        try:
            while self._retired:
                os.fdatasync(self._retired[0])
                os.close(self._retired.popleft())
            descriptor = self._descriptor
            if descriptor is not None:
                os.fdatasync(descriptor)
            if self._new_name:
                self._new_name = False
                self._flush_names()
        except OSError:
            self._dirty.set()
            return
        self._flushing_since = None

    def _flush_names(self) -> None:
        descriptor = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
