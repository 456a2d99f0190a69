"""`control.ports.LocalCopy`: one small file, in the folder that this replica alone has.

It says what the replica went by last, so that a restart shows no more than that; and when that was last known to be
the newest, by a clock that goes on from start to start of a process, though not of the machine.
"""

import os
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from wardgate.control.ports import KeptSnapshot, LocalSeen
from wardgate.control.snapshots import LARGEST, Sealer, Unsound
from wardgate.domain.rollout.rollouts import Ceiling

_BOOT = Path("/proc/sys/kernel/random/boot_id")


class _File(msgspec.Struct, forbid_unknown_fields=True, array_like=True):
    snapshot: KeptSnapshot
    ceilings: list[bytes]
    boot: str
    fresh: float


class FileLocalCopy:
    """Of one process; in one thread. `monotonic` never jumps and goes on while the machine sleeps."""

    def __init__(self, path: Path, sealer: Sealer, monotonic: Callable[[], float]) -> None:
        self._path, self._sealer, self._monotonic = path, sealer, monotonic
        self._boot = _boot_id()

    def save(self, kept: KeptSnapshot, ceilings: Sequence[Ceiling], fresh: float) -> None:
        """Whole or not at all, and on the disk when it returns. Raises OSError."""
        sealed = [self._sealer.seal_ceiling(ceiling) for ceiling in ceilings]
        new = self._path.with_name(f"{self._path.name}.new")
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with open(descriptor, "wb") as file:
            file.write(msgspec.msgpack.encode(_File(kept, sealed, self._boot, fresh)))
            file.flush()
            os.fsync(file.fileno())
        new.replace(self._path)
        folder = os.open(self._path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def load(self) -> LocalSeen | None:
        """None: there is none yet. Raises Unsound for one that is damaged or was not written by this deployment, and
        OSError."""
        try:
            with self._path.open("rb") as file:
                content = file.read(2 * LARGEST)
        except FileNotFoundError:
            return None
        try:
            read = msgspec.msgpack.decode(content, type=_File)
        except (msgspec.MsgspecError, UnicodeError):
            raise Unsound from None
        ceilings = tuple([self._sealer.open_ceiling(sealed) for sealed in read.ceilings])
        age = self._monotonic() - read.fresh if self._boot and read.boot == self._boot else None
        return LocalSeen(self._sealer.open(read.snapshot), ceilings, age if age is None or age >= 0 else None)


def _boot_id() -> str:
    """Empty where the system has none: then nobody knows how old a file is."""
    try:
        return _BOOT.read_text(encoding="ascii").strip()
    except (OSError, UnicodeError):
        return ""
