"""Where the running demo is: a small file in the temporary folder, for its user only."""

import os
import stat
import tempfile
from pathlib import Path

import msgspec


class Running(msgspec.Struct, frozen=True):
    """The addresses of a demo, without trailing slash; `fhir` is the FHIR base. `pid` is the demo's own."""

    pid: int
    gateway: str
    admin: str
    fhir: str
    model: str


def path() -> Path:
    return Path(tempfile.gettempdir()) / f"wardgate-demo-{os.getuid()}.json"


def announce(running: Running) -> None:
    """Written whole beside its place and moved there: never half a file, never through somebody's symlink."""
    descriptor, name = tempfile.mkstemp(prefix="wardgate-demo-", suffix=".tmp", dir=path().parent)  # mode 0600
    with os.fdopen(descriptor, "wb") as file:
        file.write(msgspec.json.encode(running))
    os.replace(name, path())


def withdraw(pid: int) -> None:
    """Remove the file, unless another demo has written its own since."""
    current = _read()
    if current is not None and current.pid == pid:
        path().unlink(missing_ok=True)


def find() -> Running | None:
    """The demo that runs now; None where there is none, or the file is not this user's."""
    running = _read()
    return running if running is not None and _alive(running.pid) else None


def _read() -> Running | None:
    try:
        state = path().lstat()
        if not stat.S_ISREG(state.st_mode) or state.st_uid != os.getuid():
            return None
        return msgspec.json.decode(path().read_bytes(), type=Running)
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
