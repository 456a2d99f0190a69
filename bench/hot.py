"""What the hot store costs a call: `python -m bench.hot` (needs redis-server). µs of CPU of this process, on uvloop.

A call derives four keys, reads them in one round trip, and writes two values, as a service does that uses all that is
kept. Redis runs on another core where there is one.
"""

import asyncio
import os
import time
from collections.abc import Callable
from itertools import count
from statistics import median

import uvloop

from bench.servers import LOAD_CORE, SERVER_CORE
from tests.fakes.redis_server import RedisServer
from wardgate.adapters.memory.hot import MemoryHotStore
from wardgate.adapters.prometheus.meter import PrometheusMeter
from wardgate.adapters.redis.hot import RedisHotStore
from wardgate.adapters.redis.seals import Seals
from wardgate.bootstrap.machine import SystemClock
from wardgate.domain.pseudonyms import KeyRing, Pseudonyms, Purpose
from wardgate.gateway.hot import HotCache

_CALLS = 3000
_ROUNDS = 5
_KINDS = ("answer", "score", "shown", "notice")


class _Load:
    """Calls for five hundred patients in turn. While the store is down a call waits: answered ones are measured."""

    def __init__(self, cache: HotCache, up: Callable[[], bool], writes: int) -> None:
        self._cache = cache
        self._up = up
        self._writes = writes
        self._numbers = count()
        self.waits: list[float] = []

    async def calls(self, number: int) -> None:
        for _ in range(number):
            await self._call(str(next(self._numbers) % 500))
            await asyncio.sleep(0)

    async def _call(self, patient: str) -> None:
        server = "https://ehr.example/fhir/r4"
        keys = [self._cache.key(kind, "ward-ehr", server, patient, "e1", "ward_7", "sha256:00") for kind in _KINDS]
        began = time.perf_counter()
        while await self._cache.read(keys) is None:
            while not self._up():  # noqa: ASYNC110 - the store tells health, not an event
                await asyncio.sleep(0.01)
            began = time.perf_counter()
        self.waits.append(time.perf_counter() - began)
        for key in keys[: self._writes]:
            self._cache.write(key, b"v" * 200, 60)


async def _measure(name: str, cache: HotCache, up: Callable[[], bool], concurrency: int, writes: int) -> None:
    load = _Load(cache, up, writes)
    await load.calls(500)
    rounds = []
    for _ in range(_ROUNDS):
        before = time.process_time()
        await asyncio.gather(*[load.calls(_CALLS // concurrency) for _ in range(concurrency)])
        rounds.append((time.process_time() - before) / _CALLS * 1e6)
    waits = sorted(load.waits[500:])
    print(
        f"{name:6}  {concurrency:2} at a time  {writes} writes  {median(rounds):6.1f} µs of CPU   "
        f"read p50 {waits[len(waits) // 2] * 1e6:5.0f} µs  p99 {waits[len(waits) * 99 // 100] * 1e6:5.0f} µs"
    )


async def _run() -> None:
    meter, ring = PrometheusMeter(), KeyRing([b"a key of the benchmark, thirty-two bytes"])
    pseudonyms = Pseudonyms(ring, Purpose.CACHE)
    memory = HotCache(MemoryHotStore(time.monotonic, meter.hot_event), pseudonyms)
    for writes in (0, 2):
        await _measure("memory", memory, lambda: True, 1, writes)
    os.sched_setaffinity(0, {LOAD_CORE})  # Redis inherits it
    with RedisServer() as redis:
        os.sched_setaffinity(0, {SERVER_CORE})
        store = RedisHotStore(redis.place, Seals(ring.keys(Purpose.STORE)), SystemClock.now, meter.hot_event)
        async with asyncio.TaskGroup() as tasks:
            running = tasks.create_task(store.run())
            for concurrency in (1, 8, 32):
                for writes in (0, 2):
                    await _measure("redis", HotCache(store, pseudonyms), lambda: store.up, concurrency, writes)
            running.cancel()


if __name__ == "__main__":
    os.sched_setaffinity(0, {SERVER_CORE})
    uvloop.run(_run())
