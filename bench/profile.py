"""Where wardgate's time goes: the gateway in this process, its sockets in front left out.

    python -m bench.profile [--client aiohttp|pyreqwest] [--together 16] [--stages]

Prints CPU µs a call, and the functions that cost most. The profiler itself about doubles what small functions
cost: look at shares, not at sums. With `--stages`, the median time of each stage on the way to the card instead, amid
everything else that a call does: alone in a loop, each takes half of it.
"""

import argparse
import asyncio
import cProfile
import os
import pstats
import tempfile
import time
from collections.abc import Sequence
from itertools import count, islice
from pathlib import Path
from statistics import median
from typing import Any

import uvloop

from bench.load import one_card
from bench.request import Sample, now, samples
from bench.servers import SERVER_CORE, free_port, stub, write_config
from wardgate.adapters.files.catalog import load
from wardgate.adapters.logs.events import EventLog
from wardgate.bootstrap.gateway import build
from wardgate.bootstrap.serving import share_the_interpreter, still_the_collector
from wardgate.domain.features.compile import Extractor
from wardgate.gateway import hook_flow
from wardgate.gateway.gather import Gatherer
from wardgate.settings import Secrets, read_settings
from wardgate.web import edge
from wardgate.web.asgi import ASGIApp

_CALLS = 2000
_WINDOWS = 7
_STAGES: tuple[tuple[Any, str], ...] = (
    (edge, "parse"),
    (Gatherer, "gather"),
    (hook_flow, "assign"),
    (Extractor, "extract"),
    (hook_flow, "may_we"),
    (hook_flow, "should_we"),
    (hook_flow, "render_whole"),
)
"""Where their functions are looked up; none of them waits where everything was sent along."""


def main() -> None:
    options = argparse.ArgumentParser(prog="python -m bench.profile")
    options.add_argument("--client", choices=("aiohttp", "pyreqwest"), default="pyreqwest")
    options.add_argument("--sort", choices=("tottime", "cumtime"), default="tottime")
    options.add_argument("--top", type=int, default=40)
    options.add_argument("--together", type=int, default=16)
    options.add_argument("--stages", action="store_true")
    chosen = options.parse_args()
    os.sched_setaffinity(0, {SERVER_CORE})
    with tempfile.TemporaryDirectory(prefix="wardgate-bench-") as name:
        folder = Path(name)
        with stub(0, folder) as model:
            config = write_config(folder / "config", free_port(), f"127.0.0.1:{model}", chosen.client)
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                runner.run(_run(config, folder / "spool", chosen))


async def _run(config: Path, spool: Path, chosen: argparse.Namespace) -> None:
    taken = {name: _watch(owner, name) for owner, name in _STAGES} if chosen.stages else {}
    loaded = load(config)
    secrets = Secrets(spool)
    gateway = build(read_settings(loaded.document), secrets, loaded.catalog, EventLog(), asyncio.Event())
    async with asyncio.TaskGroup() as group:
        gateway.lasting.tasks.lend(group)
        probing = [group.create_task(model.run()) for model in gateway.models.values()]
        await _measure(gateway.listeners[0][0], samples(now()), chosen)
        for task in probing:
            task.cancel()
    await gateway.close()
    for name, times in taken.items():
        print(f"{name:14} {median(times) / 1000:6.1f} µs")


async def _measure(app: ASGIApp, calls: Sequence[Sample], chosen: argparse.Namespace) -> None:
    await proven(app, calls[0])
    numbers = count(1)  # the first one was asked just now

    async def some() -> None:
        if without := await _calls(app, calls, list(islice(numbers, _CALLS)), chosen.together):
            print(f"{without} of {_CALLS} calls had no card: something else keeps this machine busy")

    await some()
    still_the_collector()  # as the gateway does when it serves
    share_the_interpreter()
    windows = []
    for _ in range(_WINDOWS):
        before = time.process_time()
        await some()
        windows.append((time.process_time() - before) / _CALLS * 1e6)
    print(f"{min(windows):.0f} µs of CPU a call, {chosen.together} at a time; the cheapest of {_WINDOWS} windows\n")
    if chosen.stages:
        return
    profile = cProfile.Profile()
    profile.enable()
    await some()
    profile.disable()
    pstats.Stats(profile).sort_stats(chosen.sort).print_stats(chosen.top)


def _watch(owner: Any, name: str) -> list[int]:
    """The nanoseconds that each call of it takes from now on."""
    watched, times = getattr(owner, name), list[int]()

    def timed(*args: Any, **kwargs: Any) -> Any:
        began = time.perf_counter_ns()
        try:
            return watched(*args, **kwargs)
        finally:
            times.append(time.perf_counter_ns() - began)

    async def timed_coroutine(*args: Any, **kwargs: Any) -> Any:
        began = time.perf_counter_ns()
        try:
            return await watched(*args, **kwargs)
        finally:
            times.append(time.perf_counter_ns() - began)

    setattr(owner, name, timed_coroutine if asyncio.iscoroutinefunction(watched) else timed)
    return times


async def proven(app: ASGIApp, sample: Sample) -> None:
    """A card shows only once the endpoint has proved that it runs the pinned model."""
    for _ in range(200):
        if one_card(*await ask(app, sample.body(0))):
            return
        await asyncio.sleep(0.05)
    raise TimeoutError("no card came")


async def _calls(app: ASGIApp, calls: Sequence[Sample], numbers: Sequence[int], together: int) -> int:
    """One for each number, which makes its hookInstance: the same one again would be answered as a repeat. How many
    had no card."""
    without = 0

    async def one_after_another(first: int) -> None:
        nonlocal without
        for number in numbers[first::together]:
            without += not one_card(*await ask(app, calls[number % len(calls)].body(number)))

    async with asyncio.TaskGroup() as group:
        for first in range(together):
            group.create_task(one_after_another(first))
    return without


async def ask(app: ASGIApp, body: bytes, *headers: tuple[bytes, bytes]) -> tuple[int, bytes]:
    """One request as uvicorn would hand it over, with these `headers` besides; its answer."""
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    await app(_scope(len(body), headers), receive, send)
    return sent[0]["status"], b"".join(message.get("body", b"") for message in sent[1:])


def _scope(length: int, headers: Sequence[tuple[bytes, bytes]]) -> dict[str, Any]:
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
            *headers,
        ],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 80),
    }


if __name__ == "__main__":
    main()
