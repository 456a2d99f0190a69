"""Structured log lines. An exception is its class and the place in our code, never its message (law 4)."""

import sys
import traceback
from typing import TextIO

import msgspec


class EventLog:
    """`event` takes names that wardgate or its configuration gave; there is no way to hand it a value of a call."""

    def __init__(self, out: TextIO | None = None, **always: str | int) -> None:
        """`always` stands in every line."""
        self._out = out if out is not None else sys.stderr
        self._always = always

    def event(self, name: str, **fields: str | int | float | bool) -> None:
        line = msgspec.json.encode({"event": name, **self._always, **fields}).decode()
        try:
            self._out.write(f"{line}\n")  # in one piece: workers write to the same place
            self._out.flush()
        except (OSError, ValueError):
            return  # a closed pipe or a full disk must not fail a call

    def fault(self, stage: str, error: BaseException) -> None:
        self.event("fault", stage=stage, error=type(error).__name__, where=_place(error))


def _place(error: BaseException) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if "wardgate" in frame.filename]
    if not ours:
        return "outside"
    module = ours[-1].filename.rpartition("wardgate/")[2]
    return f"{module}:{ours[-1].lineno}"
