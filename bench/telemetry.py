"""What telemetry costs a call: `python -m bench.telemetry`. µs of CPU of this process, on uvloop.

On the outcome of a real call that showed a card. The ways are measured in turn, many times, and the cheapest round of
each counts: a neighbour can only add. What the collector's socket costs is not in it: one request for 64 calls that are
kept.
"""

import asyncio
import io
import os
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import msgspec
import uvloop

from bench.profile import ask
from bench.request import now, samples
from bench.servers import SERVER_CORE, free_port, stub, write_config
from wardgate.adapters.files.catalog import load
from wardgate.adapters.logs.events import EventLog
from wardgate.adapters.otel.sender import SenderOptions, SpanSender
from wardgate.adapters.otel.spans import Spans
from wardgate.adapters.prometheus.meter import PrometheusMeter
from wardgate.bootstrap.gateway import Gateway, build
from wardgate.bootstrap.machine import SystemClock, TraceIds
from wardgate.bootstrap.parts import Faults
from wardgate.domain.guard import Guard, configured_names
from wardgate.gateway.outcome import HookOutcome
from wardgate.gateway.telemetry import Telemetry
from wardgate.gateway.tracing import Tracing, TracingOptions
from wardgate.settings import Secrets, Settings, read_settings

_CALLS = 2000
_ROUNDS = 15
_TOGETHER = 16
"""Calls between two turns of the loop."""
_HEADER = b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


class _Traced:
    """One call after another, traced at this share."""

    def __init__(self, outcome: HookOutcome, keep: float, guard: Guard, settings: Settings) -> None:
        clock, log = SystemClock(), EventLog(io.StringIO(), guard)
        meter = PrometheusMeter(guard)
        faults = Faults(log, meter)
        spans = Spans({"service.name": "wardgate", "deployment.environment.name": "test"}, guard)
        options = SenderOptions(queue=_CALLS, every=3600, flush=60)
        self._sender = SpanSender(spans, _taken, guard, faults, meter.export_ended, lambda up: None, options)
        later = asyncio.get_running_loop().call_soon
        options_of_traces = TracingOptions(keep=keep)
        self._tracing = Tracing(self._sender, clock, faults, TraceIds(), later, guard.lost, options_of_traces)
        self._telemetry = Telemetry(clock, meter, self._tracing)
        self._plain = Telemetry(clock, meter)
        self._clock = clock
        self._outcome = outcome

    def counted(self) -> None:
        self._plain.ended(self._fresh(None))

    def traced(self) -> None:
        trace = self._tracing.begin(_HEADER)
        assert trace.traceparent
        self._telemetry.ended(self._fresh(trace))

    def empty(self) -> None:
        self._fresh(None)

    def _fresh(self, trace: object) -> HookOutcome:
        call = self._outcome.call
        msgspec.structs.force_setattr(call, "trace", trace)  # as if it had begun with it
        return self._outcome

    async def sent(self) -> None:
        await self._sender.flush()


async def _taken(body: bytes, seconds: float) -> tuple[int, bytes]:
    return 200, b""


async def _nothing() -> None:
    """Where nothing has to be sent."""


async def _round(one: Callable[[], None], after: Callable[[], Awaitable[None]]) -> float:
    before = time.process_time()
    for _ in range(_CALLS // _TOGETHER):
        for _ in range(_TOGETHER):
            one()
        await asyncio.sleep(0)
    await after()
    return (time.process_time() - before) / _CALLS * 1e6


async def _run(config: Path) -> None:
    loaded = load(config)
    settings = read_settings(loaded.document)
    guard = Guard(configured_names(loaded.catalog, settings.clients, settings.attributes))
    outcome = await _outcome(
        build(settings, Secrets(config.parent / "spool"), loaded.catalog, _quiet(), asyncio.Event())
    )
    none, all_ = [_Traced(outcome, keep, guard, settings) for keep in (0.0, 1.0)]
    ways: dict[str, tuple[Callable[[], None], Callable[[], Awaitable[None]]]] = {
        "nothing": (none.empty, _nothing),
        "metrics": (none.counted, _nothing),
        "metrics, and a trace that is not kept": (none.traced, _nothing),
        "metrics, and a trace that is kept": (all_.traced, all_.sent),
    }
    rounds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(_ROUNDS):
        for name, way in ways.items():
            rounds[name].append(await _round(*way))
    floor = min(rounds.pop("nothing"))
    for name, each in rounds.items():
        print(f"{name:40} {min(each) - floor:6.1f} µs of CPU a call")
    kept = 0.95 * min(rounds["metrics, and a trace that is not kept"]) + 0.05 * min(
        rounds["metrics, and a trace that is kept"]
    )
    print(f"{'on average, with telemetry.keep: 0.05':40} {kept - floor:6.1f} µs of CPU a call")


def _quiet() -> EventLog:
    return EventLog(io.StringIO())


async def _outcome(gateway: Gateway) -> HookOutcome:
    """That of a real call, which showed a card."""
    taken: list[HookOutcome] = []
    ended = Telemetry.ended

    def take(self: Telemetry, outcome: HookOutcome) -> None:
        taken.append(outcome)
        ended(self, outcome)

    Telemetry.ended = take  # type: ignore[method-assign]  # there is no other place where an outcome can be had
    sample = samples(now())[0]
    async with asyncio.TaskGroup() as group:
        gateway.lasting.tasks.lend(group)
        probing = [group.create_task(model.run()) for model in gateway.models.values()]
        while not taken or not taken[-1].cards:
            await asyncio.sleep(0.05)
            await ask(gateway.listeners[0][0], sample.body(len(taken)))
        for task in probing:
            task.cancel()
    Telemetry.ended = ended  # type: ignore[method-assign]  # as it was
    await gateway.close()
    return taken[-1]


if __name__ == "__main__":
    os.sched_setaffinity(0, {SERVER_CORE})
    with tempfile.TemporaryDirectory(prefix="wardgate-bench-") as name, stub(0, Path(name)) as model:
        uvloop.run(_run(write_config(Path(name) / "config", free_port(), f"127.0.0.1:{model}", "aiohttp")))
