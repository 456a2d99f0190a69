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


class Unreadable(Exception):
    """The disk does not give a segment back."""

    def __init__(self, number: int, error: OSError) -> None:
        super().__init__(number)
        self.number = number
        self.error = error


class SpoolReader:
    def __init__(self, folder: SpoolFolder, live: Callable[[], Place]) -> None:
        """`live`: the segment that is written now, and how much of it is whole."""
        self._folder = folder
        self._live = live
        self._at = folder.position
        self._data: bytes | None = None  # of the whole segment at hand, where it is written no more
        self._skipped: set[int] = set()

    def read(self, most: int) -> list[Item]:
        """The next ones, up to `most`, or up to a segment that cannot be read; where that is the next one, raises
        Unreadable."""
        items: list[Item] = []
        for number in self._folder.segments():
            if number < self._at[0] or number in self._skipped:
                continue
            if number > self._at[0]:
                self._at, self._data = (number, 0), None
            try:
                for item in self._rest():
                    if len(items) >= most:
                        return items
                    items.append(item)
                    self._at = item.end
            except FileNotFoundError:  # somebody has just taken it away
                continue
            except OSError as error:
                if items:
                    return items
                raise Unreadable(number, error) from None
        return items

    def is_live(self, number: int) -> bool:
        """Whether it is being written."""
        return number == self._live()[0]

    def skip(self, number: int) -> None:
        """It is read no more, and never passed: it stays where it is."""
        self._skipped.add(number)

    def passed(self, place: Place) -> list[int]:
        """Segments of which nothing after `place` is wanted."""
        number, offset = place
        kept = {self._live()[0], *self._skipped}
        return [
            each
            for each in self._folder.segments()
            if each not in kept and (each < number or (each == number and offset >= self._size(each)))
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
