"""Answers that are held for a repeat, sealed so that only whoever sends the same request again can have them opened.

    sealed = key id | nonce | AES-256-GCM(key of the body, answer; the name under which it is kept goes along)
    key of the body = HMAC-SHA-256(one key of the purpose, GMAC(another key of the purpose, body))

A card holds values of a patient, and the store may be another machine. The key is made of the body, so neither the
store nor the deployment's secret nor both together give an answer away. GMAC under a fixed nonce is a keyed universal
hash, whose value nobody sees; a pseudorandom function of it is one of the whole body (hash, then PRF). It takes 2 µs
for 34 KB where a plain HMAC takes 17.
"""

import hmac
import os
from collections.abc import Sequence

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from wardgate.domain.pseudonyms import Mac, PurposeKey

_NONCE = 12
_FIXED = bytes(_NONCE)


class SealedAnswers:
    """Meets `gateway.ports.AnswerVault`."""

    def __init__(self, keys: Sequence[PurposeKey]) -> None:
        """`keys` has the current one first; what previous ones have sealed can still be opened."""
        self._keys = [_BodyKeys(key) for key in keys]
        self._by_id = {key.id: key for key in self._keys}

    def seal(self, name: bytes, body: bytes, answer: bytes) -> bytes:
        key = self._keys[0]
        nonce = os.urandom(_NONCE)
        return key.id + nonce + key.of(body).encrypt(nonce, answer, name)

    def open(self, name: bytes, body: bytes, sealed: bytes) -> bytes | None:
        """None: another body, another name, a secret that is gone, or forged."""
        key = self._by_id.get(sealed[:_ID])
        if key is None or len(sealed) < _ID + _NONCE:
            return None
        nonce = sealed[_ID : _ID + _NONCE]
        try:
            return key.of(body).decrypt(nonce, sealed[_ID + _NONCE :], name)
        except InvalidTag:
            return None


_ID = 8


class _BodyKeys:
    """Makes the key of each body."""

    def __init__(self, key: PurposeKey) -> None:
        self.id = key.id.encode()
        self._hash = AESGCM(hmac.digest(key.secret, b"hash of the body", "sha256"))
        self._mac = Mac(hmac.digest(key.secret, b"key of the body", "sha256"))

    def of(self, body: bytes) -> AESGCM:
        return AESGCM(self._mac(self._hash.encrypt(_FIXED, b"", body)))
