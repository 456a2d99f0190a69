"""Environments of their own for the real model servers that the tests start: built once, kept in the user's cache.

    python -m tests.environments        builds what is missing of all of them; `make test` does it beforehand

They are not in the development environment, because a model server pins what wardgate uses in other versions. An
environment is found by the digest of its lock file and of the interpreter that it was built with. It counts once its
last file, the mark, is there: one that was interrupted is built anew, and of two builders one waits.
"""

import fcntl
import hashlib
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

LOCKS = Path(__file__).parent / "envs"
NEEDS: dict[str, tuple[tuple[int, int], tuple[int, int]]] = {
    "mlserver": ((3, 11), (3, 12)),
    "mlflow": ((3, 11), (3, 14)),
}
"""By name: the first and the last version of Python that it runs on."""
_MARK = ".complete"
_TIMEOUT = 1200.0


class CannotBuild(Exception):
    """What is in the way, and what to do about it."""


def python_of(name: str) -> Path:
    """The interpreter of an environment, built now where it is not there yet."""
    lock = LOCKS / f"{name}.lock"
    base = _interpreter(name, [sys.executable, "python3.12", "python3.11", "python3.13", "python3.14", "python3"])
    return build(folder_of(lock, base), base, lock)


def folder_of(lock: Path, base: str) -> Path:
    """Old ones are never removed: their folder is a cache, and may be deleted."""
    digest = hashlib.sha256(lock.read_bytes() + _about(base).encode()).hexdigest()[:16]
    root = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"  # noqa: TID251 - where the user keeps caches
    return Path(root) / "wardgate" / "envs" / f"{lock.stem}-{digest}"


def build(folder: Path, base: str, lock: Path) -> Path:
    python = folder / "bin" / "python"
    folder.parent.mkdir(parents=True, exist_ok=True)
    with _alone(folder.with_suffix(".lock")):
        if not (folder / _MARK).exists():
            shutil.rmtree(folder, ignore_errors=True)
            _run([base, "-m", "venv", str(folder)], "python -m venv failed: install it (Debian: python3-venv)")
            pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-compile"]
            locked = ["--only-binary", ":all:", "--require-hashes", "-r", str(lock)]
            _run([*pip, *locked], f"pip could not install {lock.name}")
            (folder / _MARK).touch()
    return python


@contextmanager
def _alone(lock: Path) -> Iterator[None]:
    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)  # released with the file, also by a builder that is killed
        yield


def _interpreter(name: str, candidates: Sequence[str]) -> str:
    first, last = NEEDS[name]
    for candidate in candidates:
        version = _about(candidate).split()[:1]
        if version and first <= tuple(int(part) for part in version[0].split(".")[:2]) <= last:
            return candidate
    bounds = " to ".join(".".join(map(str, bound)) for bound in (first, last))
    raise CannotBuild(f"{name} needs Python {bounds}: install one of them, so that it is found as python{last[0]}.x")


def _about(python: str) -> str:
    """Version, implementation and machine; nothing for what does not run."""
    if python == sys.executable:
        return f"{platform.python_version()} {platform.python_implementation()} {platform.machine()}"
    code = "import platform as p; print(p.python_version(), p.python_implementation(), p.machine())"
    try:
        ran = subprocess.run([python, "-c", code], capture_output=True, text=True, timeout=30)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return ran.stdout.strip() if ran.returncode == 0 else ""


def _run(command: Sequence[str], failure: str) -> None:
    try:
        ran = subprocess.run(command, capture_output=True, text=True, timeout=_TIMEOUT)
    except subprocess.TimeoutExpired:
        raise CannotBuild(f"{failure}: it took longer than {_TIMEOUT:g} s") from None
    if ran.returncode != 0:
        raise CannotBuild(f"{failure}\n{(ran.stdout + ran.stderr)[-2000:]}")


def main() -> int:
    for name in NEEDS:
        try:
            python_of(name)
        except CannotBuild as error:
            print(error, file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
