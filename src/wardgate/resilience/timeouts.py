"""Two timers: the deadline of a whole call, and the timeout of one attempt within it.

An attempt's timeout is min(configured, time left), and what is left to it ends before the call's deadline does. Were
they one and the same, the outer deadline would always fire first, the attempt would end in a cancellation, which no
breaker counts, and a hanging model would keep its circuit closed for ever.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from wardgate.resilience.stack import Handler, Layer, PolicyError, Req, Resp


class DeadlineReached(PolicyError):
    """The whole call's time is up."""


class AttemptTimedOut(PolicyError):
    """One attempt took longer than it may."""


class NoTimeLeft(PolicyError):
    """The time was up before an attempt was made: nobody was asked, and nobody is to blame."""


def deadline(left: Callable[[Req], float]) -> Layer[Req, Resp]:
    """`left` says how many seconds the request may still take; when they are over, its work is cancelled."""

    def layer(inner: Handler[Req, Resp]) -> Handler[Req, Resp]:
        async def handle(request: Req) -> Resp:
            timer = asyncio.timeout(left(request))
            try:
                async with timer:
                    return await inner(request)
            except TimeoutError:
                if timer.expired():
                    raise DeadlineReached from None
                raise

        return handle

    return layer


@dataclass(frozen=True, slots=True)
class AttemptTimeoutOptions:
    timeout: float
    """Seconds an attempt may take when there is time enough."""


def attempt_timeout(left: Callable[[Req], float], options: AttemptTimeoutOptions) -> Layer[Req, Resp]:
    """`left` must end before the deadline does (above)."""

    def layer(inner: Handler[Req, Resp]) -> Handler[Req, Resp]:
        async def handle(request: Req) -> Resp:
            seconds = min(options.timeout, left(request))
            if seconds <= 0:
                raise NoTimeLeft
            timer = asyncio.timeout(seconds)
            try:
                async with timer:
                    return await inner(request)
            except TimeoutError:
                if timer.expired():
                    raise AttemptTimedOut from None
                raise

        return handle

    return layer
