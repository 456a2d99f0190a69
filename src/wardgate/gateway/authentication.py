"""Who calls: the client whose token it is (CDS Hooks 2.0.1, "Trusting CDS Clients").

    read ─► issuer and tenant ─► audience, times, algorithm, jku ─► key ─► signature ─► used before?

What costs nothing comes first. Each step either goes on or raises Unauthenticated, whose fault is counted here and
told to nobody else.
"""

import asyncio
from collections.abc import Callable, Iterable, Sequence, Set
from concurrent.futures import Executor
from typing import Protocol

from wardgate.domain.clients import Client
from wardgate.domain.errors import Overloaded, Unauthenticated
from wardgate.domain.registrations import Registration, Registry
from wardgate.domain.token_faults import TokenFault
from wardgate.domain.tokens import claimed_issuer, read_token
from wardgate.gateway.key_sets import KeyName, VerifyingKey
from wardgate.gateway.token_replays import TokenReplays

UNKNOWN = "unknown"
"""The name, in metrics and queues, of whoever is no client."""

_MOST_OFF_LOOP = 512
"""Signatures that wait for a thread: 0.2 s of work."""


class Callers(Protocol):
    """Whose a call is. `clients` are all that there may be; `groups` all that `group` may say."""

    clients: Sequence[Client]
    groups: Sequence[str]

    def group(self, authorization: bytes | None) -> str:
        """In whose turn a call waits for a place, before anybody knows who calls: what it claims. The list is closed,
        so that nobody can open queues of her own."""
        ...

    async def caller(self, authorization: Sequence[bytes], urls: Set[str], patience: float) -> Client:
        """`authorization` is every such header; `urls` name the endpoint that was called. Waits `patience` seconds at
        most for keys. Raises Unauthenticated, and Overloaded."""
        ...


class OneClient:
    """Every call is hers (`insecure_demo`)."""

    def __init__(self, client: Client) -> None:
        self.clients: Sequence[Client] = (client,)
        self.groups: Sequence[str] = (client.name,)
        self._client = client

    def group(self, authorization: bytes | None) -> str:
        return self._client.name

    async def caller(self, authorization: Sequence[bytes], urls: Set[str], patience: float) -> Client:
        return self._client


class Keys(Protocol):
    async def find(self, name: KeyName, patience: float) -> VerifyingKey:
        """Raises Unauthenticated."""
        ...


class AuthenticationMeter(Protocol):
    def authenticated(self, client: str, fault: TokenFault | None) -> None:
        """`client` is whose token it said to be; `fault` None: it was."""
        ...

    def token_age(self, client: str, seconds: float) -> None:
        """By our clock, from `iat` on; below 0 where the client's clock is ahead of ours."""
        ...


class Authenticator:
    """Meets `Callers`. `keys` has those of each client by its name; `threads` verify what would hold up the loop."""

    def __init__(
        self,
        registrations: Iterable[Registration],
        keys: Callable[[str], Keys],
        replays: TokenReplays,
        now: Callable[[], float],
        meter: AuthenticationMeter,
        threads: Executor,
    ) -> None:
        listed = tuple(registrations)
        self.clients: Sequence[Client] = tuple([registration.client for registration in listed])
        self._registry = Registry(listed)
        self._keys = {registration.client.name: keys(registration.client.name) for registration in listed}
        self._replays, self._now, self._meter, self._threads = replays, now, meter, threads
        self.groups: Sequence[str] = (UNKNOWN, *dict.fromkeys(registration.issuer for registration in listed))
        self._off_loop = 0

    def group(self, authorization: bytes | None) -> str:
        """Its issuer's; where there is but one, all calls wait in one queue."""
        if authorization is None or len(self.groups) == 2:
            return UNKNOWN
        issuer = claimed_issuer(authorization[len(_SCHEME) :])
        return issuer if issuer is not None and self._registry.knows(issuer) else UNKNOWN

    async def caller(self, authorization: Sequence[bytes], urls: Set[str], patience: float) -> Client:
        name = UNKNOWN
        try:
            token = read_token(bearer(authorization))
            registration = self._registry.find(token)
            name = registration.client.name
            now = self._now()
            until = registration.admit(token, urls, now)
            key = await self._keys[name].find((token.key_id, token.algorithm), patience)
            if not await self._verify(key, token.signed, token.signature):
                raise Unauthenticated(TokenFault.SIGNATURE)
            await self._replays.claim(registration, token, until, now)
        except Unauthenticated as refused:
            self._meter.authenticated(name, refused.fault)
            raise
        self._meter.authenticated(name, None)
        self._meter.token_age(name, now - token.issued)
        return registration.client

    async def _verify(self, key: VerifyingKey, signed: bytes, signature: bytes) -> bool:
        if not key.slow:
            return key.verify(signed, signature)
        if self._off_loop >= _MOST_OFF_LOOP:
            raise Overloaded("The gateway is overloaded; call again in a moment.")
        self._off_loop += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, key.verify, signed, signature)
        finally:
            self._off_loop -= 1


_SCHEME = b"Bearer "


def bearer(authorization: Sequence[bytes]) -> bytes:
    """The token of the one header `Bearer …`; the scheme in any case (RFC 9110 §11.1), one space (RFC 6750 §2.1)."""
    if not authorization:
        raise Unauthenticated(TokenFault.MISSING)
    if len(authorization) > 1 or authorization[0][: len(_SCHEME)].lower() != b"bearer ":
        raise Unauthenticated(TokenFault.SCHEME)
    return authorization[0][len(_SCHEME) :]
