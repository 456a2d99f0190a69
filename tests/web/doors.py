"""An edge behind which calls are authenticated: two clients, their keys, and a token for each call."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from tests.fakes.asgi import JSON, Exchange, Reply
from tests.fakes.clock import FakeClock
from tests.fakes.tokens import JWKS_URL, NOW, ORIGIN, PATH, ec_signer, key_set, registration, rsa_signer
from tests.web.house import House, body
from wardgate.adapters.jwt.keys import read_key_set
from wardgate.domain.pseudonyms import KeyRing, Pseudonyms, Purpose
from wardgate.domain.registrations import Registration
from wardgate.domain.token_faults import TokenFault
from wardgate.gateway.authentication import Authenticator
from wardgate.gateway.hot import HotCache
from wardgate.gateway.key_sets import FixedKeys
from wardgate.gateway.ports import HotStore
from wardgate.gateway.token_replays import ReplayOptions, TokenReplays
from wardgate.web.edge import EdgeOptions

PAGE = "https://page.ehr.example"
NAMES = Pseudonyms(KeyRing([b"a key for tests, of thirty-two bytes"]), Purpose.CACHE)
OPTIONS = EdgeOptions(origin=ORIGIN)


def clients(**changes: Any) -> list[tuple[Registration, bytes]]:
    """With their key sets: the ward's EHR, and another."""
    ward = registration(origins=(PAGE,), jku=frozenset({JWKS_URL}), **changes)
    other = registration("other", "https://other.example")
    return [
        (ward, key_set(ec_signer(), rsa_signer(), rsa_signer("weak", 1024), ec_signer("ec-256", 256))),
        (other, key_set(ec_signer("other-1"))),
    ]


@dataclass
class Doors:
    """Remembers what was counted. `shared` is the hot store of several replicas."""

    registered: list[tuple[Registration, bytes]] = field(default_factory=clients)
    shared: HotStore | None = None
    results: list[tuple[str, TokenFault | None]] = field(default_factory=list)
    ages: list[float] = field(default_factory=list)
    unshared: int = 0
    clock: FakeClock = field(default_factory=lambda: FakeClock(NOW))
    replay: ReplayOptions = ReplayOptions()

    def __post_init__(self) -> None:
        shared = None if self.shared is None else HotCache(self.shared, NAMES)
        keys = {one.client.name: FixedKeys(read_key_set(jwks, one.algorithms)) for one, jwks in self.registered}
        self.threads = ThreadPoolExecutor(1)
        self.replays = TokenReplays(NAMES, shared, self._unshared, self.replay)
        self.authenticator = Authenticator(
            [one for one, _ in self.registered], keys.__getitem__, self.replays, self.clock.now, self, self.threads
        )
        self.house = House(callers=self.authenticator, options=OPTIONS, clock=self.clock)
        self.edge = self.house.edge()

    def authenticated(self, client: str, fault: TokenFault | None) -> None:
        self.results.append((client, fault))

    def token_age(self, client: str, seconds: float) -> None:
        self.ages.append(seconds)

    def _unshared(self, registration: Registration) -> None:
        self.unshared += 1

    async def ask(
        self,
        authorization: Sequence[bytes],
        method: str = "POST",
        path: str = PATH,
        sent: bytes | None = None,
        headers: Sequence[tuple[bytes, bytes]] = (),
    ) -> Reply:
        """With every Authorization header that is given, as a server hands them over."""
        content = (body() if sent is None else sent) if method == "POST" else b""
        json = [(name.encode(), value.encode()) for name, value in JSON.items()] if content else []
        length = [(b"content-length", b"%d" % len(content))] if content else []
        scope = {
            "type": "http",
            "method": method,
            "path": path,
            "headers": [*json, *length, *headers, *[(b"authorization", each) for each in authorization]],
        }
        exchange = Exchange([content])
        await self.edge(scope, exchange.receive, exchange.send)
        return exchange.reply()
