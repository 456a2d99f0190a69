"""A dependency of the gateway that keeps nothing: it tells what it heard, byte for byte, and answers."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

from wardgate.lab.asgi import Reply, Request

Answer = Callable[[Request], Reply]
Heard = Callable[[bytes, bytes], None]
"""Is given the head and the body of each request, as they came."""

_LONGEST = 64 * 1024 * 1024


class Listener:
    """HTTP/1.1 with lengths, which is what the gateway's clients speak; `url` from `__aenter__` on."""

    def __init__(self, answer: Answer, heard: Heard) -> None:
        self._answer, self._heard = answer, heard
        self._writers: set[asyncio.StreamWriter] = set()

    async def __aenter__(self) -> "Listener":
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, limit=256 * 1024)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *exc: Any) -> None:
        self._server.close()
        for writer in list(self._writers):
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                first, *lines = head.decode("latin-1").split("\r\n")
                headers = {
                    name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)
                }
                body = await reader.readexactly(min(int(headers.get("content-length", "0")), _LONGEST))
                self._heard(head, body)
                method, target, _ = first.split(" ")
                path, _, query = target.partition("?")
                writer.write(_written(self._answer(Request(method, path, query, headers, body))))
                await writer.drain()
        except (OSError, EOFError, ValueError, asyncio.LimitOverrunError):  # IncompleteReadError is an EOFError
            return
        finally:
            self._writers.discard(writer)
            writer.close()


def _written(reply: Reply) -> bytes:
    body = (
        reply.body if isinstance(reply.body, bytes) else b"" if reply.body is None else json.dumps(reply.body).encode()
    )
    headers = {"content-type": "application/json", "content-length": str(len(body)), **reply.headers}
    head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"HTTP/1.1 {reply.status} X\r\n{head}\r\n".encode("latin-1") + body
