"""Makes spans of the calls that are kept, and sends them, beside the calls. A call pays for one entry in a queue.

To make and encode the spans of one call takes some 100 µs, and in whatever thread that is done, nobody else computes
meanwhile. So it is done here, in the loop, one call between two turns: what waits to be answered goes before the next,
and no batch ever holds the interpreter for as long as a batch takes.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from wardgate.adapters.otel.collector import Answer, Post, Taken, answer_of
from wardgate.adapters.otel.spans import Spans
from wardgate.domain.attributes import Loss, Sink
from wardgate.domain.guard import Guard
from wardgate.gateway.ports import FaultLog
from wardgate.gateway.tracing import CallTrace


@dataclass(frozen=True, slots=True)
class SenderOptions:
    queue: int = 1024
    """Calls that wait; about 3 KB each."""
    batch: int = 64
    """Calls in one request."""
    every: float = 0.5
    """Seconds between two looks at the queue."""
    timeout: float = 5.0
    """Seconds for one request, from connecting to the last byte of its answer."""
    tries: int = 5
    """How often a batch is offered to a collector that fails."""
    pause: float = 1.0
    """Seconds until the second time; twice as long each time after that."""
    flush: float = 2.0
    """Seconds that the end of the process waits for what is left."""


class SpanSender:
    """Meets `gateway.tracing.SpanSink`. `told` hears of each request: what became of it, and how many spans were taken;
    `news` when the collector stops taking any, and when it begins to: once each."""

    def __init__(
        self,
        spans: Spans,
        post: Post,
        guard: Guard,
        faults: FaultLog,
        told: Callable[[Taken, int], None],
        news: Callable[[bool], None],
        options: SenderOptions | None = None,
    ) -> None:
        self._spans = spans
        self._post = post
        self._guard = guard
        self._faults = faults
        self._told = told
        self._news = news
        self._options = options or SenderOptions()
        self._waiting: deque[CallTrace] = deque()
        self._parts: list[bytes] = []  # of the batch, one for each call
        self._count = 0  # spans in it
        self._up: bool | None = None

    def offer(self, call: CallTrace) -> None:
        if len(self._waiting) < self._options.queue:
            self._waiting.append(call)
        else:
            self._lose(Loss.QUEUE, 1 + len(call.stages))

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await asyncio.sleep(self._options.every)
            try:
                while self._waiting or self._count:
                    await self._make()
                    await self._send(self._options.tries)
            except Exception as error:  # the task group of the whole gateway would end with it
                self._faults.fault("telemetry", error)
                self._give_up(Loss.EXPORT)

    async def flush(self) -> None:
        """Once, after `run`: what is left, in one try, for a bounded time."""
        try:
            async with asyncio.timeout(self._options.flush):
                while self._waiting or self._count:
                    await self._make()
                    await self._send(tries=1)
        except TimeoutError:
            self._give_up(Loss.EXPORT)
            self._lose(Loss.EXPORT, sum(1 + len(call.stages) for call in self._waiting))

    async def _make(self) -> None:
        """Fill the batch."""
        while self._waiting and len(self._parts) < self._options.batch:
            spans = self._spans.of(self._waiting.popleft())
            self._parts.append(self._spans.encoded(spans))
            self._count += len(spans)
            await asyncio.sleep(0)

    async def _send(self, tries: int) -> None:
        """Settles the batch."""
        body, pause = b"".join(self._parts), self._options.pause
        for number in range(1, tries + 1):
            answer = answer_of(await self._post(body, self._options.timeout))
            self._tell(answer)
            if answer.taken is Taken.TAKEN:
                self._lose(Loss.REJECTED, self._rejected(answer))
                self._parts, self._count = [], 0
                return
            if answer.taken is Taken.REFUSED:
                return self._give_up(Loss.REJECTED)
            if number < tries:
                await asyncio.sleep(pause)
                pause *= 2
        self._give_up(Loss.EXPORT)

    def _give_up(self, why: Loss) -> None:
        self._lose(why, self._count)
        self._parts, self._count = [], 0

    def _tell(self, answer: Answer) -> None:
        up = answer.taken is Taken.TAKEN
        self._told(answer.taken, self._count - self._rejected(answer) if up else 0)
        if up is not self._up:
            self._up = up
            self._news(up)

    def _rejected(self, answer: Answer) -> int:
        """A collector may say anything; it cannot have thrown away more than it was sent."""
        return min(answer.rejected, self._count)

    def _lose(self, why: Loss, count: int) -> None:
        if count:
            self._guard.lost(Sink.TRACES, why, count)
