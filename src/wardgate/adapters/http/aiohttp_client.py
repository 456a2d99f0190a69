"""The default client: aiohttp, one session for everything (adr/0003: why aiohttp)."""

from collections.abc import Mapping
from types import SimpleNamespace

import aiohttp

from wardgate.adapters.http.client import HttpError, HttpFailure, HttpReply

_KEEPALIVE = 30.0
_NO_TIMER = aiohttp.ClientTimeout(total=None, sock_connect=None)


class _Trip:
    """What is told of one request while it travels."""

    __slots__ = ("fresh",)

    def __init__(self) -> None:
        self.fresh = False


async def _connected(
    session: aiohttp.ClientSession, context: SimpleNamespace, params: aiohttp.TraceConnectionCreateEndParams
) -> None:
    context.trace_request_ctx.fresh = True


def _watching_connections() -> aiohttp.TraceConfig:
    trace = aiohttp.TraceConfig()
    trace.on_connection_create_end.append(_connected)
    return trace


class _Connector(aiohttp.TCPConnector):
    """Takes no connection on which something has come that nobody asked for: it would be read as the reply to the next
    request, and that one's reply to the one after it, each of them another patient's (law 11)."""

    async def connect(
        self, req: aiohttp.ClientRequest, traces: list[aiohttp.tracing.Trace], timeout: aiohttp.ClientTimeout
    ) -> aiohttp.connector.Connection:
        while True:
            connection = await super().connect(req, traces, timeout)
            if connection.protocol is None or not connection.protocol.should_close:
                return connection
            connection.close()


class AiohttpClient:
    """Must be built inside the running loop. No limit on connections here: bulkheads are the gateway's."""

    def __init__(self) -> None:
        self._session = aiohttp.ClientSession(
            connector=_Connector(limit=0, keepalive_timeout=_KEEPALIVE, ttl_dns_cache=60),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=_NO_TIMER,
            auto_decompress=False,
            skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding", "Content-Type"),
            trust_env=False,
            trace_configs=[_watching_connections()],
        )

    async def send(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        body: bytes | None,
        timeout: float | None,
        max_bytes: int,
    ) -> HttpReply:
        trip = _Trip()
        timer = _NO_TIMER if timeout is None else aiohttp.ClientTimeout(total=timeout)
        try:
            async with self._session.request(
                method, url, headers=headers, data=body, timeout=timer, allow_redirects=False, trace_request_ctx=trip
            ) as response:
                content = await _read(response, max_bytes)
                return HttpReply(response.status, response.headers.get("Content-Type", ""), content, trip.fresh)
        except TimeoutError:
            raise HttpError(HttpFailure.TIMEOUT) from None
        except aiohttp.ClientPayloadError:
            raise HttpError(HttpFailure.TRUNCATED) from None
        except (aiohttp.ClientError, OSError, ValueError):
            # ValueError: aiohttp's InvalidURL and header errors; their text holds the URL, so it stays here.
            raise HttpError(HttpFailure.UNREACHABLE) from None

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
