"""Two timers: the deadline of a whole call, and the timeout of one attempt within it.

An attempt's timeout is min(configured, time left - margin). Without the margin the outer deadline would
always fire first, the attempt would end in a cancellation, which no breaker counts, and a hanging model
would keep its circuit closed for ever.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from wardgate.resilience.stack import Handler, Layer, Req, Resp


class DeadlineReached(Exception):
    """The whole call's time is up."""


class AttemptTimedOut(Exception):
    """One attempt took longer than it may."""


@dataclass(frozen=True, slots=True)
class DeadlineOptions:
    reserve: float = 0.010
    """Seconds kept back for recording and writing the answer after the work has been cut off."""


def deadline(left: Callable[[Req], float], options: DeadlineOptions | None = None) -> Layer[Req, Resp]:
    """`left` says how many seconds the request may still take; when they are over, its work is cancelled."""
    reserve = (options or DeadlineOptions()).reserve

    def layer(inner: Handler[Req, Resp]) -> Handler[Req, Resp]:
        async def handle(request: Req) -> Resp:
            timer = asyncio.timeout(left(request) - reserve)
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
    margin: float = 0.025
    """Seconds by which the attempt ends before the call's deadline, so that it fails rather than is cancelled: more
    than the deadline's own reserve, with room for what stands in for the model, and its card."""


def attempt_timeout(left: Callable[[Req], float], options: AttemptTimeoutOptions) -> Layer[Req, Resp]:
    def layer(inner: Handler[Req, Resp]) -> Handler[Req, Resp]:
        async def handle(request: Req) -> Resp:
            seconds = min(options.timeout, left(request) - options.margin)
            if seconds <= 0:
                raise AttemptTimedOut
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
