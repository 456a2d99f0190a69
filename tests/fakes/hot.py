"""Hot stores for tests: one that is down, and what stands around a store in a gateway."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from wardgate.adapters.aead.answers import SealedAnswers
from wardgate.adapters.memory.hot import MemoryHotStore
from wardgate.domain.hot import HotEvent
from wardgate.domain.pseudonyms import KeyRing, Pseudonyms, Purpose
from wardgate.domain.record_names import RecordNames
from wardgate.gateway.hot import HotCache
from wardgate.gateway.outcome import HookOutcome
from wardgate.gateway.ports import Clock, FaultLog, HotStore, Snapshots
from wardgate.gateway.recall import Recall, Trouble

RING = KeyRing([b"a secret of thirty-two bytes, yes"])


class DownStore:
    """Meets `gateway.ports.HotStore`: never there."""

    async def read(self, keys: Sequence[bytes]) -> Sequence[bytes | None] | None:
        return None

    def write(self, key: bytes, value: bytes, ttl: float) -> None: ...

    async def claim(self, key: bytes, ttl: float) -> bool | None:
        return None


@dataclass
class FlakyStore:
    """A store with a switch: `down` as if nobody answered, `deaf` takes no writes. Remembers what it was told."""

    inner: HotStore
    down: bool = False
    deaf: bool = False
    reads: int = 0
    written: list[tuple[bytes, bytes, float]] = field(default_factory=list)

    async def read(self, keys: Sequence[bytes]) -> Sequence[bytes | None] | None:
        self.reads += 1
        await asyncio.sleep(0)
        return None if self.down else await self.inner.read(keys)

    def write(self, key: bytes, value: bytes, ttl: float) -> None:
        if not self.down and not self.deaf:
            self.written.append((key, value, ttl))
            self.inner.write(key, value, ttl)

    async def claim(self, key: bytes, ttl: float) -> bool | None:
        return None if self.down else await self.inner.claim(key, ttl)


def untold(event: HotEvent, count: int) -> None:
    """For stores whose events a test does not look at."""


def memory(clock: Clock) -> FlakyStore:
    """The store in process, with switches."""
    return FlakyStore(MemoryHotStore(clock.monotonic, untold))


def at_once(then: Callable[[HookOutcome], None], outcome: HookOutcome) -> None:
    """In place of the loop's `call_soon`."""
    then(outcome)


def recall_of(
    store: HotStore,
    snapshots: Snapshots,
    faults: FaultLog,
    ring: KeyRing = RING,
    trouble: Trouble = lambda digest: None,
) -> Recall:
    return Recall(
        HotCache(store, Pseudonyms(ring, Purpose.CACHE)),
        ring.keys(Purpose.CACHE)[0].secret,
        SealedAnswers(ring.keys(Purpose.ANSWER)),
        snapshots,
        trouble,
        faults,
        at_once,
        RecordNames(ring),
    )
