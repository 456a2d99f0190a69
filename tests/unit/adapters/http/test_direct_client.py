"""The client of our own: what the common suite cannot ask of every library, on both event loops."""

import asyncio
import shutil
import ssl
import subprocess
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
import uvloop

from tests.fakes.raw_server import http_answer, raw_server
from wardgate.adapters.http.client import HttpError, HttpFailure, HttpReply
from wardgate.adapters.http.direct_client import DirectClient

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
Run = Callable[[Coroutine[Any, Any, Any]], Any]


@pytest.fixture(params=[asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest) -> Run:
    def run(story: Coroutine[Any, Any, Any]) -> Any:
        with asyncio.Runner(loop_factory=request.param) as runner:
            return runner.run(asyncio.wait_for(story, 10))

    return run


async def get(client: DirectClient, url: str, **changes: Any) -> HttpReply:
    asked: dict[str, Any] = {"headers": {}, "body": None, "timeout": 2, "max_bytes": 1000, **changes}
    return await client.send("GET", url, **asked)


def failure(caught: pytest.ExceptionInfo[HttpError]) -> HttpFailure:
    return caught.value.kind


def answering(*pieces: bytes, close: bool = False) -> Callable[..., Coroutine[Any, Any, None]]:
    """Each piece in a segment of its own."""

    async def answer(head: bytes, body: bytes, writer: asyncio.StreamWriter) -> None:
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0)
        if close:
            writer.close()

    return answer


@pytest.mark.parametrize(
    ("pieces", "close", "body"),
    [
        ((OK[:9], OK[9:40], OK[40:]), False, b"{}"),
        ((b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n", OK), False, b"{}"),
        ((b"HTTP/1.1 100 Continue\r\n\r\n" + OK,), False, b"{}"),
        ((b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{\r\n1\r\n", b"}\r\n0\r\n\r\n"), False, b"{}"),
        ((b"HTTP/1.0 200 OK\r\n\r\n{", b"}"), True, b"{}"),
        ((b"HTTP/1.1 204 No Content\r\n\r\n",), False, b""),
    ],
    ids=["in pieces", "hints", "continue", "chunked", "until the end", "nothing"],
)
def test_every_framing_is_read(run: Run, pieces: tuple[bytes, ...], close: bool, body: bytes) -> None:
    """RFC 9112 §6.3: by length, by chunks, by the connection's end, after interim answers."""

    async def story() -> None:
        async with raw_server(answering(*pieces, close=close)) as server:
            client = DirectClient()
            assert [(await get(client, server.url)).body for _ in range(2)] == [body, body]
            await client.close()
            assert server.connections == (2 if close else 1)

    run(story())


def test_a_connection_that_says_close_is_not_used_again(run: Run) -> None:
    """The next request opens one, and its reply says so: the proof of a model rests on it (adr/0007)."""

    async def story() -> None:
        async with raw_server(http_answer("200 OK", b"{}", extra=b"Connection: close\r\n")) as server:
            client = DirectClient()
            assert [(await get(client, server.url)).fresh for _ in range(3)] == [True, True, True]
            await client.close()

    run(story())


@pytest.mark.parametrize("further", [b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\nanother", b"HTTP", b"\r\n"])
def test_bytes_behind_an_answer_are_nobodys(run: Run, further: bytes) -> None:
    """They may belong to another patient's call: the connection is closed, and the next answer is its own."""

    async def story() -> None:
        async with raw_server(answering(OK + further)) as server:
            client = DirectClient()
            for _ in range(3):
                assert (await get(client, server.url)).body == b"{}"
            await client.close()
            assert server.connections == 3 or further == b"\r\n"

    run(story())


def test_an_answer_that_comes_after_its_caller_left_is_nobodys(run: Run) -> None:
    """A caller's timer cut the call off; what the server says later goes nowhere."""

    async def story() -> None:
        leave = asyncio.Event()
        number = 0

        async def late_first(head: bytes, body: bytes, writer: asyncio.StreamWriter) -> None:
            nonlocal number
            number += 1
            if number == 1:
                await leave.wait()
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nfirst")
            else:
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nsecond")

        async with raw_server(late_first) as server:
            client = DirectClient()
            with pytest.raises(HttpError) as caught:
                await get(client, server.url, timeout=0.05)
            assert failure(caught) is HttpFailure.TIMEOUT
            leave.set()
            assert (await get(client, server.url)).body == b"second"
            await client.close()

    run(story())


def test_a_server_that_closed_an_idle_connection_costs_no_call(run: Run) -> None:
    """The end of a pooled connection is seen before anything is sent on it."""

    async def story() -> None:
        writers: list[asyncio.StreamWriter] = []

        async def answer(head: bytes, body: bytes, writer: asyncio.StreamWriter) -> None:
            writers.append(writer)
            writer.write(OK)

        async with raw_server(answer) as server:
            client = DirectClient()
            await get(client, server.url)
            writers[0].close()
            await writers[0].wait_closed()
            await asyncio.sleep(0.01)
            assert (await get(client, server.url)).fresh is True
            await client.close()

    run(story())


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (b"HTTP/1.1 200 OK\r\nX: " + b"x" * 70_000, HttpFailure.TOO_LARGE),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nabcdef", HttpFailure.UNREACHABLE),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", HttpFailure.TRUNCATED),
        (b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n", HttpFailure.UNREACHABLE),
    ],
    ids=["an endless head", "two lengths", "no chunk", "another protocol"],
)
def test_what_is_no_answer_fails_at_once(run: Run, answer: bytes, kind: HttpFailure) -> None:
    """Nobody waits for the timeout where it is known already that no answer can come of it."""

    async def story() -> None:
        async with raw_server(answering(answer)) as server:
            client = DirectClient()
            with pytest.raises(HttpError) as caught:
                await get(client, server.url, timeout=None)
            assert failure(caught) is kind
            await client.close()

    run(story())


@pytest.mark.parametrize(
    ("url", "headers"),
    [
        ("{}/a b", {}),
        ("{}/\x00", {}),
        ("{}/é", {}),
        ("ftp://127.0.0.1/x", {}),
        ("http://user:pass@127.0.0.1/x", {}),
        ("http://127.0.0.1:port/x", {}),
        ("{}/x", {"Authorization": "Bearer a\r\nX-Evil: 1"}),
        ("{}/x", {"X\n": "1"}),
    ],
)
def test_nothing_can_add_a_line_to_a_request(run: Run, url: str, headers: dict[str, str]) -> None:
    """What would not be one request, exactly as it was meant, is not sent."""

    async def story() -> None:
        async with raw_server(http_answer("200 OK", b"{}")) as server:
            client = DirectClient()
            with pytest.raises(HttpError) as caught:
                await get(client, url.format(server.url), headers=headers)
            assert failure(caught) is HttpFailure.UNREACHABLE
            assert not server.requests
            await client.close()

    run(story())


def test_calls_at_once_have_a_connection_each(run: Run) -> None:
    """Fifty calls under way together, each with its own answer; then they share what is open."""

    async def story() -> None:
        async def echo(head: bytes, body: bytes, writer: asyncio.StreamWriter) -> None:
            await asyncio.sleep(0.001)
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))

        async with raw_server(echo) as server:
            client = DirectClient()
            for _ in range(3):
                bodies = [b"%d" % number for number in range(50)]
                asked = [client.send("POST", server.url, {}, body, 5, 1000) for body in bodies]
                assert [reply.body for reply in await asyncio.gather(*asked)] == bodies
            await client.close()
            assert server.connections == 50

    run(story())


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A key and a certificate for localhost that nobody has signed, in one file."""
    if shutil.which("openssl") is None:
        pytest.fail("openssl is not installed; see tests/system-packages.sh")
    pem = tmp_path / "localhost.pem"
    made = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost"
    names = ["-addext", "subjectAltName=DNS:localhost", "-keyout", str(pem), "-out", str(tmp_path / "certificate")]
    subprocess.run(["openssl", *made.split(), *names], check=True, capture_output=True)
    pem.write_bytes(pem.read_bytes() + (tmp_path / "certificate").read_bytes())
    return pem


@pytest.mark.parametrize("trusted", [True, False])
def test_a_certificate_is_believed_only_if_it_is_trusted(
    run: Run, certificate: Path, trusted: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """TLS with the system's authorities, or those of SSL_CERT_FILE; nothing is sent to anybody else."""
    if trusted:
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))

    async def story() -> None:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(OK)
            await writer.drain()
            writer.close()

        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        async with await asyncio.start_server(serve, "localhost", 0, ssl=context) as server:
            url = f"https://localhost:{server.sockets[0].getsockname()[1]}/x"
            client = DirectClient()
            if trusted:
                assert (await get(client, url)).body == b"{}"
            else:
                with pytest.raises(HttpError) as caught:
                    await get(client, url)
                assert failure(caught) is HttpFailure.UNREACHABLE
            await client.close()

    run(story())
