"""Log lines: one JSON object each, and no message of an exception in any."""

import io
import json

from wardgate.adapters.logs.events import EventLog


def test_a_fault_is_its_class_and_its_place() -> None:
    """Law 4: the message of an exception may hold a patient's name."""
    out = io.StringIO()
    try:
        raise ValueError("Maria Muster")
    except ValueError as error:
        EventLog(out).fault("hook", error)
    line = json.loads(out.getvalue())
    assert (line["event"], line["stage"], line["error_class"]) == ("fault", "hook", "ValueError")
    assert "Maria" not in out.getvalue()


def test_a_closed_pipe_fails_nobody() -> None:
    """A log that cannot be written must not end a call."""
    out = io.StringIO()
    out.close()
    EventLog(out).event("listening")
