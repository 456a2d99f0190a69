"""Coalescing: equal requests that are under way at the same time share one answer.

The shared work runs in a task of its own, so that a caller who goes away takes nobody's answer along; when the last
one has gone, it is cancelled. Who joins later joins the same attempt, and with it the time that the first caller had;
where that was too short, and the own is not, it is asked anew.
"""

import asyncio
from collections.abc import Callable, Coroutine, Hashable
from typing import Any, Generic

from wardgate.resilience.stack import Handler, Layer, Req, Resp

Spawn = Callable[[Coroutine[Any, Any, None]], asyncio.Task[None]]
"""Starts a task that somebody owns (a TaskGroup's `create_task`)."""


_OVER = 0.002
"""Seconds that a caller may have left whose time is up: timers are that exact."""


class _Flight(Generic[Req, Resp]):
    """The work for one request and its twins. Errors are handed over as values: there may be nobody to take them."""

    __slots__ = ("request", "task", "waiting")
    task: asyncio.Task[None]

    def __init__(self, request: Req) -> None:
        self.request = request
        self.waiting: list[asyncio.Future[Resp | Exception]] = []

    def land(self, result: "Resp | Exception") -> None:
        for future in self.waiting:
            if not future.done():
                future.set_result(result)

    def abort(self) -> None:
        for future in self.waiting:
            future.cancel()


def coalesce(
    key: Callable[[Req], Hashable],
    spawn: Spawn,
    left: Callable[[Req], float],
    too_late: Callable[[], Exception],
    told: Callable[[], None] = lambda: None,
) -> Layer[Req, Resp]:
    """`key` must hold everything that the answer depends on, and everything that keeps people apart. `too_late` is
    raised where a twin's own time is over before the shared answer is there; `told` hears of each twin that joins."""

    def layer(inner: Handler[Req, Resp]) -> Handler[Req, Resp]:
        flights: dict[Hashable, _Flight[Req, Resp]] = {}

        async def fly(flight: _Flight[Req, Resp], name: Hashable) -> None:
            try:
                result: Resp | Exception = await inner(flight.request)
            except Exception as error:
                result = error
            except BaseException:
                flight.abort()
                raise
            finally:
                if flights.get(name) is flight:
                    del flights[name]
            flight.land(result)

        async def wait(flight: _Flight[Req, Resp], name: Hashable) -> Resp | Exception:
            future: asyncio.Future[Resp | Exception] = asyncio.get_running_loop().create_future()
            flight.waiting.append(future)
            try:
                return await future
            finally:
                flight.waiting.remove(future)
                if not flight.waiting and flights.get(name) is flight:  # nobody may join what is cancelled
                    del flights[name]
                    flight.task.cancel()

        async def handle(request: Req) -> Resp:
            name = key(request)
            flight = flights.get(name)
            if flight is None:
                flight = _Flight(request)
                flight.task = spawn(fly(flight, name))
                flights[name] = flight
                result = await wait(flight, name)
            else:
                told()
                result = await join(flight, name, request)
                if isinstance(result, Exception) and left(flight.request) <= _OVER < left(request):
                    return await handle(request)
            if not isinstance(result, Exception):
                return result
            try:
                raise result.with_traceback(None)  # several may raise it
            finally:
                del result  # else it and this frame hold each other, and all of the call, until a collection

        async def join(flight: _Flight[Req, Resp], name: Hashable, request: Req) -> "Resp | Exception":
            own = left(request)
            if own >= left(flight.request):  # the attempt ends before this caller's time does
                return await wait(flight, name)
            try:
                async with asyncio.timeout(own):
                    return await wait(flight, name)
            except TimeoutError:
                raise too_late() from None

        return handle

    return layer
