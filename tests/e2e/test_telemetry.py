"""A served gateway and its collector: a real process, spans by real sockets, and a collector that does not answer."""

import asyncio
import os
import signal
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import settings

from tests.fakes.config_tree import Edit, sound_config
from tests.fakes.kidney_calls import kidney_call
from tests.fakes.oip_server import oip_server
from tests.fakes.otlp_receiver import OtlpReceiver, otlp_receiver
from tests.fakes.processes import PATIENCE as START
from tests.fakes.processes import free_port
from tests.fakes.waiting import becomes, until
from wardgate.lab.canary import Marks, search

TOKEN = "a-token-of-the-collector"
ANSWERED = {"threshold_met", "record_unavailable"}
PATIENCE = 5.0
"""Seconds that a request to the collector may take: what waited for one would take as long."""


@dataclass
class Served:
    process: asyncio.subprocess.Process
    collector: OtlpReceiver
    listen: int
    admin: int
    said: bytearray = field(default_factory=bytearray)
    """On standard error."""

    def events(self, name: str) -> list[dict[str, Any]]:
        lines = [msgspec.json.decode(line) for line in bytes(self.said).splitlines()]
        return [line for line in lines if line["event"] == name]

    async def send(self, request: bytes, port: int) -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(request)
        try:
            return await asyncio.wait_for(reader.read(), START)
        finally:
            writer.close()

    async def call(self, body: dict[str, Any], headers: str = "") -> float:
        """Seconds to the end of the answer. (On a busy machine a record may be too late for its card to be shown.)"""
        encoded = msgspec.json.encode(body)
        head = "POST /cds-services/kidney-failure HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
        head += f"Content-Type: application/json\r\nContent-Length: {len(encoded)}\r\n{headers}\r\n"
        before = time.monotonic()
        answer = await self.send(head.encode() + encoded, self.listen)
        assert answer.startswith(b"HTTP/1.1 200"), answer
        return time.monotonic() - before

    async def get(self, path: str) -> str:
        request = f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        return (await self.send(request.encode(), self.admin)).decode()

    async def is_proven(self) -> bool:
        return '"proof":"passed"' in await self.get("/health/services")

    async def stop(self) -> float:
        """Seconds until it has ended."""
        before = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(self.process.wait(), START) == 0
        return time.monotonic() - before


@asynccontextmanager
async def served(folder: Path, *arguments: str, telemetry: str = "") -> AsyncIterator[Served]:
    """`telemetry`: further keys of it. Its model is proven."""
    async with oip_server() as model, otlp_receiver() as collector:
        listen, admin = free_port(), free_port()
        keys = f"{{otlp: '{collector.url}', prometheus: /internal/metrics{telemetry}}}"
        stores = 'stores: {hot: "redis://127.0.0.1:1/0"}\npseudonym_key: {env: TEST_KEY}\n' if arguments else ""
        places: dict[str, list[Edit]] = {
            "wardgate": [
                ('["127.0.0.1:8082"]', f'["{model.host}"]'),
                ("port: 8080}", f"port: {listen}}}"),
                ("port: 8081", f"port: {admin}"),
                ("environment: test\n", f"environment: test\ntelemetry: {keys}\n{stores}"),
            ],
            "release": [("http://127.0.0.1:8082", f"http://{model.host}")],
        }
        config = sound_config(folder, **places)
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "wardgate", "serve", "--config", str(config), *arguments),
            stderr=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            env={**os.environ, "TEST_KEY": "k" * 32, "TEST_TOKEN": TOKEN},  # noqa: TID251 - that of a child
        )
        here = Served(process, collector, listen, admin)
        async with asyncio.TaskGroup() as tasks:
            reading = tasks.create_task(_read(process, here.said))
            try:
                await until(lambda: bool(here.events("listening")) or process.returncode is not None)
                assert process.returncode is None, here.said.decode()
                await becomes(here.is_proven)
                yield here
            finally:
                if process.returncode is None:
                    process.kill()
                    await process.wait()
                await reading


async def _read(process: asyncio.subprocess.Process, said: bytearray) -> None:
    assert process.stderr is not None
    async for line in process.stderr:
        said += line


async def test_what_is_kept_arrives_also_at_the_end(tmp_path: Path) -> None:
    """With the collector's token, which nothing else says; the metrics where the file puts them."""
    marks = Marks()
    headers = ", keep: 1.0, otlp_headers: {x-api-key: {env: TEST_TOKEN}}"
    async with served(tmp_path, telemetry=headers) as here:
        sent = "".join(f"{name}: {value}\r\n" for name, value in marks.headers().items())
        for number in range(5):
            await here.call(marks.plant(kidney_call(number)), sent)
        metrics = await here.get("/internal/metrics")
        assert 'wardgate_calls_total{arm="champion",hook="patient-view"' in metrics
        assert "404" in (await here.get("/metrics")).splitlines()[0]
        await here.stop()  # the last calls were not half a second ago
        calls = [span for span in here.collector.spans() if span.name == "hook_call"]
        assert len(calls) == 5 and {call.attributes["reason"] for call in calls} <= ANSWERED
        assert calls[0].resource == {
            "service.name": "wardgate",
            "service.version": calls[0].resource["service.version"],
            "deployment.environment.name": "test",
        }
        heads = b"".join(head for head, _ in here.collector.raw.requests)
        assert f"x-api-key: {TOKEN}\r\n".encode() in heads.lower()
        said = {"spans": b"".join(here.collector.bodies), "stderr": bytes(here.said), "metrics": metrics.encode()}
        assert [leak for sink, data in said.items() for leak in search(sink, data, marks)] == []
        assert not any(TOKEN.encode() in data for data in said.values())


@pytest.mark.parametrize("fault", ["hang", "down"])
async def test_a_collector_that_is_away_makes_no_call_late(tmp_path: Path, fault: str) -> None:
    """It is said once, in the log and in a metric; the end of the process does not wait for it either. For a minute,
    eight calls at a time, under `make proof`."""
    more = 60.0 if settings().max_examples >= 1000 else 1.0
    async with served(tmp_path, telemetry=", keep: 1.0") as here:
        if fault == "hang":
            here.collector.hang = True
        else:
            here.collector.status = "503 Service Unavailable"
        took = [await here.call(kidney_call(number)) for number in range(40)]
        await until(lambda: len(here.collector.raw.requests) > 0)
        end, numbers = time.monotonic() + more, count(100)
        while time.monotonic() < end:
            took += await asyncio.gather(*(here.call(kidney_call(next(numbers))) for _ in range(8)))
        print(f"collector {fault}: {len(took)} calls, longest {max(took) * 1000:.0f} ms")
        assert max(took) < PATIENCE
        if fault == "down":
            await until(lambda: here.events("traces"))
            assert "wardgate_trace_collector_up 0.0" in await here.get("/internal/metrics")
        assert await here.stop() < 5
        assert here.events("traces") in ([], [{"event": "traces", "state": "down"}])
        assert here.events("fault") == [] and here.events("unhandled") == []


async def test_each_worker_sends_its_own(tmp_path: Path) -> None:
    """With its number, in spans as in metrics."""
    async with served(tmp_path, "--workers", "2", telemetry=", keep: 1.0") as here:
        for number in range(30):
            await here.call(kidney_call(number))
        metrics = await here.get("/internal/metrics")
        assert 'wardgate_build_info{worker="1",' in metrics and 'wardgate_build_info{worker="2",' in metrics
        await here.stop()
        calls = [span for span in here.collector.spans() if span.name == "hook_call"]
        assert len({call.span.span_id for call in calls}) == 30, "a batch may be sent again"
        assert {call.resource["wardgate.worker"] for call in calls} <= {1, 2}
