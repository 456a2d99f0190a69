"""A child process that is up before it is used, and gone when it is left."""

import collections
import queue
import subprocess
import sys
import threading
from time import monotonic

_END = 5.0  # seconds for an orderly end after SIGTERM
_TAIL = 20  # lines of standard error that explain why a process ended


class DidNotStart(Exception):
    """Why the demo is not running, in sentences for its user."""


class Child:
    """`python -m MODULE ARGUMENTS`, on a leash: it ends with this process, however that ends.

    What it writes to standard error is passed on; its standard output is read for one line, `name value`.
    It is in a session of its own, so that a Ctrl-C reaches the parent only, which then stops its children in order.
    """

    def __init__(self, name: str, module: str, *arguments: str) -> None:
        self.name = name
        self._command = [sys.executable, "-m", "wardgate.lab.leash", module, *arguments]
        self._tail: collections.deque[str] = collections.deque(maxlen=_TAIL)
        self._lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()

    def __enter__(self) -> "Child":
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(
            self._command, stdin=pipe, stdout=pipe, stderr=pipe, text=True, errors="replace", start_new_session=True
        )
        self._threads = [threading.Thread(target=reader, daemon=True) for reader in (self._pass_on, self._collect)]
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._process.terminate()
        try:
            self._process.wait(_END)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        for thread in self._threads:
            thread.join(1)
        for stream in (self._process.stdin, self._process.stdout, self._process.stderr):
            if stream is not None:
                stream.close()

    def announced(self, patience: float) -> str:
        """The value of the line `name value` that the process prints once it listens; raises DidNotStart."""
        until = monotonic() + patience
        while True:
            try:
                line = self._lines.get(timeout=max(0.0, until - monotonic()))
            except queue.Empty:
                raise self._failure(f"did not come up within {patience:.0f} s") from None
            if line is None:
                self._process.wait()
                raise self._failure(f"ended with code {self._process.returncode}")
            if line.startswith(f"{self.name} "):
                return line.split()[1]

    def pause(self, seconds: float, until: float) -> None:
        """Wait a little; raises DidNotStart if the process has ended or the clock says that it is too late."""
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            if monotonic() < until:
                return
            raise self._failure("did not come up in time") from None
        raise self._failure(f"ended with code {self._process.returncode}")

    def _failure(self, what: str) -> DidNotStart:
        self._threads[0].join(1)
        said = "\n".join(f"  {line}" for line in self._tail)
        return DidNotStart(f"The {self.name} process {what}." + (f" Its last words:\n{said}" if said else ""))

    def _pass_on(self) -> None:
        stream = self._process.stderr
        for line in stream or ():
            self._tail.append(line.rstrip())
            sys.stderr.write(f"[{self.name}] {line}")

    def _collect(self) -> None:
        for line in self._process.stdout or ():
            self._lines.put(line.rstrip())
        self._lines.put(None)
