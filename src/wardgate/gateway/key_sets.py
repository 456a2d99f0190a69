"""A client's key set, fetched from the one address that the configuration names, and kept.

One task fetches, and a call waits for it only briefly (law 1). An unknown key makes it ask again, since keys rotate;
but not soon after the last time, or whoever sends invented key ids would make us knock without end (trap T-11). What
was fetched last counts for as long as nothing better comes: a key host that is down must not lock an EHR out.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from wardgate.domain.errors import Unauthenticated
from wardgate.domain.token_faults import Fetched, TokenFault
from wardgate.resilience.timer import Timer


class VerifyingKey(Protocol):
    """Of one algorithm."""

    @property
    def slow(self) -> bool:
        """Whether to verify would hold up the event loop."""
        ...

    def verify(self, signed: bytes, signature: bytes) -> bool: ...


KeyName = tuple[str, str]
"""Key id and algorithm."""
K = TypeVar("K", bound=VerifyingKey)


class FetchFailed(Exception):
    def __init__(self, how: Fetched) -> None:
        super().__init__(how.value)
        self.how = how


@dataclass(frozen=True, slots=True)
class KeySetOptions:
    refresh: float = 900.0
    """Seconds between two fetches when nobody asks: for so long a key that was withdrawn is still good."""
    again: float = 10.0
    """Seconds at least from one fetch to the next, however many ask."""


class FixedKeys(Generic[K]):
    """Of a file: they change with a reload."""

    def __init__(self, keys: Mapping[KeyName, K]) -> None:
        self._keys = keys

    async def find(self, name: KeyName, patience: float) -> K:
        key = self._keys.get(name)
        if key is None:
            raise Unauthenticated(TokenFault.KEY_UNKNOWN)
        return key


class FetchedKeys(Generic[K]):
    """`fetch` gives the whole set or raises FetchFailed; it bounds its own time. `told` hears how each fetch ended."""

    def __init__(
        self,
        fetch: Callable[[], Awaitable[Mapping[KeyName, K]]],
        monotonic: Callable[[], float],
        told: Callable[[Fetched], None],
        options: KeySetOptions | None = None,
    ) -> None:
        self._fetch, self._monotonic, self._told = fetch, monotonic, told
        self._options = options or KeySetOptions()
        self._keys: Mapping[KeyName, K] | None = None
        self._ended = float("-inf")
        self._wanted = asyncio.Event()
        self._round: asyncio.Future[None] | None = None

    async def find(self, name: KeyName, patience: float) -> K:
        """Raises Unauthenticated. Waits `patience` seconds at most, and only where a fetch may bring the key."""
        key = self._get(name)
        if key is None and (self._round is not None or self._monotonic() - self._ended >= self._options.again):
            await self._next(patience)
            key = self._get(name)
        if key is None:
            unknown = TokenFault.KEYS_UNAVAILABLE if self._keys is None else TokenFault.KEY_UNKNOWN
            raise Unauthenticated(unknown)
        return key

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            good = await self.fetch()
            await asyncio.sleep(self._options.again)
            if good:
                await self._until_wanted(self._options.refresh - self._options.again)

    async def fetch(self) -> bool:
        """Once; whether it brought a set."""
        self._wanted.clear()
        if self._round is None:
            self._round = asyncio.get_running_loop().create_future()
        try:
            self._keys, how = await self._fetch(), Fetched.GOOD
        except FetchFailed as failed:
            how = failed.how
        finally:
            self._ended = self._monotonic()
            done, self._round = self._round, None
            done.set_result(None)
        self._told(how)
        return how is Fetched.GOOD

    async def _until_wanted(self, seconds: float) -> None:
        try:
            with Timer(seconds):
                await self._wanted.wait()
        except TimeoutError:
            return

    def _get(self, name: KeyName) -> K | None:
        return None if self._keys is None else self._keys.get(name)

    async def _next(self, patience: float) -> None:
        """Until the fetch that is under way, or the one that this asks for, has ended."""
        if self._round is None:
            self._round = asyncio.get_running_loop().create_future()
            self._wanted.set()
        try:
            with Timer(patience):
                await asyncio.shield(self._round)
        except TimeoutError:
            return
