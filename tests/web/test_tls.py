"""TLS on the EHR's listener, with the event loop and the parser that production uses."""

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
import uvloop

from tests.fakes.asgi import JSON
from tests.fakes.certificates import Authority, self_signed
from tests.web.house import PATH, House, body
from wardgate.web.server import ServerOptions, bind, serve_sockets
from wardgate.web.tls import CertificateError, Certificates

QUICK = ServerOptions(drain=2.0, close=1)
LIVE = b"GET /health/live HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"

Ask = Callable[[ssl.SSLContext | None, bytes], Awaitable[bytes]]


def served(certificates: Certificates, story: Callable[[Ask, int], Awaitable[None]]) -> None:
    """The story happens while an edge listens with TLS, and a second listener without."""

    async def main() -> None:
        edge = House().edge()
        secure, plain = bind("127.0.0.1", 0), bind("127.0.0.1", 0)
        stop, started = asyncio.Event(), asyncio.Event()

        async def ask(context: ssl.SSLContext | None, sent: bytes, port: int = secure.getsockname()[1]) -> bytes:
            name = None if context is None else "localhost"
            reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context, server_hostname=name)
            try:
                writer.write(sent)
                return await asyncio.wait_for(reader.read(), 60)
            finally:
                writer.transport.abort()

        async with asyncio.timeout(60), asyncio.TaskGroup() as group:
            listeners = [(edge, secure), (edge, plain)]
            group.create_task(serve_sockets(listeners, started.set, stop, QUICK, [certificates.context]))
            await started.wait()
            try:
                await story(ask, plain.getsockname()[1])
            finally:
                stop.set()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main())


def trusting(authority: Authority) -> ssl.SSLContext:
    return ssl.create_default_context(cadata=authority.pem.decode())


@pytest.mark.requirement("SEC-1")
def test_a_call_over_tls(tmp_path: Path) -> None:
    """1.2 and 1.3, never below; plain HTTP on this port gets no answer, and on the other one still does."""
    authority = Authority()
    certificate, key = authority.issue(tmp_path, "gateway")

    async def story(ask: Ask, plain: int) -> None:
        sent = body()
        lines = [f"POST {PATH} HTTP/1.1", "Host: x", "Connection: close", f"Content-Length: {len(sent)}"]
        head = "\r\n".join([*lines, *(f"{name}: {value}" for name, value in JSON.items()), "", ""]).encode()
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            context = trusting(authority)
            context.minimum_version = context.maximum_version = version
            assert (await ask(context, head + sent)).startswith(b"HTTP/1.1 200 OK\r\n")
        old = trusting(authority)
        with pytest.warns(DeprecationWarning):
            old.minimum_version = old.maximum_version = ssl.TLSVersion.TLSv1_1
        old.set_ciphers("ALL:@SECLEVEL=0")
        with pytest.raises((ssl.SSLError, ConnectionError)):
            await ask(old, LIVE)
        try:
            assert not (await ask(None, LIVE)).startswith(b"HTTP/")
        except ConnectionError:
            pass
        reader, writer = await asyncio.open_connection("127.0.0.1", plain)
        writer.write(LIVE)
        assert (await reader.read()).startswith(b"HTTP/1.1 200")
        writer.close()

    served(Certificates(str(certificate), str(key)), story)


@pytest.mark.requirement("SEC-15")
def test_whoever_connects_shows_a_certificate(tmp_path: Path) -> None:
    """With `client_ca`: one that this authority has signed, and no other."""
    authority = Authority()
    certificate, key = authority.issue(tmp_path, "gateway")

    async def story(ask: Ask, plain: int) -> None:
        welcome = trusting(authority)
        welcome.load_cert_chain(*authority.issue(tmp_path, "ehr"))
        assert (await ask(welcome, LIVE)).startswith(b"HTTP/1.1 200")
        stranger = trusting(authority)
        stranger.load_cert_chain(*Authority().issue(tmp_path, "stranger"))
        for context in (trusting(authority), stranger):
            with pytest.raises((ssl.SSLError, ConnectionError)):
                assert not await ask(context, LIVE)
                raise ConnectionError

    served(Certificates(str(certificate), str(key), str(authority.file(tmp_path))), story)


def test_a_new_certificate_is_for_new_connections(tmp_path: Path) -> None:
    """No restart; and a broken one changes nothing."""
    old, new = Authority("old"), Authority("new")
    certificate, key = old.issue(tmp_path, "gateway")
    certificates = Certificates(str(certificate), str(key))

    async def story(ask: Ask, plain: int) -> None:
        assert (await ask(trusting(old), LIVE)).startswith(b"HTTP/1.1 200")
        key.write_text("nonsense")
        with pytest.raises(CertificateError):
            certificates.reload()
        assert (await ask(trusting(old), LIVE)).startswith(b"HTTP/1.1 200")
        new.issue(tmp_path, "gateway")
        certificates.reload()
        assert (await ask(trusting(new), LIVE)).startswith(b"HTTP/1.1 200")
        with pytest.raises(ssl.SSLError):
            await ask(trusting(old), LIVE)

    served(certificates, story)


def test_files_that_make_no_tls(tmp_path: Path) -> None:
    """Nobody is asked for a password at a terminal, and no message says what stands in a file."""
    authority = Authority()
    certificate, key = authority.issue(tmp_path, "gateway")
    other = authority.issue(tmp_path, "other")[1]
    locked = tmp_path / "locked.key"
    locked.write_text("-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n")
    empty = tmp_path / "empty"
    empty.touch()
    unsound: list[tuple[Path, Path, Path | None]] = [
        (certificate, other, None),
        (certificate, locked, None),
        (empty, key, None),
        (key, certificate, None),
        (tmp_path / "none", key, None),
        (certificate, key, empty),
        (certificate, key, tmp_path / "none"),
    ]
    for files in unsound:
        with pytest.raises(CertificateError) as caught:
            Certificates(*[None if file is None else str(file) for file in files])  # type: ignore[arg-type]
        assert not str(caught.value)
    Certificates(*[str(self_signed(tmp_path, 2))] * 2)
