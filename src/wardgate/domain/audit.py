"""The audit chain: who did what, when and why, each entry sealed upon the one before it.

    event ─► seal(event, last link) ─► {"entry": {…, "number": 7, "previous": seal of 6}, "seal": SHA-256 of the entry}

An entry is canonical JSON (RFC 8785) of text, whole numbers, true, false and null, so that anybody's JSON library gives
the same bytes. It holds codes and names of wardgate's own; what a person wrote is in a side table that can be erased,
and the chain has a salted hash of it.

Whether a chain is still what was written says `audit_verification`. What was cut off at the end, or written anew from
some place on, only an anchor shows: the number and seal of an entry, signed and kept elsewhere.
"""

import hmac
from collections.abc import Mapping
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
    SPARED = "spared"
    """One more denial of somebody who is denied all the time, or while the spool is crowded: counted alone."""


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
    grounds: State | None = None
    """Of a raise: what it stood on, the policy and each gate with its figure, as they were then. Other entries have no
    such member."""


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


_SOMETIMES = frozenset({"mac", "grounds"})
_OF_THE_CHAIN = frozenset({"v", "number", "previous", "sealed", "mac"})


def signed_part(said: Mapping[str, Any]) -> bytes:
    """What the MAC of an event stands over; of the event, or of the entry that it has become."""
    return rfc8785.dumps({name: value for name, value in _told(said).items() if name not in _OF_THE_CHAIN})


def _told(said: Mapping[str, Any]) -> dict[str, Any]:
    """Without what an entry only has where there is something to say."""
    return {name: value for name, value in said.items() if value is not None or name not in _SOMETIMES}


def seal(event: AuditEvent, last: Link, now: float | None = None) -> SealedEntry:
    """At epoch seconds `now`; None: when it happens. Raises ValueError for what `checked` refuses."""
    sealed = event.at if now is None else moment(now)
    chained: dict[str, Any] = {"v": FORMAT, "number": last.number + 1, "previous": last.seal, "sealed": sealed}
    text = rfc8785.dumps({**_told(msgspec.to_builtins(checked(event))), **chained})
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


def body_of(entry: SealedEntry) -> dict[str, Any]:
    """What the entry says, also one of a later version."""
    said: dict[str, Any] = msgspec.json.decode(entry.text)
    return said
