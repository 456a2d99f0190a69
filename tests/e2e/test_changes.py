"""A gateway, and people who take a model out of sight and back, on a terminal: alone and with workers."""

import asyncio
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from tests.fakes.processes import PATIENCE
from tests.fakes.redis_server import PASSWORD, USER, RedisServer
from tests.fakes.served import Running, post, running

SERVICE = "kidney-failure"
RELEASES = "config/models/kidney-failure/releases"


@pytest.fixture
def redis() -> Iterator[RedisServer]:
    with RedisServer() as server:
        yield server


def stores(redis: RedisServer) -> str:
    return f'redis://{USER}:{PASSWORD}@127.0.0.1:{redis.port}/0", durable: "sqlite:///decided.db'


def held(folder: Path) -> sqlite3.Connection:
    """The durable store, which nobody else can use until this is closed."""
    holder = sqlite3.connect(next(folder.rglob("decided.db")), isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")
    return holder


async def wardgate(here: Running, *arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "wardgate", *arguments, "--admin", f"http://127.0.0.1:{here.admin}"]
    return await asyncio.to_thread(
        subprocess.run, command, capture_output=True, text=True, timeout=PATIENCE, check=False, stdin=subprocess.DEVNULL
    )


async def done(here: Running, *arguments: str) -> str:
    said = await wardgate(here, *arguments)
    assert said.returncode == 0, (said.stdout, said.stderr)
    return said.stdout


async def shows(here: Running) -> bool:
    status, body = await here.call()
    assert status == 200
    return body != b'{"cards":[]}'


async def all_show(here: Running, shown: bool) -> bool:
    return [await shows(here) for _ in range(6)] == [shown] * 6


async def second_release(here: Running) -> None:
    """1.1.0 at the same endpoint, in shadow."""
    first = here.folder / RELEASES / "1.0.0.yaml"
    text = first.read_text().replace('version: "1.0.0"', 'version: "1.1.0"')
    first.with_name("1.1.0.yaml").write_text(text)
    service = here.folder / "config/services/kidney-failure.yaml"
    service.write_text(service.read_text().replace("mode: active}", 'mode: active, shadow: ["1.1.0"]}'))
    status, body = await here.send(
        b"POST /admin/v1/reload HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", here.admin
    )
    assert status == 200, body


@pytest.mark.parametrize("workers", [1, 2])
async def test_down_and_back(tmp_path: Path, redis: RedisServer, workers: int) -> None:
    """Each is in force on every replica when its command ends, and the chain has it."""
    arguments = ["--workers", str(workers)] if workers > 1 else []
    async with running(tmp_path, *arguments, hot=stores(redis)) as here:
        await second_release(here)
        assert await all_show(here, True)
        assert "in force on all" in await done(here, "kill", "service", SERVICE, "--reason", "alert_rate")
        assert await all_show(here, False)
        listed = await done(here, "kill", "list")
        kill_id = listed.rpartition("kill lift ")[2].split()[0]
        assert "active → off" in await done(here, "rollout", "show")
        tried = await done(here, "rollout", "set", SERVICE, "--mode", "silent", "--dry-run")
        assert "would be" in tried and "hospital_a" in tried
        await done(here, "kill", "lift", kill_id, "--reason", "fixed")
        assert await all_show(here, True)

        await done(here, "rollout", "set", SERVICE, "--champion", "1.1.0", "--reason", "promotion")
        assert await all_show(here, True)
        assert {state["champion"] for state in (await here.services()).values()} == {"1.1.0"}
        drilled = await done(here, "drill", SERVICE, "--reason", "quarterly")
        assert "Rehearsed" in drilled and await all_show(here, True)
        await done(here, "rollback", SERVICE, "--reason", "alert_rate")
        assert {state["champion"] for state in (await here.services()).values()} == {"1.0.0"}
        assert await all_show(here, True)
        for _ in range(100):  # until the records are in the store
            seen = await done(here, "rollout", "watch", SERVICE)
            if "every call since then was decided" in seen:
                break
        else:
            raise AssertionError(seen)
        assert "no change of the alert rate" in seen or "too few calls" in seen

        await done(here, "rollout", "set", SERVICE, "--mode", "silent")
        assert await all_show(here, False)
        await done(here, "rollout", "put-back", SERVICE, "--reason", "mistake")
        assert await all_show(here, True)
        history = await done(here, "rollout", "history", SERVICE)
        assert "rollback" in history and "put_back" in history
        assert len((await done(here, "replicas")).splitlines()) > workers


@pytest.mark.parametrize("workers", [1, 2])
async def test_down_while_every_store_hangs(tmp_path: Path, redis: RedisServer, workers: int) -> None:
    """The replicas of the gateway that was asked obey at once, and it is told that others may not have heard. Once the
    stores are back, they have it too."""
    arguments = ["--workers", str(workers)] if workers > 1 else []
    async with running(tmp_path, *arguments, hot=stores(redis)) as here:
        assert await all_show(here, True)
        holder = held(tmp_path)
        redis.hang()
        body = msgspec.json.encode({"scope": "service", "name": SERVICE, "reason": "alert_rate"})
        began = time.monotonic()
        status, said = await here.send(post("/admin/v1/kills", body), here.admin)
        took = time.monotonic() - began
        assert status == 202 and msgspec.json.decode(said)["heard"] == ["here"], said
        assert took < 2.0, took  # a second of waiting at most, and what a busy machine needs
        assert await all_show(here, False)
        assert "ONLY" in (await wardgate(here, "kill", "site", "hospital_a")).stdout
        lowered = await wardgate(here, "rollout", "set", SERVICE, "--mode", "silent")
        assert lowered.returncode == 3, (lowered.stdout, lowered.stderr)
        assert "The durable store is away" in await done(here, "rollout", "show")
        holder.close()
        redis.wake()
        for _ in range(100):  # until a replica has folded it into a snapshot
            if "away" not in (shown := await done(here, "rollout", "show")):
                break
        assert "active → off" in shown
        assert await all_show(here, False)
