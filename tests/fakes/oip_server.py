"""A model server in the test's own loop: the kidney failure equation over OIP, held back while a test says so."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tests.fakes.model import kfre
from tests.fakes.raw_server import RawServer, http_answer, raw_server


class OipServer:
    """`hold` cleared keeps predictions waiting; probes are predictions too."""

    def __init__(self) -> None:
        self.hold = asyncio.Event()
        self.hold.set()
        self.waiting = 0
        self.raw: RawServer

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.raw.port}"

    async def answer(self, head: bytes, body: bytes, writer: asyncio.StreamWriter) -> None:
        if head.startswith(b"GET"):
            return await http_answer("200 OK", b'{"name": "kfre", "ready": true}')(head, body, writer)
        self.waiting += 1
        await self.hold.wait()
        self.waiting -= 1
        inputs = json.loads(body)["inputs"][0]["data"]
        outputs = [
            {"name": "risk_2y", "shape": [1], "datatype": "FP64", "data": [kfre(*inputs)]},
            {"name": "contributions", "shape": [1, 4], "datatype": "FP64", "data": [0.1, 0.2, 0.3, 0.4]},
        ]
        reply = json.dumps({"model_name": "kfre", "model_version": "1", "outputs": outputs}).encode()
        await http_answer("200 OK", reply)(head, body, writer)


@asynccontextmanager
async def oip_server() -> AsyncIterator[OipServer]:
    server = OipServer()
    async with raw_server(server.answer) as server.raw:
        yield server
