"""A TCP server that answers each request with the very bytes that a test gives it."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any


@dataclass
class RawServer:
    """`answer` gets the request head and body and a writer; what it writes goes out as it is."""

    answer: Callable[[bytes, bytes, asyncio.StreamWriter], Coroutine[Any, Any, None]]
    requests: list[tuple[bytes, bytes]] = field(default_factory=list)
    connections: int = 0
    port: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = next(
                    (int(line[15:]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")), 0
                )
                body = await reader.readexactly(length)
                self.requests.append((head, body))
                await self.answer(head, body, writer)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


def http_answer(
    status: str, body: bytes, content_type: str = "application/json", extra: bytes = b""
) -> Callable[[bytes, bytes, asyncio.StreamWriter], Coroutine[Any, Any, None]]:
    async def answer(head: bytes, request: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(
            b"HTTP/1.1 %s\r\nContent-Type: %s\r\n%sContent-Length: %d\r\n\r\n"
            % (status.encode(), content_type.encode(), extra, len(body))
            + body
        )

    return answer


@asynccontextmanager
async def raw_server(
    answer: Callable[[bytes, bytes, asyncio.StreamWriter], Coroutine[Any, Any, None]],
) -> AsyncIterator[RawServer]:
    server = RawServer(answer)
    listener = await asyncio.start_server(server.handle, "127.0.0.1", 0)
    server.port = listener.sockets[0].getsockname()[1]
    try:
        yield server
    finally:
        listener.close()
