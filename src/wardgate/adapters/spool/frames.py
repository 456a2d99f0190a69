"""Entries of a segment: framed, so that a torn tail and a flipped byte are found, and cost no other entry.

    frame = mark (4 bytes) | length of the payload (4) | CRC-32 of kind and payload (4) | kind (1) | payload

Numbers are little-endian. After damage the next sound frame is searched for by its mark and proved by its checksum.
"""

from collections.abc import Iterator
from enum import IntEnum
from struct import Struct
from zlib import crc32

import msgspec

LARGEST = 1024 * 1024
"""Bytes of a payload. A decision with a thousand features has a tenth of it."""

_MARK = b"\xc1wg\x01"  # 0xC1 begins no value of MessagePack
_HEAD = Struct("<4sIIB")
OVERHEAD = _HEAD.size


class Entry(IntEnum):
    """Kinds of entries. A number keeps its meaning for ever: a segment may be older than the program."""

    DECISION = 1
    FEEDBACK = 2
    WITHHELD = 3
    """The id of a decision whose record came too late: its card did not leave."""


_SEEDS = [crc32(bytes([kind])) for kind in range(256)]


class Found(msgspec.Struct, frozen=True):
    kind: int
    """Of `Entry`, or what a later version of the program wrote."""
    payload: bytes
    end: int


class Gap(msgspec.Struct, frozen=True):
    """Bytes up to `end` that are no entry. `torn`: the last entry is not there to its end."""

    end: int
    torn: bool


def framed(kind: int, payload: bytes) -> bytes:
    return _HEAD.pack(_MARK, len(payload), crc32(payload, _SEEDS[kind]), kind) + payload


def entries(data: bytes, at: int = 0) -> Iterator[Found | Gap]:
    """From the offset `at` to the end of `data`."""
    while at < len(data):
        found = _at(data, at) or _gap(data, at)
        yield found
        at = found.end


def _at(data: bytes, at: int) -> Found | None:
    if at + OVERHEAD > len(data):
        return None
    mark, length, checksum, kind = _HEAD.unpack_from(data, at)
    start, end = at + OVERHEAD, at + OVERHEAD + length
    if mark != _MARK or length > LARGEST or end > len(data):
        return None
    payload = data[start:end]
    return Found(kind, payload, end) if crc32(payload, _SEEDS[kind]) == checksum else None


def _gap(data: bytes, at: int) -> Gap:
    following = data.find(_MARK, at + 1)
    while following >= 0:
        if _at(data, following) is not None:
            return Gap(following, torn=False)
        following = data.find(_MARK, following + 1)
    return Gap(len(data), torn=_reaches_beyond(data, at))


def _reaches_beyond(data: bytes, at: int) -> bool:
    if at + OVERHEAD > len(data):
        return True
    mark, length, _, _ = _HEAD.unpack_from(data, at)
    return mark == _MARK and length <= LARGEST and at + OVERHEAD + int(length) > len(data)
