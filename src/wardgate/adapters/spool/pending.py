"""`control.audit.Pending` as files: one for each event, since there are few, and a torn one costs no other.

STORES.SPOOL/audit/                 0700
    00001790000000123-UUID.json     0600; the time is for the order
    ….json.aside                    what cannot be read: for a person to look at
"""

import os
from contextlib import suppress
from pathlib import Path

import msgspec

from wardgate.control.audit import Happened

_ASIDE = ".aside"


class PendingFolder:
    """Several processes may use it: chaining knows what it has had."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def keep(self, happened: Happened) -> None:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        event = happened.event
        name = f"{event.at.translate(_DIGITS)}-{event.id}.json"
        new = self._folder / f".{name}"
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(msgspec.json.encode(happened))
                file.flush()
                os.fsync(file.fileno())
            new.rename(self._folder / name)
        except BaseException:
            new.unlink(missing_ok=True)
            raise
        self._flush()

    def waiting(self, most: int) -> list[Happened]:
        found: list[Happened] = []
        for path in self._files():
            with suppress(FileNotFoundError):  # another process has chained it meanwhile
                try:
                    happened = msgspec.json.decode(path.read_bytes(), type=Happened)
                    if not path.name.endswith(f"-{happened.event.id}.json"):
                        raise ValueError
                    found.append(happened)
                except (msgspec.MsgspecError, ValueError):
                    path.rename(path.with_name(path.name + _ASIDE))
            if len(found) == most:
                break
        return found

    def done(self, event_id: str) -> None:
        for path in self._folder.glob(f"[0-9]*-{event_id}.json"):
            path.unlink(missing_ok=True)

    def _files(self) -> list[Path]:
        return sorted(self._folder.glob("[0-9]*.json"))

    def _flush(self) -> None:
        """So that the name of the file is on the disk as well."""
        descriptor = os.open(self._folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


_DIGITS = str.maketrans("", "", "-:.TZ")
