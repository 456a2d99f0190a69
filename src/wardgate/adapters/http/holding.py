"""A connection that is held open and never used: it ends when the process at its other end does."""

import asyncio
import socket
from collections.abc import Callable
from urllib.parse import urlsplit

_PORTS = {"http": 80, "https": 443}
_KEEPALIVE = {"TCP_KEEPIDLE": 10, "TCP_KEEPINTVL": 5, "TCP_KEEPCNT": 3}  # seconds, seconds, number
"""So that a host that vanished without a word is noticed too, or its successor's refusal of an unknown connection."""


async def hold_connection(url: str, lost: Callable[[], None]) -> Callable[[], None]:
    """Connects to the host of `url` and calls `lost`, once, when the connection ends; raises OSError.

    What it returns closes the connection without a call. Nothing is written on it, and what comes is not read.
    """
    parts = urlsplit(url)
    if parts.hostname is None:
        raise OSError
    port = parts.port or _PORTS[parts.scheme]
    held = _Held(lost)
    await asyncio.get_running_loop().create_connection(lambda: held, parts.hostname, port)
    return held.let_go


class _Held(asyncio.Protocol):
    def __init__(self, lost: Callable[[], None]) -> None:
        self._lost: Callable[[], None] | None = lost
        self._transport: asyncio.BaseTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        sock = transport.get_extra_info("socket")
        if sock is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            for name, value in _KEEPALIVE.items():
                if hasattr(socket, name):  # not on every system
                    sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)

    def eof_received(self) -> None:
        self._ended()  # at once, not a turn of the loop later: another process may be answering already

    def connection_lost(self, exc: Exception | None) -> None:
        self._ended()

    def let_go(self) -> None:
        self._lost = None
        if self._transport is not None:
            self._transport.close()

    def _ended(self) -> None:
        lost, self._lost = self._lost, None
        if lost is not None:
            lost()
