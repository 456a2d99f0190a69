"""Somebody who may write to Redis and has no key: what she writes there is never gone by, hides for the moment in which
nobody can tell, is told, and is written over."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import pytest
from redis import Redis

from tests.fakes.redis_server import ADMIN, PASSWORD, USER, RedisServer
from tests.fakes.served import Running, post, running
from tests.fakes.waiting import until
from wardgate.adapters.redis.snapshots import CEILINGS, NEWS, SNAPSHOT
from wardgate.control.ports import KeptSnapshot
from wardgate.control.snapshots import Sealer
from wardgate.domain.outcomes import Mode
from wardgate.domain.pseudonyms import KeyRing, Purpose
from wardgate.domain.rollout.rollouts import Ceiling, Scope, Snapshot

SERVICE = "kidney-failure"
OURS, ANOTHER = (Sealer(KeyRing([letter * 32]).keys(Purpose.STORE)) for letter in (b"k", b"x"))


@pytest.fixture
def redis() -> Iterator[RedisServer]:
    with RedisServer() as server:
        yield server


class Intruder:
    """Has the administrator's password of Redis, and a copy of what stood there before."""

    def __init__(self, here: Running, redis: RedisServer) -> None:
        self.here, self._redis = here, Redis(port=redis.port, password=ADMIN, protocol=2)
        self.shown = 0

    def read(self) -> KeptSnapshot:
        value: Any = self._redis.get(SNAPSHOT)
        return msgspec.msgpack.decode(value, type=KeptSnapshot)

    def write(self, kept: KeptSnapshot) -> None:
        self._redis.set(SNAPSHOT, msgspec.msgpack.encode(kept))
        self._redis.publish(NEWS, "9")

    def lower(self, sealed: bytes) -> None:
        self._redis.hset(CEILINGS, "00000000-0000-4000-8000-000000000001", sealed)
        self._redis.publish(NEWS, "ceiling")

    def told(self, why: str) -> int:
        return [event.get("hidden") for event in self.here.named("snapshot")].count(why)

    async def is_found_out(self, forge: Callable[[], None], why: str) -> None:
        """It hides for that reason; says so in the log and in a metric; shows again, and has put its own there. Forged
        again and again, since it may be written over before anybody has looked."""
        before = self.told(why)
        for _ in range(100):
            forge()
            with suppress(AssertionError):
                await until(lambda: self.told(why) > before, 0.2)
                break
        number = self.told(why)
        assert number > before, why
        await until(lambda: self.here.named("snapshot")[-1]["standing"] == "shown")
        metrics = await self.here.metrics()
        assert f'wardgate_snapshot_hides_total{{hidden="{why}"}} {number}.0' in metrics
        assert f'wardgate_snapshot_hidden{{hidden="{why}"}} 0.0' in metrics
        await until(lambda: OURS.is_sound(self.read()))

    def close(self) -> None:
        self._redis.close()


@asynccontextmanager
async def calling(intruder: Intruder) -> AsyncIterator[None]:
    """Calls all the while; what they showed is counted."""

    async def call() -> None:
        while True:
            intruder.shown += (await intruder.here.call())[1] != b'{"cards":[]}'

    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(call())
        yield
        task.cancel()


async def test_what_somebody_else_writes_to_redis_shows_nothing_and_is_told(tmp_path: Path, redis: RedisServer) -> None:
    """Bytes that were changed, the MAC of another key, an older snapshot put back, a ceiling that is not ours; each
    would show what was killed."""
    hot = f"redis://{USER}:{PASSWORD}@127.0.0.1:{redis.port}/0"
    async with running(tmp_path, hot=hot) as here:
        intruder = Intruder(here, redis)
        await until(lambda: redis.command("EXISTS", SNAPSHOT) == b":1")
        assert (await here.call())[1] != b'{"cards":[]}'
        before = intruder.read()
        body = msgspec.json.encode({"scope": "service", "name": SERVICE, "reason": "alert_rate"})
        status, said = await here.send(post("/admin/v1/kills", body), here.admin)
        assert status in (200, 202), said  # 202: a busy machine, whose store comes to have it some seconds later
        assert (await here.call())[1] == b'{"cards":[]}'
        await until(lambda: intruder.read().epoch > before.epoch)
        killed = intruder.read()
        async with calling(intruder):
            changed = msgspec.structs.replace(killed, document=killed.document.replace(b'"off"', b'"on!"'))
            await intruder.is_found_out(partial(intruder.write, changed), "hot_forged")
            raised = ANOTHER.seal(msgspec.structs.replace(OURS.open(before), epoch=killed.epoch + 10))
            await intruder.is_found_out(partial(intruder.write, raised), "hot_forged")
            await intruder.is_found_out(partial(intruder.write, before), "hot_replayed")
            ceiling = Ceiling("00000000-0000-4000-8000-000000000001", Scope.SERVICE, SERVICE, Mode.ACTIVE)
            sealed = ANOTHER.seal_ceiling(ceiling)
            await intruder.is_found_out(partial(intruder.lower, sealed), "hot_forged")
        assert intruder.shown == 0 and isinstance(OURS.open(intruder.read()), Snapshot)
        intruder.close()
