"""Structured log lines. An exception is its class and the place in our code, never its message (law 4)."""

import sys
import traceback
from types import TracebackType
from typing import Literal, TextIO, Unpack, get_args

import msgspec

from wardgate.domain.attributes import OTHER, Attributes, Loss, Sink, class_of
from wardgate.domain.findings import Finding
from wardgate.domain.guard import Guard

Event = Literal[
    "approval_withdrawn",
    "audit_anchor",
    "audit_chain",
    "audit_lost",
    "breaker",
    "cannot_listen",
    "cannot_record",
    "circuit",
    "durable_store",
    "error",
    "fault",
    "hot_store",
    "key_set",
    "library",
    "listening",
    "local_copy",
    "proof",
    "purge_held",
    "purged",
    "release_missing",
    "reload_refused",
    "reloaded",
    "rollout_file",
    "service",
    "snapshot",
    "snapshot_channel",
    "snapshot_copy",
    "snapshot_store",
    "spool",
    "spool_segment",
    "stopped",
    "store_refused",
    "traces",
    "unhandled",
    "warning",
    "worker_differs",
    "worker_lost",
    "worker_still",
]
"""Every event that there is; docs/operations.md says what each means."""

About = Literal["error", "warning", "cannot_listen", "cannot_record", "store_refused"]
"""Those that speak of the configuration, in sentences."""

_EVENTS = frozenset(get_args(Event))


class EventLog:
    """What is told is a name of `Event` with attributes of the one list. There is no way to hand it anything else: not
    for whoever is type-checked, and what gets past that is dropped."""

    def __init__(self, out: TextIO | None = None, guard: Guard | None = None, worker: int | None = None) -> None:
        """`worker` stands in every line."""
        self._out = out if out is not None else sys.stderr
        self.worker = worker
        self._always: dict[str, int] = {} if worker is None else {"worker": worker}
        self.guard = guard or Guard()

    def event(self, name: Event, **attributes: Unpack[Attributes]) -> None:
        checked = {key: self.guard.value(Sink.LOGS, key, value) for key, value in attributes.items()}
        self._write(name, {key: value for key, value in checked.items() if value is not None})

    def finding(self, name: About, finding: Finding) -> None:
        """Sentences of wardgate's own about the configuration, which nothing of a call has ever met."""
        told = {"file": finding.file, "line": finding.line, "key": finding.key, "what": finding.what}
        self._write(name, {key: value for key, value in told.items() if value})

    def fault(self, stage: str, error: BaseException) -> None:
        self.event("fault", stage=stage, error_class=class_of(error), where=place_of(error.__traceback__))

    def unhandled(self, error: type[BaseException], trace: TracebackType | None) -> None:
        self.event("unhandled", error_class=class_of(error), where=place_of(trace))

    def _write(self, name: str, attributes: dict[str, object]) -> None:
        if name not in _EVENTS:
            self.guard.lost(Sink.LOGS, Loss.UNLISTED)
            name = OTHER
        line = msgspec.json.encode({"event": name, **self._always, **attributes}).decode()
        try:
            self._out.write(f"{line}\n")  # in one piece: workers write to the same place
            self._out.flush()
        except (OSError, ValueError):
            return  # a closed pipe or a full disk must not fail a call


def place_of(trace: TracebackType | None) -> str:
    """The innermost line of our code."""
    frames = traceback.walk_tb(trace)
    places = [(frame.f_code.co_filename, line) for frame, line in frames if _OURS in frame.f_code.co_filename]
    if not places:
        return "outside"
    file, line = places[-1]
    return f"{file.rpartition(_OURS)[2]}:{line}"


_OURS = "wardgate/"
