"""A gateway process with a model in the test's own loop: its events, its admin listener, and calls to it."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from tests.fakes.config_tree import Edit, sound_config
from tests.fakes.kidney_calls import kidney_call
from tests.fakes.oip_server import OipServer, oip_server
from tests.fakes.processes import PATIENCE, free_port
from tests.fakes.waiting import becomes, until

PATH = "/cds-services/kidney-failure"
READY = b"GET /health/ready HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"


@dataclass
class Running:
    """A gateway process, what it has logged, and the model behind it."""

    folder: Path
    server: OipServer
    listen: int
    admin: int
    hot: str
    process: asyncio.subprocess.Process
    events: list[dict[str, Any]] = field(default_factory=list)
    calls: int = 0

    def named(self, name: str) -> list[dict[str, Any]]:
        return [event for event in self.events if event.get("event") == name]

    def edit(self, **edits: Edit | list[Edit]) -> None:
        written(self.folder, self.server, self.listen, self.admin, self.hot, **edits)

    async def send(self, request: bytes, port: int | None = None) -> tuple[int, bytes]:
        """Status and body; 0 where the connection ended without an answer."""
        reader, writer = await asyncio.open_connection("127.0.0.1", port or self.listen)
        try:
            writer.write(request)
            reply = await asyncio.wait_for(reader.read(), PATIENCE)
        except ConnectionError:
            return 0, b""
        finally:
            writer.close()
        head, _, body = reply.partition(b"\r\n\r\n")
        return (int(head.split()[1]), body) if head else (0, b"")

    async def call(self) -> tuple[int, bytes]:
        self.calls += 1
        return await self.send(post(PATH, msgspec.json.encode(kidney_call(self.calls))))

    async def metrics(self) -> str:
        return (await self.send(b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", self.admin))[
            1
        ].decode()

    async def services(self) -> dict[str, Any]:
        request = b"GET /health/services HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        services: dict[str, Any] = msgspec.json.decode((await self.send(request, self.admin))[1])
        return services

    async def is_proven(self) -> bool:
        return all(state["proof"] == "passed" for state in (await self.services()).values())

    async def has_workers(self, number: int) -> bool:
        """As its metrics say, who ask each."""
        return f"wardgate_workers_up {number}.0" in await self.metrics()


def post(path: str, body: bytes) -> bytes:
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


def written(folder: Path, server: OipServer, listen: int, admin: int, hot: str, **edits: Edit | list[Edit]) -> Path:
    places: dict[str, list[Edit]] = {
        "wardgate": [
            ("127.0.0.1:8082", server.host),
            ("port: 8080}", f"port: {listen}}}"),
            ("port: 8081", f"port: {admin}"),
            (
                "insecure_demo",
                f'stores: {{hot: "{hot}"}}\npseudonym_key: {{env: TEST_PSEUDONYM_KEY}}\ninsecure_demo',
            ),
        ],
        "release": [("http://127.0.0.1:8082", f"http://{server.host}"), ("timeout: 200ms", "timeout: 8s")],
        "service": [("deadline: 500ms", "deadline: 10s")],
    }
    for name, edit in edits.items():
        places.setdefault(name, []).extend(edit if isinstance(edit, list) else [edit])
    return sound_config(folder, **places)


@asynccontextmanager
async def running(
    folder: Path, *arguments: str, hot: str = "redis://127.0.0.1:1/0", **edits: Edit | list[Edit]
) -> AsyncIterator[Running]:
    """A gateway with a proven model; stopped at the end, and killed where that fails. `hot`: nobody, if not said."""
    async with oip_server() as server:
        listen, admin = free_port(), free_port()
        config = written(folder, server, listen, admin, hot, **edits)
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "wardgate", "serve", "--config", str(config), *arguments),
            stderr=asyncio.subprocess.PIPE,
            env={**os.environ, "TEST_PSEUDONYM_KEY": "k" * 32},  # noqa: TID251 - that of a child
        )
        here = Running(folder, server, listen, admin, hot, process)
        async with asyncio.TaskGroup() as tasks:
            reading = tasks.create_task(_read(process, here.events))
            try:
                await until(lambda: bool(here.named("listening")) or process.returncode is not None)
                assert process.returncode is None, here.events
                await becomes(here.is_proven)
                yield here
            finally:
                server.hold.set()
                if process.returncode is None:
                    process.send_signal(signal.SIGTERM)
                try:
                    await asyncio.wait_for(process.wait(), PATIENCE)
                except TimeoutError:
                    process.kill()
                    await process.wait()
                    raise AssertionError(f"it does not end: {here.events[-5:]}") from None
                await reading


async def _read(process: asyncio.subprocess.Process, events: list[dict[str, Any]]) -> None:
    assert process.stderr is not None
    async for line in process.stderr:
        events.append(msgspec.json.decode(line))


def children(parent: int) -> list[int]:
    """The processes that it has started."""
    return [int(pid) for pid in Path(f"/proc/{parent}/task/{parent}/children").read_text().split()]


def unrecorded(metrics: str) -> int:
    """Cards that were withheld for that reason, by the gateway's own count."""
    lines = [line for line in metrics.splitlines() if line.startswith("wardgate_calls_total")]
    return sum(int(float(line.rpartition(" ")[2])) for line in lines if 'reason="record_unavailable"' in line)
