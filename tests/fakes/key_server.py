"""A host of key sets that does what such hosts do: answers, is slow, hangs, talks nonsense, sends elsewhere."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from tests.fakes.raw_server import RawServer, http_answer, raw_server


@dataclass
class KeyServer:
    """`how` is one of the names below; anything else is sent as it is, with status 200."""

    body: bytes
    how: str = "well"
    location: str = ""
    server: RawServer = field(default_factory=lambda: RawServer(lambda head, body, writer: asyncio.sleep(0)))

    @property
    def url(self) -> str:
        return f"{self.server.url}/jwks.json"

    @property
    def fetches(self) -> int:
        return len(self.server.requests)

    async def answer(self, head: bytes, request: bytes, writer: asyncio.StreamWriter) -> None:
        match self.how:
            case "hangs":
                await asyncio.sleep(60)
            case "slow":
                await asyncio.sleep(0.3)
                await http_answer("200 OK", self.body)(head, request, writer)
            case "drips":  # a byte now and then: each in time, the whole never
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
                for _ in range(600):
                    writer.write(b" ")
                    await asyncio.sleep(0.1)
            case "resets":
                writer.transport.abort()
            case "half":
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n" + self.body)
                writer.close()
            case "huge":
                await http_answer("200 OK", b" " * 300 * 1024 + self.body)(head, request, writer)
            case "endless":
                writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
                for _ in range(1000):
                    writer.write(b"10000\r\n" + b" " * 0x10000 + b"\r\n")
                    await writer.drain()
            case "redirects":
                extra = f"Location: {self.location}\r\n".encode()
                await http_answer("302 Found", self.body, extra=extra)(head, request, writer)
            case "denies":
                await http_answer("403 Forbidden", self.body)(head, request, writer)
            case "fails":
                await http_answer("500 Internal Server Error", self.body)(head, request, writer)
            case "well":
                await http_answer("200 OK", self.body)(head, request, writer)
            case said:
                await http_answer("200 OK", said.encode(), "text/html")(head, request, writer)


@asynccontextmanager
async def key_server(body: bytes) -> AsyncIterator[KeyServer]:
    keys = KeyServer(body)
    async with raw_server(keys.answer) as server:
        keys.server = server
        yield keys
