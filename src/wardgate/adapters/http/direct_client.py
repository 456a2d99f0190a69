"""The cheapest client, an opt-in (`http_client: direct`): HTTP/1.1 over asyncio and httptools, and no more than the
port asks for (adr/0008: why there is one of our own).

A connection carries one request at a time and goes back to its pool only after a whole answer that says it may; in
every other case, a cancelled caller's included, it is closed. So no answer can meet another request than its own.
"""

import asyncio
import re
import ssl
from collections import deque
from collections.abc import Mapping
from functools import lru_cache
from typing import NamedTuple, cast
from urllib.parse import urlsplit

import httptools

from wardgate.adapters.http.client import HttpError, HttpFailure, HttpReply

_KEEPALIVE = 30.0
_LARGEST_HEAD = 64 * 1024
_DEFAULT_PORTS = {"http": 80, "https": 443}
_URL = re.compile(r"(https?://[^/?#\s]+)([^#\s]*)(?:#\S*)?")


class _Origin(NamedTuple):
    scheme: str
    netloc: str
    host: str
    port: int


class DirectClient:
    """Must be used inside one running loop. No limit on connections here: bulkheads are the gateway's."""

    def __init__(self) -> None:
        self._idle: dict[_Origin, deque[_Connection]] = {}
        self._tls: ssl.SSLContext | None = None
        self._closed = False

    async def send(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        body: bytes | None,
        timeout: float | None,
        max_bytes: int,
    ) -> HttpReply:
        try:
            origin, request = _written(method, url, headers, body)
            if timeout is None:
                return await self._ask(origin, request, max_bytes)
            async with asyncio.timeout(timeout):
                return await self._ask(origin, request, max_bytes)
        except TimeoutError:
            raise HttpError(HttpFailure.TIMEOUT) from None
        except (OSError, ValueError):
            raise HttpError(HttpFailure.UNREACHABLE) from None

    async def close(self) -> None:
        self._closed = True
        for idle in self._idle.values():
            for connection in idle:
                connection.close()
        self._idle.clear()

    async def _ask(self, origin: _Origin, request: bytes, max_bytes: int) -> HttpReply:
        connection = self._pooled(origin)
        fresh = connection is None
        if connection is None:
            connection = await self._connected(origin)
        try:
            status, content_type, content = await connection.ask(request, max_bytes)
        finally:
            if connection.reusable and not self._closed:
                self._idle.setdefault(origin, deque()).append(connection)
            else:
                connection.close()
        return HttpReply(status, content_type, content, fresh)

    def _pooled(self, origin: _Origin) -> "_Connection | None":
        """The one that was used last; what has been idle for too long is closed on the way."""
        idle = self._idle.get(origin)
        if not idle:
            return None
        too_old = asyncio.get_running_loop().time() - _KEEPALIVE
        while idle and idle[0].idle_since < too_old:
            idle.popleft().close()
        while idle:
            connection = idle.pop()
            if connection.reusable:
                return connection
        return None

    async def _connected(self, origin: _Origin) -> "_Connection":
        loop = asyncio.get_running_loop()
        tls = None
        if origin.scheme == "https":
            tls = self._tls = self._tls or ssl.create_default_context()
        _, connection = await loop.create_connection(_Connection, origin.host, origin.port, ssl=tls)
        return connection


def _written(method: str, url: str, headers: Mapping[str, str], body: bytes | None) -> tuple[_Origin, bytes]:
    """Where a request goes, and its bytes. ValueError for a URL or a header that is none."""
    match = _URL.fullmatch(url)
    if match is None:
        raise ValueError("not an http or https URL")
    base, path = match.groups()
    origin = _origin(base)
    if not path.startswith("/"):
        path = f"/{path}"
    lines = [f"{method} {path} HTTP/1.1", f"Host: {origin.netloc}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    if body is not None:
        lines.append(f"Content-Length: {len(body)}")
    if not all(map(str.isprintable, lines)):  # a line's end inside of one would begin another
        raise ValueError("a control character in the head")
    head = "\r\n".join([*lines, "\r\n"]).encode("ascii")
    return origin, head + (body or b"")


@lru_cache(maxsize=256)
def _origin(base: str) -> _Origin:
    parts = urlsplit(base)
    if not parts.hostname or "@" in parts.netloc:  # nobody's name and password belong into a URL
        raise ValueError("not the address of a host")
    return _Origin(parts.scheme, parts.netloc, parts.hostname, parts.port or _DEFAULT_PORTS[parts.scheme])


class _Connection(asyncio.Protocol):
    """One keep-alive connection. `reusable`: nothing is under way on it, and nobody has closed it."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._answer: asyncio.Future[tuple[int, str, bytes]] | None = None
        self.reusable = False
        self.idle_since = 0.0
        self._begin()

    def ask(self, request: bytes, max_bytes: int) -> "asyncio.Future[tuple[int, str, bytes]]":
        """Raises HttpError, or ConnectionError where the other side is gone before it has said a word."""
        self.reusable = False
        self._parser = httptools.HttpResponseParser(self)
        self._max_bytes = max_bytes
        self._head_bytes = 0
        self._begin()
        answer = self._answer = self._loop.create_future()
        if self._transport.is_closing():
            self._fail(ConnectionResetError())
        else:
            self._transport.write(request)
        return answer

    def close(self) -> None:
        self.reusable = False
        self._answer = None
        self._transport.abort()

    # asyncio

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is one by its methods only

    def data_received(self, data: bytes) -> None:
        if self._answer is None:  # nobody has asked
            self.close()
            return
        if not self._head_complete:
            self._head_bytes += len(data)
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self._fail(HttpError(HttpFailure.TRUNCATED if self._head_complete else HttpFailure.UNREACHABLE))
        if not self._head_complete and self._head_bytes > _LARGEST_HEAD:
            self._fail(HttpError(HttpFailure.TOO_LARGE))

    def connection_lost(self, exc: Exception | None) -> None:
        self.reusable = False
        if self._head_complete and not self._framed and exc is None:
            self._end(reusable=False)  # its end was to be the body's (RFC 9112 §6.3)
        elif self._head_complete:
            self._fail(HttpError(HttpFailure.TRUNCATED))
        else:
            self._fail(ConnectionResetError())

    # httptools

    def on_message_begin(self) -> None:
        if self._answer is None:  # bytes behind the answer: whatever they are, nobody may take them for the next one
            self.close()

    def on_header(self, name: bytes, value: bytes) -> None:
        name = name.lower()
        if name == b"content-type":
            self._content_type = value.decode("latin-1")
        elif name == b"content-length":
            self._framed = True
            if value.isdigit() and int(value) > self._max_bytes:
                self._fail(HttpError(HttpFailure.TOO_LARGE))
        elif name == b"transfer-encoding":
            self._framed = True

    def on_headers_complete(self) -> None:
        self._head_complete = self._parser.get_status_code() >= 200

    def on_body(self, data: bytes) -> None:
        self._size += len(data)
        if self._size > self._max_bytes:
            self._fail(HttpError(HttpFailure.TOO_LARGE))
        else:
            self._body.append(data)

    def on_message_complete(self) -> None:
        if self._head_complete:
            self._end(reusable=self._parser.should_keep_alive())
        else:
            self._begin()  # an interim answer, such as 103: the real one follows (RFC 9110 §15.2)

    def _begin(self) -> None:
        self._content_type = ""
        self._body: list[bytes] = []
        self._size = 0
        self._framed = False
        self._head_complete = False

    def _end(self, reusable: bool) -> None:
        answer, self._answer = self._answer, None
        if answer is not None and not answer.done():
            self.reusable, self.idle_since = reusable, self._loop.time()
            answer.set_result((self._parser.get_status_code(), self._content_type, b"".join(self._body)))

    def _fail(self, error: Exception) -> None:
        answer, self._answer = self._answer, None
        self.reusable = False
        self._transport.abort()
        if answer is not None and not answer.done():
            answer.set_exception(error)
