"""Runs the listeners: uvicorn on uvloop and httptools, bare, several in one event loop."""

import asyncio
import socket
import ssl
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec

import uvicorn

from wardgate.web.asgi import ASGIApp, Doorkeeper

NEEDED = ("uvloop", "httptools")
_BACKLOG = 2048
_ACCEPTS = 16
"""Connections that are accepted in one turn of the event loop. libuv takes one for each listening handle; under load,
when turns are long, the others would wait in the kernel for seconds, where nobody can turn them away."""
_TICK = 0.05


class ListenError(Exception):
    """A listener cannot stand; the message says which one, why, and what to do."""


@dataclass(frozen=True, slots=True)
class ServerOptions:
    keep_alive: int = 75
    """Seconds that an idle connection stays open: longer than a load balancer's, so that it closes first."""
    drain: float = 5.0
    """Seconds at most that calls in flight get after a stop, while new ones are still taken."""
    close: int = 2
    """Seconds at most for what is left after that."""
    max_head: int = 64 * 1024
    """Bytes of a request's line and headers."""
    head_timeout: float = 10.0
    """Seconds until they must be complete."""
    write_timeout: float = 30.0
    """Seconds in which a client must take some of the answers that wait for it."""
    connections: int = 4096
    """Of all listeners, an equal share for each: whoever opens more on one of them leaves room for the others, and for
    what the process itself has to open."""


def require_fast_loop(needed: Sequence[str] = NEEDED) -> None:
    """Raises ListenError where uvicorn would silently fall back to parts that cost three times as much."""
    if missing := [name for name in needed if find_spec(name) is None]:
        raise ListenError(f"{' and '.join(missing)} cannot be imported: install wardgate with all its dependencies.")


def bind(host: str, port: int) -> socket.socket:
    """A bound socket; port 0 takes a free one (`getsockname()` tells which). Raises ListenError."""
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family, backlog=_BACKLOG)
    except OSError as error:
        reason = error.strerror or "not possible"
        raise ListenError(f"Cannot listen on {host}:{port}: {reason}. Stop what uses it, or change `listen`.") from None


async def serve_all(
    listeners: Sequence[tuple[ASGIApp, str, int]],
    started: Callable[[], None],
    stop: asyncio.Event,
    options: ServerOptions | None = None,
    tls: Sequence[ssl.SSLContext | None] = (),
) -> None:
    """Serves each (application, host, port) until `stop`; `started` is called once all of them stand. `tls` is in the
    order of the listeners; those without speak plain HTTP.

    Every port is bound before the first one answers. Raises ListenError.
    """
    require_fast_loop()
    bound: list[tuple[ASGIApp, socket.socket]] = []
    try:
        for app, host, port in listeners:
            bound.append((app, bind(host, port)))
    except ListenError:
        for _, sock in bound:
            sock.close()
        raise
    await serve_sockets(bound, started, stop, options, tls)


async def serve_sockets(
    listeners: Sequence[tuple[ASGIApp, socket.socket]],
    started: Callable[[], None],
    stop: asyncio.Event,
    options: ServerOptions | None = None,
    tls: Sequence[ssl.SSLContext | None] = (),
) -> None:
    """Like `serve_all`, on sockets from `bind`. Ends at most drain + close seconds after `stop`, and a moment."""
    options = options or ServerOptions()
    contexts = [*tls, *[None] * (len(listeners) - len(tls))]
    most = options.connections // len(listeners)
    servers = [_Server(app, options, context, most) for (app, _), context in zip(listeners, contexts, strict=True)]
    async with asyncio.TaskGroup() as group:
        for server, (_, sock) in zip(servers, listeners, strict=True):
            group.create_task(server.serve(sockets=[sock, *(sock.dup() for _ in range(_ACCEPTS - 1))]))
        for server in servers:
            await server.up.wait()
        started()
        await stop.wait()
        await _drain(servers, options.drain)
        for server in servers:
            server.should_exit = True


async def _drain(servers: Sequence["_Server"], seconds: float) -> None:
    """Waits for the calls in flight. The ports stay open, so that readiness can say that we are leaving."""
    for _ in range(int(seconds / _TICK)):
        if not any(server.server_state.tasks for server in servers):
            return
        await asyncio.sleep(_TICK)


class _Server(uvicorn.Server):
    """Leaves signals alone, since several share the loop, and says when it stands."""

    def __init__(self, app: ASGIApp, options: ServerOptions, tls: ssl.SSLContext | None, most: int) -> None:
        from wardgate.web.connection import bounded_connection  # needs httptools: not before that is known to be there

        super().__init__(
            uvicorn.Config(
                app,
                http=bounded_connection(
                    options.max_head,
                    options.head_timeout,
                    options.write_timeout,
                    most,
                    app if isinstance(app, Doorkeeper) else None,
                ),
                ws="none",
                lifespan="off",
                interface="asgi3",
                access_log=False,  # it writes paths
                log_config=None,
                log_level="critical",  # its error log writes exception messages, which may quote a request
                proxy_headers=False,
                server_header=False,
                backlog=_BACKLOG,
                timeout_keep_alive=options.keep_alive,
                timeout_graceful_shutdown=options.close,
                ssl_context_factory=None if tls is None else lambda config, default: tls,
            )
        )
        self.up = asyncio.Event()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def serve(self, sockets: list[socket.socket] | None = None) -> None:
        try:
            await super().serve(sockets)
        finally:
            self._abandon()

    def _abandon(self) -> None:
        """Lets go of what is still open, also where a failure elsewhere cancels us: uvloop would wait for it."""
        for server in getattr(self, "servers", ()):
            server.close()
        for connection in list(self.server_state.connections):
            connection.transport.abort()
        for task in list(self.server_state.tasks):
            task.cancel()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.up.set()
