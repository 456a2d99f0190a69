"""Anchors of the audit chain, signed with Ed25519 (RFC 8032).

{"anchor":{"at":…,"key":…,"number":…,"seal":…},"signature":base64 of the signature over the anchor's canonical JSON}
"""

from base64 import b64decode, b64encode
from hashlib import sha256

import msgspec
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key

from wardgate.domain.audit import Anchor, Link, moment


class NoAnchorKey(Exception):
    """What was given is no such key. Says no more: it may be another secret."""


class NoAnchor(Exception):
    """The file is no anchor, or not one of this key's. `why` says which."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


class _Signed(msgspec.Struct, forbid_unknown_fields=True):
    anchor: Anchor
    signature: str


class AnchorKey:
    """The public key: whoever has it can tell an anchor from a forged one."""

    def __init__(self, key: Ed25519PublicKey) -> None:
        self._key = key
        self.id = sha256(key.public_bytes_raw()).hexdigest()[:16]

    @classmethod
    def of(cls, pem: bytes) -> "AnchorKey":
        """`openssl pkey -in anchor.pem -pubout`. Raises NoAnchorKey."""
        try:
            key = load_pem_public_key(pem)
        except (ValueError, UnsupportedAlgorithm):
            raise NoAnchorKey from None
        if not isinstance(key, Ed25519PublicKey):
            raise NoAnchorKey
        return cls(key)

    def read(self, signed: bytes) -> Anchor:
        """Raises NoAnchor."""
        found = _read(signed)
        try:
            self._key.verify(b64decode(found.signature, validate=True), found.anchor.text())
        except (InvalidSignature, ValueError):
            if found.anchor.key != self.id:
                raise NoAnchor("it was signed with another key") from None
            raise NoAnchor("its signature is not that of this key") from None
        return found.anchor


class AnchorSigner:
    """With the private key."""

    def __init__(self, pem: bytes) -> None:
        """`openssl genpkey -algorithm Ed25519`, without a password. Raises NoAnchorKey."""
        try:
            key = load_pem_private_key(pem, None)
        except (ValueError, TypeError, UnsupportedAlgorithm):
            raise NoAnchorKey from None
        if not isinstance(key, Ed25519PrivateKey):
            raise NoAnchorKey
        self._key = key
        self.public = AnchorKey(key.public_key())

    def sign(self, link: Link, now: float) -> bytes:
        """One line, with its end."""
        anchor = Anchor(link.number, link.seal, moment(now), self.public.id)
        signature = b64encode(self._key.sign(anchor.text())).decode()
        return msgspec.json.encode(_Signed(anchor, signature)) + b"\n"


def unproven_anchor(signed: bytes) -> Anchor:
    """Without looking at its signature. Raises NoAnchor."""
    return _read(signed).anchor


def _read(signed: bytes) -> _Signed:
    try:
        return msgspec.json.decode(signed, type=_Signed)
    except (msgspec.MsgspecError, UnicodeError):
        raise NoAnchor("it is no anchor") from None
