"""The load generator: raw connections with keep-alive, a closed loop and an open one.

Closed: each of N connections sends its next call when the last one is answered; shows throughput and CPU.
Open: calls are sent by a clock (Poisson), and latency counts from the time a call was due, so that a stall
is paid for by every call that it held up and not only by the one that met it.
"""

import asyncio
import gc
import random
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import count
from time import monotonic
from typing import NamedTuple, cast

import httptools
import uvloop

from bench.request import Sample, hook_instance
from bench.stubs import precise_loop

Pieces = Callable[[int], Sequence[bytes]]
"""The HTTP request of call number n, in pieces."""
Good = Callable[[int, bytes], bool]
"""Whether status and body are the answer that was asked for."""


_OPEN_CONNECTIONS = 128
_numbers = count(1_000_000)
"""Over all runs: a hookInstance that came before is a repeat, and a repeat costs next to nothing."""


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


class Connection(asyncio.Protocol):
    """One keep-alive connection that carries one call at a time."""

    def __init__(self, answered: Callable[["Connection", int, bytes], None], lost: Callable[[], None]) -> None:
        self._answered = answered
        self._lost = lost
        self._parser = httptools.HttpResponseParser(self)
        self._body: list[bytes] = []
        self.busy = False
        self.started = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def connection_lost(self, exc: Exception | None) -> None:
        if self.busy:
            self._lost()

    def send(self, pieces: Sequence[bytes], started: float) -> None:
        self._body = []
        self.busy, self.started = True, started
        self._transport.writelines(pieces)

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_body(self, data: bytes) -> None:
        self._body.append(data)

    def on_message_complete(self) -> None:
        self.busy = False
        self._answered(self, self._parser.get_status_code(), b"".join(self._body))

    def close(self) -> None:
        self._transport.close()


class Generator:
    """Counts and times one run against one target; lives inside one event loop."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._loop = asyncio.get_running_loop()
        self._idle: list[Connection] = []
        self._all: list[Connection] = []
        self._latencies: list[float] = []
        self._wrong = 0
        self._in_flight = 0
        self._drained = self._loop.create_future()
        self._next: Callable[[float], float | None] = lambda now: None

    async def connect(self, count: int) -> None:
        for _ in range(count):
            _, connection = await self._loop.create_connection(
                lambda: Connection(self._on_answer, self._on_lost), "127.0.0.1", self._target.port
            )
            self._idle.append(connection)
            self._all.append(connection)

    async def closed(self, seconds: float) -> Run:
        begin = monotonic()
        end = begin + seconds
        self._next = lambda now: now if now < end else None
        while self._idle:
            self._send(self._idle.pop(), monotonic())
        await self._drained
        return self._run(begin)

    async def open(self, seconds: float, rate: float) -> Run:
        """A call that finds every connection busy waits for one; its time counts from when it was due."""
        dice = random.Random(rate)
        waiting: deque[float] = deque()
        self._next = lambda now: waiting.popleft() if waiting else None
        begin = monotonic()
        due = begin + dice.expovariate(rate)
        while due < begin + seconds:
            wait = due - monotonic()
            if wait > 0:
                await asyncio.sleep(wait)
            if self._idle:
                self._send(self._idle.pop(), due)
            else:
                waiting.append(due)
            due += dice.expovariate(rate)
        if self._in_flight:
            self._drained = self._loop.create_future()
            await self._drained
        return self._run(begin)

    def close(self) -> None:
        for connection in self._all:
            connection.close()

    def _send(self, connection: Connection, started: float) -> None:
        self._in_flight += 1
        connection.send(self._target.pieces(next(_numbers)), started)

    def _on_answer(self, connection: Connection, status: int, body: bytes) -> None:
        now = monotonic()
        self._latencies.append(now - connection.started)
        self._wrong += not self._target.good(status, body)
        self._in_flight -= 1
        following = self._next(now)
        if following is not None:
            self._send(connection, following)
            return
        self._idle.append(connection)
        if not self._in_flight and not self._drained.done():
            self._drained.set_result(None)

    def _on_lost(self) -> None:
        if not self._drained.done():
            self._drained.set_exception(ConnectionError("the server closed a connection with a call on it"))

    def _run(self, begin: float) -> Run:
        return Run(monotonic() - begin, sorted(self._latencies), self._wrong)


def closed_loop(target: Target, concurrency: int, seconds: float) -> Run:
    async def run() -> Run:
        generator = Generator(target)
        await generator.connect(concurrency)
        try:
            return await generator.closed(seconds)
        finally:
            generator.close()

    with _no_collection(), asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(run())


def open_loop(target: Target, rate: float, seconds: float) -> Run:
    async def run() -> Run:
        generator = Generator(target)
        await generator.connect(_OPEN_CONNECTIONS)
        try:
            return await generator.open(seconds, rate)
        finally:
            generator.close()

    with _no_collection(), asyncio.Runner(loop_factory=precise_loop) as runner:
        return runner.run(run())


@contextmanager
def _no_collection() -> Iterator[None]:
    """The generator's own garbage collection must not look like the server's latency."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def hook_calls(port: int, samples: Sequence[Sample]) -> Target:
    """Calls of the hook, patients in turn, each with a hookInstance of its own."""
    requests = [(_head(sample) + sample.head, sample.tail) for sample in samples]

    def pieces(number: int) -> Sequence[bytes]:
        head, tail = requests[number % len(requests)]
        return head, hook_instance(number), tail

    return Target(port, pieces, one_card)


def one_card(status: int, body: bytes) -> bool:
    return status == 200 and body.startswith(b'{"cards":[{') and body.count(b'"indicator":') == 1


def _head(sample: Sample) -> bytes:
    return (
        "POST /cds-services/kidney-failure HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(sample.body(0))}\r\n\r\n"
    ).encode()
