"""Records as lines: what leaves through the API and into files."""

import csv
import io
from collections.abc import Generator, Iterable, Iterator
from typing import Any

import msgspec

from wardgate.records.archive import AffectedRow
from wardgate.records.joined import Joined

_COLUMNS = AffectedRow.__struct_fields__
_CHUNK = 64 * 1024

encode = msgspec.json.Encoder().encode


def exported(each: Joined) -> bytes:
    """The event schema of record with what came home: `user_action` (accepted, overridden, absent: nothing was
    reported), its class of reason, and `outcome_label`."""
    document: dict[str, Any] = msgspec.to_builtins(each.record)
    last = each.last
    if last is not None:
        document["user_action"] = last.outcome
        document["user_action_class"] = last.override_class
    if each.outcome is not None:
        document["outcome_label"] = each.outcome
    return encode(document)


def ndjson(documents: Iterable[bytes]) -> Iterator[bytes]:
    for document in documents:
        yield document + b"\n"


def csv_of(rows: Iterable[AffectedRow]) -> Iterator[bytes]:
    """With a head. No cell can be a formula of a spreadsheet: all hold names of wardgate's own and numbers."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_COLUMNS)
    for row in rows:
        writer.writerow([getattr(row, name) for name in _COLUMNS])
        if text.tell() > _CHUNK:
            yield _taken(text)
    yield _taken(text)


def _taken(text: io.StringIO) -> bytes:
    taken = text.getvalue().encode()
    text.seek(0)
    text.truncate()
    return taken


def chunks(pieces: Iterable[bytes]) -> Generator[bytes]:
    """Fewer and larger ones: each costs a stream a turn."""
    held: list[bytes] = []
    size = 0
    for piece in pieces:
        held.append(piece)
        size += len(piece)
        if size > _CHUNK:
            yield b"".join(held)
            held, size = [], 0
    if held:
        yield b"".join(held)
