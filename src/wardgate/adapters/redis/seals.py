"""The seal of a value: proof that this deployment wrote it under this very key, and until when it counts.

    sealed = MAC (16 bytes) | expires (8: epoch milliseconds) | key id (4) | value
    MAC    = HMAC-SHA-256(key of the purpose "store", length of the key | key | expires | key id | value)

Whoever may write to Redis can so neither invent a value, nor move it to another patient's key, nor let it live on.
"""

import hmac
from collections.abc import Sequence
from enum import Enum
from struct import Struct

from wardgate.domain.pseudonyms import Mac, PurposeKey

_MAC_BYTES = 16
_HEAD = Struct(">Q4s")
_LENGTH = Struct(">I")
OVERHEAD = _MAC_BYTES + _HEAD.size


class Unusable(Enum):
    FORGED = "forged"
    EXPIRED = "expired"


class Seals:
    """Seals with the current key; opens what a previous one has sealed, too."""

    def __init__(self, keys: Sequence[PurposeKey]) -> None:
        self._macs = {bytes.fromhex(key.id): Mac(key.secret) for key in keys}
        self._id = bytes.fromhex(keys[0].id)

    def seal(self, key: bytes, value: bytes, expires: float) -> bytes:
        content = _HEAD.pack(int(expires * 1000), self._id) + value
        return _seal(self._macs[self._id], key, content) + content

    def open(self, key: bytes, sealed: bytes, now: float) -> bytes | Unusable:
        until = self._until(key, sealed)
        if until is None:
            return Unusable.FORGED
        return Unusable.EXPIRED if now * 1000 >= until else sealed[OVERHEAD:]

    def outlives(self, key: bytes, sealed: bytes, expires: float) -> bool:
        """Whether it is one of ours, and later than what expires then (values of one key live equally long)."""
        until = self._until(key, sealed)
        return until is not None and until > int(expires * 1000)

    def _until(self, key: bytes, sealed: bytes) -> int | None:
        """Epoch milliseconds; None: forged."""
        if len(sealed) < OVERHEAD:
            return None
        content = sealed[_MAC_BYTES:]
        expires, key_id = _HEAD.unpack_from(content)
        mac = self._macs.get(key_id)
        if mac is None or not hmac.compare_digest(sealed[:_MAC_BYTES], _seal(mac, key, content)):
            return None
        return int(expires)


def _seal(mac: Mac, key: bytes, content: bytes) -> bytes:
    return mac(_LENGTH.pack(len(key)) + key + content)[:_MAC_BYTES]
