"""A replica that a network cuts off: nothing refuses it, nothing answers it, and its connections stay open. It shows
nothing once nobody can tell what is decided, says so, and comes back by itself."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.test_propagation import KEY, LEASE, SERVICE, Replica, started, up
from tests.fakes.gateway_process import ended
from tests.fakes.oip_server import oip_server
from tests.fakes.postgres_server import PASSWORD, USER, PostgresServer
from tests.fakes.redis_server import RedisServer
from wardgate.lab.chaos.kinds.connections import Hang
from wardgate.lab.chaos.proxy import Fault, Proxy


class Ward:
    """`near` reaches the stores, `far` does so through two proxies."""

    def __init__(self, near: Replica, far: Replica, redis: Proxy, store: Proxy) -> None:
        self.near, self.far, self.redis, self.store = near, far, redis, store
        self.calls = 0

    async def ask(self, method: str, path: str, body: Any = None) -> Any:
        """Of the near one's admin listener."""
        sent = b"" if body is None else json.dumps(body).encode()
        head = f"{method} /admin/v1{path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
        head += f"Content-Type: application/json\r\nContent-Length: {len(sent)}\r\n\r\n"
        return json.loads(await self.near.ask(head.encode() + sent, self.near.admin))

    async def kill(self) -> Any:
        return await self.ask("POST", "/kills", {"scope": "service", "name": SERVICE, "reason": "alert_rate"})

    async def lift(self, kill: Any) -> None:
        await self.ask("POST", f"/kills/{kill['kill']['id']}/lift", {"reason": "fixed"})

    async def shows(self, replica: Replica, shown: bool, seconds: float = 20.0) -> float:
        """Seconds until it does."""
        began = time.monotonic()
        while await replica.shows(self.calls) is not shown:
            self.calls += 1
            assert time.monotonic() - began < seconds
        self.calls += 1
        return time.monotonic() - began

    async def effect(self, kill: Any, done: int, waiting: int) -> None:
        """As the near one tells it, once so many have confirmed it; verified where nobody is waited for."""
        for _ in range(400):
            effect = await self.ask("GET", f"/effect/{kill['epoch']}")
            if len(effect["done"]) == done:
                break
            await asyncio.sleep(0.05)
        assert (len(effect["done"]), len(effect["waiting"])) == (done, waiting)
        assert effect["verified"] is (waiting == 0)

    async def metrics(self) -> str:
        """Of the far one."""
        request = b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
        return (await self.far.ask(request, self.far.admin)).decode().replace('"', "'")

    async def says(self, state: str) -> None:
        for _ in range(400):
            if await self.far.state() == state:
                return
            await asyncio.sleep(0.05)
        raise AssertionError(await self.far.state())


@asynccontextmanager
async def ward(folder: Path, redis: RedisServer, postgres: PostgresServer) -> AsyncIterator[Ward]:
    name, replicas = postgres.database(), list[Replica]()
    async with (
        oip_server() as server,
        Proxy(f"redis://127.0.0.1:{redis.port}") as hot,
        Proxy(f"tcp://127.0.0.1:{postgres.port}") as store,
    ):
        try:
            for place, ports in (("near", (redis.port, postgres.port)), ("far", (hot.port, store.port))):
                durable = f"postgresql://{USER}:{PASSWORD}@127.0.0.1:{ports[1]}/{name}?sslmode=disable"
                replicas.append(started(folder / place, server, ports[0], durable))
                await up(replicas[-1])
            yield Ward(replicas[0], replicas[1], hot, store)
        finally:
            for replica in replicas:
                replica.process.kill()
                await ended(replica.process)


async def test_who_is_cut_off_hides_within_the_lease_says_so_and_comes_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TEST_PSEUDONYM_KEY", KEY)
    with RedisServer() as redis, PostgresServer() as postgres:
        async with ward(tmp_path, redis, postgres) as here:
            await _from_redis_alone(here)
            await _from_everything(here)


async def _from_redis_alone(here: Ward) -> None:
    """What is decided elsewhere comes by way of the durable store, though a read of Redis hangs."""
    here.redis.begin(Fault(Hang()))
    kill = await here.kill()
    assert await here.shows(here.far, False) < 3.0 and await here.far.state() == "up"
    await here.lift(kill)
    assert await here.shows(here.far, True) < 3.0
    assert here.redis.met > 0, "nothing was swallowed"
    here.redis.end()


async def _from_everything(here: Ward) -> None:
    """Who kills is told who has not heard of it."""
    here.redis.begin(Fault(Hang()))
    here.store.begin(Fault(Hang()))
    kill = await here.kill()
    assert await here.shows(here.near, False) < 3.0
    await here.effect(kill, done=1, waiting=1)
    assert await here.shows(here.far, False) < LEASE + 3.0
    await here.says("lease")
    for _ in range(200):  # as soon as a look at a store that hangs is over
        if "hidden{hidden='lease'} 1.0" in (metrics := await here.metrics()):
            break
        await asyncio.sleep(0.05)
    assert "hidden{hidden='lease'} 1.0" in metrics and "hides_total{hidden='lease'} 1.0" in metrics

    here.redis.end()
    here.store.end()
    await here.says("up")
    assert not await here.far.shows(here.calls), "it came back by what was decided meanwhile"
    await here.effect(kill, done=2, waiting=0)
    await here.lift(kill)
    await here.shows(here.far, True)
    await here.shows(here.near, True)
