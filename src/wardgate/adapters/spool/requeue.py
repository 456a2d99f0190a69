"""What was set aside, tried again: given to the store, and set aside once more where it is still refused.

    quarantine ─► quarantine.again-RANDOM ─► store ─► what is refused: quarantine
    N.unreadable ─► read whole ─► store ─► removed; what cannot be read stays as it is

Beside a running gateway as well: what is taken away under the lock, its drainer writes to no longer. A process that
dies here leaves files that the next one finds; what it had delivered, the store knows.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from secrets import token_hex

import msgspec

from wardgate.adapters.spool.delivery import Takes, Wanted, decoded, undelivered
from wardgate.adapters.spool.frames import Entry, Found, entries, framed
from wardgate.adapters.spool.quarantine import QUARANTINE, UNREADABLE, appended, frame_of, put_down
from wardgate.domain.records import DecisionRecord, withheld

_BATCH = 500
_AGAIN = ".again-"


class Requeued(msgspec.Struct, frozen=True):
    """What became of one file; `path` below the spool's root. `trouble`: it cannot be read, and stays as it is."""

    path: str
    delivered: int = 0
    refused: int = 0
    damaged: int = 0
    """Places in it that are no entry."""
    trouble: str = ""


def set_aside(root: Path) -> list[Path]:
    """The files with something to try again. Segments come last: what corrects their entries stands in the others."""
    quarantines = sorted([*root.glob(f"worker-*/{QUARANTINE}"), *root.glob(f"worker-*/{QUARANTINE}{_AGAIN}*")])
    return [*[path for path in quarantines if path.stat().st_size], *_segments(root)]


def _segments(root: Path) -> list[Path]:
    return sorted(root.glob(f"worker-*/*{UNREADABLE}"))


def counted(root: Path) -> Iterator[Requeued]:
    """What there is: `refused` says how many entries."""
    for path in set_aside(root):
        try:
            found = list(entries(path.read_bytes()))
        except OSError as error:
            yield Requeued(_told(root, path), trouble=_why(error))
            continue
        number = sum(isinstance(each, Found) and each.kind != Entry.WITHHELD for each in found)
        yield Requeued(_told(root, path), refused=number, damaged=len(found) - sum(map(_is_entry, found)))


def requeue(root: Path, archive: Takes, fault: Callable[[BaseException], None]) -> Iterator[Requeued]:
    """Raises ArchiveUnavailable and OSError; what was not delivered by then is there for the next time."""
    corrections: set[str] = set()  # entries of a quarantine may be about those of a segment
    for path in set_aside(root):
        told = _told(root, path)
        try:
            found = list(entries(path.read_bytes()))
        except OSError as error:
            yield Requeued(told, trouble=_why(error))
            continue
        if path.name == QUARANTINE:
            path = _taken(path)
            found = list(entries(path.read_bytes()))
        sound = [each for each in found if isinstance(each, Found)]
        wanted = [each for each in sound if each.kind != Entry.WITHHELD]
        correcting = [each for each in sound if each.kind == Entry.WITHHELD]
        corrections |= {each.payload.decode("ascii", "replace") for each in correcting}
        refused = _refused(archive, wanted, corrections, fault)
        still = [framed(each.kind, each.payload) for each in correcting] if _segments(root) else []
        if refused or still:
            with appended(path.parent / QUARANTINE) as descriptor:
                put_down(descriptor, b"".join([*refused, *still]))
        path.unlink(missing_ok=True)
        yield Requeued(told, len(wanted) - len(refused), len(refused), len(found) - len(sound))


def _refused(
    archive: Takes, found: Sequence[Found], corrections: set[str], fault: Callable[[BaseException], None]
) -> list[bytes]:
    """The frames of those that the store does not take, or this version cannot read."""
    frames: list[bytes] = []
    for first in range(0, len(found), _BATCH):
        wanted: list[Wanted] = []
        for each in found[first : first + _BATCH]:
            value = decoded(each)
            if value is None:
                frames.append(framed(each.kind, each.payload))
            elif isinstance(value, DecisionRecord) and value.decision_id in corrections:
                wanted.append(withheld(value))
            else:
                wanted.append(value)
        frames += map(frame_of, undelivered(archive, wanted, fault) if wanted else [])
    return frames


def _taken(path: Path) -> Path:
    """Under another name, so that a drainer begins another file."""
    again = path.with_name(f"{QUARANTINE}{_AGAIN}{token_hex(6)}")
    with appended(path):
        path.rename(again)
    return again


def _is_entry(found: object) -> bool:
    return isinstance(found, Found)


def _told(root: Path, path: Path) -> str:
    return str(path.relative_to(root))


def _why(error: OSError) -> str:
    return os.strerror(error.errno or 0).lower()
