"""Grouping more than memory holds: an external merge sort.

Sorted runs are written to files without a name, which nobody else can open and which are gone when the process
ends, whatever ends it: what stands in them is patients' data.
"""

import heapq
import struct
import tempfile
from collections.abc import Iterable, Iterator
from itertools import groupby
from operator import itemgetter
from types import TracebackType
from typing import IO, Self

Item = tuple[bytes, bytes]
"""Key and value."""

_HEAD = struct.Struct("<II")
_KEY = itemgetter(0)
_OVERHEAD = 200
"""Bytes that Python spends on one item besides its content."""


class Sorter:
    """Items in, in any order; groups of equal keys out, in the order of keys and, within a key, of arrival.

    Memory holds one run of about `run_bytes`, then one item and one buffer for each open file. `fan_in` runs are
    merged to a longer one as soon as there are so many, so that few files are open however much there is.
    """

    def __init__(self, run_bytes: int = 32 * 1024 * 1024, fan_in: int = 64) -> None:
        self._run_bytes = run_bytes
        self._fan_in = fan_in
        self._items: list[Item] = []
        self._bytes = 0
        self._levels: list[list[IO[bytes]]] = []  # level n holds runs of fan_in ** n, oldest first

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for run in self._runs():
            run.close()
        self._items, self._levels = [], []

    def add(self, key: bytes, value: bytes) -> None:
        """OSError where the disk takes no more."""
        self._items.append((key, value))
        self._bytes += len(key) + len(value) + _OVERHEAD
        if self._bytes >= self._run_bytes:
            self._items.sort(key=_KEY)
            self._keep(_written(self._items), level=0)
            self._items, self._bytes = [], 0

    def groups(self) -> Iterator[tuple[bytes, Iterator[bytes]]]:
        """Each key once, with its values. A group is read before the next one is asked for."""
        self._items.sort(key=_KEY)
        merged = heapq.merge(*map(_read, self._runs()), self._items, key=_KEY)
        for key, group in groupby(merged, key=_KEY):
            yield key, (value for _, value in group)

    def _runs(self) -> list[IO[bytes]]:
        """Oldest first: a higher level is older than all of a lower one."""
        return [run for level in reversed(self._levels) for run in level]

    def _keep(self, run: IO[bytes], level: int) -> None:
        if level == len(self._levels):
            self._levels.append([])
        runs = self._levels[level]
        runs.append(run)
        if len(runs) == self._fan_in:
            merged = _written(heapq.merge(*map(_read, runs), key=_KEY))
            for each in runs:
                each.close()
            runs.clear()
            self._keep(merged, level + 1)


def _written(items: Iterable[Item]) -> IO[bytes]:
    run = tempfile.TemporaryFile(prefix="wardgate-", buffering=256 * 1024)
    try:
        for key, value in items:
            run.write(_HEAD.pack(len(key), len(value)))
            run.write(key)
            run.write(value)
        run.flush()
    except BaseException:
        run.close()
        raise
    return run


def _read(run: IO[bytes]) -> Iterator[Item]:
    run.seek(0)
    while head := run.read(_HEAD.size):
        key, value = _HEAD.unpack(head)
        yield run.read(key), run.read(value)
