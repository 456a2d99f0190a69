"""What others would write on our standard error: libraries' log lines, warnings, exceptions that nobody caught.

Their texts quote what they were working on, and that may be a chart. So of each only this is told: who, how bad,
which class, which line of our code. Tracebacks go nowhere: their last line is the message, and tools print locals.
`faulthandler` stays as whoever starts the process wants it: it writes names of functions, never values.
"""

import asyncio
import logging
import sys
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from wardgate.adapters.logs.events import EventLog, place_of
from wardgate.domain.attributes import class_of

_AT_MOST = 200
"""Lines of libraries in the life of a process that say the same, and how many different ones: a loop must not fill a
disk."""


class _Handler(logging.Handler):
    def __init__(self, log: EventLog) -> None:
        super().__init__(logging.WARNING)
        self._log = log
        self._told: dict[tuple[str, str], int] = {}

    def handle(self, record: logging.LogRecord) -> bool:
        """The message is never put together: to format it may call whatever it holds."""
        level = logging.getLevelName(record.levelno).lower()
        told = self._told.get((record.name, level), 0) + 1
        if told > _AT_MOST or len(self._told) > _AT_MOST:
            return True
        self._told[record.name, level] = told
        error = record.exc_info[1] if isinstance(record.exc_info, tuple) else None
        if error is None:
            self._log.event("library", logger=record.name, level=level)
        else:
            where = place_of(error.__traceback__)
            self._log.event("library", logger=record.name, level=level, error_class=class_of(error), where=where)
        return True


@contextmanager
def strangers_hushed(log: EventLog) -> Iterator[None]:
    """Within it, nothing but lines of `log` is written by libraries and by the interpreter."""
    root, handler = logging.getLogger(), _Handler(log)
    handlers, root.handlers, lines = root.handlers, [handler], logging.lastResort
    logging.lastResort = handler
    hooks = sys.excepthook, threading.excepthook, sys.unraisablehook, warnings.showwarning
    sys.excepthook = lambda kind, error, trace: log.unhandled(kind, trace)
    threading.excepthook = lambda args: log.unhandled(args.exc_type, args.exc_traceback)
    sys.unraisablehook = lambda args: log.unhandled(args.exc_type, args.exc_traceback)
    warnings.showwarning = lambda message, category, *place: log.event(
        "library", logger="warnings", level="warning", error_class=class_of(category)
    )
    try:
        yield
    finally:
        sys.excepthook, threading.excepthook, sys.unraisablehook, warnings.showwarning = hooks
        root.handlers, logging.lastResort = handlers, lines


def hush_loop(loop: asyncio.AbstractEventLoop, log: EventLog) -> None:
    """What a task or a callback raised that nobody waits for: the loop would log its message and its repr."""

    def handle(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        error = context.get("exception")
        if isinstance(error, BaseException):
            log.unhandled(type(error), error.__traceback__)
        else:
            log.event("library", logger="asyncio", level="error")

    loop.set_exception_handler(handle)
