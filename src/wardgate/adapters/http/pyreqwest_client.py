"""The faster client, an opt-in (`http_client: pyreqwest`): Rust's reqwest (adr/0003: why it is not the default)."""

from collections.abc import Mapping
from datetime import timedelta

from pyreqwest.client import Client, ClientBuilder
from pyreqwest.exceptions import BodyDecodeError, PyreqwestError, ReadError, RequestTimeoutError
from pyreqwest.request import RequestBuilder
from pyreqwest.response import Response

from wardgate.adapters.http.client import HttpError, HttpFailure, HttpReply

_KEEPALIVE = timedelta(seconds=30)
_BUFFER = 64 * 1024
_MOST_CHUNKS = 1000
_SMALL = 16
"""Bytes of a piece: of smaller ones come no more than so many, since each takes a turn of the loop (law 1)."""


class PyreqwestClient:
    def __init__(self) -> None:
        self._client: Client = (
            ClientBuilder()
            .follow_redirects(False)
            .no_proxy()
            .default_cookie_store(False)
            .referer(False)
            .http1_only()
            .gzip(False)
            .brotli(False)
            .zstd(False)
            .deflate(False)
            .pool_idle_timeout(_KEEPALIVE)
            .tcp_nodelay(True)
            .build()
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
        try:
            request = self._request(method, url, headers, body, timeout)
            async with request.streamed_read_buffer_limit(_BUFFER).build_streamed() as response:
                content = await _read(response, max_bytes)
                return HttpReply(response.status, response.get_header("content-type") or "", content)
        except RequestTimeoutError:
            raise HttpError(HttpFailure.TIMEOUT) from None
        except (ReadError, BodyDecodeError):
            raise HttpError(HttpFailure.TRUNCATED) from None
        except (PyreqwestError, OSError, ValueError):
            # The library's text holds the URL, and with it a patient's id: it stays here.
            raise HttpError(HttpFailure.UNREACHABLE) from None

    def _request(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | None, timeout: float | None
    ) -> RequestBuilder:
        request = self._client.request(method, url).headers(headers)
        if timeout is not None:
            request = request.timeout(timedelta(seconds=timeout))
        return request if body is None else request.body_bytes(body)

    def renew(self, url: str) -> None:
        return None

    async def close(self) -> None:
        await self._client.close()


async def _read(response: Response, max_bytes: int) -> bytes:
    announced = response.get_header("content-length")
    if announced is not None and announced.isdigit() and int(announced) > max_bytes:
        raise HttpError(HttpFailure.TOO_LARGE)
    chunks: list[bytes] = []
    total = 0
    while chunk := await response.body_reader.read_chunk():
        total += len(chunk)
        if total > max_bytes or len(chunks) > _MOST_CHUNKS + total // _SMALL:
            raise HttpError(HttpFailure.TOO_LARGE)
        chunks.append(bytes(chunk))
    return chunks[0] if len(chunks) == 1 else b"".join(chunks)
