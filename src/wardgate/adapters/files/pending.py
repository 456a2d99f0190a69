"""`control.audit.Pending` as files: one for each event, since there are few, and a torn one costs no other.

STORES.SPOOL/audit/                 0700
    00001790000000123-UUID.json     0600; the time is for the order
    ….json.aside                    what cannot be read: for a person to look at
"""

import errno
import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import msgspec

from wardgate.adapters.files.whole import whole_file
from wardgate.control.audit import Happened

_ASIDE = ".aside"


@dataclass(frozen=True, slots=True)
class PendingOptions:
    most: int = 10_000
    """Files that may wait, a kilobyte each as a rule; the oldest stay, and what comes then is not taken."""


class PendingFolder:
    """Several processes may use it: chaining knows what it has had."""

    def __init__(self, folder: Path, options: PendingOptions | None = None) -> None:
        self._folder = folder
        self._options = options or PendingOptions()

    def keep(self, happened: Happened) -> None:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if self.room() <= 0:
            raise OSError(errno.EDQUOT, os.strerror(errno.EDQUOT))
        event = happened.event
        with whole_file(self._folder / f"{event.at.translate(_DIGITS)}-{event.id}.json") as file:
            file.write(msgspec.json.encode(happened))

    def room(self) -> int:
        return self._options.most - len(self._files())

    def aside(self) -> int:
        """How many could not be read. Raises OSError."""
        return sum(1 for _ in self._folder.glob(f"*{_ASIDE}"))

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


_DIGITS = str.maketrans("", "", "-:.TZ")
