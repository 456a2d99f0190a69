"""Bodies of the admin API within bounds. FastAPI reads and parses a body before it asks who calls, in the loop that
answers the EHR as well: without bounds, whoever reaches the listener fills the memory, and holds up every call (law 1).
"""

from collections.abc import Collection

from fastapi.responses import JSONResponse

from wardgate.domain.errors import Overloaded, TooLarge, UploadTimeout
from wardgate.web.admin.problems import problem
from wardgate.web.asgi import ASGIApp, Message, Receive, Scope, Send
from wardgate.web.reading import Disconnected, Unfinished, read_body, refuse_length

MOST = 256 * 1024
"""Bytes: a cohort of a thousand sites and a thousand units has less."""
SECONDS = 10.0
"""Until it must be complete."""
TOGETHER = 16 * 1024 * 1024
"""Bytes of all bodies that have begun and not ended."""


class Bounded:
    """A body is read whole, or refused, before the application hears of it; but for `streamed` paths, whose routes
    bound what they read themselves, once they know who sends it."""

    def __init__(self, app: ASGIApp, streamed: Collection[str] = ()) -> None:
        self._app, self._streamed = app, frozenset(streamed)
        self._unfinished = Unfinished(TOGETHER)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = dict(scope["headers"]) if scope["type"] == "http" else {}
        bodiless = headers.keys().isdisjoint((b"content-length", b"transfer-encoding"))  # RFC 9112 §6.3
        if bodiless or scope["path"] in self._streamed:
            return await self._app(scope, receive, send)
        try:
            refuse_length(headers, MOST)
            body = await read_body(receive, MOST, SECONDS, self._unfinished)
        except Disconnected:
            return
        except TooLarge:
            refused = problem(413, f"A body holds {MOST} bytes at most.")
        except UploadTimeout:
            refused = problem(408, f"The body did not arrive within {SECONDS:g} seconds.")
        except Overloaded:
            refused = problem(503, "Too many uploads are under way: ask again in a moment.")
        else:
            return await self._app(scope, _once(body, receive), send)
        await _close(refused)(scope, receive, send)


def _once(body: bytes, receive: Receive) -> Receive:
    read = False

    async def again() -> Message:
        nonlocal read
        if read:
            return await receive()
        read = True
        return {"type": "http.request", "body": body, "more_body": False}

    return again


def _close(response: JSONResponse) -> JSONResponse:
    """What is still on its way would be taken for the next request."""
    response.headers["connection"] = "close"
    return response
