"""From a gateway to a process that serves: the loop, its signals, its task group, its end."""

import asyncio
import gc
import signal
import socket
import sys
from collections.abc import Callable, Coroutine
from dataclasses import dataclass

from wardgate.adapters.logs.events import EventLog
from wardgate.adapters.logs.strangers import hush_loop, strangers_hushed
from wardgate.adapters.spool.folder import SpoolUnusable
from wardgate.bootstrap.configured import Configured, Read
from wardgate.bootstrap.durable import StoreRefused
from wardgate.bootstrap.gateway import Gateway
from wardgate.bootstrap.machine import keep_large_blocks_apart, room_for_connections
from wardgate.bootstrap.models import prove_first
from wardgate.domain.findings import Finding
from wardgate.resilience.gate import Seen
from wardgate.settings import Listen
from wardgate.web.server import ListenError, ServerOptions, require_fast_loop, serve_all, serve_sockets


@dataclass(frozen=True, slots=True)
class Post:
    """Where a worker stands. `seen`: see `Gate`. `obey` does what the parent asks, tells it when this worker is up, and
    sets the event once the parent is gone."""

    number: int
    listener: socket.socket
    seen: Seen
    obey: Callable[[Gateway, asyncio.Event, asyncio.Event], Coroutine[None, None, None]]


def serve(configured: Configured, read: Read, post: Post | None = None) -> int:
    """Run until SIGTERM or SIGINT, and read everything again at SIGHUP; the exit code. With a `post`, as a worker."""
    log = EventLog() if post is None else EventLog(worker=post.number)
    return run_loop(lambda: _serve(configured, read, log, post), log)


def run_loop(main: Callable[[], Coroutine[None, None, None]], log: EventLog) -> int:
    """On uvloop; the exit code. What breaks is told by its class, and nobody's message is written."""
    with strangers_hushed(log):
        try:
            require_fast_loop()
            import uvloop

            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                hush_loop(runner.get_loop(), log)
                runner.run(main())
        except ListenError as error:
            log.finding("cannot_listen", Finding("", 0, "listen", str(error), ""))
            return 1
        except SpoolUnusable as error:
            log.finding("cannot_record", Finding("", 0, "stores.spool", str(error), ""))
            return 1
        except StoreRefused as error:
            log.finding("store_refused", Finding("", 0, "stores.durable", str(error), ""))
            return 1
        except Exception as error:
            log.unhandled(type(error), error.__traceback__)
            return 1
    return 0


async def _serve(configured: Configured, read: Read, log: EventLog, post: Post | None) -> None:
    stop, up = asyncio.Event(), asyncio.Event()
    gateway = (
        Gateway(configured, log, stop, read)
        if post is None
        else Gateway(configured, log, stop, read, post.seen, post.number)
    )
    settings, options = configured.settings, ServerOptions(connections=room_for_connections())

    def started() -> None:
        still_the_collector()
        share_the_interpreter()
        keep_large_blocks_apart()
        up.set()
        if post is None:
            gateway.tell()
            services = len(configured.catalog.services)
            log.event("listening", gateway=url_of(settings.listen), admin=url_of(settings.admin), services=services)

    try:
        await gateway.open()
        async with asyncio.TaskGroup() as tasks:
            if post is not None:  # while it waits, the others answer
                await prove_first(set(gateway.models.values()))
            gateway.begin(tasks)
            if post is None:
                heed_signals(stop, tasks, gateway.reload_by_signal)
                await serve_all(gateway.listeners, started, stop, options, gateway.tls)
            else:
                heed_signals(stop)  # the parent says when to reload
                obeying = tasks.create_task(post.obey(gateway, up, stop))
                await serve_sockets([(gateway, post.listener)], started, stop, options, gateway.tls[:1])
                obeying.cancel()
            gateway.rest()
    except* ListenError as group:
        raise group.exceptions[0] from None
    finally:
        await gateway.close()
    log.event("stopped")


def heed_signals(
    stop: asyncio.Event,
    tasks: asyncio.TaskGroup | None = None,
    reload: Callable[[], Coroutine[None, None, object]] | None = None,
) -> None:
    """SIGHUP does nothing where there is no `reload`. However many come while one is under way, one more follows, which
    reads what has been written by then; and none begins after a stop, which would have to wait for it."""
    loop = asyncio.get_running_loop()
    running = again = False

    async def run() -> None:
        nonlocal running, again
        while again and reload is not None and not stop.is_set():
            again = False
            await reload()
        running = False

    def hang_up() -> None:
        nonlocal running, again
        again = True
        if tasks is not None and not running:
            running = True
            tasks.create_task(run())

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    loop.add_signal_handler(signal.SIGHUP, hang_up)


def still_the_collector() -> None:
    """What was built at start lives on: the collector need not walk it.

    A collection walks all that is young, and every call waits for it: 50,000 objects are 20 to 40 ms, 5,000 are 2. So
    young ones are walked often, and older ones, which are many in full caches, hardly ever. That is no risk, since a
    call leaves nothing to collect (`tests/unit/gateway/test_no_garbage.py`).
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(5_000, 1_000, 100)


def share_the_interpreter() -> None:
    """A thread that wants the interpreter gets it after half a millisecond, not five: a card waits for the spool's
    thread, and calls wait for the threads that deliver and export."""
    sys.setswitchinterval(0.0005)


def url_of(listen: Listen) -> str:
    host = f"[{listen.host}]" if ":" in listen.host else listen.host
    return f"{'http' if listen.tls is None else 'https'}://{host}:{listen.port}"
