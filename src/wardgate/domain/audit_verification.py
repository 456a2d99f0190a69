"""Whether an audit chain is what was written: read from its beginning, seal by seal, and held against anchors.

What was cut off at the end, or written anew from some place on, only an anchor shows.
"""

from collections.abc import Iterable
from datetime import datetime
from enum import StrEnum
from hashlib import sha256

import msgspec
import rfc8785

from wardgate.domain.audit import START, Anchor, Link, SealedEntry


class Fault(StrEnum):
    UNREADABLE = "unreadable"
    """The line is no entry as an export has it."""
    ALTERED = "altered"
    """The seal is not that of the entry."""
    REPLACED = "replaced"
    """The entry after this one was sealed upon another."""
    MISSING = "missing"
    ADDED = "added"
    """A second entry of this number."""
    REORDERED = "reordered"
    """It stands after entries that were sealed later."""
    TRUNCATED = "truncated"
    """An anchor has seen entries that are not there."""
    REWRITTEN = "rewritten"
    """An anchor has seen another entry here: this one, or one before it, was written anew with all that follows."""


class Found(msgspec.Struct, frozen=True):
    """Where the chain is not what was written: entries `first` to `last`, at a line of what was read (0: none)."""

    fault: Fault
    first: int
    last: int
    line: int = 0


class Verdict(msgspec.Struct, frozen=True):
    entries: int
    last: Link
    found: tuple[Found, ...]
    proven: int
    """Up to which entry an anchor proves that nothing was cut off or written anew; 0: there is none."""
    more: bool = False
    """There is more amiss than is listed."""
    back: tuple[int, ...] = ()
    """Entries that were sealed earlier than the one before them, by the clock of whoever sealed them. No fault: clocks
    are put right; but who dates something back leaves that behind, too."""

    @property
    def sound(self) -> bool:
        return not self.found

    @property
    def unproven(self) -> int:
        """Entries at the end that could have been others, or more of them, without anybody seeing it."""
        return self.last.number - self.proven


class _Line(msgspec.Struct, forbid_unknown_fields=True):
    entry: dict[str, str | int | bool | None]
    seal: str


_MOST = 1000
_SKEW = 60.0
"""Seconds by which the clocks of those who seal may differ."""
_LARGEST = 2**53


class Verifier:
    """Takes the lines of a whole chain, in order; memory does not grow with it."""

    def __init__(self, anchors: Iterable[Anchor] = ()) -> None:
        self._anchors: dict[int, list[Anchor]] = {}
        for anchor in anchors:
            self._anchors.setdefault(anchor.number, []).append(anchor)
        self._entries = self._lines = self._proven = 0
        self._last, self._candidates = START, {START.seal}
        self._gaps: list[tuple[int, int, int]] = []  # first, last, line of the entry that came too early
        self._found: list[Found] = []
        self._sealed, self._back = float("-inf"), list[int]()

    @property
    def full(self) -> bool:
        """So much is amiss that no more is listed: the rest need not be read."""
        return len(self._found) + len(self._gaps) >= _MOST

    def take(self, line: bytes) -> None:
        if self.full:
            return
        self._lines += 1
        read = _read(line)
        expected = self._last.number + 1
        if read is None:
            self._note(Fault.UNREADABLE, expected)
            self._advance(expected, "", set())
            return
        self._entries += 1
        number, previous, stated, computed, sealed = read
        self._clock(number, sealed)
        if stated != computed:  # its number cannot be believed either
            self._note(Fault.ALTERED, expected)
            self._advance(expected, stated, {stated, computed})
        elif number >= expected:
            if number > expected:
                self._gaps.append((expected, number - 1, self._lines))
            elif self._candidates and previous not in self._candidates:
                self._note(Fault.REPLACED, self._last.number)
            self._advance(number, computed, {computed})
        elif self._fills(number):
            self._note(Fault.REORDERED, number)
            self._compare(number, computed)
        else:
            self._note(Fault.ADDED, number)
            if number == self._last.number:  # which of them the next one was sealed upon, it says itself
                self._candidates.add(computed)

    def verdict(self) -> Verdict:
        last = self._last.number
        missing = [Found(Fault.MISSING, first, upto, line) for first, upto, line in self._gaps]
        beyond = max((number for number in self._anchors if number > last), default=0)
        cut = [Found(Fault.TRUNCATED, last + 1, beyond)] if beyond and not self.full else []
        return Verdict(
            self._entries, self._last, (*self._found, *missing, *cut), self._proven, self.full, tuple(self._back)
        )

    def _clock(self, number: int, sealed: object) -> None:
        at = _instant(sealed)
        if at is None:
            return
        if at < self._sealed - _SKEW and len(self._back) < _MOST:
            self._back.append(number)
        self._sealed = at

    def _note(self, fault: Fault, number: int) -> None:
        self._found.append(Found(fault, number, number, self._lines))

    def _advance(self, number: int, seal: str, candidates: set[str]) -> None:
        self._last, self._candidates = Link(number, seal), candidates
        self._compare(number, seal)

    def _compare(self, number: int, seal: str) -> None:
        anchors = self._anchors.get(number, ())
        if anchors and all(anchor.seal == seal for anchor in anchors):
            self._proven = max(self._proven, number)
        elif anchors:
            self._note(Fault.REWRITTEN, number)

    def _fills(self, number: int) -> bool:
        for at, (first, last, line) in enumerate(self._gaps):
            if first <= number <= last:
                rest = [(first, number - 1, line), (number + 1, last, line)]
                self._gaps[at : at + 1] = [gap for gap in rest if gap[0] <= gap[1]]
                return True
        return False


def _instant(at: object) -> float | None:
    """Epoch seconds of a moment of the chain; None: it is none."""
    try:
        return datetime.fromisoformat(at).timestamp() if isinstance(at, str) else None
    except ValueError:
        return None


def as_sealed(entry: SealedEntry) -> bool:
    """Whether the entry, by itself, is what its seal says. That it stands in its place is the `Verifier`'s to say."""
    read = _read(entry.line)
    return read is not None and read[0] == entry.number and read[2] == read[3]


def _read(line: bytes) -> tuple[int, str, str, str, object] | None:
    """Number, previous, the seal as it stands there, and as it must be; when it was sealed."""
    try:
        read = msgspec.json.decode(line, type=_Line)
        text = rfc8785.dumps(read.entry)
    except (msgspec.MsgspecError, UnicodeError, rfc8785.CanonicalizationError, RecursionError):
        return None
    number, previous = read.entry.get("number"), read.entry.get("previous")
    whole = isinstance(number, int) and not isinstance(number, bool) and 0 < number < _LARGEST
    if not whole or not isinstance(previous, str) or line != b'{"entry":%s,"seal":"%s"}' % (text, read.seal.encode()):
        return None  # also where a key stands twice, and readers may differ on which of them counts
    assert isinstance(number, int)
    return number, previous, read.seal, sha256(text).hexdigest(), read.entry.get("sealed")
