"""The hot store in process: for one worker. It goes with the process."""

from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from wardgate.domain.hot import HotEvent, HotTold


@dataclass(frozen=True, slots=True)
class MemoryHotOptions:
    entries: int = 50_000
    """Values held at most; the one that was not asked for the longest goes first."""
    bytes: int = 64 * 1024**2
    """Bytes of all values together; many large ones make room as many small ones do."""
    max_value: int = 64 * 1024
    """Bytes of one value; a larger one is not kept."""


class MemoryHotStore:
    """Meets `gateway.ports.HotStore`. Nothing walks the entries: an expired one goes when it is asked for, or when its
    turn comes."""

    def __init__(self, monotonic: Callable[[], float], told: HotTold, options: MemoryHotOptions | None = None) -> None:
        self._monotonic = monotonic
        self._told = told
        self._options = options or MemoryHotOptions()
        self._entries: OrderedDict[bytes, tuple[bytes, float]] = OrderedDict()
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._entries)

    async def read(self, keys: Sequence[bytes]) -> Sequence[bytes | None] | None:
        now = self._monotonic()
        values = [self._get(key, now) for key in keys]
        hits = len(values) - values.count(None)
        if hits:
            self._told(HotEvent.HIT, hits)
        if hits < len(values):
            self._told(HotEvent.MISS, len(values) - hits)
        return values

    def write(self, key: bytes, value: bytes, ttl: float) -> None:
        if len(value) > self._options.max_value:
            self._remove(key)  # rather nothing than what it should have replaced
            self._told(HotEvent.DROPPED, 1)
            return
        self._put(key, value, self._monotonic(), ttl)

    async def claim(self, key: bytes, ttl: float) -> bool | None:
        now = self._monotonic()
        if self._get(key, now) is not None:
            return False
        self._put(key, b"", now, ttl)
        return True

    def _get(self, key: bytes, now: float) -> bytes | None:
        entry = self._entries.get(key)
        if entry is None:
            return None
        if now >= entry[1]:
            self._remove(key)
            return None
        self._entries.move_to_end(key)
        return entry[0]

    def _put(self, key: bytes, value: bytes, now: float, ttl: float) -> None:
        self._remove(key)
        self._entries[key] = (value, now + ttl)
        self._bytes += len(value)
        while len(self._entries) > self._options.entries or self._bytes > self._options.bytes:
            _, (evicted, expires) = self._entries.popitem(last=False)
            self._bytes -= len(evicted)
            if expires > now:
                self._told(HotEvent.EVICTED, 1)

    def _remove(self, key: bytes) -> None:
        entry = self._entries.pop(key, None)
        if entry is not None:
            self._bytes -= len(entry[0])
