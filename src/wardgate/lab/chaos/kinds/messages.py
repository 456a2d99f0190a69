"""Messages that are none, or not the answer: a status, a page, framing that is wrong or odd."""

import asyncio
import gzip
from typing import ClassVar

from wardgate.lab.chaos.exchange import Exchange
from wardgate.lab.chaos.kinds.base import CHUNKED, Meeting, seconds
from wardgate.lab.chaos.messages import response

_PIECE = 64 * 1024


class Status(Meeting, frozen=True):
    """Any status, with a body that says more than it should; `retry_after` in seconds."""

    status: int = 500
    retry_after: int | None = None

    def __post_init__(self) -> None:
        if not 200 <= self.status <= 599:
            raise ValueError("a status is 200 to 599")

    async def meet(self, exchange: Exchange) -> None:
        more = () if self.retry_after is None else ((b"Retry-After", b"%d" % self.retry_after),)
        if self.status in (204, 304):
            return await exchange.write(response(self.status).head(None))
        await exchange.write(
            response(self.status, b'{"error":"chaos: patient Zebulon"}', b"application/json", *more).wire()
        )


class Redirect(Meeting, frozen=True):
    """302 to another host, which must never see a token or a patient."""

    to: str = "http://127.0.0.1:9/elsewhere"

    async def meet(self, exchange: Exchange) -> None:
        location = (b"Location", self.to.encode("latin-1", "replace"))
        await exchange.write(response(302, b"", b"text/plain", location).wire())


class Garbage(Meeting, frozen=True):
    """200, and bytes that are no JSON."""

    tcp: ClassVar[bool] = True
    size: int = 500

    async def meet(self, exchange: Exchange) -> None:
        await exchange.write(response(200, exchange.dice.randbytes(self.size)).wire())


class NotHttp(Meeting, frozen=True):
    """Bytes that are no HTTP at all."""

    async def meet(self, exchange: Exchange) -> None:
        await exchange.write(b"\x16\x03\x01 chaos\r\n\r\n" + exchange.dice.randbytes(200))
        exchange.closed = True


class Empty(Meeting, frozen=True):
    """200 without a body."""

    async def meet(self, exchange: Exchange) -> None:
        await exchange.write(response(200).wire())


class Page(Meeting, frozen=True):
    """200 with the login page of something in between."""

    async def meet(self, exchange: Exchange) -> None:
        await exchange.write(response(200, b"<html><h1>Sign in</h1></html>", b"text/html").wire())


class CutJson(Meeting, frozen=True):
    """Half of the document, framed as if it were whole."""

    async def meet(self, exchange: Exchange) -> None:
        reply = await exchange.reply()
        await exchange.write(reply.with_body(reply.body[: len(reply.body) // 2]).wire())


class HugeBody(Meeting, frozen=True):
    """200 and a body of `size` bytes that says so in its head, or (`announced: false`) only goes on and on."""

    size: int = 64 * 1024 * 1024
    announced: bool = True

    async def meet(self, exchange: Exchange) -> None:
        exchange.closed = True
        head = response(200, b"")
        await exchange.write(head.head(self.size) if self.announced else head.head(None, CHUNKED))
        piece = b" " * _PIECE
        framed = piece if self.announced else b"%x\r\n%b\r\n" % (len(piece), piece)
        for _ in range(self.size // _PIECE):
            await exchange.write(framed)


class EndlessHeaders(Meeting, frozen=True):
    """A head that never ends."""

    async def meet(self, exchange: Exchange) -> None:
        exchange.closed = True
        await exchange.write(b"HTTP/1.1 200 OK\r\n")
        for number in range(1_000_000):
            await exchange.write(b"X-Chaos-%d: %b\r\n" % (number, b"z" * 60))


class HugeHeader(Meeting, frozen=True):
    """The right answer, with one header field of `size` bytes."""

    size: int = 100_000

    async def meet(self, exchange: Exchange) -> None:
        reply = await exchange.reply()
        await exchange.write(reply.with_header(b"X-Chaos", b"z" * self.size).wire())


class TwoLengths(Meeting, frozen=True):
    """The right answer, whose head gives two lengths: whoever believes the first reads another body than whoever
    believes the second."""

    async def meet(self, exchange: Exchange) -> None:
        reply = await exchange.reply()
        await exchange.write(reply.head(-1, (b"Content-Length", b"%d" % (len(reply.body) // 2))) + reply.body)


class EarlyHints(Meeting, frozen=True):
    """Interim answers (100, 103): as many as `count`, then the real one; or without end."""

    every: str = "1ms"
    count: int | None = None

    def __post_init__(self) -> None:
        seconds(self.every)

    async def meet(self, exchange: Exchange) -> None:
        for _ in range(100_000 if self.count is None else self.count):
            await exchange.write(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </chaos>\r\n\r\n")
            await asyncio.sleep(seconds(self.every))
        if self.count is None:
            exchange.closed = True
        else:
            await exchange.write((await exchange.reply()).wire())


class BrokenChunks(Meeting, frozen=True):
    """Chunked, with a chunk size that is no number."""

    async def meet(self, exchange: Exchange) -> None:
        reply = await exchange.reply()
        await exchange.write(reply.head(None, CHUNKED) + b"zz\r\n" + reply.body + b"\r\n0\r\n\r\n")
        exchange.closed = True


class ShortLength(Meeting, frozen=True):
    """A Content-Length below the body's: what is left over stands where the next answer should begin."""

    async def meet(self, exchange: Exchange) -> None:
        reply = await exchange.reply()
        await exchange.write(reply.head(len(reply.body) // 2) + reply.body)


class Trailers(Meeting, frozen=True):
    """The right answer in chunks of a few bytes, with extensions of the chunks, and header fields after the last."""

    async def meet(self, exchange: Exchange) -> None:
        reply = await exchange.reply()
        pieces = [reply.body[place : place + 7] for place in range(0, len(reply.body), 7)]
        chunks = b"".join(b"%x;chaos=1\r\n%b\r\n" % (len(piece), piece) for piece in pieces)
        await exchange.write(reply.head(None, CHUNKED) + chunks + b"0\r\nX-Chaos: trailer\r\n\r\n")


class GzipLie(Meeting, frozen=True):
    """The right answer that says it is gzip and is not, or (`really: true`) is, though nobody asked for it."""

    really: bool = False

    async def meet(self, exchange: Exchange) -> None:
        reply = await exchange.reply()
        body = gzip.compress(reply.body) if self.really else reply.body
        await exchange.write(reply.with_body(body).with_header(b"Content-Encoding", b"gzip").wire())


class Deep(Meeting, frozen=True):
    """JSON that is nested too deep to be read by recursion."""

    levels: int = 100_000

    async def meet(self, exchange: Exchange) -> None:
        await exchange.write(response(200, b"[" * self.levels + b"]" * self.levels).wire())
