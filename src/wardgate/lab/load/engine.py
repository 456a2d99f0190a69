"""The load generator: raw connections with keep-alive that carry one call at a time, an open loop and a closed one.

Open: calls leave at times that were fixed beforehand, whatever became of the earlier ones. A call that cannot be sent
in time is sent as soon as it can be, and its latency counts from when it was due: a stall is paid for by every call
that it held up (no coordinated omission). Closed: each connection asks again when it is answered; that spares a server
just when it is slow, and shows what it can do at most.

A call costs a few callbacks and no task, so that the generator is not what is measured.
"""

import asyncio
import itertools
import selectors
import ssl
from collections import deque
from collections.abc import Callable, Coroutine, Iterable, Sequence
from time import monotonic
from typing import NamedTuple, cast
from urllib.parse import urlsplit

import httptools

Pieces = Callable[[int], Sequence[bytes]]
"""The whole HTTP request of call number n, in pieces."""

_LOOKS = 20
"""Looks in the time of patience at whether a call has used it up."""
_IDLE = 4.0  # seconds: servers close connections that have been idle for longer, some after 5 s


class Call(NamedTuple):
    """Times are of the monotonic clock, since a loop's own stands still for a turn. `status` 0: no answer, the
    connection broke or patience ended. `timing` is the Server-Timing header, "" where there is none."""

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
        seconds, and a twentieth of that, a call is given up."""
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
        self._next: Callable[[float], int | None] = lambda now: None
        self._over = asyncio.Event()
        self._tls = ssl.create_default_context() if address.tls else None

    async def run(self, rate: float, count: int, first: int = 0) -> None:
        """Open: `count` calls, `rate` a second, evenly; returns when the last one has ended."""
        await self.run_at((number / rate for number in range(count)), first)

    async def run_at(self, offsets: Iterable[float], first: int = 0) -> None:
        """Open: a call at each of these seconds from now, which ascend."""

        async def send(group: asyncio.TaskGroup) -> None:
            begin = monotonic()
            for number, offset in enumerate(offsets, first):
                await asyncio.sleep(max(0.0, begin + offset - monotonic()))
                self._begin(group, number, begin + offset)

        await self._run(send)

    async def run_closed(self, seconds: float, first: int = 0) -> None:
        """Closed: `in_flight` connections, none of which asks again once the seconds are over."""
        numbers, end = itertools.count(first), monotonic() + seconds

        async def send(group: asyncio.TaskGroup) -> None:
            for _ in range(self._bound):
                self._begin(group, next(numbers), monotonic())

        self._next = lambda now: next(numbers) if now < end else None
        await self._run(send)

    async def connect(self) -> None:
        """All connections that may be in use, before the first call needs one."""
        while len(self._open) < self._bound:
            self._idle.append(await self._connection())

    def close(self) -> None:
        """Whatever is still under way is told to nobody."""
        for connection in list(self._open):
            connection.leave()

    async def _run(self, send: Callable[[asyncio.TaskGroup], Coroutine[None, None, None]]) -> None:
        async with asyncio.TaskGroup() as group:  # of those that connect
            looking = group.create_task(self._look())
            await send(group)
            while self._busy:
                self._over.clear()
                await self._over.wait()
            looking.cancel()
        self._next = lambda now: None

    async def _look(self) -> None:
        while True:
            await asyncio.sleep(self._patience / _LOOKS)
            since = monotonic() - self._patience
            for connection in [each for each in self._open if each.asked_before(since)]:
                connection.close()

    def _begin(self, group: asyncio.TaskGroup, number: int, due: float) -> None:
        if self._busy >= self._bound:
            self._waiting.append((number, due))
            return
        self._busy += 1
        connection = self._ready()
        if connection is None:
            group.create_task(self._first(group, number, due))
        else:
            self._ask(connection, group, number, due)

    async def _first(self, group: asyncio.TaskGroup, number: int, due: float) -> None:
        """A call that needs a connection first."""
        began = monotonic()
        try:
            async with asyncio.timeout(self._patience):
                connection = await self._connection()
        except (OSError, TimeoutError):
            self._ended(group, Call(number, due, began, monotonic(), *_NOTHING))
        else:
            self._ask(connection, group, number, due)

    def _ask(self, connection: "_Connection", group: asyncio.TaskGroup, number: int, due: float) -> None:
        sent = monotonic()

        def replied(reply: _Reply) -> None:
            now = monotonic()
            if connection.kept:
                connection.since = now
                self._idle.append(connection)
            self._ended(group, Call(number, due, sent, now, *reply))

        connection.ask(self._pieces(number), sent, replied)

    def _ended(self, group: asyncio.TaskGroup, call: Call) -> None:
        self._busy -= 1
        self._answered(call)
        if self._waiting:
            self._begin(group, *self._waiting.popleft())
        elif (following := self._next(call.done)) is not None:
            self._begin(group, following, call.done)
        elif not self._busy:
            self._over.set()

    def _ready(self) -> "_Connection | None":
        since = monotonic() - _IDLE
        while self._idle:
            connection = self._idle.pop()
            if connection.kept and connection.since >= since:
                return connection
            connection.close()
        return None

    async def _connection(self) -> "_Connection":
        _, connection = await self._loop.create_connection(
            lambda: _Connection(self._open), self._address.host, self._address.port, ssl=self._tls
        )
        connection.since = monotonic()
        return connection


_Reply = tuple[int, str, str, bytes]
_NOTHING: _Reply = (0, "", "", b"")


class _Connection(asyncio.Protocol):
    """Carries one call at a time. `since`: when the last one ended; `kept`: whether it can carry another."""

    def __init__(self, opened: "set[_Connection]") -> None:
        self._opened = opened
        self._parser = httptools.HttpResponseParser(self)
        self._replied: Callable[[_Reply], None] | None = None
        self._asked = 0.0
        self._headers: dict[bytes, bytes] = {}
        self._body: list[bytes] = []
        self.since = 0.0
        self.kept = True

    def asked_before(self, time: float) -> bool:
        return self._replied is not None and self._asked < time

    def ask(self, pieces: Sequence[bytes], now: float, replied: Callable[[_Reply], None]) -> None:
        """`replied` is called once; with `_NOTHING` where no whole answer came."""
        self._headers, self._body = {}, []
        self._asked, self._replied = now, replied
        self._transport.writelines(pieces)

    def close(self) -> None:
        self._drop()
        self._transport.abort()
        self._reply(_NOTHING)

    def leave(self) -> None:
        self._replied = None
        self.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._opened.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._drop()
        self._reply(_NOTHING)

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self.close()

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers[name.lower()] = value

    def on_body(self, data: bytes) -> None:
        self._body.append(data)

    def on_message_complete(self) -> None:
        if self._replied is None or not self._parser.should_keep_alive():
            self._drop()  # it ends here, or this is an answer that nobody asked for
            self._transport.abort()
        kind, timing = (self._headers.get(name, b"").decode("latin-1") for name in (b"content-type", b"server-timing"))
        self._reply((self._parser.get_status_code(), kind, timing, b"".join(self._body)))

    def _drop(self) -> None:
        self.kept = False
        self._opened.discard(self)

    def _reply(self, reply: _Reply) -> None:
        replied, self._replied = self._replied, None
        if replied is not None:
            replied(reply)
