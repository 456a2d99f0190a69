"""Law 2. A score is shown only while the endpoint proves that it runs the pinned model: a server is replaced by a lying
one behind the same address, with the same name and version, while calls go on. By real sockets and the real client."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import msgspec
import pytest

from tests.fakes.meter import FakeMeter
from tests.fakes.model import ENDPOINT, PROBES, kfre, model_policies
from tests.fakes.processes import free_port
from tests.fakes.tasks import Tasks
from wardgate.adapters.http.aiohttp_client import AiohttpClient
from wardgate.adapters.http.model_client import HttpModelClient
from wardgate.bootstrap.machine import SystemClock
from wardgate.domain.errors import ModelUnavailable
from wardgate.domain.inference.prediction import ModelInputs
from wardgate.gateway.model_call import ModelRequest
from wardgate.gateway.probes import ProbeOptions, ProvenModel
from wardgate.gateway.proof import Proof
from wardgate.gateway.stacks import model_stack

_LIE = 0.5
_CALLS = 16
"""At a time."""


@dataclass
class Server:
    """One process: it listens from `start` on, and answers over its connections until `end`."""

    port: int
    lies: bool = False
    keeps_alive: bool = True
    delay: float = 0.0
    connections: list[asyncio.StreamWriter] = field(default_factory=list)

    async def start(self) -> None:
        self.listener = await asyncio.start_server(self._serve, "127.0.0.1", self.port, reuse_port=True)

    def leave(self) -> None:
        """No new connections: replaced in order."""
        self.listener.close()

    def end(self) -> None:
        self.leave()
        for writer in self.connections:
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections.append(writer)
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                lengths = [line[15:] for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
                body = await reader.readexactly(int(lengths[0]) if lengths else 0)
                await asyncio.sleep(self.delay)
                reply = self._predicted(body) if body else b"{}"
                end = b"" if self.keeps_alive else b"Connection: close\r\n"
                writer.write(b"HTTP/1.1 200 OK\r\n%bContent-Length: %d\r\n\r\n%b" % (end, len(reply), reply))
                if not self.keeps_alive:
                    return
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    def _predicted(self, body: bytes) -> bytes:
        score = _LIE if self.lies else kfre(*json.loads(body)["inputs"][0]["data"])
        outputs = [{"name": "risk_2y", "data": [score]}, {"name": "contributions", "data": [0.1] * 4}]
        return json.dumps({"model_name": "kfre", "model_version": "1", "outputs": outputs}).encode()


@dataclass
class House:
    """A proven model at an address, and calls to it."""

    port: int
    model: ProvenModel
    clock: SystemClock
    asked: int = 0

    async def ask(self) -> float | str:
        """The score, or the reason why there is none."""
        self.asked += 1
        inputs = ModelInputs((50.0 + self.asked % 40, 1.0, 30.0, 300.0), (), ())
        expires = self.clock.monotonic() + 2.0
        try:
            return (await self.model(ModelRequest(self.model._endpoint, inputs, expires, ("ehr", None, "p")))).score
        except ModelUnavailable as error:
            return error.reason.value

    async def wave(self) -> list[float | str]:
        return list(await asyncio.gather(*(self.ask() for _ in range(_CALLS))))

    async def until(self, proof: Proof) -> None:
        async with asyncio.timeout(60):
            while self.model.proof is not proof:  # noqa: ASYNC110 - by a real server
                await asyncio.sleep(0.002)


@asynccontextmanager
async def house(keeps_alive: bool) -> AsyncIterator[tuple[House, Server]]:
    server = Server(free_port(), keeps_alive=keeps_alive)
    await server.start()
    endpoint = msgspec.structs.replace(ENDPOINT, url=f"http://127.0.0.1:{server.port}", timeout=1.0)
    http, clock = AiohttpClient(), SystemClock()
    client = HttpModelClient(http, frozenset({f"127.0.0.1:{server.port}"}))
    ask = model_stack(client, model_policies(endpoint), clock, Tasks())
    options = ProbeOptions(first_retry=0.005, retry=0.01, heartbeat=0.5)
    model = ProvenModel("kfre", "1", endpoint, PROBES, client, ask, clock, FakeMeter(), options)
    task = asyncio.get_running_loop().create_task(model.run())
    try:
        here = House(server.port, model, clock)
        await here.until(Proof.PASSED)
        yield here, server
    finally:
        task.cancel()
        await http.close()
        server.end()


@pytest.mark.parametrize("keeps_alive", [True, False])
@pytest.mark.parametrize("in_order", [True, False])
async def test_a_liar_behind_the_same_address_is_never_believed(keeps_alive: bool, in_order: bool) -> None:
    """Replaced at once, or in order, so that the good process answers on over its connections; and back again. Calls go
    on all the while, over old connections and new ones."""
    async with house(keeps_alive) as (here, good):
        scores = await here.wave()
        for _ in range(6):
            liar = Server(here.port, lies=True, keeps_alive=keeps_alive)
            await liar.start()
            good.leave() if in_order else good.end()
            answers = [await here.wave() for _ in range(4)]
            good.end()
            answers += [await here.wave() for _ in range(4)]
            assert _LIE not in [answer for wave in answers for answer in wave]
            await here.until(Proof.FAILED)
            assert set(await here.wave()) == {"probe_failed"}
            good = Server(here.port, keeps_alive=keeps_alive)
            await good.start()
            liar.leave() if in_order else liar.end()
            await here.until(Proof.PASSED)
            answers = [await here.wave() for _ in range(4)]
            liar.end()
            answers += [await here.wave() for _ in range(4)]
            assert _LIE not in [answer for wave in answers for answer in wave]
            await here.until(Proof.PASSED)
            scores = await here.wave()
        assert all(isinstance(score, float) for score in scores), "and the good one is, in the end"
        good.end()


@pytest.mark.parametrize("keeps_alive", [True, False])
async def test_a_growing_pool_costs_no_score(keeps_alive: bool) -> None:
    """Nor does a server that closes after each reply: each answer is believed, after a round that many share."""
    async with house(keeps_alive) as (here, good):
        good.delay = 0.005
        for _ in range(4):
            assert all(isinstance(answer, float) for answer in await here.wave())
