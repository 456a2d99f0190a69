"""The little of HTTP that the simulators need: read a request, send JSON, run on a port until told to stop."""

import asyncio
import contextlib
import json
import signal
import socket
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import uvicorn

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

MAX_BODY = 4 * 1024 * 1024
_SHARED = {"access-control-allow-origin": "*", "access-control-expose-headers": "location"}


@dataclass(frozen=True)
class Request:
    """`path` is percent-decoded; `query` is as it was sent. Header names are lower case."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True)
class Reply:
    status: int
    body: object = None  # bytes go out as they are, anything else as JSON; None: no body
    headers: Mapping[str, str] = field(default_factory=dict)


def app(answer: Callable[[Request], Reply], media_type: str = "application/json", shared: bool = True) -> App:
    """An ASGI application of one function. `shared`: any origin may read its replies, also the errors."""

    async def handle(scope: Scope, receive: Receive, send: Send) -> None:
        request = await _read(scope, receive)
        reply = Reply(413, {"error": "the body is too large"}) if request is None else answer(request)
        await _send(send, reply, {"content-type": media_type} | (_SHARED if shared else {}))

    return handle


async def _read(scope: Scope, receive: Receive) -> Request | None:
    body = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if len(body) > MAX_BODY:
            return None
        if not message.get("more_body", False):
            break
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
    return Request(scope["method"], scope["path"], scope["query_string"].decode("latin-1"), headers, body)


async def _send(send: Send, reply: Reply, headers: Mapping[str, str]) -> None:
    body = reply.body if isinstance(reply.body, bytes) else b""
    if reply.body is not None and not isinstance(reply.body, bytes):
        body = json.dumps(reply.body, allow_nan=False).encode()
    headers = {**headers, "x-content-type-options": "nosniff", "content-length": str(len(body)), **reply.headers}
    raw = [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": reply.status, "headers": raw})
    await send({"type": "http.response.body", "body": body})


def preflight(methods: str = "GET, POST, OPTIONS") -> Reply:
    return Reply(
        204,
        headers={
            "access-control-allow-methods": methods,
            "access-control-allow-headers": "authorization, *",
            "access-control-max-age": "600",
        },
    )


class _Server(uvicorn.Server):
    """uvicorn raises the signal once more after it has stopped; a simulator that was told to stop exits with 0."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._stop)
        yield

    def _stop(self) -> None:
        self.should_exit = True


def listen(host: str, port: int) -> tuple[socket.socket, str]:
    """A listening socket and its `http://host:port`; port 0 takes a free one. Raises OSError if it is taken."""
    listener = socket.create_server((host, port), backlog=512)
    # Inherited by what is accepted, for which asyncio would not set it: a body waited 40 ms for the ACK of its head.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener, f"http://{host}:{listener.getsockname()[1]}"


def run(application: App, listener: socket.socket) -> None:
    """Serve until SIGINT or SIGTERM."""
    config = uvicorn.Config(
        application,
        lifespan="off",
        ws="none",
        access_log=False,
        log_level="warning",
        server_header=False,
        timeout_graceful_shutdown=1,
    )
    asyncio.run(_Server(config).serve([listener]))
