"""The hot store under pseudonyms: keys that name nobody, found again while their secret is being rotated."""

from collections.abc import Sequence

from wardgate.domain.pseudonyms import Part, Pseudonyms
from wardgate.gateway.ports import HotStore

HotKey = tuple[bytes, ...]
"""Of one thing: its key under the current secret, then those under previous ones."""


class HotCache:
    """What is written goes under the current key; what is read may still lie under a previous one."""

    def __init__(self, store: HotStore, pseudonyms: Pseudonyms) -> None:
        self._store = store
        self._pseudonyms = pseudonyms

    def key(self, kind: str, client: str, fhir_server: Part, *parts: Part) -> HotKey:
        """Client and FHIR server stand in every key (law 11): the ids of two servers mean two patients."""
        return self._pseudonyms.all(kind, client, fhir_server, *parts)

    async def read(self, keys: Sequence[HotKey]) -> Sequence[bytes | None] | None:
        """The values in the order of the keys, in one round trip; None where the store is down."""
        names = [name for key in keys for name in key]
        found = await self._store.read(names)
        if found is None or len(names) == len(keys):  # no secret is being rotated
            return found
        values = iter(found)
        return [_first([next(values) for _ in key]) for key in keys]

    def write(self, key: HotKey, value: bytes, ttl: float) -> None:
        self._store.write(key[0], value, ttl)

    async def claim(self, key: HotKey, ttl: float) -> bool | None:
        """Whether this caller is the first; None where the store is down."""
        claimed = await self._store.claim(key[0], ttl)
        if not claimed or len(key) == 1:
            return claimed
        earlier = await self._store.read(key[1:])
        return None if earlier is None else _first(earlier) is None


def _first(values: Sequence[bytes | None]) -> bytes | None:
    return next((value for value in values if value is not None), None)
