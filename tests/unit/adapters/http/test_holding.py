"""The held connection: it notices a process that ends, and with it no other model's score is ever shown."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import msgspec
import pytest

from tests.fakes.clock import FakeClock
from tests.fakes.meter import FakeMeter
from tests.fakes.model import ENDPOINT, PROBES, kfre
from wardgate.adapters.http.aiohttp_client import AiohttpClient
from wardgate.adapters.http.client import HttpClient
from wardgate.adapters.http.holding import hold_connection
from wardgate.adapters.http.oip import OipClient
from wardgate.adapters.http.pyreqwest_client import PyreqwestClient
from wardgate.domain.errors import ModelUnavailable
from wardgate.domain.inference.prediction import ModelInputs
from wardgate.gateway.model_call import ModelRequest
from wardgate.gateway.probes import ProbeOptions, Proof, ProvenModel
from wardgate.gateway.stacks import model_stack


class Process:
    """A model server that can be killed: its port and all its connections close at once."""

    def __init__(self, score: Callable[..., float]) -> None:
        self._score = score
        self._writers: list[asyncio.StreamWriter] = []
        self.port = 0

    async def start(self, port: int = 0) -> None:
        self._listener = await asyncio.start_server(self._serve, "127.0.0.1", port)
        self.port = self._listener.sockets[0].getsockname()[1]

    def kill(self) -> None:
        self._listener.close()
        for writer in self._writers:
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.append(writer)
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                body = b""
                if head.startswith(b"POST"):
                    length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0])
                    values = json.loads(await reader.readexactly(length))["inputs"][0]["data"]
                    output = {"name": "risk_2y", "shape": [1, 1], "data": [self._score(*values)]}
                    reply = {"model_name": "kfre", "model_version": "1", "outputs": [output]}
                    body = json.dumps(reply).encode()
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def running(score: Callable[..., float]) -> AsyncIterator[Process]:
    process = Process(score)
    await process.start()
    try:
        yield process
    finally:
        process.kill()


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110 - what is waited for signals nobody
            await asyncio.sleep(0.001)


async def test_the_end_of_the_other_process_is_noticed_once() -> None:
    """Its connections end with it."""
    ended: list[bool] = []
    async with running(kfre) as process:
        await hold_connection(f"http://127.0.0.1:{process.port}", lambda: ended.append(True))
        await asyncio.sleep(0.01)
        assert ended == []
    await until(lambda: bool(ended))
    assert ended == [True]


async def test_letting_go_is_no_loss() -> None:
    """What we close ourselves says nothing about the other side."""
    ended: list[bool] = []
    async with running(kfre) as process:
        let_go = await hold_connection(f"http://127.0.0.1:{process.port}", lambda: ended.append(True))
        let_go()
        await asyncio.sleep(0.01)
    assert ended == []


async def test_nobody_there_is_unreachable() -> None:
    """An endpoint that is down, and one that is not on the list."""
    http = AiohttpClient()
    endpoint = msgspec.structs.replace(ENDPOINT, url="http://127.0.0.1:1")
    for hosts in (frozenset({"127.0.0.1:1"}), frozenset[str]()):
        with pytest.raises(ModelUnavailable, match="model_unreachable"):
            await OipClient(http, hosts).hold(endpoint, lambda: None)
    await http.close()


@pytest.mark.parametrize("make", [AiohttpClient, PyreqwestClient])
async def test_a_model_that_was_replaced_between_two_calls_never_scores(make: Callable[[], HttpClient]) -> None:
    """Same address, name and version, another model. Regression: a new pooled connection was opened in silence,
    and its scores were shown until the next probe by time."""
    async with running(kfre) as first:
        http = make()
        endpoint = msgspec.structs.replace(ENDPOINT, url=f"http://127.0.0.1:{first.port}", contributions=None)
        client = OipClient(http, frozenset({f"127.0.0.1:{first.port}"}))
        clock = FakeClock()
        ask = model_stack(client, endpoint, clock)
        options = ProbeOptions(retry=0.001)
        proven = ProvenModel("m", "1", endpoint, PROBES, client, ask, clock, FakeMeter(), options, client.hold)
        task = asyncio.get_running_loop().create_task(proven.run())
        await until(lambda: proven.proof is Proof.PASSED)
        call = ModelRequest(endpoint, ModelInputs((60.0, 0.0, 20.0, 500.0), (), ()), clock.monotonic() + 2)
        assert (await proven(call)).score == kfre(60, 0, 20, 500)
        first.kill()
        second = Process(lambda *_: 0.99)
        await second.start(first.port)
        for _ in range(20):
            with pytest.raises(ModelUnavailable):
                await proven(call)
        await until(lambda: proven.proof is Proof.FAILED)
        second.kill()
        third = Process(kfre)
        await third.start(first.port)
        await until(lambda: proven.proof is Proof.PASSED)
        assert (await proven(call)).score == kfre(60, 0, 20, 500)
        task.cancel()
        third.kill()
        await http.close()
