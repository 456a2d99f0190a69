"""A client's registration: under which terms a token is its own (CDS Hooks 2.0.1, "Trusting CDS Clients").

Pure rules over what a token says. That it says so itself is shown by its signature, which comes last, since it costs
most.
"""

import re
from collections.abc import Iterable, Set
from dataclasses import dataclass
from enum import StrEnum

from wardgate.domain.clients import Client
from wardgate.domain.errors import Unauthenticated
from wardgate.domain.token_faults import TokenFault
from wardgate.domain.tokens import Token

_SLASHES = re.compile("(?<![:/])//+")


class Replay(StrEnum):
    """What becomes of a token that was seen before."""

    STRICT = "strict"
    """Refused, and so is every token while nobody can tell: the shared store is down."""
    REJECT = "reject"
    """Refused; while the shared store is down, each process knows only what it saw itself."""
    ALLOW = "allow"
    """Taken again: for a test client that reuses its token."""


@dataclass(frozen=True, slots=True)
class Registration:
    client: Client
    issuer: str
    """Compared whole, as the token's other texts are (RFC 7519 §4.1.1)."""
    tenant: str | None = None
    """None: whatever the token says of it."""
    algorithms: frozenset[str] = frozenset({"ES384", "RS384"})
    audiences: frozenset[str] = frozenset()
    """Accepted besides the URL that was called."""
    jku: frozenset[str] | None = None
    """The addresses of key sets that a token may name; None: it may name any, since none is fetched that it names."""
    replay: Replay = Replay.REJECT
    leeway: float = 60.0
    """Seconds by which clocks may differ."""
    max_age: float = 3600.0
    """Seconds from `iat` on that a token counts, whatever its `exp`: for so long its id has to be remembered."""

    def admit(self, token: Token, urls: Set[str], now: float) -> float:
        """Until when the token counts, in epoch seconds, leeway included; `urls` name the endpoint that was called.
        Raises Unauthenticated."""
        if not any(audience in self.audiences or _tidy(audience) in urls for audience in token.audiences):
            raise Unauthenticated(TokenFault.AUDIENCE)
        if token.expires + self.leeway <= now:
            raise Unauthenticated(TokenFault.EXPIRED)
        begins = token.issued if token.not_before is None else max(token.issued, token.not_before)
        if begins - self.leeway > now:
            raise Unauthenticated(TokenFault.NOT_YET)
        if token.issued + self.max_age + self.leeway <= now:
            raise Unauthenticated(TokenFault.TOO_OLD)
        if token.algorithm not in self.algorithms:
            raise Unauthenticated(TokenFault.ALGORITHM)
        if token.jku is not None and self.jku is not None and token.jku not in self.jku:
            raise Unauthenticated(TokenFault.JKU)
        return min(token.expires, token.issued + self.max_age) + self.leeway


class Registry:
    """All registrations. Several clients may share an issuer, each with a tenant of its own: a vendor that signs for
    many hospitals."""

    def __init__(self, registrations: Iterable[Registration]) -> None:
        self._by_issuer: dict[str, list[Registration]] = {}
        for registration in registrations:
            self._by_issuer.setdefault(registration.issuer, []).append(registration)

    def find(self, token: Token) -> Registration:
        """Raises Unauthenticated."""
        named = self._by_issuer.get(token.issuer)
        if named is None:
            raise Unauthenticated(TokenFault.ISSUER)
        for registration in named:
            if registration.tenant is None or registration.tenant == token.tenant:
                return registration
        raise Unauthenticated(TokenFault.TENANT)

    def knows(self, issuer: str) -> bool:
        return issuer in self._by_issuer


def _tidy(url: str) -> str:
    """A discovery URL that was typed with a trailing slash makes clients call, and name, `//id` (trap T-9)."""
    return _SLASHES.sub("/", url).rstrip("/")
