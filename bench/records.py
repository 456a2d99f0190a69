"""What a record costs a call: `python -m bench.records`. µs of CPU of this process, all its threads, on uvloop.

Made: the record of a shown card, whose request has 34 KB, from its outcome, with pseudonyms and fingerprints. Kept: one
that is encoded, written by the spool's thread and waited for, so many at a time, with a pause of the loop before each,
as the model's answer makes one. The pause alone is taken off.
"""

import asyncio
import os
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from statistics import median

import msgspec
import uvloop
from msgspec.structs import replace as renew

from bench.request import now, samples
from bench.servers import SERVER_CORE
from tests.fakes.asgi import JSON, ask
from tests.fakes.gateway import FakeGateway
from tests.fakes.hot import RING
from tests.fakes.spool import Spooled
from wardgate.adapters.aead.fingerprints import KeyedFingerprints
from wardgate.adapters.spool.writer import SpoolOptions
from wardgate.bootstrap.machine import SystemClock
from wardgate.domain.pseudonyms import Purpose
from wardgate.domain.record_names import RecordNames
from wardgate.domain.records import DecisionRecord
from wardgate.gateway.call import HookCall, Memory
from wardgate.gateway.outcome import HookOutcome
from wardgate.gateway.recording import Recorder

_CALLS = 4000
_ROUNDS = 5


async def _outcome() -> HookOutcome:
    """Of a real call."""
    gateway = FakeGateway(now=now().timestamp())
    seen: list[HookOutcome] = []
    inner = gateway.stack

    async def noting(call: HookCall) -> HookOutcome:
        seen.append(await inner(call))
        return seen[-1]

    gateway.stack = noting
    gateway.edge = gateway.edge_of(gateway.client)
    reply = await ask(gateway.edge, "POST", "/cds-services/kidney-failure", samples(now())[0].body(1), JSON)
    assert reply.status == 200 and seen[0].cards, seen
    return seen[0]


def _made(outcome: HookOutcome) -> tuple[float, DecisionRecord]:
    recorder = Recorder(
        RecordNames(RING), KeyedFingerprints(RING.keys(Purpose.LOG)), SystemClock(), "test", f"sha256:{'0' * 64}"
    )
    rounds = []
    for _ in range(_ROUNDS):
        calls = [renew(outcome, call=renew(outcome.call, memory=_asked())) for _ in range(_CALLS)]
        before = time.process_time()
        for each in calls:
            record = recorder.record(each)
        rounds.append((time.process_time() - before) / _CALLS * 1e6)
    return median(rounds), record


def _asked() -> Memory:
    memory = Memory()
    memory.reply = b"r" * 384
    return memory


async def _cpu(keep: Callable[[], Awaitable[None]], together: int) -> float:
    async def calls(number: int) -> None:
        for _ in range(number):
            await asyncio.sleep(0.0005)
            await keep()

    rounds = []
    for _ in range(_ROUNDS):
        before = time.process_time()
        await asyncio.gather(*[calls(_CALLS // together) for _ in range(together)])
        rounds.append((time.process_time() - before) / _CALLS * 1e6)
    return median(rounds)


async def _run(folder: Path) -> None:
    made, record = _made(await _outcome())
    size = len(msgspec.msgpack.encode(record))
    print(f"made: {made:5.1f} µs; {size} bytes")
    spool = Spooled(folder, options=SpoolOptions(reserve=0))

    async def nothing() -> None: ...

    for together in (1, 4, 16, 64):
        spool.waits.clear()
        alone = await _cpu(nothing, together)
        kept = await _cpu(lambda: spool.sink.append(record, 0.5, 0.5), together)
        noted = await _cpu(lambda: _noted(spool, record), together)
        waits = sorted(spool.waits)
        print(
            f"kept, {together:2} at a time: {kept - alone:5.1f} µs, {noted - alone:5.1f} where no card waits; "
            f"wait p50 {waits[len(waits) // 2] * 1e6:5.0f} µs, p99 {waits[len(waits) * 99 // 100] * 1e6:5.0f} µs; "
            f"{_CALLS * _ROUNDS / len(waits):.1f} a group"
        )
    await asyncio.to_thread(spool.close)


async def _noted(spool: Spooled, record: DecisionRecord) -> None:
    spool.sink.note(record)


if __name__ == "__main__":
    os.sched_setaffinity(0, {SERVER_CORE})
    with tempfile.TemporaryDirectory(prefix="wardgate-bench-") as name:
        uvloop.run(_run(Path(name)))
