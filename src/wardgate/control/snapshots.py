"""A snapshot as stores hold it: canonical JSON (RFC 8785), and a MAC that says that this deployment wrote it.

    MAC = HMAC-SHA-256(key of the purpose "store", "snapshot" | epoch | document)     a ceiling: "ceiling" | document

Whoever may write to a store can so neither invent a snapshot nor change one; an old one that is put back is known by
its epoch. A document with a field that this version does not know is refused: what the field says might hide something.
"""

import hmac
from collections.abc import Sequence
from typing import Any, TypeVar

import msgspec
import rfc8785

from wardgate.control.ports import KeptSnapshot
from wardgate.domain.pseudonyms import Mac, PurposeKey, unambiguous
from wardgate.domain.rollout.rollouts import Ceiling, Snapshot

LARGEST = 4 * 1024**2
"""Bytes of a document; a larger one is not read."""

_NEWER = ("lifted_before", "forgotten")

T = TypeVar("T")


class Unsound(ValueError):
    """What a store gave back is not what this deployment wrote. Says nothing of what it was."""


class _SealedCeiling(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    mac: str
    document: bytes


def document_of(snapshot: Snapshot) -> bytes:
    """Without `hidden`, which is one replica's, and without what is newer than this format and not used: versions
    before this one go on reading it. Raises ValueError for what JSON cannot carry."""
    said = msgspec.to_builtins(snapshot, order="sorted")
    del said["hidden"]
    for name in _NEWER:
        if not said[name]:
            del said[name]
    return _canonical(said)


def snapshot_of(document: bytes) -> Snapshot:
    """Raises Unsound for anything but what `document_of` gives, of this version or one before it."""
    return _strict(document, Snapshot)


class Sealer:
    """Seals with the current key; opens what a previous one has sealed, too. Thread-safe."""

    def __init__(self, keys: Sequence[PurposeKey]) -> None:
        """Of the purpose `store`."""
        self._macs = {key.id: Mac(key.secret) for key in keys}
        self._id = keys[0].id

    def seal(self, snapshot: Snapshot) -> KeptSnapshot:
        document = document_of(snapshot)
        return KeptSnapshot(snapshot.epoch, document, self._mac(self._id, _of_snapshot(snapshot.epoch, document)))

    def open(self, kept: KeptSnapshot) -> Snapshot:
        """Raises Unsound."""
        if not self._is_ours(kept.mac, _of_snapshot(kept.epoch, kept.document)):
            raise Unsound
        snapshot = snapshot_of(kept.document)
        if snapshot.epoch != kept.epoch:
            raise Unsound
        return snapshot

    def is_sound(self, kept: KeptSnapshot) -> bool:
        try:
            self.open(kept)
        except Unsound:
            return False
        return True

    def seal_ceiling(self, ceiling: Ceiling) -> bytes:
        document = _canonical(msgspec.to_builtins(ceiling))
        return msgspec.msgpack.encode(_SealedCeiling(self._mac(self._id, _of_ceiling(document)), document))

    def open_ceiling(self, sealed: bytes) -> Ceiling:
        """Raises Unsound."""
        try:
            read = msgspec.msgpack.decode(sealed, type=_SealedCeiling)
        except (msgspec.MsgspecError, UnicodeError):
            raise Unsound from None
        if not self._is_ours(read.mac, _of_ceiling(read.document)):
            raise Unsound
        return _strict(read.document, Ceiling)

    def _mac(self, key_id: str, message: bytes) -> str:
        return f"{key_id}:{self._macs[key_id](message).hex()}"

    def _is_ours(self, mac: str, message: bytes) -> bool:
        key_id = mac.partition(":")[0]
        if key_id not in self._macs:
            return False
        return hmac.compare_digest(mac.encode("utf-8", "surrogatepass"), self._mac(key_id, message).encode())


def _of_snapshot(epoch: int, document: bytes) -> bytes:
    return unambiguous("snapshot", str(epoch)) + document


def _of_ceiling(document: bytes) -> bytes:
    return unambiguous("ceiling") + document


def _canonical(said: Any) -> bytes:
    try:
        return rfc8785.dumps(said)
    except (rfc8785.CanonicalizationError, UnicodeError):
        raise ValueError("not what a snapshot can hold") from None


def _strict(document: bytes, type_: type[T]) -> T:
    if len(document) > LARGEST:
        raise Unsound
    try:
        read = msgspec.json.decode(document, type=type_)
        given = msgspec.json.decode(document)
        whole = msgspec.to_builtins(read, order="sorted")
        sound = rfc8785.dumps(given) == document and _within(given, whole)
    except (msgspec.MsgspecError, UnicodeError, rfc8785.CanonicalizationError, RecursionError):
        raise Unsound from None
    if not sound or (isinstance(read, Snapshot) and (read.hidden or read.epoch < 1)):
        raise Unsound
    return read


def _within(given: Any, whole: Any) -> bool:
    """Whether nothing of what is given was passed over. What is not given has its default: a version before this one
    did not know it."""
    if isinstance(given, dict):
        return isinstance(whole, dict) and all(name in whole and _within(given[name], whole[name]) for name in given)
    if isinstance(given, list):
        return isinstance(whole, list | tuple) and len(given) == len(whole) and all(map(_within, given, whole))
    return bool(given == whole)
