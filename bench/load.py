"""Load on a server that is measured: a closed loop and an open one, with the generator of `wardgate load`.

Closed shows throughput and CPU. Open is a Poisson clock, and latency counts from the time at which a call was due.
"""

import asyncio
import gc
import random
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from itertools import count
from time import monotonic
from typing import NamedTuple

import uvloop

from bench.request import Sample, hook_instance
from wardgate.lab.load.engine import Address, Call, Generator, Pieces, precise_loop

Good = Callable[[int, bytes], bool]
"""Whether status and body are the answer that was asked for."""

_OPEN_CONNECTIONS = 128
_SETTLE = 0.2  # seconds in which a server makes what it keeps for each connection
_runs = count(1)
_A_RUN = 10_000_000
"""Call numbers of a run: a hookInstance that came before is a repeat, and a repeat costs next to nothing."""


class Target(NamedTuple):
    port: int
    pieces: Pieces
    good: Good


class Run(NamedTuple):
    """`latencies` in seconds, sorted; `wrong` counts answers that were not good (their latencies count as well)."""

    seconds: float
    latencies: list[float]
    wrong: int

    @property
    def calls(self) -> int:
        return len(self.latencies)

    def quantile(self, q: float) -> float:
        return self.latencies[min(int(q * self.calls), self.calls - 1)]


def closed_loop(target: Target, concurrency: int, seconds: float) -> Run:
    with _no_collection(), asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_run(target, concurrency, lambda load, first: load.run_closed(seconds, first)))


def open_loop(target: Target, rate: float, seconds: float) -> Run:
    """A call that finds every connection busy waits for one; its time counts from when it was due."""
    due = poisson(rate, seconds)
    with _no_collection(), asyncio.Runner(loop_factory=precise_loop) as runner:
        return runner.run(_run(target, _OPEN_CONNECTIONS, lambda load, first: load.run_at(due, first)))


def open_calls(target: Target, due: Iterable[float], connections: int) -> list[Call]:
    """One call at each of these seconds. On uvloop, which takes far more connections, and rounds to milliseconds."""
    calls: list[Call] = []

    async def run() -> None:
        async with _connected(target, connections, calls.append) as generator:
            await generator.run_at(due, next(_runs) * _A_RUN)

    with _no_collection(), asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(run())
    return calls


def poisson(rate: float, seconds: float) -> Iterator[float]:
    """Seconds at which calls are due; the same ones for the same rate."""
    dice = random.Random(rate)
    due = dice.expovariate(rate)
    while due < seconds:
        yield due
        due += dice.expovariate(rate)


async def _run(target: Target, connections: int, load: Callable[[Generator, int], Coroutine[None, None, None]]) -> Run:
    latencies: list[float] = []
    wrong = 0

    def answered(call: Call) -> None:
        nonlocal wrong
        latencies.append(call.done - call.due)
        wrong += not target.good(call.status, call.body)

    async with _connected(target, connections, answered) as generator:
        begin = monotonic()
        await load(generator, next(_runs) * _A_RUN)
        return Run(monotonic() - begin, sorted(latencies), wrong)


@asynccontextmanager
async def _connected(target: Target, connections: int, answered: Callable[[Call], None]) -> AsyncIterator[Generator]:
    generator = Generator(Address("127.0.0.1", target.port, False), target.pieces, answered, connections)
    await generator.connect()
    await asyncio.sleep(_SETTLE)
    try:
        yield generator
    finally:
        generator.close()


@contextmanager
def _no_collection() -> Iterator[None]:
    """The generator's own garbage collection must not look like the server's latency."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def hook_calls(port: int, samples: Sequence[Sample], service: str = "kidney-failure") -> Target:
    """Calls of the hook, patients in turn, each with a hookInstance of its own."""
    requests = [(_head(sample, service) + sample.head, sample.tail) for sample in samples]

    def pieces(number: int) -> Sequence[bytes]:
        head, tail = requests[number % len(requests)]
        return head, hook_instance(number), tail

    return Target(port, pieces, one_card)


def one_card(status: int, body: bytes) -> bool:
    return status == 200 and body.startswith(b'{"cards":[{') and body.count(b'"indicator":') == 1


def _head(sample: Sample, service: str) -> bytes:
    return (
        f"POST /cds-services/{service} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(sample.body(0))}\r\n\r\n"
    ).encode()
