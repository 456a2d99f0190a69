"""The hot store in process: for one worker. It goes with the process."""

from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from wardgate.domain.hot import HotEvent

Told = Callable[[HotEvent, int], None]


@dataclass(frozen=True, slots=True)
class MemoryHotOptions:
    entries: int = 50_000
    """Values held at most; the one that was not asked for the longest goes first."""
    max_value: int = 64 * 1024
    """Bytes of one value, key not counted; a larger one is not kept."""


class MemoryHotStore:
    """Meets `gateway.ports.HotStore`. Every operation is O(1): nothing walks the entries, an expired one goes when it
    is asked for or when its turn comes."""

    def __init__(self, monotonic: Callable[[], float], told: Told, options: MemoryHotOptions | None = None) -> None:
        self._monotonic = monotonic
        self._told = told
        self._options = options or MemoryHotOptions()
        self._entries: OrderedDict[bytes, tuple[bytes, float]] = OrderedDict()

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
            self._entries.pop(key, None)  # rather nothing than what it should have replaced
            self._told(HotEvent.DROPPED, 1)
            return
        self._put(key, value, self._monotonic() + ttl)

    async def claim(self, key: bytes, ttl: float) -> bool | None:
        now = self._monotonic()
        if self._get(key, now) is not None:
            return False
        self._put(key, b"", now + ttl)
        return True

    def _get(self, key: bytes, now: float) -> bytes | None:
        entry = self._entries.get(key)
        if entry is None:
            return None
        value, expires = entry
        if now >= expires:
            del self._entries[key]
            return None
        self._entries.move_to_end(key)
        return value

    def _put(self, key: bytes, value: bytes, expires: float) -> None:
        self._entries[key] = (value, expires)
        self._entries.move_to_end(key)
        if len(self._entries) > self._options.entries:
            _, (_, last) = self._entries.popitem(last=False)
            if last > self._monotonic():
                self._told(HotEvent.EVICTED, 1)
