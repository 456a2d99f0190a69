"""What happens to a connection: nobody is there, it is slow, it ends, or something is on it that should not be."""

import asyncio
import re
from collections.abc import Callable
from typing import Any, ClassVar, Literal

from wardgate.lab.chaos.exchange import Exchange
from wardgate.lab.chaos.kinds.base import CLOSE, Lasting, Meeting, seconds

# --- the listener ---------------------------------------------------------------------------------------------------


class Refused(Lasting, frozen=True):
    """Nobody listens: the port is closed, and the connections that there were are gone."""


class NotAccepted(Lasting, frozen=True):
    """Connections stay in the backlog of a process that does nothing; those that there were fall silent and end."""


# --- slow -----------------------------------------------------------------------------------------------------------


class Latency(Meeting, frozen=True):
    """The right answer, later: `fixed`, `uniform` [from, to], or lognormal by `median` and `sigma`."""

    tcp: ClassVar[bool] = True
    fixed: str = ""
    uniform: tuple[str, str] | None = None
    median: str = ""
    sigma: float = 0.5

    def __post_init__(self) -> None:
        if sum(map(bool, (self.fixed, self.uniform, self.median))) != 1:
            raise ValueError("latency needs one of fixed, uniform and median")
        for text in (self.fixed, *(self.uniform or ()), self.median):
            if text:
                seconds(text)

    async def wait(self, dice: Any) -> None:
        if self.uniform is not None:
            await asyncio.sleep(dice.uniform(seconds(self.uniform[0]), seconds(self.uniform[1])))
        elif self.fixed:
            await asyncio.sleep(seconds(self.fixed))
        else:
            await asyncio.sleep(seconds(self.median) * dice.lognormvariate(0, self.sigma))

    async def meet(self, exchange: Exchange) -> None:
        await self.wait(exchange.dice)
        await exchange.write((await exchange.reply()).wire())


class Hang(Meeting, frozen=True):
    """It reads the request and never answers."""

    tcp: ClassVar[bool] = True

    async def meet(self, exchange: Exchange) -> None:
        await exchange.gone()


class Drip(Meeting, frozen=True):
    """The right answer, a byte at a time, from its `head` or only from its `body` on."""

    tcp: ClassVar[bool] = True
    every: str = "20ms"
    start: Literal["head", "body"] = "head"

    def __post_init__(self) -> None:
        seconds(self.every)

    async def meet(self, exchange: Exchange) -> None:
        reply = await exchange.reply()
        first, rest = (b"", reply.wire()) if self.start == "head" else (reply.head(), reply.body)
        await exchange.write(first)
        await self.drip(rest, exchange.write)

    async def drip(self, data: bytes, write: Callable[[bytes], Any]) -> None:
        for place in range(len(data)):
            await write(data[place : place + 1])
            await asyncio.sleep(seconds(self.every))


class StalledBody(Meeting, frozen=True):
    """Half of the body, and then nothing: the connection stays open."""

    async def meet(self, exchange: Exchange) -> None:
        reply = await exchange.reply()
        await exchange.write(reply.head() + reply.body[: len(reply.body) // 2])
        await exchange.gone()


# --- its end --------------------------------------------------------------------------------------------------------


class Reset(Meeting, frozen=True):
    """The connection is reset (RST): when it is accepted, after the request, in the head or in the body."""

    tcp: ClassVar[bool] = True
    at: Literal["accept", "request", "head", "body"] = "request"

    async def meet(self, exchange: Exchange) -> None:
        if self.at in ("head", "body"):
            reply = await exchange.reply()
            half = len(reply.body) // 2
            await exchange.write(reply.head()[:40] if self.at == "head" else reply.head() + reply.body[:half])
            await asyncio.sleep(0.005)  # an RST overtakes what has not been read
        exchange.reset()


class Close(Meeting, frozen=True):
    """It reads the request and closes the connection in order, without an answer."""

    tcp: ClassVar[bool] = True

    async def meet(self, exchange: Exchange) -> None:
        exchange.closed = True


class HalfBody(Meeting, frozen=True):
    """The head promises the whole body; half of it comes, then the connection is closed."""

    tcp: ClassVar[bool] = True

    async def meet(self, exchange: Exchange) -> None:
        reply = await exchange.reply()
        await exchange.write(reply.head() + reply.body[: len(reply.body) // 2])
        exchange.closed = True


class SlowClose(Meeting, frozen=True):
    """The whole answer of a server that promises to close the connection, and does not. Without its `length` the answer
    ends with the connection, and so never; with it, it is there."""

    length: bool = False

    async def meet(self, exchange: Exchange) -> None:
        reply = await exchange.reply()
        await exchange.write(reply.head(-1 if self.length else None, CLOSE) + reply.body)
        await exchange.gone()


class Http10(Meeting, frozen=True):
    """The right answer of a server that closes each connection, as HTTP/1.0 does."""

    async def meet(self, exchange: Exchange) -> None:
        reply = await exchange.reply()
        start = reply.start.replace(b"HTTP/1.1", b"HTTP/1.0", 1)
        await exchange.write(start + reply.head(None)[len(reply.start) :] + reply.body)
        exchange.closed = True


class Closing(Meeting, frozen=True):
    """The right answer, and then the end of the connection: `said` in its head (Connection: close), or without a word,
    though HTTP/1.1 keeps it open."""

    said: bool = True

    async def meet(self, exchange: Exchange) -> None:
        reply = await exchange.reply()
        await exchange.write(reply.head(-1, *((CLOSE,) if self.said else ())) + reply.body)
        exchange.closed = True


# --- more on it than was asked for ----------------------------------------------------------------------------------


class Twice(Meeting, frozen=True):
    """The right answer, and at once a second one that nobody asked for: it must not answer the next call."""

    async def meet(self, exchange: Exchange) -> None:
        reply = await exchange.reply()
        await exchange.write(reply.wire())
        other = re.sub(rb"0\.\d+", b"0.91", reply.body)
        await exchange.write(reply.with_body(other).wire())


class Leftovers(Meeting, frozen=True):
    """The right answer, and `after` a moment bytes that nobody asked for and that are no HTTP."""

    after: str = "2ms"

    def __post_init__(self) -> None:
        seconds(self.after)

    async def meet(self, exchange: Exchange) -> None:
        await exchange.write((await exchange.reply()).wire())
        await asyncio.sleep(seconds(self.after))
        await exchange.write(exchange.dice.randbytes(40))


class Greeting(Meeting, frozen=True):
    """The server speaks first: whoever connects is greeted, before he has asked anything. Then the right answers."""

    text: str = "220 ready"

    async def meet(self, exchange: Exchange) -> None:
        await exchange.write((await exchange.reply()).wire())


class Says(Meeting, frozen=True):
    """One line in place of each answer, as of a server that is not ready for anybody."""

    tcp: ClassVar[bool] = True
    text: str = "-LOADING Redis is loading the dataset in memory"

    async def meet(self, exchange: Exchange) -> None:
        await exchange.write(self.line)
        exchange.closed = True

    @property
    def line(self) -> bytes:
        return self.text.encode("utf-8") + b"\r\n"
