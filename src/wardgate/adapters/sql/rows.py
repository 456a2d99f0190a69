"""Records as rows, and back."""

from hashlib import sha256
from typing import Any, TypeVar

import msgspec

from wardgate.domain.records import DecisionRecord
from wardgate.records.archive import ArchiveUnavailable, FeedbackEntry, RecordRefused, Trouble

_T = TypeVar("_T")


def decision_row(record: DecisionRecord) -> dict[str, Any]:
    return {
        "decision_id": record.decision_id,
        "at": record.at,
        "of_id": record.of,
        "service_id": record.service_id,
        "hook_instance": record.hook_instance,
        "release_digest": record.release_digest,
        "visible": record.visible,
        "record": written(record),
    }


def feedback_row(entry: FeedbackEntry) -> dict[str, Any]:
    same = msgspec.structs.replace(entry, received=0.0)
    return {
        "report": sha256(msgspec.json.encode(same)).hexdigest(),
        "received": entry.received,
        "card_key": entry.card_key,
        "client": entry.client,
        "service_id": entry.service_id,
        "entry": written(entry),
    }


def written(value: DecisionRecord | FeedbackEntry) -> str:
    """Raises RecordRefused for what could not be read again: a time that is no number, a text that is no Unicode."""
    try:
        raw = msgspec.json.encode(value)
        msgspec.json.decode(raw, type=type(value))
        return raw.decode()
    except (msgspec.MsgspecError, UnicodeError):
        raise RecordRefused from None


def read(text: str, kind: type[_T]) -> _T:
    try:
        return msgspec.json.decode(text, type=kind)
    except msgspec.MsgspecError:
        raise ArchiveUnavailable(Trouble.FOREIGN) from None
