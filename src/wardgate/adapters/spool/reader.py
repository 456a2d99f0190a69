"""Reading a spool's folder, also while its last segment is being written."""

from collections.abc import Callable, Iterator

import msgspec

from wardgate.adapters.spool.folder import SpoolFolder
from wardgate.adapters.spool.frames import Found, Gap, entries

Place = tuple[int, int]
"""A segment's number, and an offset in it."""


class Item(msgspec.Struct, frozen=True):
    """What stands before `end`: an entry, or a gap."""

    what: Found | Gap
    end: Place


class SpoolReader:
    def __init__(self, folder: SpoolFolder, live: Callable[[], Place]) -> None:
        """`live`: the segment that is written now, and how much of it is whole."""
        self._folder = folder
        self._live = live
        self._at = folder.position
        self._data: bytes | None = None  # of the whole segment at hand, where it is written no more

    def read(self, most: int) -> list[Item]:
        """The next ones, up to `most`; raises OSError."""
        items: list[Item] = []
        for number in self._folder.segments():
            if number < self._at[0]:
                continue
            if number > self._at[0]:
                self._at, self._data = (number, 0), None
            for item in self._rest():
                if len(items) >= most:
                    return items
                items.append(item)
                self._at = item.end
        return items

    def passed(self, place: Place) -> list[int]:
        """Segments of which nothing after `place` is wanted."""
        number, offset = place
        live = self._live()[0]
        return [
            each
            for each in self._folder.segments()
            if each != live and (each < number or (each == number and offset >= self._size(each)))
        ]

    def _rest(self) -> Iterator[Item]:
        number, offset = self._at
        live, length = self._live()
        if number == live:
            self._data = None
            data, start = self._bytes(number, offset, length), offset
        else:
            if self._data is None:
                self._data = self._bytes(number, 0, self._size(number))
            data, start = self._data, 0
        for found in entries(data, offset - start):
            yield Item(found, (number, start + found.end))

    def _bytes(self, number: int, start: int, end: int) -> bytes:
        if end <= start:
            return b""
        with self._folder.segment(number).open("rb") as file:
            file.seek(start)
            return file.read(end - start)

    def _size(self, number: int) -> int:
        return self._folder.segment(number).stat().st_size
