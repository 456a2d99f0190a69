"""What breaks beside a gateway under load, or is changed in it: no call fails, and none is late.

`make check` looks for a few seconds, and only at the answers; `make proof`, which has the machine to itself, for longer
and at the time that each took, from when it was due.
"""

import asyncio
import os
import signal
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path

import msgspec
import pytest

from tests.fakes.config_tree import Edit
from tests.fakes.kidney_calls import kidney_call
from tests.fakes.processes import PATIENCE
from tests.fakes.redis_server import RedisServer
from tests.fakes.served import PATH, Running, children, post, running, unrecorded
from tests.fakes.waiting import becomes, until
from wardgate.lab.load.engine import Address, Call, Generator

LATEST = 0.55
"""Seconds: what law 1 allows a service with the usual deadline."""
Step = Callable[[], Awaitable[None]]


@pytest.fixture
def proof(pytestconfig: pytest.Config) -> bool:
    return bool(pytestconfig.getoption("--hypothesis-profile") == "proof")


@pytest.fixture
def deadline(proof: bool) -> list[Edit]:
    """The usual one where time is looked at; elsewhere one that a busy machine keeps as well."""
    return [("deadline: 10s", "deadline: 500ms")] if proof else []


def pieces(number: int) -> Sequence[bytes]:
    body = msgspec.json.encode(kidney_call(number))
    head = f"POST {PATH} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode(), body


@asynccontextmanager
async def load(here: Running, proof: bool) -> AsyncIterator[list[Call]]:
    """Calls for as long as the block lasts; all of them have ended when it is left. In check no more at a time than a
    busy machine takes as well: one that gets more than it can do says 503, as it should."""
    rate, at_a_time = (200, 256) if proof else (60, 16)
    calls: list[Call] = []
    over = asyncio.Event()

    def due() -> Iterator[float]:
        number = 0
        while not over.is_set():
            yield number / rate
            number += 1

    generator = Generator(Address("127.0.0.1", here.listen, False), pieces, calls.append, at_a_time, PATIENCE)
    sending = asyncio.get_running_loop().create_task(generator.run_at(due()))
    try:
        yield calls
    finally:
        over.set()
        await sending
        generator.close()


async def happened(here: Running, name: str, times: int) -> None:
    await until(lambda: len(here.named(name)) >= times)


def shown(calls: Sequence[Call], unrecorded: int) -> bool:
    """Whether each has its card, but for those whose record the disk did not take in time; few, or something is wrong
    with the disk."""
    cards = [len(msgspec.json.decode(call.body)["cards"]) for call in calls if call.status == 200]
    print(len(calls), "calls:", Counter(call.status for call in calls), Counter(cards), unrecorded, "unrecorded")
    return len(cards) == len(calls) and set(cards) <= {0, 1} and cards.count(0) <= unrecorded <= 0.1 * len(calls)


def latest(calls: Sequence[Call]) -> float:
    return max(call.done - call.due for call in calls)


async def test_whatever_becomes_of_redis_no_call_fails(tmp_path: Path, proof: bool, deadline: list[Edit]) -> None:
    """Hung, awake again, killed, started again: every call has its card, and health says what Redis does."""
    with RedisServer() as redis:
        hot = f"redis://default:admin-word@127.0.0.1:{redis.port}"
        async with running(tmp_path, hot=hot, service=deadline) as here:
            steps: list[Step] = [
                lambda: asyncio.to_thread(redis.hang),
                lambda: asyncio.to_thread(redis.wake),
                lambda: asyncio.to_thread(redis.kill),
                lambda: asyncio.to_thread(redis.start),
            ]
            async with load(here, proof) as calls:
                await until(lambda: "up" in states(here))
                for _ in range(15 if proof else 1):
                    for step in steps:
                        told = len(states(here))
                        await step()
                        await happened(here, "hot_store", told + 1)
                        await asyncio.sleep(0.3)
            withheld = unrecorded(await here.metrics())
    assert set(states(here)) == {"up", "down"} and len(calls) > 100
    assert shown(calls, withheld)
    if proof:
        assert latest(calls) < LATEST


def states(here: Running) -> list[str]:
    return [event["state"] for event in here.named("hot_store")]


async def test_a_killed_worker_takes_only_its_own_calls_along(
    tmp_path: Path, proof: bool, deadline: list[Edit]
) -> None:
    """Every other call has its whole card, also those that come while it is being replaced; what was lost is told."""
    with RedisServer() as redis:
        hot = f"redis://default:admin-word@127.0.0.1:{redis.port}"
        async with running(tmp_path, "--workers", "2", hot=hot, service=deadline) as here:
            kills = 10 if proof else 1
            async with load(here, proof) as calls:
                for number in range(1, kills + 1):
                    await asyncio.sleep(0.5)
                    os.kill(children(here.process.pid)[0], signal.SIGKILL)
                    await happened(here, "worker_lost", number)
                    await until(lambda: len(children(here.process.pid)) == 2)
                    await asyncio.sleep(0.5)
            lost = [call for call in calls if not call.status]
            told = sum(event["calls_lost"] for event in here.named("worker_lost"))
            withheld = unrecorded(await here.metrics())  # what a killed one had counted is gone: one of its own each
    assert told <= len(lost) <= 40 * kills, "its connections' calls, and none besides"
    answered = [call for call in calls if call.status]
    assert len(answered) > 50 and shown(answered, withheld + kills)
    if proof:
        assert latest(answered) < LATEST


async def test_workers_without_a_key_share_the_one_that_their_parent_drew(tmp_path: Path) -> None:
    """What one has answered another knows: a repeat has the same card, whoever answers."""
    no_key = ("pseudonym_key: {env: TEST_PSEUDONYM_KEY}\n", "")
    with RedisServer() as redis:
        hot = f"redis://default:admin-word@127.0.0.1:{redis.port}"
        async with running(tmp_path, "--workers", "2", hot=hot, wardgate=no_key) as here:
            numbers = count()

            async def share() -> bool:
                """Not where Redis is late, as on a busy machine: then each answers for itself."""
                request, before = post(PATH, msgspec.json.encode(kidney_call(next(numbers)))), await answered(here)
                first = await here.send(request)
                answers = {first, *await asyncio.gather(*[here.send(request) for _ in range(12)])}
                shared = len(answers) == 1 and b"Kidney failure risk" in first[1]
                return shared and len(await answered(here) - before) == 2

            await becomes(share)
            warnings = [event for event in here.named("warning") if event["key"] == "pseudonym_key"]
    assert len(warnings) == 1 and "worker" not in warnings[0]


async def answered(here: Running) -> Counter[str]:
    """Calls by the number of the worker."""
    found: Counter[str] = Counter()
    for line in (await here.metrics()).splitlines():
        if line.startswith("wardgate_calls_total{worker="):
            found[line.split('"')[1]] += int(float(line.rpartition(" ")[2]))
    return found


async def test_a_reload_makes_nobody_wait(tmp_path: Path, proof: bool, deadline: list[Edit]) -> None:
    """Every call has its card, that of before or that of after."""
    async with running(tmp_path, service=deadline) as here:
        async with load(here, proof) as calls:
            for number in range(30 if proof else 3):
                title = f"Risk, edition {number}"
                here.edit(card=("Kidney failure risk in 2 years", title), service=deadline)
                here.process.send_signal(signal.SIGHUP)
                await happened(here, "reloaded", number + 1)
                await asyncio.sleep(0.2)
            await asyncio.sleep(0.1)
        withheld = unrecorded(await here.metrics())
    assert shown(calls, withheld)
    assert title.encode() in max(calls).body
    if proof:
        assert latest(calls) < LATEST
