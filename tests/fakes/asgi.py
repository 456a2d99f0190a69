"""A small ASGI client: sends a request in chunks as a server would, and keeps what comes back."""

import asyncio
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from wardgate.web.asgi import ASGIApp, Message

JSON = {"content-type": "application/json"}


@dataclass
class Reply:
    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return msgspec.json.decode(self.body)

    def everything(self) -> str:
        """All that left, for searching."""
        return f"{self.headers} {self.body.decode('latin-1')}"


class Exchange:
    """One request against one application. A body that is not `complete` stalls; `gone` hangs up instead."""

    def __init__(self, chunks: Iterable[bytes], complete: bool = True, gone: bool = False) -> None:
        self._chunks = deque(chunks)
        self._complete = complete
        self._gone = gone
        self.sent: list[Message] = []
        self.received = 0

    async def receive(self) -> Message:
        if self._chunks:
            chunk = self._chunks.popleft()
            self.received += len(chunk)
            return {"type": "http.request", "body": chunk, "more_body": bool(self._chunks) or not self._complete}
        if not self._gone:
            await asyncio.Event().wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        self.sent.append(message)

    def reply(self) -> Reply:
        start, *bodies = self.sent
        assert start["type"] == "http.response.start"
        assert [body.get("more_body", False) for body in bodies] == [True] * (len(bodies) - 1) + [False]
        headers = {name.decode(): value.decode() for name, value in start["headers"]}
        assert len(headers) == len(start["headers"]), "a header was sent twice"
        return Reply(start["status"], headers, b"".join(body["body"] for body in bodies))


def scope(method: str, path: str, headers: Mapping[str, str]) -> dict[str, Any]:
    return {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "path": path.partition("?")[0],
        "query_string": path.partition("?")[2].encode(),
        "headers": [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()],
    }


async def ask(
    app: ASGIApp,
    method: str,
    path: str,
    body: bytes | Iterable[bytes] = b"",
    headers: Mapping[str, str] | None = None,
    complete: bool = True,
) -> Reply:
    """`body` as bytes is sent with its length, otherwise in chunks without one."""
    sent = dict(headers or {})
    if isinstance(body, bytes):
        if body:
            sent.setdefault("content-length", str(len(body)))
        chunks = [body]
    else:
        sent["transfer-encoding"] = "chunked"
        chunks = list(body)
    exchange = Exchange(chunks, complete)
    await app(scope(method, path, sent), exchange.receive, exchange.send)
    return exchange.reply()
