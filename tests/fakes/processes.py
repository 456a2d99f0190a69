"""Real processes for end-to-end tests: started, waited for, and gone when the test is."""

import contextlib
import json
import os
import random
import re
import select
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

_PORTS = range(15_000, 32_000)
"""Below those that systems give to clients: no connection takes one before its server listens."""

PATIENCE = 60.0
"""Seconds for what takes one or two on a machine that has time: a test that is well does not wait them out."""


def free_port() -> int:
    """One that nobody has; by chance, so that test runs side by side do not meet."""
    while True:
        port = random.SystemRandom().choice(_PORTS)
        with socket.socket() as sock, contextlib.suppress(OSError):
            sock.bind(("127.0.0.1", port))
            return port


@contextmanager
def process(*arguments: str, cwd: Path | None = None) -> Iterator["subprocess.Popen[str]"]:
    """`python -m …`, stopped with SIGTERM; a process that does not stop in time fails the test, and one that a failing
    test leaves says its last words with it."""
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}  # noqa: TID251
    running = subprocess.Popen(
        [sys.executable, "-m", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=cwd,
        env=environment,
    )
    try:
        yield running
    except BaseException as error:
        error.add_note(f"{arguments[0]} ({'ended' if running.poll() is not None else 'was running'}): {_stop(running)}")
        raise
    _stop(running)


def _stop(running: "subprocess.Popen[str]") -> str:
    """The end of what it wrote on standard error and nobody has read."""
    if running.poll() is None:
        running.send_signal(signal.SIGTERM)
    try:
        _, error = running.communicate(timeout=PATIENCE)
    except subprocess.TimeoutExpired:
        running.kill()
        running.communicate()
        raise
    except ValueError:  # all was read, and the pipes are closed
        return ""
    return (error or "")[-2000:]


def wardgate(*arguments: object, seconds: float = 2 * PATIENCE) -> "subprocess.CompletedProcess[str]":
    """A command that ends by itself."""
    command = [sys.executable, "-m", "wardgate", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=seconds, check=False)


def line_from(running: "subprocess.Popen[str]", pattern: str, seconds: float = PATIENCE) -> str:
    """The first group of the first line on standard output that matches; AssertionError with stderr otherwise."""
    assert running.stdout is not None and running.stderr is not None
    until = time.monotonic() + seconds
    while time.monotonic() < until and running.poll() is None:
        if select.select([running.stdout], [], [], 0.1)[0]:
            found = re.search(pattern, running.stdout.readline())
            if found:
                return found.group(1)
    running.kill()
    raise AssertionError(f"no line matched {pattern!r}; standard error: {running.stderr.read()[-2000:]}")


def ask(url: str, body: Any = None, headers: dict[str, str] | None = None) -> tuple[int, Any]:
    """Status and decoded JSON (text where it is none); POST where there is a body."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json", **(headers or {})})
    try:
        with urllib.request.urlopen(request, timeout=20) as reply:
            return reply.status, _decoded(reply.read())
    except urllib.error.HTTPError as error:
        with error:
            return error.code, _decoded(error.read())


def _decoded(raw: bytes) -> Any:
    try:
        return json.loads(raw)
    except ValueError:
        return raw.decode(errors="replace")


def wait_until(
    condition: Callable[[], object], seconds: float = PATIENCE, of: "subprocess.Popen[Any] | None" = None
) -> None:
    """Poll a condition; connection errors count as not yet. `of`: whose it is, and who is not to end before."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        try:
            if condition():
                return
        except OSError:
            pass
        assert of is None or of.poll() is None, "the process has ended"
        time.sleep(0.05)
    raise AssertionError("the condition did not come true in time")
