"""One request at a proxy, and the bare moves with which it can be answered well or badly."""

import asyncio
import random
import socket
import struct
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from wardgate.lab.chaos.messages import Message

_RESET_ON_CLOSE = struct.pack("ii", 1, 0)  # SO_LINGER: on, 0 s


@dataclass
class Exchange:
    """`upstream` asks the real dependency. `closed` ends the connection once the exchange is over."""

    request: Message
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    upstream: Callable[[Message], Awaitable[Message]]
    dice: random.Random
    number: int
    closed: bool = False

    async def reply(self) -> Message:
        return await self.upstream(self.request)

    async def write(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def gone(self) -> None:
        """Until the other side has had enough."""
        self.closed = True
        while await self.reader.read(65536):
            pass

    def reset(self) -> None:
        self.closed = True
        reset(self.writer)


def reset(writer: asyncio.StreamWriter) -> None:
    """Not a close but an RST: what was written and has not been read is lost as well."""
    found: socket.socket | None = writer.get_extra_info("socket")
    if found is not None:
        found.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
    writer.transport.abort()
