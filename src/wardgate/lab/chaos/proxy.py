"""A proxy before one dependency: transparent until it is told to be a fault.

Over HTTP it reads whole messages; over raw TCP (Redis) it passes on bytes. One connection upstream for each connection
from the gateway, so that keep-alive, and its end, look like the dependency's own.
"""

import asyncio
import contextlib
import random
import socket
import ssl
from collections.abc import AsyncIterator, Coroutine
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from wardgate.lab.chaos.exchange import Exchange, reset
from wardgate.lab.chaos.kinds import Kind, Lasting, Meeting
from wardgate.lab.chaos.kinds.connections import (
    Close,
    Drip,
    Greeting,
    HalfBody,
    Hang,
    Latency,
    NotAccepted,
    Refused,
    Reset,
    Says,
)
from wardgate.lab.chaos.kinds.messages import Garbage
from wardgate.lab.chaos.messages import Malformed, Message, read_message, response

_BACKLOG = 512
_PIECE = 64 * 1024
_BROKEN = (OSError, EOFError, Malformed)  # IncompleteReadError is an EOFError
_PORTS = {"http": 80, "https": 443, "redis": 6379, "rediss": 6379, "tcp": 0}


@dataclass(frozen=True)
class Fault:
    """`share` of the requests, or each one whose number divides by `every`; only those with the method `only`.
    With `flap` it is on for the first number of seconds, then off for the second, and so on."""

    kind: Kind
    share: float = 1.0
    every: int = 1
    only: str = ""
    flap: tuple[float, float] | None = None


class Proxy:
    """Listens from `__aenter__` on; `url` is then what the gateway is given in place of the upstream's."""

    def __init__(self, upstream: str, port: int = 0, seed: int = 0) -> None:
        """`upstream`: http, https, or (raw bytes) redis, rediss, tcp, with host and port; ValueError otherwise."""
        parts = urlsplit(upstream)
        if parts.scheme not in _PORTS or not parts.hostname:
            raise ValueError(f"{upstream} is not a URL of http, https, redis, rediss or tcp with a host")
        self.http = parts.scheme in ("http", "https")
        self._scheme = "http" if self.http else parts.scheme
        self._upstream = (parts.hostname, parts.port or _PORTS[parts.scheme])
        self._origin = f"{parts.scheme}://{parts.netloc}".encode()
        self._netloc = parts.netloc.encode()
        self._tls = ssl.create_default_context() if parts.scheme == "https" else None
        self.port = port
        self.met = 0
        """Exchanges (over TCP: pieces of an answer) that the fault was done to."""
        self._dice = random.Random(seed)
        self._number = 0
        self._fault: Fault | None = None
        self._began = 0.0
        self._listener: socket.socket | None = None
        self._accepting: asyncio.Task[None] | None = None
        self._flapping: asyncio.Task[None] | None = None
        self._connections: dict[asyncio.Task[None], asyncio.StreamWriter] = {}

    @property
    def url(self) -> str:
        return f"{self._scheme}://127.0.0.1:{self.port}"

    async def __aenter__(self) -> "Proxy":
        self._group = asyncio.TaskGroup()
        await self._group.__aenter__()
        self._listen()
        return self

    async def __aexit__(self, *exc: Any) -> None:
        self._silence()
        if self._flapping is not None:
            self._flapping.cancel()
        for task in list(self._connections):
            task.cancel()
        await self._group.__aexit__(None, None, None)

    def begin(self, fault: Fault) -> None:
        self.end()
        self.met = 0
        self._fault, self._began, self._number = fault, asyncio.get_running_loop().time(), 0
        if isinstance(fault.kind, Lasting):
            if fault.flap is None:
                self._lapse(fault.kind)
            else:
                self._flapping = self._group.create_task(self._flap(fault.kind, fault.flap))
        elif isinstance(fault.kind, Greeting) or (isinstance(fault.kind, Reset) and fault.kind.at == "accept"):
            self._drop()  # what it does, it does to new connections

    def end(self) -> None:
        if self._flapping is not None:
            self._flapping.cancel()
            self._flapping = None
        self._fault = None
        self._recover()

    # --- the listener -------------------------------------------------------------------------------------------------

    def _listen(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", self.port), backlog=_BACKLOG)
        self._listener.setblocking(False)
        self._listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # inherited by what is accepted
        self.port = self._listener.getsockname()[1]
        self._accepting = self._group.create_task(self._accept(self._listener))

    def _silence(self) -> None:
        """Stop accepting, and close the port."""
        self._stop_accepting()
        if self._listener is not None:
            self._listener.close()
            self._listener = None

    def _stop_accepting(self) -> None:
        if self._accepting is None or self._listener is None:
            return
        self._accepting.cancel()
        self._accepting = None
        # The cancelled accept would do this a turn later, when the descriptor may be somebody else's already.
        asyncio.get_running_loop().remove_reader(self._listener)

    def _lapse(self, kind: Kind) -> None:
        self.met += 1
        self._drop()
        if isinstance(kind, Refused):
            self._silence()
        elif isinstance(kind, NotAccepted) and self._listener is not None:
            self._stop_accepting()
            self._listener.listen(0)

    def _recover(self) -> None:
        if self._listener is None:
            self._listen()
        elif self._accepting is None:
            self._listener.listen(_BACKLOG)
            self._accepting = self._group.create_task(self._accept(self._listener))

    async def _flap(self, kind: Kind, flap: tuple[float, float]) -> None:
        while True:
            self._lapse(kind)
            await asyncio.sleep(flap[0])
            self._recover()
            await asyncio.sleep(flap[1])

    def _drop(self) -> None:
        for writer in self._connections.values():
            reset(writer)

    async def _accept(self, listener: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            connection, _ = await loop.sock_accept(listener)
            reader, writer = await asyncio.open_connection(sock=connection)
            work: Coroutine[Any, Any, None] = self._serve(reader, writer)
            task = self._group.create_task(work)
            self._connections[task] = writer
            task.add_done_callback(self._connections.pop)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._resets_at_once():
            reset(writer)
            return
        try:
            if self._fault is not None and isinstance(self._fault.kind, Greeting):
                writer.write(self._fault.kind.text.encode("utf-8") + b"\r\n")
            await (self._serve_http if self.http else self._serve_tcp)(reader, writer)
        except _BROKEN:
            pass  # either side has left: that is what connections do here
        finally:
            writer.close()

    def _resets_at_once(self) -> bool:
        kind = self._fault.kind if self._fault is not None else None
        return isinstance(kind, Reset) and kind.at == "accept" and self._due(b"") is not None

    def _due(self, method: bytes) -> Kind | None:
        """The fault, where it is this one's turn."""
        fault = self._fault
        if fault is None or isinstance(fault.kind, Lasting) or (fault.only and fault.only.encode() != method):
            return None
        if fault.flap is not None:
            on, off = fault.flap
            if (asyncio.get_running_loop().time() - self._began) % (on + off) >= on:
                return None
        self._number += 1
        if self._number % fault.every or (fault.share < 1 and self._dice.random() >= fault.share):
            return None
        self.met += 1
        return fault.kind

    # --- HTTP ---------------------------------------------------------------------------------------------------------

    async def _serve_http(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async with _Upstream(self._upstream, self._tls) as upstream:

            async def ask(request: Message) -> Message:
                return self._readdressed(await upstream.ask(self._addressed(request)))

            while (request := await read_message(reader, request=True)) is not None:
                kind = self._due(request.start.split(b" ")[0])
                exchange = Exchange(request, reader, writer, ask, self._dice, self._number)
                if isinstance(kind, Meeting):
                    await kind.meet(exchange)
                else:
                    await exchange.write((await self._reply(exchange)).wire())
                if exchange.closed:
                    return

    async def _reply(self, exchange: Exchange) -> Message:
        try:
            return await exchange.reply()
        except _BROKEN:
            return response(502, b'{"error":"the dependency behind the proxy does not answer"}')

    def _addressed(self, request: Message) -> Message:
        """As if the gateway had asked the upstream itself."""
        method, target, *rest = request.start.split(b" ")
        start = b" ".join([method, target.partition(b"&chaos=")[0], *rest])
        return Message(start, request.headers, request.body).with_header(b"Host", self._netloc)

    def _readdressed(self, reply: Message) -> Message:
        """Its links lead through the proxy too."""
        own = self.url.encode()
        headers = tuple((name, value.replace(self._origin, own)) for name, value in reply.headers)
        return Message(reply.start, headers, reply.body.replace(self._origin, own))

    # --- raw bytes ----------------------------------------------------------------------------------------------------

    async def _serve_tcp(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, here = await asyncio.open_connection(*self._upstream)
        try:
            async with asyncio.TaskGroup() as group:
                asked = group.create_task(self._to_upstream(reader, here))
                group.create_task(self._to_gateway(there, writer)).add_done_callback(lambda _: asked.cancel())
        except* _BROKEN:
            pass
        finally:
            here.close()

    async def _to_upstream(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(_PIECE):
            if isinstance(self._now(), Hang):
                self.met += 1
                continue
            writer.write(data)
            await writer.drain()
        writer.write_eof()

    def _now(self) -> Kind | None:
        return self._fault.kind if self._fault is not None and self._fault.share == 1 else None

    async def _to_gateway(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(_PIECE):
            if not await self._pass_on(data, writer):
                return

    async def _pass_on(self, data: bytes, writer: asyncio.StreamWriter) -> bool:
        """Whether the connection goes on."""

        async def write(piece: bytes) -> None:
            writer.write(piece)
            await writer.drain()

        match self._due(b""):
            case Hang():
                return True
            case Reset():
                reset(writer)
                return False
            case Close():
                return False
            case HalfBody():
                await write(data[: len(data) // 2])
                return False
            case Says() as kind:
                await write(kind.line)
            case Garbage() as kind:
                await write(self._dice.randbytes(kind.size))
            case Drip() as kind:
                await kind.drip(data, write)
            case Latency() as kind:
                await kind.wait(self._dice)
                await write(data)
            case _:
                await write(data)
        return True


class _Upstream:
    """The dependency, over one connection that is opened when it is needed, and again when it broke."""

    def __init__(self, address: tuple[str, int], tls: ssl.SSLContext | None) -> None:
        self._address = address
        self._tls = tls
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None

    async def __aenter__(self) -> "_Upstream":
        return self

    async def __aexit__(self, *exc: object) -> None:
        self._close()

    async def ask(self, request: Message) -> Message:
        kept = self._writer is not None
        try:
            return await self._ask(request)
        except _BROKEN:
            self._close()
            if not kept:
                raise
        return await self._ask(request)  # a kept connection may have been closed meanwhile

    async def _ask(self, request: Message) -> Message:
        if self._reader is None or self._writer is None:
            self._reader, self._writer = await asyncio.open_connection(*self._address, ssl=self._tls)
        self._writer.write(request.wire())
        await self._writer.drain()
        reply = await read_message(self._reader, request=False)
        if reply is None:
            raise ConnectionResetError
        if reply.header(b"connection").lower() == b"close":
            self._close()
        return reply

    def _close(self) -> None:
        if self._writer is not None:
            self._writer.close()
        self._reader = self._writer = None


@contextlib.asynccontextmanager
async def proxied(upstream: str, port: int = 0, seed: int = 0) -> AsyncIterator[Proxy]:
    """A proxy before `upstream`; raises OSError where the port is taken."""
    async with Proxy(upstream, port, seed) as proxy:
        yield proxy
