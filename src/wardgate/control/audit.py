"""What is done to the gateway, and by whom, put on the audit chain.

    what is changed in the durable store           `entry`: chained by the transaction that changes it, both or neither
    what stands on the chain alone: an approval    `require`: chained, or not said
    what is done without the store; a denial       `keep`: on the local spool at once, chained from there

So an unreachable store stops nobody from taking a model out of sight, and everybody from showing one; and whenever a
process dies, what the store says was done and what the chain says was done are the same.
"""

import hmac
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Annotated, Any, Protocol

import msgspec

from wardgate.domain.audit import (
    AuditEvent,
    Deed,
    Kept,
    Link,
    Result,
    SealedEntry,
    checked,
    moment,
    remark_hash,
    signed_part,
)
from wardgate.domain.pseudonyms import Mac, PurposeKey, unambiguous

_BATCH = 100
_RESERVE = 1000
"""Places on the spool that are left to what lowers."""
_DENIALS, _WITHIN = 30, 60.0
"""So many denials of one person's token are chained in so many seconds: a program that asks in a loop must not fill the
chain, which is never purged, nor the spool, where what lowers needs its place."""
_CROWDED = "too many deeds wait on the local spool for the chain: see why the durable store does not take them"


class AuditUnavailable(Exception):
    """Nothing was chained, erased or read. `meaning` is for a person; says nothing that was to be chained."""

    def __init__(self, meaning: str) -> None:
        super().__init__("the audit chain is not available")
        self.meaning = meaning


class Remark(msgspec.Struct, frozen=True):
    """What a person wrote, with the salt of its hash: erased together."""

    salt: bytes
    text: Annotated[str, msgspec.Meta(pattern=r"\A[^\0]{1,4000}\Z")]


class Happened(msgspec.Struct, frozen=True):
    event: AuditEvent
    remark: Remark | None = None


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """Which entries are looked for: those that have all of what is named. Times as `domain.audit.moment`, half open."""

    since: str = ""
    until: str = ""
    who: str = ""
    subject: str = ""
    what: str = ""
    ticket: str = ""


class DeedSeal:
    """That an event was written by this deployment, under the purpose `store`; opens what a previous key has sealed,
    too. Thread-safe."""

    def __init__(self, keys: Sequence[PurposeKey]) -> None:
        self._macs = {key.id: Mac(key.secret) for key in keys}
        self._id = keys[0].id

    def sealed(self, event: AuditEvent) -> AuditEvent:
        return msgspec.structs.replace(event, mac=self._mac(self._id, msgspec.to_builtins(event)))

    def has_key_of(self, entry: Mapping[str, Any]) -> bool:
        """Whether the key that it says it was sealed under is here. False too where it has no seal."""
        return str(entry.get("mac")).partition(":")[0] in self._macs

    def is_of(self, entry: Mapping[str, Any]) -> bool:
        """`entry` as the chain has it."""
        mac = str(entry.get("mac"))
        key_id = mac.partition(":")[0]
        return key_id in self._macs and hmac.compare_digest(mac.encode(), self._mac(key_id, entry).encode())

    def _mac(self, key_id: str, said: Mapping[str, Any]) -> str:
        return f"{key_id}:{self._macs[key_id](unambiguous('deed') + signed_part(said)).hex()}"


class AuditStore(Protocol):
    """Blocking, thread-safe, bounded in time. All raise AuditUnavailable, also when an iterator is advanced."""

    def append(self, happened: Sequence[Happened], now: float) -> list[Link]:
        """All of them or none, one writer at a time; when it returns, they stand through kill -9 and a power cut. What
        has been chained before gives the link that it has. Raises ValueError for what the chain does not take."""
        ...

    def entries(self, after: int = 0) -> Iterator[SealedEntry]:
        """As they stand there, sound or not, by number; a page at a time."""
        ...

    def search(self, wanted: Wanted) -> Iterator[SealedEntry]: ...

    def last(self) -> Link: ...

    def close(self) -> None: ...

    def remark(self, event_id: str) -> Remark | None: ...

    def erase_remark(self, event_id: str, told: Happened) -> bool:
        """Whether there was one; only then `told` is chained. The chain keeps a hash that nobody can guess at any
        more."""
        ...


class Pending(Protocol):
    """What is to be chained, on the local disk. All raise OSError."""

    def keep(self, happened: Happened) -> None:
        """On the disk when it returns; one too many is an OSError as well."""
        ...

    def room(self) -> int:
        """How many more it takes."""
        ...

    def waiting(self, most: int) -> list[Happened]:
        """The oldest first; what cannot be read is set aside, not given."""
        ...

    def aside(self) -> int: ...

    def done(self, event_id: str) -> None: ...


class AuditTrail:
    """Thread-safe. `new_id` gives random UUIDs, `salt` random bytes."""

    def __init__(
        self,
        store: AuditStore,
        pending: Pending,
        now: Callable[[], float],
        new_id: Callable[[], str],
        salt: Callable[[], bytes],
        told: Callable[[Kept], None] = lambda kept: None,
        seal: DeedSeal | None = None,
    ) -> None:
        """`told` hears what became of each deed that was not to wait for the chain. `seal` None: there is no key."""
        self.store, self._told, self._seal = store, told, seal
        self._pending, self._now, self._new_id, self._salt = pending, now, new_id, salt
        self._denials = _Denials()
        self.spooled = threading.Event()
        """Set when there is something to chain (`chain_spooled`)."""

    def entry(self, deed: Deed, remark: str = "", lowers: bool = False) -> Happened:
        """For the store that does it: chained by the same transaction. Raises ValueError for what the chain does not
        take; and AuditUnavailable for what does not lower, while so much waits on the spool that what lowers might
        find no room there."""
        happened = self._happened(deed, remark)
        if not lowers and self.room() < _RESERVE:
            raise AuditUnavailable(_CROWDED)
        return happened

    def require(self, deed: Deed, remark: str = "") -> Link:
        """What nothing but the chain says. Raises AuditUnavailable: then it does not hold; ValueError as `entry`."""
        return self.store.append([self.entry(deed, remark)], self._now())[0]

    def keep(self, deed: Deed, remark: str = "") -> Kept:
        """After it was done without the store; as good as at once. Raises ValueError for what the chain does
        not take."""
        kept = self._kept(self._happened(deed, remark))
        self._told(kept)
        return kept

    def deny(self, deed: Deed) -> Kept:
        """That somebody who is known was denied it. Raises ValueError for what the chain does not take."""
        denied = msgspec.structs.replace(deed, result=Result.DENIED)
        self.check(denied)
        if self._denials.spared(deed.who, self._now()) or self.room() < _RESERVE:
            self._told(Kept.SPARED)
            return Kept.SPARED
        return self.keep(denied)

    def _kept(self, happened: Happened) -> Kept:
        try:
            self._pending.keep(happened)
        except OSError:
            try:
                self.store.append([happened], self._now())
            except AuditUnavailable:
                return Kept.LOST
            return Kept.CHAINED
        self.spooled.set()
        return Kept.SPOOLED

    def room(self) -> int:
        """How many more deeds the spool takes."""
        try:
            return self._pending.room()
        except OSError:  # what cannot be spooled is chained at once, as what is required is
            return _RESERVE

    def aside(self) -> int:
        """Spooled deeds that could not be read: they are on no chain, and a person must look at them."""
        try:
            return self._pending.aside()
        except OSError:
            return 0

    def check(self, deed: Deed) -> None:
        """Raises ValueError for what the chain does not take: before something is done that is kept afterwards."""
        self._happened(deed, "")

    def waiting(self, most: int) -> list[Happened]:
        """The oldest of what is to be chained. Raises OSError."""
        return self._pending.waiting(most)

    def chain_spooled(self) -> int:
        """How many were chained. Raises AuditUnavailable or OSError; what was not chained comes again the next time,
        and what was chained when a process died is known to the store."""
        chained = 0
        while waiting := self._pending.waiting(_BATCH):
            self.store.append(waiting, self._now())
            for happened in waiting:
                self._pending.done(happened.event.id)
            chained += len(waiting)
        return chained

    def _happened(self, deed: Deed, text: str) -> Happened:
        remark = _remark(self._salt(), text) if text else None
        event = AuditEvent(
            **{name: getattr(deed, name) for name in Deed.__struct_fields__},
            id=self._new_id(),
            at=moment(self._now()),
            remark=None if remark is None else remark_hash(remark.salt, remark.text),
        )
        event = checked(event)
        return Happened(event if self._seal is None else self._seal.sealed(event), remark)


class _Denials:
    """How often somebody was denied lately. Thread-safe."""

    def __init__(self) -> None:
        self._lock, self._since = threading.Lock(), 0.0
        self._counted: dict[str, int] = {}

    def spared(self, who: str, now: float) -> bool:
        with self._lock:
            if abs(now - self._since) > _WITHIN:  # also where the clock was set back
                self._since, self._counted = now, {}
            self._counted[who] = count = self._counted.get(who, 0) + 1
            return count > _DENIALS


def _remark(salt: bytes, text: str) -> Remark:
    """Raises ValueError, without the text."""
    try:
        return msgspec.convert({"salt": salt, "text": text.encode().decode()}, Remark)
    except (msgspec.ValidationError, UnicodeEncodeError):
        raise ValueError("not a remark that is kept: too long, or not text") from None
