"""Identities sealed for the custodian: whoever has her private key opens them, and nobody else, wardgate included.

HPKE (RFC 9180) with X25519, HKDF-SHA-256 and AES-256-GCM. The pseudonym goes along as `info`, so that a sealed identity
that was moved to another pseudonym does not open.
"""

import msgspec
from cryptography.exceptions import InvalidTag, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key

from wardgate.domain.record_names import Named

_SUITE = Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)
_INFO = b"wardgate custody, version 1: "


class NoCustodianKey(Exception):
    """What was given is no such key. Says no more: it may be another secret."""


class Sealer:
    """Meets `records.custody.Seal`: with the public key, which opens nothing."""

    def __init__(self, pem: bytes) -> None:
        """`openssl pkey -in custodian.pem -pubout`. Raises NoCustodianKey."""
        try:
            key = load_pem_public_key(pem)
        except (ValueError, UnsupportedAlgorithm):
            raise NoCustodianKey from None
        if not isinstance(key, X25519PublicKey):
            raise NoCustodianKey
        self._key = key

    def __call__(self, pseudonym: str, named: Named) -> bytes:
        return _SUITE.encrypt(msgspec.json.encode(named), self._key, _INFO + pseudonym.encode())


class Opener:
    """With the private key, on the custodian's own machine."""

    def __init__(self, pem: bytes) -> None:
        """`openssl genpkey -algorithm X25519`, without a password. Raises NoCustodianKey."""
        try:
            key = load_pem_private_key(pem, None)
        except (ValueError, TypeError, UnsupportedAlgorithm):
            raise NoCustodianKey from None
        if not isinstance(key, X25519PrivateKey):
            raise NoCustodianKey
        self._key = key

    def open(self, pseudonym: str, sealed: bytes) -> Named | None:
        """None: sealed for another key, for another pseudonym, or forged."""
        try:
            text = _SUITE.decrypt(sealed, self._key, _INFO + pseudonym.encode())
            kind, client, server, id_ = msgspec.json.decode(text, type=tuple[str, str, str | None, str | None])
            return kind, client, server, id_
        except (InvalidTag, ValueError, msgspec.MsgspecError):
            return None
