"""Captures as files: a patient's data, for their user alone, and never over another file."""

import os
from pathlib import Path
from time import monotonic, sleep
from typing import TYPE_CHECKING

import msgspec

from wardgate.adapters.files.whole import whole_file
from wardgate.cli.admin import Admin, CannotAsk, Refused
from wardgate.domain.errors import ConfigurationError
from wardgate.domain.records import DecisionRecord
from wardgate.gateway.replay import FORMAT, Capture
from wardgate.records.story import Stories

if TYPE_CHECKING:
    from wardgate.bootstrap.configured import Configured

_PATIENCE = 5.0
"""Seconds that the gateway's record may take to be found."""

_LARGEST = 256 * 1024 * 1024


class NoCapture(Exception):
    """What is wrong with the file, and what to do about it."""

    def __init__(self, what: str, remedy: str) -> None:
        super().__init__(what)
        self.what = what
        self.remedy = remedy


def prepare(path: Path, config: Path | None) -> None:
    """What can be told before anything is asked of a gateway. Raises NoCapture."""
    if config is None:
        remedy = "Name the gateway's configuration with --config FILE."
        raise NoCapture("A capture runs the call a second time, in this process, and needs to know how.", remedy)
    if os.path.lexists(path):
        raise NoCapture(f"{path} is there already.", "A capture overwrites nothing: name another file.")
    if not path.parent.is_dir():
        raise NoCapture(f"There is no folder {path.parent}.", "Make it first.")


def keep(path: Path, config: Path, service: str, sent: bytes, received: bytes, admin: str | None) -> str:
    """Runs the call again beside the gateway, at the clock and under the id of the gateway's own decision, and writes
    what came into it; the sentences for the user. Raises NoCapture."""
    from wardgate.bootstrap import replaying  # only now: a call without it need not wait for the server's libraries

    configured = configured_from(config)
    record = _record(sent, admin)
    moment = replaying.moment_of(configured, service, record)
    try:
        captured = replaying.capture(configured, service, sent, moment, received, record)
    except replaying.NoService:
        raise NoCapture(f"{config} has no service {service}.", "Name the gateway's own configuration.") from None
    write(path, captured)
    reads, asked = len(captured.reads), len(captured.asked)
    replies = "1 reply" if asked == 1 else f"{asked} replies"
    held = f"{path}: the request, {reads} FHIR reads, {replies} of the model. It holds a patient's data."
    if captured.of_gateway:
        return f"{held} The gateway's own answer comes of it, byte for byte."
    if record is None:
        return f"{held} The gateway's record of the call was not found: the capture has an id and a clock of its own."
    return f"{held} The gateway answered something else: see `wardgate trace {record.decision_id}`."


def configured_from(config: Path) -> "Configured":
    """Raises NoCapture."""
    from wardgate.cli.configured import read as read_configured

    try:
        return read_configured(config / "wardgate.yaml" if config.is_dir() else config)
    except ConfigurationError:
        raise NoCapture(f"{config} is no sound configuration.", "`wardgate check` says why.") from None


def _record(sent: bytes, admin: str | None) -> DecisionRecord | None:
    """The gateway's own record of the call: it takes a moment from the spool to the store."""
    instance = msgspec.json.decode(sent)["hookInstance"]
    until = monotonic() + _PATIENCE
    while admin is not None and monotonic() < until:
        try:
            found = msgspec.json.decode(Admin(admin).get(f"/admin/v1/trace/{instance}"), type=Stories).stories
        except Refused as refused:
            if refused.status != 404:
                return None
            found = ()
        except CannotAsk:
            return None
        if found:
            return found[-1].decision
        sleep(0.1)
    return None


def write(path: Path, captured: Capture) -> None:
    """Raises NoCapture."""
    try:
        with whole_file(path) as file:
            file.write(msgspec.json.encode(captured))
    except OSError as error:
        raise NoCapture(f"{path} cannot be written: {error.strerror}.", "Name another file.") from None


def read(path: Path) -> Capture:
    """Raises NoCapture."""
    try:
        if path.stat().st_size > _LARGEST:
            raise NoCapture(f"{path} is too large to be a capture.", "Name one that `wardgate call --capture` wrote.")
        raw = path.read_bytes()
    except OSError as error:
        raise NoCapture(f"{path} cannot be read: {error.strerror}.", "Name another file.") from None
    try:
        captured = msgspec.json.decode(raw, type=Capture)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        remedy = "Name one that `wardgate call --capture` wrote."
        raise NoCapture(f"{path} is no capture, or only half of one.", remedy) from None
    if captured.format != FORMAT:
        remedy = "Replay it with the version of wardgate that wrote it."
        raise NoCapture(f"{path} has the form {captured.format}; this version reads {FORMAT}.", remedy)
    return captured
