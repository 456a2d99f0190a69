"""The audit chain: who did what, when and why, each entry sealed upon the one before it.

    event ─► seal(event, last link) ─► {"entry": {…, "number": 7, "previous": seal of 6}, "seal": SHA-256 of the entry}

An entry is canonical JSON (RFC 8785) of text, whole numbers, true, false and null, so that anybody's JSON library gives
the same bytes. It holds codes and names of wardgate's own; what a person wrote is in a side table that can be erased,
and the chain has a salted hash of it.

`Verifier` reads a chain from its beginning and says where it is not what was written. What was cut off at the end, or
written anew from some place on, only an anchor shows: the number and seal of an entry, signed and kept elsewhere.
"""

import hmac
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from enum import StrEnum
from hashlib import sha256
from typing import Annotated, Any

import msgspec
import rfc8785

FORMAT = 1


class Action(StrEnum):
    """What was done, or asked for. A name keeps its meaning for ever."""

    CIRCUIT_ISOLATE = "circuit.isolate"
    CIRCUIT_CLOSE = "circuit.close"
    RELOAD = "reload"
    TOKEN_NEW = "token.new"
    TOKEN_REVOKE = "token.revoke"
    REMARK_ERASE = "remark.erase"
    ADMIN_CALL = "admin.call"  # a route that the principal has no role for
    ROLLOUT_CHANGE = "rollout.change"
    KILL = "kill"
    KILL_LIFT = "kill.lift"
    ROLLBACK = "rollback"
    PUT_BACK = "put_back"
    DRILL_BEGIN = "drill.begin"  # the snapshot that a drill writes; `drill` says what came of it
    DRILL = "drill"
    SNAPSHOT_CONFIRM = "snapshot.confirm"  # a person has looked at a store that is older than it was
    REPLICA_FORGET = "replica.forget"  # no change waits for it any more
    RELEASE_SUBMIT = "release.submit"
    RELEASE_APPROVE = "release.approve"
    RELEASE_WITHDRAW = "release.withdraw"  # an approval, by whoever gave it
    RELEASE_RETIRE = "release.retire"
    RELEASE_RETIRING = "release.retiring"  # that it will be, from when; or that it will not
    GATE_EXCEPTION = "gate.exception"
    GOVERNANCE_APPROVE = "governance.approve"


class Result(StrEnum):
    DONE = "done"
    DENIED = "denied"


class Kept(StrEnum):
    """Where a deed is that was not to wait for the chain."""

    SPOOLED = "spooled"
    CHAINED = "chained"
    """The local disk did not take it, the store did."""
    LOST = "lost"
    """Neither takes it: it was done all the same."""


def _text(pattern: str) -> msgspec.Meta:
    return msgspec.Meta(pattern=rf"\A(?:{pattern})\Z")


Name = Annotated[str, _text(r"[A-Za-z0-9_][A-Za-z0-9._:@/+-]{0,199}")]
Code = Annotated[str, _text(r"|[a-z][a-z0-9_.]{0,63}")]
Ticket = Annotated[str, _text(r"|[A-Za-z0-9][A-Za-z0-9._/#-]{0,63}")]
Moment = Annotated[str, _text(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}Z")]
Uuid = Annotated[str, _text(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")]
LONGEST = 4000
State = Annotated[str, _text(rf"[ -~]{{0,{LONGEST}}}")]
Digest = Annotated[str, _text(r"[0-9a-f]{64}")]
Mac = Annotated[str, _text(r"[A-Za-z0-9]{1,64}:[0-9a-f]{64}")]


class Deed(msgspec.Struct, frozen=True, kw_only=True, rename={"before": "from", "after": "to"}):
    """What somebody did, or was denied."""

    who: Name
    """The principal: a token's name, `os:` and a user of the machine, or `local` under insecure_demo."""
    what: Action
    subject: Name
    """What it was done to: a service, a release, a token; in wardgate's own names."""
    result: Result = Result.DONE
    before: State | None = None
    after: State | None = None
    reason: Code = ""
    ticket: Ticket = ""
    request_id: Uuid | None = None


class AuditEvent(Deed, frozen=True, kw_only=True):
    """A deed that is to stand on the chain, before it has a place there."""

    id: Uuid
    at: Moment
    """When it happened, UTC. One that was on a local spool first may stand after later ones."""
    remark: Digest | None = None
    """Of the free text that belongs to it (`remark_hash`)."""
    mac: Mac | None = None
    """Under the deployment's key, over all the rest of the event (`signed_part`); None: it has no key. The seals of the
    chain say that nothing was changed since, this says that it was not somebody else who wrote it."""


class Link(msgspec.Struct, frozen=True):
    """The place that the next entry is sealed upon."""

    number: int
    seal: str


START = Link(0, "0" * 64)
"""Before the first entry."""


class SealedEntry(msgspec.Struct, frozen=True):
    """`text` is the canonical JSON of the entry; `line` is what an export has of it, without the end of the line."""

    number: int
    seal: str
    text: str

    @property
    def line(self) -> bytes:
        return f'{{"entry":{self.text},"seal":"{self.seal}"}}'.encode()

    @property
    def link(self) -> Link:
        return Link(self.number, self.seal)


def moment(at: float) -> str:
    """Epoch seconds as the chain writes them. Of one width, so that order of text is order of time."""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def remark_hash(salt: bytes, text: str) -> str:
    """With the salt gone, nobody can find out by guessing what the text was."""
    return hmac.digest(salt, text.encode(), "sha256").hex()


def checked(event: AuditEvent) -> AuditEvent:
    """Raises ValueError, without the value, for what must not stand on the chain."""
    try:
        return msgspec.convert(msgspec.to_builtins(event), AuditEvent)
    except msgspec.ValidationError:
        raise ValueError("not an event that the audit chain takes") from None


_OF_THE_CHAIN = frozenset({"v", "number", "previous", "sealed", "mac"})


def signed_part(said: Mapping[str, Any]) -> bytes:
    """What the MAC of an event stands over; of the event, or of the entry that it has become."""
    return rfc8785.dumps({name: value for name, value in said.items() if name not in _OF_THE_CHAIN})


def seal(event: AuditEvent, last: Link, now: float | None = None) -> SealedEntry:
    """At epoch seconds `now`; None: when it happens. Raises ValueError for what `checked` refuses."""
    sealed = event.at if now is None else moment(now)
    chained: dict[str, Any] = {"v": FORMAT, "number": last.number + 1, "previous": last.seal, "sealed": sealed}
    said: dict[str, Any] = msgspec.to_builtins(checked(event))
    if event.mac is None:
        del said["mac"]
    text = rfc8785.dumps({**said, **chained})
    return SealedEntry(last.number + 1, sha256(text).hexdigest(), text.decode())


# --- anchors ----------------------------------------------------------------------------------------------------------


class Anchor(msgspec.Struct, frozen=True):
    """That the chain had this entry at that time."""

    number: int
    seal: Digest
    at: Moment
    key: str
    """Which key signed it: the first 16 digits of the SHA-256 of the public key's 32 bytes."""

    def text(self) -> bytes:
        """What is signed."""
        return rfc8785.dumps(msgspec.to_builtins(self))


# --- verification -----------------------------------------------------------------------------------------------------


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
        number, previous, stated, computed = read
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
        return Verdict(self._entries, self._last, (*self._found, *missing, *cut), self._proven, self.full)

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


def _read(line: bytes) -> tuple[int, str, str, str] | None:
    """Number, previous, the seal as it stands there, and as it must be."""
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
    return number, previous, read.seal, sha256(text).hexdigest()


def body_of(entry: SealedEntry) -> dict[str, Any]:
    """What the entry says, also one of a later version."""
    said: dict[str, Any] = msgspec.json.decode(entry.text)
    return said
