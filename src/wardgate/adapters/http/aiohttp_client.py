"""The default client: aiohttp, one session for everything (adr/0003: why aiohttp)."""

import asyncio
from collections.abc import Mapping
from contextvars import ContextVar
from functools import partial
from typing import Any
from urllib.parse import urlsplit

import aiohttp

from wardgate.adapters.http.aiohttp_replies import Replies
from wardgate.adapters.http.client import HttpError, HttpFailure, HttpReply
from wardgate.gateway.ports import NEW_CONNECTION

_KEEPALIVE = 30.0
_PORTS = {"http": 80, "https": 443}
_NEXT_ADDRESS = 0.03
"""Seconds until the next address of a host is tried beside one that does not answer. The usual 0.25 are more than a
model's time: a host whose IPv6 leads nowhere would never be reached (RFC 8305 asks for 0.01 at least)."""
_NO_TIMER = aiohttp.ClientTimeout(total=None, sock_connect=None)


class _Trip:
    """One request while it travels: the oldest connection that it may use, the one that it has used last, and whether
    others had used that before."""

    __slots__ = ("connection", "oldest", "reused")

    def __init__(self, oldest: int) -> None:
        self.oldest = oldest
        self.connection = 0
        self.reused = False


_trip: ContextVar[_Trip] = ContextVar("_trip")
"""Of the request that this task makes: the session has no way to hand it to its connector."""


class _Connector(aiohttp.TCPConnector):
    """Numbers its connections, and takes none on which something has come that nobody asked for: it would be read as
    the reply to the next request, and that one's reply to the one after it, each of them another patient's (law 11)."""

    def __init__(self) -> None:
        super().__init__(limit=0, keepalive_timeout=_KEEPALIVE, ttl_dns_cache=60, happy_eyeballs_delay=_NEXT_ADDRESS)
        self._factory: Any = partial(Replies, loop=self._loop)
        self.opened = 0
        self.last: dict[tuple[str | None, int | None], int] = {}
        """By host and port: the number of the last connection that is used no more."""

    async def connect(
        self, req: aiohttp.ClientRequest, traces: list[aiohttp.tracing.Trace], timeout: aiohttp.ClientTimeout
    ) -> aiohttp.connector.Connection:
        trip = _trip.get()
        last = self.last.get((req.url.host, req.url.port), 0) if self.last else 0
        older: list[aiohttp.connector.Connection] = []
        try:
            while True:
                connection = await super().connect(req, traces, timeout)
                protocol: Any = connection.protocol
                number = protocol.number
                opened = not number
                if opened:
                    self.opened += 1
                    number = protocol.number = self.opened
                if protocol.should_close or number <= last:
                    connection.close()
                    if opened:  # so would the next one
                        raise aiohttp.ClientConnectionError
                elif number < trip.oldest and not opened:
                    older.append(connection)
                else:
                    protocol.begin()
                    trip.connection, trip.reused = number, not opened
                    return connection
        finally:
            for connection in older:
                connection.release()


class AiohttpClient:
    """Must be built inside the running loop. No limit on connections here: bulkheads are the gateway's."""

    def __init__(self) -> None:
        self._connector = _Connector()
        self._session = aiohttp.ClientSession(
            connector=self._connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=_NO_TIMER,
            auto_decompress=False,
            skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding", "Content-Type"),
            trust_env=False,
        )

    async def send(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        body: bytes | None,
        timeout: float | None,
        max_bytes: int,
        oldest: int = 0,
    ) -> HttpReply:
        trip, began = _Trip(oldest), asyncio.get_running_loop().time()
        try:
            return await self._send(method, url, headers, body, timeout, max_bytes, trip)
        except HttpError as error:
            # What a server does to a connection that it keeps, whoever uses it next finds out.
            if not (trip.reused and method == "GET" and error.kind is HttpFailure.UNREACHABLE):
                raise
        left = None if timeout is None else max(timeout - (asyncio.get_running_loop().time() - began), 0.001)
        return await self._send(method, url, headers, body, left, max_bytes, _Trip(NEW_CONNECTION))

    async def _send(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        body: bytes | None,
        timeout: float | None,
        max_bytes: int,
        trip: _Trip,
    ) -> HttpReply:
        _trip.set(trip)
        timer = _NO_TIMER if timeout is None else aiohttp.ClientTimeout(total=timeout)
        try:
            async with self._session.request(
                method, url, headers=headers, data=body, timeout=timer, allow_redirects=False
            ) as response:
                content = await _read(response, max_bytes)
                return HttpReply(response.status, response.headers.get("Content-Type", ""), content, trip.connection)
        except TimeoutError:
            raise HttpError(HttpFailure.TIMEOUT) from None
        except aiohttp.ClientPayloadError:
            raise HttpError(HttpFailure.TRUNCATED) from None
        except (aiohttp.ClientError, OSError, ValueError):
            # ValueError: aiohttp's InvalidURL and header errors; their text holds the URL, so it stays here.
            raise HttpError(HttpFailure.UNREACHABLE) from None

    def renew(self, url: str) -> int:
        parts = urlsplit(url)
        self._connector.last[parts.hostname, parts.port or _PORTS[parts.scheme]] = self._connector.opened
        return self._connector.opened

    async def close(self) -> None:
        await self._session.close()


async def _read(response: aiohttp.ClientResponse, max_bytes: int) -> bytes:
    length = response.content_length
    if length is not None:
        if length > max_bytes:
            response.close()
            raise HttpError(HttpFailure.TOO_LARGE)
        return await response.read()
    chunks: list[bytes] = []
    total = 0
    async for chunk in response.content.iter_any():
        total += len(chunk)
        if total > max_bytes:
            response.close()
            raise HttpError(HttpFailure.TOO_LARGE)
        chunks.append(chunk)
    return b"".join(chunks)
