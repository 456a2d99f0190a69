"""uvicorn's httptools connection, mended where the edge cannot see.

While a request's head arrives, uvicorn bounds neither its time nor its size: a head that never ends would hold
the connection, and one that never stops growing the memory. And where a client offers to upgrade (Java's does so
with every plain request), httptools takes the body for the other protocol's and it is lost: here the offer is
declined by reading the same request without it (RFC 9110 §7.8).

A client that sends requests and reads no answers would hold its connection for ever, and all that it has sent in
advance the memory; one that packs each byte of a body by itself would hold the loop, where all others wait (law 1).
And where something broken follows a good request, uvicorn says so in the place of the good one's answer.

Under load most requests are turned away, and to make a task for each would cost more than to read it: that
happens here, once the head is there, and the body is skipped as it comes.

The hot path pays two small calls a read and one a request; a timer starts only where a head did not come whole, or an
answer did not leave.
"""

import asyncio
from typing import Any

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from wardgate.web.asgi import Doorkeeper

_SLOW = b"HTTP/1.1 408 Request Timeout\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
_FULL = b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 1\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
_LARGE = b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"


def bounded_connection(
    max_head: int, head_timeout: float, write_timeout: float, most: int, doorkeeper: Doorkeeper | None = None
) -> type[HttpToolsProtocol]:
    """The protocol class for uvicorn: `max_head` in bytes, give or take one read of the socket; seconds from a
    connection's begin, or from a later head's first bytes, until the head must be complete; seconds in which a client
    must take some of what waits for it; so many connections at a time."""
    return type(
        "BoundedConnection",
        (_Connection,),
        {
            "max_head": max_head,
            "head_timeout": head_timeout,
            "write_timeout": write_timeout,
            "most": most,
            "doorkeeper": doorkeeper,
        },
    )


_MOST_SKIPPED = 8 * 1024 * 1024  # bytes of a body that nobody reads
_MOST_FIELDS = 1000
"""Of a head: each costs more than its bytes."""
_MOST_AHEAD = 32
"""Requests that wait behind the one that is answered; with the last of them the connection ends."""
_PACKING = 5
"""Bytes around each piece of a body that comes in pieces, at least (RFC 9112 §7.1)."""


class _Unwelcome(Exception):
    """What the parser reads is not read on."""


class _Parser(httptools.HttpRequestParser):
    def __init__(self, connection: "_Connection") -> None:
        super().__init__(connection)
        self.set_dangerous_leniencies(lenient_data_after_close=True)  # as uvicorn does, for pipelining
        self._connection = connection

    def feed_data(self, data: bytes) -> None:  # type: ignore[override]
        parser: httptools.HttpRequestParser = self
        while True:
            try:
                return httptools.HttpRequestParser.feed_data(parser, data)
            except httptools.HttpParserUpgrade as offer:
                if not self._connection.upgrade_offered:
                    raise
                data = self._connection.head_without_offer() + data[offer.args[0] :]
                parser = self._connection.parser = _Parser(self._connection)  # the old one may count as closed


class _Connection(HttpToolsProtocol):
    max_head: int
    head_timeout: float
    write_timeout: float
    most: int
    doorkeeper: Doorkeeper | None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.parser = _Parser(self)
        self.upgrade_offered = False
        self._head_open = True
        self._head_bytes = 0
        self._skipping = False
        self._head_timer: asyncio.TimerHandle | None = None
        self._write_timer: asyncio.TimerHandle | None = None
        self._body_open = False
        self._body_bytes = self._pieces = self._packing = 0
        self._turned = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if len(self.connections) > self.most:
            self._refuse(_FULL)
        else:
            self._start_timer()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_timer()
        self._stop_write_timer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        within, before, self._turned = self._body_open, self._body_bytes, 0
        super().data_received(data)
        if within and self._body_open:
            self._packing += len(data) - (self._body_bytes - before)
            if self._packing > self.max_head + self._body_bytes and not self.transport.is_closing():
                self.send_400_response("More is sent around the body than in it.")
        if self._head_open and not self.transport.is_closing():
            self._head_bytes += len(data)
            if self._head_bytes > self.max_head:
                self._refuse(_LARGE)
            elif self._head_timer is None:
                self._start_timer()
        elif self._skipping and self._head_timer is None and not self.transport.is_closing():
            self._start_timer()

    def on_message_begin(self) -> None:
        if len(self.pipeline) >= _MOST_AHEAD:
            raise _Unwelcome
        super().on_message_begin()
        self._head_open = True
        self._head_bytes = 0
        self._body_open = False

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self._head_open:  # a trailer: nobody reads it
            return
        if len(self.headers) >= _MOST_FIELDS:
            self._refuse(_LARGE)
            raise _Unwelcome
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._head_open = False
        self._stop_timer()
        self._body_open = True
        self._body_bytes = self._pieces = self._packing = 0
        if self.parser.should_upgrade() and self.parser.get_method() != b"CONNECT":
            self.upgrade_offered = True
            return
        if not self._turned_away():
            super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._body_bytes += len(body)
        self._pieces += 1
        if self._pieces * _PACKING > self.max_head + self._body_bytes:
            raise _Unwelcome
        if not self._skipping:
            super().on_body(body)
            return
        if self._body_bytes > _MOST_SKIPPED:
            self.transport.close()

    def on_message_complete(self) -> None:
        self._body_open = False
        if self._skipping:
            self._skipping = False
            self._stop_timer()
            self.timeout_keep_alive_task = self.loop.call_later(
                self.timeout_keep_alive, self.timeout_keep_alive_handler
            )
        elif not self.upgrade_offered:
            super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        """Of what cannot be read. Whole requests before it get their answers, and the last one of those ends it all."""
        cycle = self.cycle
        if self.transport.is_closing():
            return
        if cycle is not None and not cycle.response_complete and not cycle.more_body:
            cycle.keep_alive = False
        elif self._skipping or (self.pipeline or (cycle is not None and cycle.response_started)) and cycle.more_body:
            self._close()
        else:
            super().send_400_response(msg)
            self._hurry()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._hurry()

    def resume_writing(self) -> None:
        super().resume_writing()
        if not self.transport.is_closing():
            self._stop_write_timer()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self.transport.is_closing():
            self._hurry()

    def timeout_keep_alive_handler(self) -> None:
        if self.transport.get_write_buffer_size():
            self.transport.abort()
        else:
            super().timeout_keep_alive_handler()

    def _turned_away(self) -> bool:
        """Only where nothing else is on its way here, and the connection stays."""
        if self.doorkeeper is None or not (self.cycle is None or self.cycle.response_complete):
            return False
        if self.expect_100_continue or self.flow.write_paused or not self.parser.should_keep_alive():
            return False  # where the edge turns it away, it does so with more care
        if self._turned >= _MOST_AHEAD:  # in one read: the edge takes its time, and what waits behind it is bounded
            return False
        answer = self.doorkeeper.turn_away(self.parser.get_method(), self.url, self.headers)
        if answer is None:
            return False
        self.transport.write(answer)
        self._turned += 1
        self._skipping = True
        return True

    def head_without_offer(self) -> bytes:
        """The head that was just read, as if its Upgrade field had not been sent."""
        self.upgrade_offered = False
        version = self.parser.get_http_version().encode()
        lines = [b"%s %s HTTP/%s" % (self.parser.get_method(), self.url, version)]
        lines += [b"%s: %s" % field for field in self.headers if field[0] != b"upgrade"]
        return b"\r\n".join([*lines, b"", b""])

    def _start_timer(self) -> None:
        self._head_timer = self.loop.call_later(self.head_timeout, self._head_late)

    def _stop_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _head_late(self) -> None:
        self._head_timer = None
        if self._head_open:
            self._refuse(_SLOW)
        elif self._skipping:
            self._close()

    def _hurry(self) -> None:
        if self._write_timer is None:
            self._write_timer = self.loop.call_later(self.write_timeout, self.transport.abort)

    def _stop_write_timer(self) -> None:
        if self._write_timer is not None:
            self._write_timer.cancel()
            self._write_timer = None

    def _close(self) -> None:
        """Once what has been written has left, and not much later."""
        self.transport.close()
        self._hurry()

    def _refuse(self, answer: bytes) -> None:
        """Says why, unless the answer to an earlier request of this connection is still on its way."""
        if self.cycle is None or self.cycle.response_complete:
            self.transport.write(answer)
        self._close()
