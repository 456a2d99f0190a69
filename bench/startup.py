"""How long a start takes: `wardgate check`, and `wardgate serve` until /health/ready says 200."""

import http.client
import statistics
import time
from pathlib import Path
from typing import NamedTuple

from bench.servers import SERVER_CORE, NotStarted, Server, free_port, start, write_config

GOAL = 1.5  # seconds
_RUNS = 5


class Startup(NamedTuple):
    """Seconds, medians."""

    check: float
    ready: float


def startup(folder: Path) -> Startup:
    """Medians of five after one that fills the caches of the file system and of compiled modules."""
    checks = [_check(folder) for _ in range(_RUNS + 1)][1:]
    readies = [_ready(folder) for _ in range(_RUNS + 1)][1:]
    return Startup(statistics.median(checks), statistics.median(readies))


def _check(folder: Path) -> float:
    config = write_config(folder / "startup", free_port(), "127.0.0.1:9", "aiohttp")
    with (folder / "check.log").open("w+b") as log:
        begin = time.perf_counter()
        process = start(["-m", "wardgate", "check", "--config", str(config)], SERVER_CORE, log)
        status = process.wait()
        took = time.perf_counter() - begin
        if status:
            log.seek(0)
            raise NotStarted(log.read().decode(errors="replace"))
    return took


def _ready(folder: Path) -> float:
    """An endpoint that is down never stops the start, so no model is needed."""
    port = free_port()
    config = write_config(folder / "startup", port, "127.0.0.1:9", "aiohttp")
    begin = time.perf_counter()
    server = Server("start-up", ["-m", "wardgate", "serve", "--config", str(config)], SERVER_CORE, folder)
    try:
        while not _is_ready(port):
            if not server.running or time.perf_counter() - begin > 20:
                raise NotStarted(server.said())
            time.sleep(0.002)
        return time.perf_counter() - begin
    finally:
        server.stop()


def _is_ready(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=1)
    try:
        connection.request("GET", "/health/ready")
        return connection.getresponse().status == 200
    except (ConnectionError, TimeoutError):
        return False
    finally:
        connection.close()
