"""Entries into the store: as many as it takes at a time, and one by one where it refuses some of them."""

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import msgspec

from wardgate.adapters.spool.frames import Entry, Found
from wardgate.domain.records import DecisionRecord
from wardgate.records.archive import ArchiveUnavailable, FeedbackEntry, RecordRefused

Wanted = DecisionRecord | FeedbackEntry
_decoders: dict[int, Any] = {
    Entry.DECISION: msgspec.msgpack.Decoder(DecisionRecord),
    Entry.FEEDBACK: msgspec.msgpack.Decoder(FeedbackEntry),
}


class Takes(Protocol):
    """What of an `Archive` is needed here."""

    def add_decisions(self, records: Sequence[DecisionRecord]) -> int: ...

    def add_feedback(self, entries: Sequence[FeedbackEntry]) -> int: ...


def decoded(found: Found) -> Wanted | None:
    """None: a later version of the program wrote it."""
    decoder = _decoders.get(found.kind)
    try:
        value: Wanted | None = None if decoder is None else decoder.decode(found.payload)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None
    return value


def undelivered(archive: Takes, wanted: Sequence[Wanted], fault: Callable[[BaseException], None]) -> list[Wanted]:
    """Those that the store refuses. Raises ArchiveUnavailable; what was given by then may be given again."""
    try:
        _add(archive, wanted)
        return []
    except ArchiveUnavailable:
        raise
    except Exception as error:
        if not isinstance(error, RecordRefused):
            fault(error)
    refused: list[Wanted] = []
    for value in wanted:
        try:
            _add(archive, [value])
        except ArchiveUnavailable:
            raise
        except Exception as error:  # whatever is wrong with one entry must not hold up the others
            if not isinstance(error, RecordRefused) and len(refused) == len(wanted) - 1 > 0:
                raise  # not with the entries
            refused.append(value)
    return refused


def _add(archive: Takes, values: Sequence[Wanted]) -> None:
    decisions = [value for value in values if isinstance(value, DecisionRecord)]
    feedback = [value for value in values if isinstance(value, FeedbackEntry)]
    if decisions:
        archive.add_decisions(decisions)
    if feedback:
        archive.add_feedback(feedback)
