"""Where wardgate's time goes: the gateway in this process, its sockets in front left out.

    python -m bench.profile [--client aiohttp|pyreqwest]

Prints CPU µs a call, and the functions that cost most. The profiler itself about doubles what small functions
cost: look at shares, not at sums.
"""

import argparse
import asyncio
import cProfile
import gc
import os
import pstats
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import uvloop

from bench.load import one_card
from bench.request import Sample, now, samples
from bench.servers import SERVER_CORE, free_port, stub, write_config
from wardgate import bootstrap
from wardgate.adapters.files.catalog import load
from wardgate.adapters.logs.events import EventLog
from wardgate.settings import Secrets, read_settings
from wardgate.web.asgi import ASGIApp

_CALLS = 2000
_TOGETHER = 16


def main() -> None:
    options = argparse.ArgumentParser(prog="python -m bench.profile")
    options.add_argument("--client", choices=("aiohttp", "pyreqwest"), default="pyreqwest")
    options.add_argument("--sort", choices=("tottime", "cumtime"), default="tottime")
    options.add_argument("--top", type=int, default=40)
    chosen = options.parse_args()
    os.sched_setaffinity(0, {SERVER_CORE})
    with tempfile.TemporaryDirectory(prefix="wardgate-bench-") as name:
        folder = Path(name)
        with stub(0, folder) as model:
            config = write_config(folder / "config", free_port(), f"127.0.0.1:{model}", chosen.client)
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                runner.run(_run(config, chosen.sort, chosen.top))


async def _run(config: Path, sort: str, top: int) -> None:
    loaded = load(config)
    gateway = bootstrap.build(read_settings(loaded.document), Secrets(), loaded.catalog, EventLog(), asyncio.Event())
    async with asyncio.TaskGroup() as group:
        gateway.tasks.lend(group)
        probing = [group.create_task(model.run()) for model in gateway.models.values()]
        await _measure(gateway.listeners[0][0], samples(now()), sort, top)
        for task in probing:
            task.cancel()
    await gateway.http.close()


async def _measure(app: ASGIApp, calls: Sequence[Sample], sort: str, top: int) -> None:
    await _proven(app, calls[0])
    await _calls(app, calls, range(2 * _CALLS, 2 * _CALLS + _CALLS // 4))
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)  # as the gateway sets it when it serves
    before = time.process_time()
    await _calls(app, calls, range(_CALLS))
    print(f"{(time.process_time() - before) / _CALLS * 1e6:.0f} µs of CPU a call, {_TOGETHER} at a time\n")
    profile = cProfile.Profile()
    profile.enable()
    await _calls(app, calls, range(_CALLS, 2 * _CALLS))
    profile.disable()
    pstats.Stats(profile).sort_stats(sort).print_stats(top)


async def _proven(app: ASGIApp, sample: Sample) -> None:
    """A card shows only once the endpoint has proved that it runs the pinned model."""
    for _ in range(200):
        if one_card(*await ask(app, sample.body(0))):
            return
        await asyncio.sleep(0.05)
    raise TimeoutError("no card came")


async def _calls(app: ASGIApp, calls: Sequence[Sample], numbers: range) -> None:
    """One for each number, which makes its hookInstance: the same one again would be answered as a repeat."""

    async def one_after_another(first: int) -> None:
        for number in numbers[first::_TOGETHER]:
            status, body = await ask(app, calls[number % len(calls)].body(number))
            assert one_card(status, body)

    async with asyncio.TaskGroup() as group:
        for first in range(_TOGETHER):
            group.create_task(one_after_another(first))


async def ask(app: ASGIApp, body: bytes) -> tuple[int, bytes]:
    """One request as uvicorn would hand it over; its answer."""
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    await app(_scope(len(body)), receive, send)
    return sent[0]["status"], b"".join(message.get("body", b"") for message in sent[1:])


def _scope(length: int) -> dict[str, Any]:
    return {
        "type": "http",
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": "/cds-services/kidney-failure",
        "raw_path": b"/cds-services/kidney-failure",
        "query_string": b"",
        "root_path": "",
        "headers": [
            (b"host", b"127.0.0.1"),
            (b"content-type", b"application/json"),
            (b"content-length", b"%d" % length),
        ],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 80),
    }


if __name__ == "__main__":
    main()
