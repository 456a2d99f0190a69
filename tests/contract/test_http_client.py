"""One suite for every HTTP client: what `HttpClient` promises, against a real socket."""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp.abc import AbstractResolver, ResolveResult

from tests.fakes.certificates import self_signed
from tests.fakes.processes import free_port
from tests.fakes.raw_server import http_answer, raw_server
from wardgate.adapters.http.aiohttp_client import AiohttpClient
from wardgate.adapters.http.client import HttpClient, HttpError, HttpFailure
from wardgate.adapters.http.pyreqwest_client import PyreqwestClient


@pytest.fixture(params=[AiohttpClient, PyreqwestClient])
async def client(request: pytest.FixtureRequest) -> AsyncIterator[HttpClient]:
    made: HttpClient = request.param()
    yield made
    await made.close()


async def _get(client: HttpClient, url: str, timeout: float | None = 2, max_bytes: int = 10_000) -> bytes:
    return (await client.send("GET", url, {"Accept": "application/json"}, None, timeout, max_bytes)).body


async def test_a_reply_comes_back_whole(client: HttpClient) -> None:
    """Status, content type and body arrive as sent; the request carries the given headers and body only."""
    async with raw_server(http_answer("200 OK", b'{"a":1}')) as server:
        reply = await client.send("POST", server.url + "/x?y=%7C", {"X-One": "1"}, b"body", 2, 100)
    assert (reply.status, reply.content_type, reply.body) == (200, "application/json", b'{"a":1}')
    head, body = server.requests[0]
    assert head.startswith(b"POST /x?y=%7C HTTP/1.1\r\n") and b"x-one: 1" in head.lower() and body == b"body"


async def test_an_error_status_is_a_reply(client: HttpClient) -> None:
    """4xx and 5xx are replies, not exceptions: the caller decides what they mean."""
    async with raw_server(http_answer("503 Service Unavailable", b"")) as server:
        assert (await client.send("GET", server.url, {}, None, 2, 100)).status == 503


async def test_redirects_are_not_followed(client: HttpClient) -> None:
    """A 302 comes back as it is: no header ever reaches the host that it names."""
    location = b"Location: http://127.0.0.1:1/stolen\r\n"
    async with raw_server(http_answer("302 Found", b"", extra=location)) as server:
        assert (await client.send("GET", server.url, {"Authorization": "Bearer t"}, None, 2, 100)).status == 302
    assert len(server.requests) == 1


async def test_connections_are_reused(client: HttpClient) -> None:
    """Ten calls in a row travel over one connection."""
    async with raw_server(http_answer("200 OK", b"{}")) as server:
        for _ in range(10):
            await _get(client, server.url)
    assert server.connections == 1


async def test_a_reply_says_over_which_connection_it_came(client: HttpClient) -> None:
    """A proof rests on it, and can ask for a newer one; a client that cannot tell says None."""
    async with raw_server(http_answer("200 OK", b"{}")) as server:
        first = await client.send("GET", server.url, {}, None, 2, 100)
        again = await client.send("GET", server.url, {}, None, 2, 100, 1)
        newer = await client.send("GET", server.url, {}, None, 2, 100, 2)
        older = await client.send("GET", server.url, {}, None, 2, 100)
        newest = await client.send("GET", server.url, {}, None, 2, 100, 2)
    told = [reply.connection for reply in (first, again, newer, older, newest)]
    if isinstance(client, AiohttpClient):
        assert told == [1, 1, 2, 1, 2] and server.connections == 2
    else:
        assert told == [None] * 5


async def test_a_renewed_host_is_asked_over_new_connections_only(client: HttpClient) -> None:
    """Whoever answered over the old ones is not to answer again; other hosts keep theirs. A client that does not number
    its connections cannot."""
    async with raw_server(http_answer("200 OK", b"{}")) as server, raw_server(http_answer("200 OK", b"{}")) as other:
        for url in (server.url, other.url):
            await _get(client, url)
        numbered = isinstance(client, AiohttpClient)
        assert client.renew(f"{server.url}/score") == (2 if numbered else None)
        for url in (server.url, other.url) * 2:
            await _get(client, url)
    assert (server.connections, other.connections) == (2 if numbered else 1, 1)


async def test_a_server_that_speaks_first_is_unreachable(client: HttpClient) -> None:
    """What it said would be read as the answer; opening one connection after another would not help."""

    greeted = 0

    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal greeted
        greeted += 1
        writer.write(b"220 ready\r\n")
        await reader.read()
        writer.close()

    server = await asyncio.start_server(greet, "127.0.0.1", 0)
    async with server:
        for _ in range(3):
            with pytest.raises(HttpError) as caught:
                await _get(client, f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
            assert caught.value.kind is HttpFailure.UNREACHABLE
    assert greeted <= 6


async def test_an_answer_that_nobody_asked_for_answers_nothing(client: HttpClient) -> None:
    """A server that answers twice, or says 408 to an idle connection: the spare answer would be read as the next
    call's, and every later one as its successor's, another patient's each time (law 11)."""
    asked = 0

    async def twice(head: bytes, body: bytes, writer: asyncio.StreamWriter) -> None:
        nonlocal asked
        asked += 1
        await http_answer("200 OK", b"%d" % asked)(head, body, writer)
        await writer.drain()
        asyncio.get_running_loop().call_later(0.005, writer.write, b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nspare")

    async with raw_server(twice) as server:
        for number in range(1, 4):
            assert await _get(client, server.url) == b"%d" % number
            await asyncio.sleep(0.05)  # the spare answer arrives meanwhile


@pytest.mark.parametrize("spoils", [b"", b"\x00\x01 left over"])
async def test_a_read_over_a_kept_connection_that_was_spoilt_is_made_again(client: HttpClient, spoils: bytes) -> None:
    """Closed without a word, or with something left on it, while the next request is on its way already."""

    asked = 0

    async def spoil(head: bytes, body: bytes, writer: asyncio.StreamWriter) -> None:
        nonlocal asked
        asked += 1
        if asked % 2 == 0 and head.startswith(b"GET /kept"):
            writer.write(spoils)
            writer.close()
        else:
            await http_answer("200 OK", b"{}")(head, body, writer)

    async with raw_server(spoil) as server:
        assert await _get(client, f"{server.url}/kept") == b"{}"
        if isinstance(client, AiohttpClient):
            assert await _get(client, f"{server.url}/kept") == b"{}"
            assert server.connections == 2 and asked == 3


async def test_nobody_there_is_unreachable(client: HttpClient) -> None:
    """A refused connection, a host that does not exist and a URL that is none are all `unreachable`."""
    for url in ("http://127.0.0.1:9/x", "http://nobody.invalid/x", "http://[broken/x"):
        with pytest.raises(HttpError) as caught:
            await _get(client, url)
        assert caught.value.kind is HttpFailure.UNREACHABLE
        assert url not in repr(caught.value) and caught.value.__cause__ is None


async def test_a_silent_server_times_out(client: HttpClient) -> None:
    """A server that accepts and never answers costs the timeout, no more."""

    async def never(head: bytes, body: bytes, writer: asyncio.StreamWriter) -> None:
        await asyncio.Event().wait()

    async with raw_server(never) as server:
        with pytest.raises(HttpError) as caught:
            await _get(client, server.url, timeout=0.05)
    assert caught.value.kind is HttpFailure.TIMEOUT


async def test_half_a_body_is_truncated(client: HttpClient) -> None:
    """A connection that closes before the announced length is `truncated`, never a shorter answer."""

    async def half(head: bytes, body: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(b'HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"outputs":')
        await writer.drain()
        writer.close()

    async with raw_server(half) as server:
        with pytest.raises(HttpError) as caught:
            await _get(client, server.url)
    assert caught.value.kind is HttpFailure.TRUNCATED


@pytest.mark.parametrize("announced", [True, False])
async def test_a_huge_body_is_refused(client: HttpClient, announced: bool) -> None:
    """More than `max_bytes` is `too_large`, whether the length was announced or not."""

    async def huge(head: bytes, body: bytes, writer: asyncio.StreamWriter) -> None:
        if announced:
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 50000\r\n\r\n" + b"x" * 50_000)
        else:
            writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
            writer.write(b"3e8\r\n" + b"x" * 1000 + b"\r\n")
            for _ in range(49):
                writer.write(b"3e8\r\n" + b"x" * 1000 + b"\r\n")
            writer.write(b"0\r\n\r\n")

    async with raw_server(huge) as server:
        with pytest.raises(HttpError) as caught:
            await _get(client, server.url)
    assert caught.value.kind is HttpFailure.TOO_LARGE


async def test_garbage_is_unreachable(client: HttpClient) -> None:
    """What is not HTTP at all is no reply."""

    async def garbage(head: bytes, body: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(b"\x00\x01 not http\r\n\r\n")
        await writer.drain()
        writer.close()

    async with raw_server(garbage) as server:
        with pytest.raises(HttpError) as caught:
            await _get(client, server.url)
    assert caught.value.kind in (HttpFailure.UNREACHABLE, HttpFailure.TRUNCATED)


async def test_a_cancelled_call_leaves_the_client_usable(client: HttpClient) -> None:
    """A caller's timer may cut a call off at any moment; the next call is answered."""
    first = True

    async def once_silent(head: bytes, body: bytes, writer: asyncio.StreamWriter) -> None:
        nonlocal first
        if first:
            first = False
            await asyncio.Event().wait()
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")

    async with raw_server(once_silent) as server:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await _get(client, server.url, timeout=None)
        assert await _get(client, server.url) == b"{}"


async def test_a_handshake_that_hangs_times_out(client: HttpClient) -> None:
    """Accepted, and then nothing: TLS never begins."""

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(-1)
        writer.close()

    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    async with server:
        with pytest.raises(HttpError) as caught:
            await _get(client, f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}/", timeout=0.1)
    assert caught.value.kind is HttpFailure.TIMEOUT


@pytest.mark.parametrize("days", [-1, 30])
async def test_a_certificate_that_nobody_vouches_for_is_unreachable(
    client: HttpClient, tmp_path: Path, days: int
) -> None:
    """Expired, or signed by itself: no request is sent, so no token and no patient reaches whoever it is."""
    answered = 0

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal answered
        answered += 1
        writer.close()

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(self_signed(tmp_path, days))
    server = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=context)
    async with server:
        with pytest.raises(HttpError) as caught:
            await _get(client, f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}/")
    assert caught.value.kind is HttpFailure.UNREACHABLE and answered == 0


async def test_a_host_whose_first_address_leads_nowhere_is_reached_by_its_second() -> None:
    """As IPv6 often is: within a model's time, also where packets vanish and nobody refuses."""
    port = free_port()
    nowhere = socket.create_server(("127.0.0.2", port), backlog=0)
    fill = [socket.socket() for _ in range(4)]
    try:
        for each in fill:
            each.setblocking(False)
            each.connect_ex(("127.0.0.2", port))
        client = AiohttpClient()
        client._connector._resolver = _Addresses(["127.0.0.2", "127.0.0.1"])

        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}")
            writer.close()

        server = await asyncio.start_server(answer, "127.0.0.1", port)
        async with server:
            assert await _get(client, f"http://models.test:{port}/", timeout=0.15) == b"{}"
        await client.close()
    finally:
        for each in (*fill, nowhere):
            each.close()


async def test_a_resolver_that_hangs_costs_the_timeout() -> None:
    """No more, and no thread for each call that waits for it: they share one question."""
    client = AiohttpClient()
    client._connector._resolver = resolver = _Addresses([])
    for _ in range(3):
        with pytest.raises(HttpError) as caught:
            await _get(client, "http://models.test/", timeout=0.05)
        assert caught.value.kind is HttpFailure.TIMEOUT
    assert resolver.asked == 1
    resolver.answers.set()
    await client.close()


class _Addresses(AbstractResolver):
    """Says these for every name; nothing at all where there are none."""

    def __init__(self, addresses: list[str]) -> None:
        self._addresses = addresses
        self.answers = asyncio.Event()
        self.asked = 0

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        self.asked += 1
        if not self._addresses:
            await self.answers.wait()
        return [
            ResolveResult(hostname=host, host=address, port=port, family=socket.AF_INET, proto=0, flags=0)
            for address in self._addresses
        ]

    async def close(self) -> None: ...


OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
FLOODS = {
    "interim replies": (b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 400),
    "interim replies with fields": (b"", (b"HTTP/1.1 102 Processing\r\n" + b"a: b\r\n" * 60 + b"\r\n") * 30),
    "line ends": (b"", b"\r\n" * 5000),
    "a byte in each piece": (OK + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\n \r\n" * 2000),
    "one extension": (OK + b"Transfer-Encoding: chunked\r\n\r\n1;", b"e" * 10_000),
}


@pytest.mark.parametrize("flood", FLOODS)
async def test_a_server_that_floods_is_left(flood: str) -> None:
    """Regression: aiohttp read on, and while it did the loop stood for seconds (law 1). Of pyreqwest, whose reading is
    beside the loop, see below."""
    first, then = FLOODS[flood]

    async def answer(head: bytes, request: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(first)
        for _ in range(10_000):
            writer.write(then)
            await writer.drain()
        pytest.fail("all of it was taken")

    client = AiohttpClient()
    async with raw_server(answer) as server:
        with pytest.raises(HttpError) as caught:
            await _get(client, server.url, timeout=10, max_bytes=1_000_000)
    await client.close()
    assert caught.value.kind in (HttpFailure.UNREACHABLE, HttpFailure.TRUNCATED)


async def test_pieces_of_a_byte_are_not_taken_one_by_one_for_ever(client: HttpClient) -> None:
    """A body of many megabytes would be as many turns of the loop."""

    async def answer(head: bytes, request: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(OK + b"Transfer-Encoding: chunked\r\n\r\n")
        for _ in range(500):
            writer.write(b"1\r\n \r\n" * 200)
            await writer.drain()

    async with raw_server(answer) as server:
        with pytest.raises(HttpError) as caught:
            await _get(client, server.url, timeout=10, max_bytes=1_000_000)
    assert caught.value.kind in (HttpFailure.TOO_LARGE, HttpFailure.TRUNCATED)


async def test_a_reply_may_come_in_small_pieces(client: HttpClient) -> None:
    """And after a few interim ones, over a connection that has carried much before."""
    body = b"abcdefghijklmnop" * 4000

    async def answer(head: bytes, request: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" * 3)
        writer.write(OK + b"Transfer-Encoding: chunked\r\n\r\n")
        writer.write(b"".join(b"10\r\n%b\r\n" % body[at : at + 16] for at in range(0, len(body), 16)) + b"0\r\n\r\n")

    async with raw_server(answer) as server:
        for _ in range(12):
            assert await _get(client, server.url, max_bytes=100_000) == body
    assert server.connections == 1
