"""A replica that was killed is forgotten, so that changes wait for it no more; and it comes back."""

import asyncio
import time
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.e2e.test_propagation import KEY, SERVICE, Replica
from tests.fakes.config_tree import sound_config
from tests.fakes.gateway_process import ended, start_gateway
from tests.fakes.oip_server import oip_server
from tests.fakes.processes import free_port
from tests.fakes.redis_server import PASSWORD, USER, RedisServer

SILENCE = 2.0 + 1.5 + 1.0
"""Lease, deadline and grace."""


def configured(folder: Path, durable: Path, model: str, redis: RedisServer, port: int, admin: int) -> Path:
    hot = f"redis://{USER}:{PASSWORD}@127.0.0.1:{redis.port}/0"
    return sound_config(
        folder,
        wardgate=[
            ("127.0.0.1:8082", model),
            ("port: 8080}", f"port: {port}}}"),
            ("port: 8081", f"port: {admin}"),
            (
                "insecure_demo",
                f'stores: {{hot: "{hot}", durable: "sqlite:///{durable}"}}\nsnapshot: {{lease: 2s}}\n'
                "pseudonym_key: {env: TEST_PSEUDONYM_KEY}\ninsecure_demo",
            ),
        ],
        release=[("http://127.0.0.1:8082", f"http://{model}"), ("timeout: 200ms", "timeout: 1s")],
        service=[("deadline: 500ms", "deadline: 1500ms")],
    )


async def asked(replica: Replica, method: str, path: str, body: object = None) -> tuple[int, Any]:
    content = msgspec.json.encode(body) if body is not None else b""
    head = f"{method} /admin/v1{path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\n"
    reader, writer = await asyncio.open_connection("127.0.0.1", replica.admin)
    writer.write(f"{head}Content-Length: {len(content)}\r\n\r\n".encode() + content)
    reply = await asyncio.wait_for(reader.read(), 60)
    writer.close()
    first, _, said = reply.partition(b"\r\n\r\n")
    return int(first.split()[1]), msgspec.json.decode(said)


async def rows(replica: Replica) -> dict[str, Any]:
    _, told = await asked(replica, "GET", "/replicas")
    return {each["id"]: each for each in told["replicas"]}


async def confirmed(replica: Replica, epoch: int, seconds: float = 60.0) -> float:
    """Seconds until every replica has said so."""
    began = time.monotonic()
    while not (await asked(replica, "GET", f"/effect/{epoch}"))[1]["verified"]:
        assert time.monotonic() - began < seconds
        await asyncio.sleep(0.05)
    return time.monotonic() - began


async def until_there(replica: Replica, number: int, silent: int = 0) -> dict[str, Any]:
    """So many that show, and so many that are silent."""
    for _ in range(1200):
        assert replica.process.is_alive()
        try:
            found = await rows(replica)
            quiet = [each for each in found.values() if each["silent"]]
            if (len(found) - len(quiet), len(quiet)) == (number, silent) and not any(
                each["hidden"] for each in found.values() if not each["silent"]
            ):
                return found
        except (OSError, IndexError):
            pass
        await asyncio.sleep(0.05)
    raise AssertionError("the replicas did not come up in time")


async def first_answer(replica: Replica) -> bool:
    """Whether it shows a card; waits until it answers at all."""
    for _ in range(1200):
        try:
            return await replica.shows(1)
        except OSError:
            await asyncio.sleep(0.05)
    raise AssertionError("it did not answer in time")


async def test_no_change_waits_for_one_that_was_killed_and_forgotten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TEST_PSEUDONYM_KEY", KEY)
    async with oip_server() as server:
        with RedisServer() as redis:
            configs, replicas = [], []
            for name in ("a", "b"):
                port, admin = free_port(), free_port()
                configs.append(configured(tmp_path / name, tmp_path / "decided.db", server.host, redis, port, admin))
                replicas.append(Replica(port, admin, start_gateway(configs[-1])))
            here, other = replicas
            try:
                both = await until_there(here, 2)
                other.process.kill()
                await ended(other.process)
                dead = ""
                while not dead:
                    dead = next((name for name, each in (await rows(here)).items() if each["since"] > 1.5), "")
                status, refused = await asked(here, "POST", "/replicas/forget", {"name": dead, "reason": "gone"})
                assert status == 409 and refused["code"] == "alive" and " s ago" in refused["detail"]
                await until_there(here, 1, silent=1)
                status, forgot = await asked(here, "POST", "/replicas/forget", {"name": dead, "reason": "gone"})
                assert status == 200
                await confirmed(here, forgot["epoch"])
                kill = {"scope": "service", "name": SERVICE, "reason": "alert_rate"}
                status, killed = await asked(here, "POST", "/kills", kill)
                assert status == 200 and not killed["effect"]["silent"]
                assert await confirmed(here, killed["epoch"]) < SILENCE, "it waited for the one that is gone"
                # it comes back with its own folder, whose snapshot still shows cards
                other.process = start_gateway(configs[1])
                there = await until_there(here, 2)
                assert dead not in there and set(there) & set(both) == set(both) - {dead}
                assert not await first_answer(other) and not await here.shows(1)
                _, chain = await asked(here, "GET", "/audit?what=replica.forget")
                assert [(each["subject"], each["result"]) for each in chain["entries"]] == [(dead, "done")]
            finally:
                for replica in replicas:
                    replica.process.kill()
                    await ended(replica.process)
