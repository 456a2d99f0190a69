"""A kill switch is heard within a second, whatever hangs: the durable store, Redis as well, a worker, and those who
look at what is decided meanwhile."""

import asyncio
import json
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.postgres_server import PASSWORD as DB_PASSWORD
from tests.fakes.postgres_server import USER as DB_USER
from tests.fakes.postgres_server import PostgresServer
from tests.fakes.redis_server import PASSWORD, USER, RedisServer
from tests.fakes.served import Running, children, running
from tests.fakes.waiting import becomes

SERVICE = "kidney-failure"
AT_MOST = 1.5
"""Seconds; it takes some ten milliseconds, or six hundred where both stores hang, on a machine that has time. One that
has none may take longer: as much as for five times as many calls."""


@pytest.fixture
def redis() -> Iterator[RedisServer]:
    with RedisServer() as server:
        yield server


@pytest.fixture
def postgres() -> Iterator[PostgresServer]:
    with PostgresServer() as server:
        yield server


async def ask(here: Running, method: str, path: str, body: Any = None) -> tuple[int, Any]:
    sent = b"" if body is None else json.dumps(body).encode()
    head = f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/json\r\n"
    status, said = await here.send(f"{head}Content-Length: {len(sent)}\r\n\r\n".encode() + sent, here.admin)
    return status, json.loads(said)


async def shown(here: Running) -> set[bool]:
    answers = [await here.call() for _ in range(6)]
    assert {status for status, _ in answers} == {200}
    return {body != b'{"cards":[]}' for _, body in answers}


async def killed(here: Running) -> dict[str, Any]:
    before = time.monotonic()
    assert await shown(here) == {True}
    began = time.monotonic()
    status, said = await ask(here, "POST", "/admin/v1/kills", {"scope": "service", "name": SERVICE})
    assert status in (200, 202), said
    assert await shown(here) == {False}
    assert time.monotonic() - began < AT_MOST + 5 * (began - before)
    return dict(said)


async def lifted(here: Running, kill: dict[str, Any]) -> None:
    """Once the store is back, and the ceiling in it."""

    async def lifts() -> bool:
        return (await ask(here, "POST", f"/admin/v1/kills/{kill['kill']['id']}/lift", {"reason": "fixed"}))[0] == 200

    async def shows() -> bool:
        return await shown(here) == {True}

    await becomes(lifts)
    await becomes(shows)


async def test_a_kill_is_heard_at_once(tmp_path: Path, redis: RedisServer, postgres: PostgresServer) -> None:
    place = f"postgresql://{DB_USER}:{DB_PASSWORD}@127.0.0.1:{postgres.port}/{postgres.database()}?sslmode=disable"
    hot = f'redis://{USER}:{PASSWORD}@127.0.0.1:{redis.port}/0", durable: "{place}'
    async with running(tmp_path, "--workers", "2", hot=hot) as here:
        try:
            await _one_stands_still(here)
            await _the_durable_store_hangs(here, postgres)
            postgres.hang()
            redis.hang()
            kill = await killed(here)
            assert kill["heard"] == ["here"]
            redis.wake()
            await asyncio.sleep(0.7)
            assert await shown(here) == {False}, "fresh by Redis, which has to have heard of it"
        finally:
            postgres.wake()
            redis.wake()


async def _one_stands_still(here: Running) -> None:
    """It is waited for by name, health is told all the same, and it shows nothing when it goes on."""
    assert here.process.pid is not None and await shown(here) == {True}
    still = children(here.process.pid)[0]
    os.kill(still, signal.SIGSTOP)
    try:
        body = {"scope": "service", "name": SERVICE}
        kill, health = await asyncio.gather(
            ask(here, "POST", "/admin/v1/kills", body), ask(here, "GET", "/health/stores")
        )
        assert kill[0] == 200 and health[0] == 200, (kill, health)
        effect = (await ask(here, "GET", f"/admin/v1/effect/{kill[1]['epoch']}"))[1]
        assert not effect["verified"] and len(effect["waiting"]) == len(effect["done"]) == 1
    finally:
        os.kill(still, signal.SIGCONT)
    assert await shown(here) == {False}
    await lifted(here, kill[1])


async def _the_durable_store_hangs(here: Running, postgres: PostgresServer) -> None:
    """And many look at what is decided, who take all threads that wait for it."""
    postgres.hang()
    places = ("/admin/v1/replicas", "/admin/v1/rollout")
    async with asyncio.TaskGroup() as tasks:
        looking = [tasks.create_task(ask(here, "GET", places[number % 2])) for number in range(80)]
        await asyncio.sleep(0.3)
        kill = await killed(here)
    assert kill["stored"] is False and kill["heard"] == ["here", "shared"]
    assert {looked.result()[0] for looked in looking} == {200, 503}
    postgres.wake()
    await lifted(here, kill)
