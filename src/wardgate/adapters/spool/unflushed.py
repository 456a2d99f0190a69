"""What was written and no flush has covered yet: held in memory, for the flush that fails."""

from collections import deque
from typing import NamedTuple


class _Write(NamedTuple):
    number: int
    data: bytes
    entries: int


class Unflushed:
    """For the writer's thread."""

    def __init__(self) -> None:
        self._writes: deque[_Write] = deque()
        self.size = 0
        """Bytes."""

    def add(self, number: int, data: bytes, entries: int) -> None:
        self._writes.append(_Write(number, data, entries))
        self.size += len(data)

    def forget(self, flushed: int) -> None:
        """Up to this number everything is on the disk."""
        while self._writes and self._writes[0].number <= flushed:
            self.size -= len(self._writes.popleft().data)

    @property
    def data(self) -> bytes:
        return b"".join([write.data for write in self._writes])

    @property
    def entries(self) -> int:
        return sum([write.entries for write in self._writes])
