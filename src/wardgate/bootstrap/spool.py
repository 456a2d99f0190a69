"""The spool with what belongs to it: its folder, its threads, what health and metrics say of it."""

import asyncio
import errno
from collections.abc import Callable, Mapping
from pathlib import Path

from wardgate.adapters.logs.events import EventLog
from wardgate.adapters.prometheus.spool import SpoolMeter
from wardgate.adapters.spool.drainer import Drainer, Unread
from wardgate.adapters.spool.folder import SpoolFolder
from wardgate.adapters.spool.reader import SpoolReader
from wardgate.adapters.spool.sink import SpoolSink, teller
from wardgate.adapters.spool.writer import SpoolOptions, SpoolWriter
from wardgate.domain.attributes import class_of
from wardgate.domain.spool import SpoolState
from wardgate.records.archive import Archive

_LOOK = 1.0
"""Seconds between two looks at the state: it changes with time as well."""
_CALM = 10
"""Looks in a row after which it is well again: at the edge a small record fits and the next one does not."""


class Spool:
    """`sink` takes records from the first moment on. For the loop in which it was made."""

    def __init__(
        self,
        root: Path,
        worker: int,
        limit: int,
        monotonic: Callable[[], float],
        meter: SpoolMeter,
        archive: Archive | None,
        fault: Callable[[BaseException], None],
        log: EventLog,
    ) -> None:
        """Raises SpoolUnusable. Without an archive, records stay on the spool."""
        self._log, self._told = log, SpoolState.UP
        self._folder = SpoolFolder(root, worker)
        self._folder.adopt()
        tell = teller(asyncio.get_running_loop(), meter.waited, monotonic)
        self._writer = SpoolWriter(
            self._folder, tell, SpoolOptions(limit=limit), monotonic=monotonic, told=meter.event, fault=fault
        )
        self.sink = SpoolSink(self._writer, meter.event, monotonic)
        self._drainer: Drainer | None = None
        if archive is not None:
            reader = SpoolReader(self._folder, self._writer.end)
            self._drainer = Drainer(
                self._folder,
                reader,
                self._writer.removed,
                archive,
                meter.event,
                fault,
                monotonic=monotonic,
                unreadable=unread_told_to(log),
                leave=self._writer.leave,
            )
        meter.watch(
            lambda: self._writer.state,
            lambda: self._writer.size,
            lambda: self._writer.waiting,
            self._writer.unflushed_for,
            self._undelivered,
        )
        self._writer.start()

    @property
    def path(self) -> Path:
        """The folder that this process has for itself."""
        return self._folder.path

    def begin(self) -> None:
        """Calls may come now."""
        if self._drainer is not None:
            self._drainer.start()

    async def run(self, pause: float = _LOOK) -> None:
        """Until cancelled: tells whenever the disk takes records no more, since no card is shown then, or again."""
        calm = 0
        while True:
            state = self._writer.state
            calm = calm + 1 if state is SpoolState.UP else 0
            if state is not self._told and (state is not SpoolState.UP or calm >= _CALM):
                self._told = state
                self._log.event("spool", state=state)
            await asyncio.sleep(pause)

    def health(self) -> Mapping[str, str]:
        state = self._writer.state
        told = {
            "kind": "disk",
            "state": "up" if state is SpoolState.UP else "down",
            "disk": state.value,
            "bytes": str(self._writer.size),
        }
        if self._drainer is not None:
            told["store"] = "up" if self._drainer.up else "down"
            told["undelivered_seconds"] = f"{self._undelivered():.0f}"
            told["reading"] = "up" if self._drainer.reads else "down"
            told["unreadable_segments"] = str(self._drainer.unreadable_segments)
        return told

    async def close(self) -> bool:
        """After the last call: whether the store has everything. A disk or a store that hangs is not waited for long;
        what is on the spool is for the next start."""
        return await asyncio.to_thread(self._close)

    def _close(self) -> bool:
        written = self._writer.close()
        drained = self._drainer is not None and self._drainer.close()
        self._folder.close()
        return written and drained

    def _undelivered(self) -> float:
        return 0.0 if self._drainer is None else self._drainer.behind()


def unread_told_to(log: EventLog) -> Unread:
    def told(number: int, error: OSError, aside: bool) -> None:
        name = errno.errorcode.get(error.errno or 0, "EIO")
        state = "set_aside" if aside else "unreadable"
        log.event("spool_segment", segment=number, state=state, error_class=class_of(error), errno=name)

    return told
