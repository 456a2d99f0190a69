"""What people have said, read from the audit chain and from nowhere else: each entry is proved before it counts.

The chain is read to its end, once; after that, what is new. Where an entry is not what was sealed, one is missing, or
the end that was seen is gone, nothing on the chain is believed any more: what was taken away might be a withdrawal.
"""

import threading
from collections.abc import Callable, Mapping
from hashlib import sha256

import msgspec
import rfc8785

from wardgate.control.audit import AuditStore, DeedSeal
from wardgate.domain.approvals import READ, Entry, Ledger
from wardgate.domain.audit import START, Action, Link, SealedEntry


class ChainBroken(Exception):
    """The chain is not what was written, at the latest at entry `number`. `seen`: by itself it may be sound, and it is
    not what this process or an anchor has seen; as after a backup was put back."""

    def __init__(self, number: int, seen: bool = False) -> None:
        super().__init__("the audit chain is not what was written")
        self.number = number
        told = f"is not sound at entry {number}", "wardgate audit verify"
        if seen:
            told = f"has not the entry {number} any more that was seen before", "docs/audit.md, After a restore"
        self.meaning = f"the audit chain {told[0]}: no approval counts ({told[1]})"


class _Head(msgspec.Struct):
    number: int
    previous: str
    what: str


_head = msgspec.json.Decoder(_Head)
_entry = msgspec.json.Decoder(Entry)


class ChainReader:
    """Thread-safe, blocking. `anchored`: seals that an anchor has seen, by number of the entry. With `seal`, what opens
    something counts only where this deployment wrote it, and once; what closes something counts whoever wrote it. What
    was sealed under a key that is gone is told (`Ledger.void`)."""

    def __init__(
        self, store: AuditStore, anchored: Callable[[], Mapping[int, str]] = dict, seal: DeedSeal | None = None
    ) -> None:
        self._store, self._anchored, self._seal = store, anchored, seal
        self._lock = threading.Lock()
        self._last, self._ledger = START, Ledger()
        self._counted: set[str] = set()
        """Ids of events: the same one further down is a copy."""
        self._held: dict[int, str] = {}
        """The last entry that was seen, also where the chain is read from its beginning again."""

    def read(self) -> Ledger:
        """As of now; it does not change any more. Raises AuditUnavailable and ChainBroken. A chain that was found
        broken is read from its beginning the next time: it may have been put back."""
        with self._lock:
            try:
                return self._catch_up({**self._anchored(), **self._held})
            except ChainBroken:
                self._last, self._ledger, self._counted = START, Ledger(), set()
                raise

    def _catch_up(self, anchored: Mapping[int, str]) -> Ledger:
        last, told, ids, void = self._last, list[Entry](), set[str](), set[int]()
        entries = self._store.entries(max(last.number - 1, 0))
        if last.number:  # the entry that was the last one is still there, and the same
            again = next(entries, None)
            if again is None or again.seal != last.seal:
                raise ChainBroken(last.number, seen=True)
            _prove(again, last.number, None)
        for entry in entries:
            head = _prove(entry, last.number + 1, last)
            if anchored.get(entry.number, entry.seal) != entry.seal:
                raise ChainBroken(entry.number, seen=True)
            if head.what in READ:
                said = _whole(entry)
                if self._counts(said, entry, ids):
                    told.append(said)
                elif self._has_lost_its_key(entry):
                    told.append(said)
                    void.add(said.number)
            last = entry.link
        if last.number < max(anchored, default=0):
            raise ChainBroken(last.number + 1, seen=True)
        self._ledger, self._counted = self._ledger.after(told, void), self._counted | ids
        self._last, self._held = last, {last.number: last.seal} if last.number else {}
        return self._ledger

    def _counts(self, said: Entry, entry: SealedEntry, ids: set[str]) -> bool:
        """`ids`: of events that were read just now."""
        if self._seal is None or said.what in (Action.RELEASE_WITHDRAW, Action.RELEASE_RETIRE):
            return True
        if said.what == Action.RELEASE_RETIRING and said.after != "stays":
            return True
        whole = msgspec.json.decode(entry.text)
        if not self._seal.is_of(whole) or whole["id"] in self._counted | ids:
            return False
        ids.add(whole["id"])
        return True

    def _has_lost_its_key(self, entry: SealedEntry) -> bool:
        whole = msgspec.json.decode(entry.text)
        return self._seal is not None and "mac" in whole and not self._seal.has_key_of(whole)


def _prove(entry: SealedEntry, number: int, previous: Link | None) -> _Head:
    """What the seal stands for is what is there, and it was sealed upon the one before."""
    raw = entry.text.encode()
    try:
        head = _head.decode(raw)
    except (msgspec.MsgspecError, UnicodeError):
        raise ChainBroken(number) from None
    sound = sha256(raw).hexdigest() == entry.seal and head.number == entry.number == number
    if not sound or (previous is not None and head.previous != previous.seal):
        raise ChainBroken(number)
    return head


def _whole(entry: SealedEntry) -> Entry:
    """Of one that counts, also that it is canonical: no key stands there twice, for two readers."""
    try:
        if rfc8785.dumps(msgspec.json.decode(entry.text)).decode() == entry.text:
            return _entry.decode(entry.text)
    except (msgspec.MsgspecError, rfc8785.CanonicalizationError, RecursionError):
        pass
    raise ChainBroken(entry.number)
