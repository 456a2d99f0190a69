"""A spool on a real disk, with its threads; records to put on it; and what stands on it afterwards."""

import asyncio
import os
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec

from wardgate.adapters.spool.delivery import Takes
from wardgate.adapters.spool.drainer import Drainer, DrainerOptions
from wardgate.adapters.spool.flusher import Sync
from wardgate.adapters.spool.folder import SpoolFolder
from wardgate.adapters.spool.frames import Entry, Found, entries
from wardgate.adapters.spool.reader import SpoolReader
from wardgate.adapters.spool.sink import SpoolSink, teller
from wardgate.adapters.spool.writer import Open, SpoolOptions, SpoolWriter, create
from wardgate.domain.records import DecisionRecord
from wardgate.domain.spool import SpoolEvent

QUICK = DrainerOptions(every=0.01, hold=0.05, pause=0.01, longest_pause=0.02)
ROOMY = SpoolOptions(limit=64 * 1024**2, reserve=0)


def record(number: int, visible: bool = True) -> DecisionRecord:
    return DecisionRecord(
        f"00000000-0000-4000-8000-{number:012d}",
        1_795_251_600.0 + number,
        "kidney-failure",
        "patient-view",
        "ehr",
        "shown",
        "threshold_met",
        "model",
        "active",
        "champion",
        visible,
    )


class Spooled:
    """A spool whose store is `archive`; None: nothing is delivered."""

    def __init__(
        self,
        root: Path,
        archive: Takes | None = None,
        options: SpoolOptions = ROOMY,
        opened: Open = create,
        worker: int = 0,
        draining: DrainerOptions = QUICK,
        running: bool = True,
        sync: Sync = os.fdatasync,
    ) -> None:
        self.events: Counter[SpoolEvent] = Counter()
        self.faults: list[BaseException] = []
        self.waits: list[float] = []
        self.unread: list[tuple[int, OSError, bool]] = []
        self.folder = SpoolFolder(root, worker)
        self.adopted = self.folder.adopt()
        tell = teller(asyncio.get_running_loop(), self.waits.append, time.monotonic)
        self.writer = SpoolWriter(
            self.folder, tell, options, opened, told=self._told, fault=self.faults.append, sync=sync
        )
        self.sink = SpoolSink(self.writer, self._told, time.monotonic)
        self.reader = SpoolReader(self.folder, self.writer.end)
        self.drainer = None
        if archive is not None:
            self.drainer = Drainer(
                self.folder,
                self.reader,
                self.writer.removed,
                archive,
                self._told,
                self.faults.append,
                draining,
                unreadable=lambda *told: self.unread.append(told),
                leave=self.writer.leave,
            )
        if running:
            self.start()

    def start(self) -> None:
        self.writer.start()
        if self.drainer is not None:
            self.drainer.start()

    def _told(self, event: SpoolEvent, count: int) -> None:
        self.events[event] += count

    def close(self, seconds: float = 2.0) -> bool:
        written = self.writer.close(seconds)
        drained = self.drainer is None or self.drainer.close(seconds)
        self.folder.close()
        return written and drained


@asynccontextmanager
async def spooled(
    root: Path,
    archive: Takes | None = None,
    options: SpoolOptions = ROOMY,
    opened: Open = create,
    worker: int = 0,
    draining: DrainerOptions = QUICK,
    sync: Sync = os.fdatasync,
) -> AsyncIterator[Spooled]:
    spool = Spooled(root, archive, options, opened, worker, draining, sync=sync)
    try:
        yield spool
    finally:
        await asyncio.to_thread(spool.close)


def segments(root: Path) -> list[Path]:
    return sorted(root.rglob("*.segment"))


def size(root: Path) -> int:
    """Bytes of all segments."""
    return sum(path.stat().st_size for path in segments(root))


def kept(root: Path) -> dict[str, DecisionRecord]:
    """By id: the decisions in all segments below `root`, as they were written."""
    found: dict[str, DecisionRecord] = {}
    for path in segments(root):
        for entry in entries(path.read_bytes()):
            if isinstance(entry, Found) and entry.kind == Entry.DECISION:
                decision = msgspec.msgpack.decode(entry.payload, type=DecisionRecord)
                found[decision.decision_id] = decision
    return found


class HungDisk:
    """A segment whose every write hangs, as one on a disk that does not answer: a pipe that nobody reads, and that is
    full. `answer` has it go on."""

    def __init__(self) -> None:
        self._reading, self._writing = os.pipe()
        os.set_blocking(self._writing, False)
        try:
            while True:
                os.write(self._writing, bytes(65536))
        except BlockingIOError:
            os.set_blocking(self._writing, True)

    def open(self, path: Path) -> int:
        path.touch(0o600)
        return os.dup(self._writing)

    def answer(self) -> None:
        """The pipe is emptied, and what hung is written (to nowhere)."""
        os.set_blocking(self._reading, False)
        try:
            while os.read(self._reading, 1 << 20):
                pass
        except BlockingIOError:
            pass

    def close(self) -> None:
        self.answer()
        os.close(self._reading)
        os.close(self._writing)
