"""HTTP/1.1 messages whole, read from a stream and written to one: as little of it as a proxy needs."""

import asyncio
import json
from dataclasses import dataclass, replace
from typing import Any

_LARGEST_HEAD = 64 * 1024
_LARGEST_BODY = 16 * 1024 * 1024

Header = tuple[bytes, bytes]
_HOP = {b"connection", b"keep-alive", b"transfer-encoding", b"content-length"}


class Malformed(Exception):
    """What came is no HTTP message."""


@dataclass(frozen=True)
class Message:
    """`start` is the first line; header names are as they were sent. The body is whole, without its framing."""

    start: bytes
    headers: tuple[Header, ...]
    body: bytes = b""

    def header(self, name: bytes) -> bytes:
        return next((value for key, value in self.headers if key.lower() == name), b"")

    def with_body(self, body: bytes) -> "Message":
        return replace(self, body=body)

    def with_header(self, name: bytes, value: bytes) -> "Message":
        kept = tuple(header for header in self.headers if header[0].lower() != name.lower())
        return replace(self, headers=(*kept, (name, value)))

    def document(self) -> Any:
        """Its JSON; None where it is none."""
        try:
            return json.loads(self.body)
        except ValueError:
            return None

    def head(self, length: int | None = -1, *more: Header) -> bytes:
        """The head with the framing of its body: its own length unless another is given; None leaves it out."""
        framing = () if length is None else ((b"Content-Length", b"%d" % (len(self.body) if length < 0 else length)),)
        headers = [*(header for header in self.headers if header[0].lower() not in _HOP), *framing, *more]
        return b"\r\n".join([self.start, *(name + b": " + value for name, value in headers), b"", b""])

    def wire(self) -> bytes:
        return self.head() + self.body


def response(status: int, body: bytes = b"", kind: bytes = b"application/json", *more: Header) -> Message:
    return Message(b"HTTP/1.1 %d Chaos" % status, ((b"Content-Type", kind), *more), body)


async def read_message(reader: asyncio.StreamReader, request: bool) -> Message | None:
    """The next message; None where the stream ends before one begins. Raises Malformed, or what the stream raises."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError as error:
        if error.partial:
            raise Malformed from None
        return None
    except asyncio.LimitOverrunError:
        raise Malformed from None
    start, *lines = head[:-4].split(b"\r\n")
    headers = tuple((name.strip(), value.strip()) for name, _, value in (line.partition(b":") for line in lines))
    message = Message(start, headers)
    return message.with_body(await _body(reader, message, request))


async def _body(reader: asyncio.StreamReader, message: Message, request: bool) -> bytes:
    if message.header(b"transfer-encoding").lower() == b"chunked":
        return await _chunks(reader)
    length = message.header(b"content-length")
    if length:
        if not length.isdigit() or int(length) > _LARGEST_BODY:
            raise Malformed
        return await reader.readexactly(int(length))
    status = message.start.split(b" ")[1:2]
    if request or status == [b"204"] or status == [b"304"]:
        return b""
    return await reader.read(_LARGEST_BODY)


async def _chunks(reader: asyncio.StreamReader) -> bytes:
    body = b""
    while len(body) < _LARGEST_BODY:
        try:
            size = int((await reader.readline()).split(b";")[0], 16)
        except ValueError:
            raise Malformed from None
        if size == 0:
            while (await reader.readline()).strip():
                pass
            return body
        body += (await reader.readexactly(size + 2))[:-2]
    raise Malformed
