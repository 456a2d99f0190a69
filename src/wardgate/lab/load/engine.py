"""The open loop: calls leave at times that were fixed beforehand, whatever became of the earlier ones.

A closed loop waits for an answer before it asks again, and so spares a server just when it is slow. Here a call that
cannot be sent in time is sent as soon as it can be, and its latency counts from when it was due: a stall is paid for by
every call that it held up (no coordinated omission).
"""

import asyncio
import selectors
import ssl
from collections import deque
from collections.abc import Callable, Sequence
from typing import NamedTuple, cast
from urllib.parse import urlsplit

import httptools

Pieces = Callable[[int], Sequence[bytes]]
"""The whole HTTP request of call number n, in pieces."""

_IDLE = 4.0  # seconds: servers close connections that have been idle for longer, some after 5 s


class Call(NamedTuple):
    """Times are of the loop's clock. `status` 0: no answer, the connection broke or patience ended.
    `timing` is the Server-Timing header, "" where there is none."""

    number: int
    due: float
    sent: float
    done: float
    status: int
    content_type: str
    timing: str
    body: bytes


class Address(NamedTuple):
    host: str
    port: int
    tls: bool

    @property
    def netloc(self) -> str:
        return f"{self.host}:{self.port}"


def address_of(url: str) -> Address:
    """Of an absolute http or https URL; ValueError otherwise."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(f"{url} is not an http or https URL")
    tls = parts.scheme == "https"
    return Address(parts.hostname, parts.port or (443 if tls else 80), tls)


def precise_loop() -> asyncio.AbstractEventLoop:
    """select(2) waits in microseconds, where epoll and uvloop round a timer to the next millisecond."""
    return asyncio.SelectorEventLoop(selectors.SelectSelector())


class Generator:
    """Lives inside one event loop; `answered` gets every call once, in the order in which they ended."""

    def __init__(
        self,
        address: Address,
        pieces: Pieces,
        answered: Callable[[Call], None],
        in_flight: int = 256,
        patience: float = 10.0,
    ) -> None:
        """At most `in_flight` calls are open at a time; others wait, and their waiting counts. After `patience`
        seconds a call is given up."""
        self._address = address
        self._pieces = pieces
        self._answered = answered
        self._bound = in_flight
        self._patience = patience
        self._loop = asyncio.get_running_loop()
        self._idle: list[_Connection] = []
        self._open: set[_Connection] = set()
        self._waiting: deque[tuple[int, float]] = deque()
        self._busy = 0
        self._left = 0
        self._over = asyncio.Event()
        self._tls = ssl.create_default_context() if address.tls else None

    async def run(self, rate: float, count: int, first: int = 0) -> None:
        """`count` calls, `rate` a second, evenly; returns when the last one has ended."""
        self._left = count
        self._over.clear()
        async with asyncio.TaskGroup() as group:
            begin = self._loop.time()
            for number in range(count):
                due = begin + number / rate
                await asyncio.sleep(max(0.0, due - self._loop.time()))
                self._begin(group, first + number, due)
            if self._left:
                await self._over.wait()

    def close(self) -> None:
        for connection in list(self._open):
            connection.close()

    def _begin(self, group: asyncio.TaskGroup, number: int, due: float) -> None:
        if self._busy >= self._bound:
            self._waiting.append((number, due))
            return
        self._busy += 1
        group.create_task(self._call(group, number, due))

    async def _call(self, group: asyncio.TaskGroup, number: int, due: float) -> None:
        sent = self._loop.time()
        reply = _NOTHING
        try:
            async with asyncio.timeout(self._patience):
                connection = self._ready() or await self._connect()
                sent = self._loop.time()
                reply = await connection.ask(self._pieces(number))
        except (OSError, TimeoutError):  # no connection, or none any more: told by the status
            pass
        self._busy -= 1
        self._left -= 1
        self._answered(Call(number, due, sent, self._loop.time(), *reply))
        if self._waiting:
            self._begin(group, *self._waiting.popleft())
        elif not self._left:
            self._over.set()

    def _ready(self) -> "_Connection | None":
        while self._idle:
            connection = self._idle.pop()
            if connection.usable(self._loop.time() - _IDLE):
                return connection
            connection.close()
        return None

    async def _connect(self) -> "_Connection":
        _, connection = await self._loop.create_connection(
            lambda: _Connection(self._idle, self._open), self._address.host, self._address.port, ssl=self._tls
        )
        return connection


_Reply = tuple[int, str, str, bytes]
_NOTHING: _Reply = (0, "", "", b"")


class _Connection(asyncio.Protocol):
    """One keep-alive connection that carries one call at a time, and goes back to `idle` by itself."""

    def __init__(self, idle: "list[_Connection]", opened: "set[_Connection]") -> None:
        self._idle = idle
        self._opened = opened
        self._loop = asyncio.get_running_loop()
        self._parser = httptools.HttpResponseParser(self)
        self._reply: asyncio.Future[_Reply] | None = None
        self._headers: dict[bytes, bytes] = {}
        self._body: list[bytes] = []
        self._since = 0.0
        self._kept = False

    def usable(self, since: float) -> bool:
        return self in self._opened and self._since >= since

    def close(self) -> None:
        self._opened.discard(self)
        self._transport.abort()

    async def ask(self, pieces: Sequence[bytes]) -> _Reply:
        """Raises ConnectionError where no whole answer came. A call that is given up takes its connection along."""
        self._headers, self._body = {}, []
        self._reply = self._loop.create_future()
        self._transport.writelines(pieces)
        try:
            reply = await self._reply
        except BaseException:
            self.close()
            raise
        finally:
            self._reply = None
        self._since = self._loop.time()
        if self in self._opened and self._kept:
            self._idle.append(self)
        else:
            self.close()
        return reply

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._opened.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._opened.discard(self)
        self._fail()

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self._fail()
            self.close()

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers[name.lower()] = value

    def on_body(self, data: bytes) -> None:
        self._body.append(data)

    def on_message_complete(self) -> None:
        if self._reply is None or self._reply.done():
            self.close()  # an answer that nobody asked for
            return
        self._kept = self._parser.should_keep_alive()
        kind, timing = (self._headers.get(name, b"").decode("latin-1") for name in (b"content-type", b"server-timing"))
        self._reply.set_result((self._parser.get_status_code(), kind, timing, b"".join(self._body)))

    def _fail(self) -> None:
        if self._reply is not None and not self._reply.done():
            self._reply.set_exception(ConnectionResetError())
