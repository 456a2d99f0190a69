"""The sinks of a run, each with what it held and the marks that were found in it."""

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from wardgate.lab.canary.marks import Marks
from wardgate.lab.canary.search import Leak, search

_CHUNK = 1024 * 1024
_OVERLAP = 1024
"""Of one chunk with the next, so that no mark is cut in two: longer than any form of one."""


@dataclass
class Sink:
    searched: int = 0
    leaks: list[Leak] = field(default_factory=list)


class Sweep:
    """`sinks` by name, in the order in which they were first heard of."""

    def __init__(self, marks: Marks) -> None:
        self._marks = marks
        self._waiting: dict[str, bytearray] = {}
        self.sinks: dict[str, Sink] = {}

    @property
    def leaks(self) -> list[Leak]:
        return [leak for sink in self.sinks.values() for leak in sink.leaks]

    def look(self, name: str, data: bytes) -> None:
        """All of a sink, or a whole piece of it."""
        sink = self.sinks.setdefault(name, Sink())
        sink.searched += len(data)
        sink.leaks += search(name, data, self._marks)

    def hear(self, name: str, data: bytes) -> None:
        """Something that came to a sink; searched when there is a chunk of it, or at `settle`."""
        waiting = self._waiting.setdefault(name, bytearray())
        waiting += data + b"\n"
        if len(waiting) >= _CHUNK:
            self._search(name, waiting)
            del waiting[: max(len(waiting) - _OVERLAP, 0)]

    def settle(self) -> None:
        for name, waiting in self._waiting.items():
            self._search(name, waiting)
        self._waiting.clear()

    def _search(self, name: str, waiting: bytearray) -> None:
        sink = self.sinks.setdefault(name, Sink())
        known = {leak.around for leak in sink.leaks[-200:]}  # those in the overlap
        sink.searched += len(waiting)
        sink.leaks += [leak for leak in search(name, bytes(waiting), self._marks) if leak.around not in known]

    def file(self, name: str, path: Path) -> None:
        """A file that grows or goes while it is read is searched as far as it was there."""
        sink = self.sinks.setdefault(name, Sink())
        try:
            with path.open("rb") as stream:
                before = b""
                while chunk := stream.read(16 * _CHUNK):
                    sink.searched += len(chunk)
                    sink.leaks += search(name, before[-_OVERLAP:] + chunk.rstrip(b"\0"), self._marks)
                    before = chunk
        except OSError:
            return

    def folder(self, name: str, folder: Path) -> None:
        """Every file below it, and their names as a sink of their own."""
        for path in files_below(folder):
            self.look("file names", str(path.relative_to(folder)).encode())
            self.file(name, path)

    def process(self, name: str, pid: int) -> None:
        """The command line and the environment of a process and of all below it, as others on the machine see them."""
        for each in (pid, *descendants(pid)):
            for what in ("cmdline", "environ", "comm"):
                self.file(name, Path(f"/proc/{each}/{what}"))


def files_below(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())


def descendants(pid: int) -> Iterator[int]:
    parents: dict[int, int] = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                status = Path("/proc", entry, "stat").read_text(encoding="utf-8", errors="replace")
            except OSError:
                continue
            parents[int(entry)] = int(status.rpartition(")")[2].split()[1])
    below = {pid}
    while more := {child for child, parent in parents.items() if parent in below} - below:
        below |= more
        yield from sorted(more)
