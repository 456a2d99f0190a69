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
        return _bounded(inner, left, DeadlineReached)

    return layer


@dataclass(frozen=True, slots=True)
class AttemptTimeoutOptions:
    timeout: float
    """Seconds an attempt may take when there is time enough."""


def attempt_timeout(left: Callable[[Req], float], options: AttemptTimeoutOptions) -> Layer[Req, Resp]:
    """`left` must end before the deadline does (above)."""

    def seconds(request: Req) -> float:
        least = min(options.timeout, left(request))
        if least <= 0:
            raise NoTimeLeft
        return least

    def layer(inner: Handler[Req, Resp]) -> Handler[Req, Resp]:
        return _bounded(inner, seconds, AttemptTimedOut)

    return layer


def _bounded(inner: Handler[Req, Resp], seconds: Callable[[Req], float], late: type[PolicyError]) -> Handler[Req, Resp]:
    """What `asyncio.timeout` does, at half its price, since every call has two of these timers: when the time is up,
    the task is cancelled; where somebody else wants it gone at the same moment, that goes before."""

    async def handle(request: Req) -> Resp:
        task = asyncio.current_task()
        assert task is not None
        asked = task.cancelling()  # how often others wanted it gone
        expired = False

        def expire() -> None:
            nonlocal expired
            expired = True
            task.cancel()

        timer = asyncio.get_running_loop().call_later(seconds(request), expire)
        try:
            return await inner(request)
        except asyncio.CancelledError:
            if expired and task.cancelling() <= asked + 1:
                raise late from None
            raise
        finally:
            timer.cancel()
            if expired:
                task.uncancel()

    return handle
