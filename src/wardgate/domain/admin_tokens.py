"""Admin tokens: who may do what, over which services, until when. Of the secret, only its SHA-256 is kept: it has 256
random bits, so nothing slower is needed to keep it from being guessed."""

import re
from enum import StrEnum
from hashlib import sha256
from typing import Annotated

import msgspec

SECRET_BYTES = 32
LONGEST = 366 * 86400.0
"""Seconds that a token can be good for."""

_SECRET = re.compile(r"wgt_[A-Za-z0-9_-]{43}\Z", re.ASCII)


class Role(StrEnum):
    """None holds another; but who lowers, approves or raises sees what is decided, as a viewer does."""

    VIEWER = "viewer"
    OPERATOR = "operator"  # lowers visibility at once
    APPROVER_CLINICAL = "approver-clinical"
    APPROVER_TECHNICAL = "approver-technical"
    APPROVER_PRIVACY = "approver-privacy"
    APPROVER_COMPLIANCE = "approver-compliance"
    INGEST = "ingest"  # brings outcomes, and sees nothing
    ADMIN = "admin"  # gives and takes tokens


TokenName = Annotated[str, msgspec.Meta(pattern=r"\A[a-z0-9][a-z0-9._-]{0,63}\Z")]
TokenId = Annotated[str, msgspec.Meta(pattern=r"\A[0-9a-f]{12}\Z")]
ServiceId = Annotated[str, msgspec.Meta(pattern=r"\A[A-Za-z0-9][A-Za-z0-9._-]{0,99}\Z")]


class Token(msgspec.Struct, frozen=True, kw_only=True):
    id: TokenId
    name: TokenName
    """Of the person or program that has it; names stand on the audit chain."""
    digest: str
    roles: tuple[Role, ...]
    services: tuple[ServiceId, ...] | None = None
    """None: all."""
    created: float  # epoch seconds
    expires: float
    revoked: float | None = None
    ours: bool = True
    """False: this deployment did not give it, or under a key that it has no more; somebody may have written it."""

    def holds(self, now: float) -> bool:
        return self.ours and self.revoked is None and self.created <= now + _SKEW and now < self.expires

    def state(self, now: float) -> str:
        if not self.ours:
            return "foreign"
        if self.revoked is not None:
            return "revoked"
        return "good" if now < self.expires else "expired"


_SKEW = 60.0  # between the clock of whoever made it and ours


def secret_of(drawn: str) -> str:
    """What its holder gets; `drawn`: 32 random bytes as base64url without padding. Known by its beginning, so that
    scanners find one that was left in a file."""
    return f"wgt_{drawn}"


def digest_of(secret: str) -> str | None:
    """None: it has not the form of a token."""
    return sha256(secret.encode()).hexdigest() if _SECRET.match(secret) else None


def checked(token: Token) -> Token:
    """Raises ValueError, without values, for what no token can be."""
    try:
        sound: Token = msgspec.convert(msgspec.to_builtins(token), Token)
    except msgspec.ValidationError:
        raise ValueError("a name takes small letters, digits and . _ -; services are named by their ids") from None
    if not sound.roles or sound.services == ():
        raise ValueError("a token has a role, and a service or all of them")
    if not 0 < sound.expires - sound.created <= LONGEST:
        raise ValueError("a token is good for a time, and for 366 days at most")
    return sound
