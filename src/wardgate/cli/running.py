"""Where the running demos are: a small file for each in the temporary folder, for their user only."""

import os
import stat
import tempfile
from pathlib import Path

import msgspec


class Running(msgspec.Struct, frozen=True):
    """The addresses of a demo, without trailing slash; `fhir` is the FHIR base. `pid` is the demo's own, `config` the
    wardgate.yaml with these addresses."""

    pid: int
    gateway: str
    admin: str
    fhir: str
    model: str
    simulator: str
    config: str = ""


def path(pid: int) -> Path:
    return Path(tempfile.gettempdir()) / f"wardgate-demo-{os.getuid()}-{pid}.json"


def announce(running: Running) -> None:
    """Written whole beside its place and moved there: never half a file, never through somebody's symlink."""
    descriptor, name = tempfile.mkstemp(
        prefix="wardgate-demo-", suffix=".tmp", dir=path(running.pid).parent
    )  # mode 0600
    with os.fdopen(descriptor, "wb") as file:
        file.write(msgspec.json.encode(running))
    os.replace(name, path(running.pid))


def withdraw(pid: int) -> None:
    """Remove this demo's file; another's stays."""
    path(pid).unlink(missing_ok=True)


def find(gateway: str | None = None) -> Running | None:
    """The demo that runs now: with this gateway, or the newest one. None where there is none of this user."""
    demos = [demo for demo in _all() if gateway is None or demo.gateway == gateway.rstrip("/")]
    return demos[0] if demos else None


def _all() -> list[Running]:
    """Those that run, the newest first."""
    found = []
    for file in Path(tempfile.gettempdir()).glob(f"wardgate-demo-{os.getuid()}-*.json"):
        running = _read(file)
        if running is not None and file == path(running.pid) and _alive(running.pid):
            found.append((file.lstat().st_mtime_ns, running))
    return [running for _, running in sorted(found, key=lambda pair: pair[0], reverse=True)]


def _read(file: Path) -> Running | None:
    try:
        state = file.lstat()
        if not stat.S_ISREG(state.st_mode) or state.st_uid != os.getuid():
            return None
        return msgspec.json.decode(file.read_bytes(), type=Running)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def _alive(pid: int) -> bool:
    if pid <= 0:
        return False  # to kill(2) those are groups of processes
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
