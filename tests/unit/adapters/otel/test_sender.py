"""Sending beside the calls: a collector that is away, hangs, is slow, or answers nonsense."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest

from tests.fakes.meter import FakeMeter
from tests.fakes.otlp_receiver import OtlpReceiver, otlp_receiver
from tests.fakes.waiting import until
from wardgate.adapters.http.aiohttp_client import AiohttpClient
from wardgate.adapters.http.client import HttpError
from wardgate.adapters.otel.collector import SIGNAL_PATH, Taken
from wardgate.adapters.otel.sender import SenderOptions, SpanSender
from wardgate.adapters.otel.spans import Spans
from wardgate.domain.attributes import Loss, Sink
from wardgate.domain.guard import Guard
from wardgate.domain.outcomes import Stage
from wardgate.gateway.trace import Trace
from wardgate.gateway.tracing import CallTrace

QUICK = SenderOptions(queue=8, batch=4, every=0.005, timeout=0.2, tries=2, pause=0.01, flush=0.3)
CALL = CallTrace(Trace("1" * 64, True), 1.0, 2.0, ((Stage.GATHER, 1.5),), {"repeated": False}, False)
"""Of two spans."""


@dataclass
class Sending:
    receiver: OtlpReceiver
    sender: SpanSender
    told: list[tuple[Taken, int]]
    news: list[bool]
    faults: FakeMeter
    lost: dict[Loss, int] = field(default_factory=dict)


@asynccontextmanager
async def sending(options: SenderOptions = QUICK) -> AsyncIterator[Sending]:
    async with otlp_receiver() as receiver:
        http, guard, url = AiohttpClient(), Guard(), receiver.url + SIGNAL_PATH

        async def post(body: bytes, seconds: float) -> tuple[int, bytes] | None:
            try:
                reply = await http.send("POST", url, {}, body, seconds, 64 * 1024)
            except HttpError:
                return None
            return reply.status, reply.body

        told: list[tuple[Taken, int]] = []
        news: list[bool] = []
        faults = FakeMeter()
        spans = Spans({}, guard)
        sender = SpanSender(spans, post, guard, faults, lambda *of: told.append(of), news.append, options)
        here = Sending(receiver, sender, told, news, faults)

        def lose(sink: Sink, loss: Loss, count: int) -> None:
            here.lost[loss] = here.lost.get(loss, 0) + count

        guard.tell(lose)
        running = asyncio.get_running_loop().create_task(here.sender.run())
        try:
            yield here
        finally:
            running.cancel()
            await asyncio.wait([running])
            await http.close()
    assert here.faults.faults == []


async def test_what_is_offered_arrives_in_batches() -> None:
    """Two of them here, and nothing is lost on the way."""
    async with sending() as here:
        for _ in range(6):
            here.sender.offer(CALL)
        await until(lambda: len(here.receiver.spans()) == 12)
        assert here.told == [(Taken.TAKEN, 8), (Taken.TAKEN, 4)] and here.news == [True] and not here.lost
        head = here.receiver.raw.requests[0][0]
        assert head.startswith(b"POST /v1/traces HTTP/1.1")


async def test_more_than_can_wait_is_dropped_and_counted() -> None:
    """At once, so that a call never waits for a place."""
    async with sending() as here:
        for _ in range(11):
            here.sender.offer(CALL)
        assert here.lost == {Loss.QUEUE: 6}


@pytest.mark.parametrize("status", ["500 Internal Server Error", "400 Bad Request", "302 Found", "404 Not Found"])
async def test_a_collector_that_refuses_is_not_asked_again(status: str) -> None:
    """What is wrong with the batch does not mend itself."""
    async with sending() as here:
        here.receiver.status = status
        here.sender.offer(CALL)
        await until(lambda: here.lost == {Loss.REJECTED: 2})
        assert len(here.receiver.bodies) == 1 and here.news == [False]


@pytest.mark.parametrize("status", ["503 Service Unavailable", "429 Too Many Requests"])
async def test_a_collector_that_is_busy_is_asked_again_and_said_to_be_down_once(status: str) -> None:
    """And once that it is back."""
    async with sending() as here:
        here.receiver.status = status
        here.sender.offer(CALL)
        await until(lambda: here.lost == {Loss.EXPORT: 2})
        here.sender.offer(CALL)
        await until(lambda: here.lost == {Loss.EXPORT: 4})
        assert len(here.receiver.bodies) == 4 and here.news == [False]
        here.receiver.status = "200 OK"
        here.sender.offer(CALL)
        await until(lambda: here.news == [False, True])


@pytest.mark.parametrize("fault", ["hang", "drip", "huge"])
async def test_a_collector_that_hangs_drips_or_floods_holds_up_nobody(fault: str) -> None:
    """The request ends within its time, and the loop turns all the while."""
    async with sending() as here:
        setattr(here.receiver, fault, True)
        here.sender.offer(CALL)
        before, turns = time.monotonic(), 0
        while here.lost != {Loss.EXPORT: 2}:
            turns += 1
            await asyncio.sleep(0.001)
        assert time.monotonic() - before < 5 and turns > 3 and here.news == [False]


async def test_the_loop_turns_between_two_calls_of_a_batch() -> None:
    """A whole batch at once would stand in the way of every answer."""
    async with sending(SenderOptions(every=60)) as here:
        for _ in range(64):
            here.sender.offer(CALL)
        flushing, turns = asyncio.get_running_loop().create_task(here.sender.flush()), 0
        while not here.receiver.bodies:
            turns += 1
            await asyncio.sleep(0)
        await flushing
        assert turns >= 64 and len(here.receiver.bodies) == 1


async def test_spans_that_the_collector_threw_away_are_counted() -> None:
    """OTLP's partial success."""
    async with sending() as here:
        here.receiver.rejects = 1
        here.sender.offer(CALL)
        await until(lambda: here.lost == {Loss.REJECTED: 1})
        assert here.told == [(Taken.TAKEN, 1)]


async def test_a_collector_cannot_throw_away_more_than_it_was_sent() -> None:
    """A count of taken spans below nothing is no count: it broke the sender, and at the end the process's stop."""
    async with sending() as here:
        here.receiver.rejects = 10**15
        here.sender.offer(CALL)
        await until(lambda: here.lost == {Loss.REJECTED: 2})
        assert here.told == [(Taken.TAKEN, 0)]


async def test_the_end_sends_what_is_left() -> None:
    """Everything that was offered before."""
    async with sending(SenderOptions(every=60)) as here:
        for _ in range(100):
            here.sender.offer(CALL)
        await here.sender.flush()
        assert len(here.receiver.spans()) == 200 and not here.lost


async def test_the_end_waits_no_longer_than_it_may() -> None:
    """A collector that hangs does not hold up a stop; what was not sent is counted."""
    async with sending(SenderOptions(every=60, flush=0.2, batch=4)) as here:
        here.receiver.hang = True
        for _ in range(10):
            here.sender.offer(CALL)
        before = time.monotonic()
        await here.sender.flush()
        assert time.monotonic() - before < 3
        assert here.lost == {Loss.EXPORT: 20}
