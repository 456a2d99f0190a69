"""The seal of a value: proof that this deployment wrote it under this very key, and until when it counts.

    sealed = MAC (16 bytes) | expires (8: epoch milliseconds) | key id (4) | value
    MAC    = HMAC-SHA-256(key of the purpose "store", length of the key | key | expires | key id | value)

Whoever may write to Redis can so neither invent a value, nor move it to another patient's key, nor let it live on.
"""

import hmac
from collections.abc import Sequence
from enum import Enum
from struct import Struct

from wardgate.domain.pseudonyms import PurposeKey

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
        self._secrets = {bytes.fromhex(key.id): key.secret for key in keys}
        self._id = bytes.fromhex(keys[0].id)
        self._secret = keys[0].secret

    def seal(self, key: bytes, value: bytes, expires: float) -> bytes:
        content = _HEAD.pack(int(expires * 1000), self._id) + value
        return _mac(self._secret, key, content) + content

    def open(self, key: bytes, sealed: bytes, now: float) -> bytes | Unusable:
        if len(sealed) < OVERHEAD:
            return Unusable.FORGED
        mac, content = sealed[:_MAC_BYTES], sealed[_MAC_BYTES:]
        expires, key_id = _HEAD.unpack_from(content)
        secret = self._secrets.get(key_id)
        if secret is None or not hmac.compare_digest(mac, _mac(secret, key, content)):
            return Unusable.FORGED
        return Unusable.EXPIRED if now * 1000 >= expires else content[_HEAD.size :]


def _mac(secret: bytes, key: bytes, content: bytes) -> bytes:
    return hmac.digest(secret, _LENGTH.pack(len(key)) + key + content, "sha256")[:_MAC_BYTES]
