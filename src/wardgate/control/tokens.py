"""Admin tokens as they are given, looked up and taken back.

A look-up is in memory, in a copy that is read again every few seconds. So a token that was revoked is refused within
that time; and while the store is away, those who could act before still can, for taking a model out of sight must not
need a database.
"""

import hmac
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from wardgate.control.audit import AuditTrail, Happened
from wardgate.domain.admin_tokens import Role, Token, checked, digest_of, secret_of
from wardgate.domain.audit import Action, Deed
from wardgate.domain.pseudonyms import Mac, PurposeKey, unambiguous


class TokensUnavailable(Exception):
    """The store did not do what it was asked for. `meaning` is for a person."""

    def __init__(self, meaning: str) -> None:
        super().__init__("the store of tokens is not available")
        self.meaning = meaning


class TokenSeal:
    """That this deployment gave a token: whoever may write to the store gives herself none, nor another role. Under the
    purpose `store`; opens what a previous key has sealed, too. That one was revoked is not sealed."""

    def __init__(self, keys: Sequence[PurposeKey]) -> None:
        self._macs = {key.id: Mac(key.secret) for key in keys}
        self._id = keys[0].id

    def of(self, said: str) -> str:
        return self._mac(self._id, said)

    def is_of(self, mac: str, said: str) -> bool:
        key_id = mac.partition(":")[0]
        return key_id in self._macs and hmac.compare_digest(mac.encode(), self._mac(key_id, said).encode())

    def _mac(self, key_id: str, said: str) -> str:
        return f"{key_id}:{self._macs[key_id](unambiguous('token', said)).hex()}"


class TokenStore(Protocol):
    """Blocking, thread-safe, bounded in time; all raise TokensUnavailable. What is done is chained with `told`, both or
    neither; nothing is chained where nothing was done."""

    def add(self, token: Token, told: Happened) -> None: ...

    def all(self) -> Sequence[Token]:
        """The oldest first."""
        ...

    def revoke(self, token_id: str, now: float, told: Happened) -> bool:
        """Whether there was one that was not revoked yet."""
        ...


@dataclass(frozen=True, slots=True)
class BookOptions:
    fresh: float = 2.0
    """Seconds that what was read counts as fresh."""
    again: float = 10.0
    """Seconds until a store that did not answer is asked again."""
    wait: float = 0.2
    """Seconds that a look-up waits for what is read anew, where something is known: whoever takes a model out of sight
    waits for no store that hangs."""
    failures: int = 20
    """Failed look-ups of one address within `within` that are answered as such; above it, it has to wait."""
    within: float = 60.0
    addresses: int = 10_000
    """That are counted at a time."""


class TokenBook:
    """Thread-safe."""

    def __init__(
        self,
        store: TokenStore,
        now: Callable[[], float],
        monotonic: Callable[[], float],
        options: BookOptions | None = None,
    ) -> None:
        self._store, self._now, self._monotonic, self._options = store, now, monotonic, options or BookOptions()
        self._reading, self._next = threading.Lock(), 0.0
        self._known: dict[str, Token] = {}
        self._failed: dict[str, int] = {}
        self._since = 0.0

    def find(self, secret: str) -> Token | None:
        """None: there is none that holds now. How long it takes says nothing of any secret: what is compared are
        digests, which nobody can choose."""
        digest = digest_of(secret)
        if digest is None:
            return None
        self._refresh()
        token = self._known.get(digest)
        if token is None or not hmac.compare_digest(token.digest, digest) or not token.holds(self._now()):
            return None
        return token

    def wait_after_failure(self, address: str) -> int | None:
        """Counts a failed look-up. Seconds to wait, for an address that fails too often; None: not yet. One that has a
        token that holds never waits, so nobody can lock others out."""
        now, options = self._monotonic(), self._options
        if now - self._since >= options.within or len(self._failed) >= options.addresses:
            self._since, self._failed = now, {}
        self._failed[address] = count = self._failed.get(address, 0) + 1
        return None if count <= options.failures else max(1, round(self._since + options.within - now))

    def _refresh(self) -> None:
        if self._monotonic() < self._next:
            return
        if not self._known:
            with self._reading:
                self._read()
        elif self._reading.acquire(blocking=False):
            reading = threading.Thread(target=self._read_beside, name="tokens", daemon=True)
            reading.start()
            reading.join(self._options.wait)

    def _read_beside(self) -> None:
        try:
            self._read()
        finally:
            self._reading.release()

    def _read(self) -> None:
        if self._monotonic() < self._next:
            return
        try:
            self._known = {token.digest: token for token in self._store.all() if token.ours}
            self._next = self._monotonic() + self._options.fresh
        except TokensUnavailable:
            self._next = self._monotonic() + self._options.again


class TokenDesk:
    """Giving and taking, each with its entry on the audit chain. `draw_id` gives 12 hexadecimal digits, `draw` 32
    random bytes in base64url."""

    def __init__(
        self,
        store: TokenStore,
        trail: AuditTrail,
        now: Callable[[], float],
        draw_id: Callable[[], str],
        draw: Callable[[], str],
    ) -> None:
        self.store = store
        self._trail, self._now, self._draw_id, self._draw = trail, now, draw_id, draw

    def new(
        self, who: str, name: str, roles: Sequence[Role], services: Sequence[str] | None, seconds: float
    ) -> tuple[Token, str]:
        """The token, and its secret, which is nowhere else. Raises ValueError, AuditUnavailable, TokensUnavailable."""
        secret, now = secret_of(self._draw()), self._now()
        token = checked(
            Token(
                id=self._draw_id(),
                name=name,
                digest=digest_of(secret) or "",
                roles=tuple(sorted(set(roles))),
                services=None if services is None else tuple(sorted(set(services))),
                created=now,
                expires=now + seconds,
            )
        )
        scope = "all services" if token.services is None else ", ".join(token.services)
        said = f"{token.name}: {', '.join(token.roles)}; {scope}; {seconds / 86400:g} days"
        told = self._trail.entry(Deed(who=who, what=Action.TOKEN_NEW, subject=token.id, after=said))
        self.store.add(token, told)
        return token, secret

    def revoke(self, who: str, token_id: str, reason: str = "", ticket: str = "") -> bool:
        """Whether there was one to revoke. Taking away is a lowering. Raises ValueError and TokensUnavailable."""
        deed = Deed(who=who, what=Action.TOKEN_REVOKE, subject=token_id, reason=reason, ticket=ticket)
        return self.store.revoke(token_id, self._now(), self._trail.entry(deed, lowers=True))
