"""Between the parent and a worker: one JSON object a line, over a pair of sockets that dies with either of them.

Before these comes the secret that the parent has drawn, where the configuration names none: nobody else can read it
here, as one can read the arguments or the environment of a process.
"""

import asyncio
import socket
from typing import Any

import msgspec

_LONGEST = 16 * 1024 * 1024  # bytes: an exposition is one line


class Gone(Exception):
    """The other side has ended, or does not answer."""


def send_secret(sock: socket.socket, secret: bytes) -> None:
    """The first words of the parent, before the worker is there; empty where there is none to share."""
    sock.sendall(secret.hex().encode() + b"\n")


def hear_secret(sock: socket.socket) -> bytes:
    """Waits for them. Raises Gone."""
    line = b""
    while not line.endswith(b"\n"):
        more = sock.recv(1)  # no further: what follows is the loop's
        if not more:
            raise Gone
        line += more
    return bytes.fromhex(line.decode())


class Channel:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._one = asyncio.Lock()

    @classmethod
    async def over(cls, sock: socket.socket) -> "Channel":
        return cls(*await asyncio.open_connection(sock=sock, limit=_LONGEST))

    async def ask(self, what: Any, seconds: float) -> Any:
        """The answer to one question; a channel on which one was not answered in time is of no use any more."""
        async with self._one:
            try:
                async with asyncio.timeout(seconds):
                    await self.say(what)
                    return await self.hear()
            except TimeoutError:
                self.close()
                raise Gone from None

    async def say(self, message: Any) -> None:
        if self._writer.is_closing():  # by whoever asked before us, and was not answered
            raise Gone
        try:
            self._writer.write(msgspec.json.encode(message) + b"\n")
            await self._writer.drain()
        except OSError:
            raise Gone from None

    async def hear(self) -> Any:
        try:
            line = await self._reader.readline()
        except (OSError, ValueError):
            raise Gone from None
        if not line.endswith(b"\n"):
            raise Gone
        return msgspec.json.decode(line)

    def close(self) -> None:
        self._writer.close()
