"""A whole gateway in the test's own loop, with everything around it real: a model, a FHIR server and a collector on
sockets; and all that its telemetry says, as bytes."""

import asyncio
import io
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from tests.fakes.asgi import JSON, Reply, ask
from tests.fakes.config_tree import Edit, listed, sound_config
from tests.fakes.oip_server import OipServer, oip_server
from tests.fakes.otlp_receiver import OtlpReceiver, otlp_receiver
from tests.fakes.raw_server import RawServer, http_answer, raw_server
from wardgate.adapters.logs.events import EventLog
from wardgate.adapters.logs.strangers import hush_loop, strangers_hushed
from wardgate.bootstrap.gateway import Gateway
from wardgate.cli.configured import read

PATH = "/cds-services/kidney-failure"


@dataclass
class Observed:
    """`fhir` answers each GET with what a test puts in its `answer`."""

    gateway: Gateway
    model: OipServer
    fhir: RawServer
    collector: OtlpReceiver
    log: EventLog
    out: io.StringIO

    async def post(self, body: Any, path: str = PATH, headers: Mapping[str, str] | None = None) -> Reply:
        sent = body if isinstance(body, bytes) else msgspec.json.encode(body)
        return await ask(self.gateway, "POST", path, sent, {**JSON, **(headers or {})})

    async def metrics(self) -> str:
        return (await self.gateway.metrics())[0].decode()

    def events(self) -> list[dict[str, Any]]:
        return [msgspec.json.decode(line) for line in self.out.getvalue().splitlines()]

    async def flush(self) -> None:
        """Until the collector has what was kept so far."""
        await asyncio.sleep(0)
        assert self.gateway.lasting.sender is not None
        await self.gateway.lasting.sender.flush()

    async def said(self) -> dict[str, bytes]:
        """By sink: all that has left for telemetry."""
        await self.flush()
        spans = b"".join(head + body for head, body in self.collector.raw.requests)
        return {"spans": spans, "metrics": (await self.metrics()).encode(), "logs": self.out.getvalue().encode()}


@asynccontextmanager
async def observed(folder: Path, keep: float = 1.0, **edits: Edit | Sequence[Edit]) -> AsyncIterator[Observed]:
    """Its model has proven itself. The file's edits as in `sound_config`."""
    nothing = http_answer("404 Not Found", b"{}")
    async with oip_server() as model, otlp_receiver() as collector, raw_server(nothing) as fhir:
        places: dict[str, list[Edit]] = {
            "wardgate": [
                ('model_hosts: ["127.0.0.1:8082"]', f'model_hosts: ["{model.host}"]'),
                ("http://127.0.0.1:8083/fhir", fhir.url),
                ("environment: test\n", f"environment: test\ntelemetry: {{otlp: '{collector.url}', keep: {keep}}}\n"),
            ],
            "release": [("http://127.0.0.1:8082", f"http://{model.host}"), ("timeout: 200ms", "timeout: 2s")],
            "service": [("deadline: 500ms", "deadline: 5s")],
        }
        for name, edit in edits.items():
            places.setdefault(name, []).extend(listed(edit))
        config, out = sound_config(folder, **places), io.StringIO()
        log = EventLog(out)
        loop = asyncio.get_running_loop()
        before = loop.get_exception_handler()
        with strangers_hushed(log):
            hush_loop(loop, log)
            gateway = Gateway(read(config), log, asyncio.Event(), lambda: read(config))
            try:
                async with asyncio.TaskGroup() as tasks:
                    await gateway.open()
                    gateway.begin(tasks)
                    await _proven(gateway)
                    yield Observed(gateway, model, fhir, collector, log, out)
                    model.hold.set()
                    gateway.rest()
            finally:
                await gateway.close()
                loop.set_exception_handler(before)


async def _proven(gateway: Gateway) -> None:
    async with asyncio.timeout(60):
        while any(state["proof"] != "passed" for state in gateway.health().values()):  # noqa: ASYNC110
            await asyncio.sleep(0.01)
