"""A file that is there whole or not at all, also after kill -9 and a power cut; nothing is ever overwritten.

.NAME.RANDOM.part ─► written ─► fsync ─► link: NAME ─► fsync of the folder
"""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from secrets import token_hex
from typing import IO

_LINKLESS = (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK, errno.EXDEV)
"""What file systems answer that have no hard links."""


@contextmanager
def whole_file(path: Path, mode: int = 0o600) -> Iterator[IO[bytes]]:
    """To be written; it stands under its name when this ends. Raises OSError about `path`, FileExistsError where
    something stands there."""
    part = path.with_name(f".{path.name}.{token_hex(8)}.part")
    with _about(path):
        if os.path.lexists(path):  # before somebody writes a gigabyte for nothing
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST))
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, mode)
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file
            with _about(path):
                file.flush()
                os.fsync(file.fileno())
        with _about(path):
            _name(part, path)
            _flush(path.parent)
    finally:
        with suppress(FileNotFoundError):
            part.unlink()


@contextmanager
def _about(path: Path) -> Iterator[None]:
    """Nobody knows the other name."""
    try:
        yield
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from None


def _name(part: Path, path: Path) -> None:
    """A link takes nobody's place, as a renamed file does."""
    try:
        os.link(part, path, follow_symlinks=False)
    except OSError as error:
        if error.errno not in _LINKLESS:
            raise
        if os.path.lexists(path):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST)) from None
        part.rename(path)


def _flush(folder: Path) -> None:
    """So that the name is on the disk as well."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
