"""Pseudonyms: what stands for a patient, an encounter or a user wherever something is kept (law 4).

    pseudonym = HMAC-SHA-256(key of the purpose, kind | client | FHIR server | id …)

Each purpose has a key of its own, derived from the one secret of the deployment (HKDF, RFC 5869), so that what a cache
holds cannot be joined to a log or an export. A key says by its id which secret it comes from. Secrets rotate with
overlap: what is written goes under the current one, what is looked up may still lie under a previous one.
"""

import hmac
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from hashlib import sha256

SECRET_BYTES = 32
"""The least that a secret has."""

_SALT = b"wardgate pseudonym key, version 1"
_DIGEST_BYTES = 20
_ID_BYTES = 4

Part = str | None
"""None and the empty text are two different parts."""


class Purpose(StrEnum):
    """What a key is for. A value here is part of the derivation: to change one is to rotate that key."""

    LOG = "log"
    CACHE = "cache"
    EXPORT = "export"
    STORE = "store"
    """Authenticates what a store outside of this process gives back."""
    ANSWER = "answer"
    """Seals answers that are held for a repeat."""


@dataclass(frozen=True, slots=True)
class PurposeKey:
    id: str
    """Eight hexadecimal digits; says nothing of the key."""
    secret: bytes = field(repr=False)


class KeyRing:
    """The secret of the deployment and, after it, those that it replaced. Holds what nobody may print."""

    def __init__(self, secrets: Sequence[bytes]) -> None:
        """`secrets` has the current one first."""
        if not secrets or any(len(secret) < SECRET_BYTES for secret in secrets):
            raise ValueError(f"a secret has {SECRET_BYTES} bytes or more")
        self._roots = tuple([hmac.digest(_SALT, secret, "sha256") for secret in secrets])

    def keys(self, purpose: Purpose) -> tuple[PurposeKey, ...]:
        """The current key first."""
        return tuple([_derived(root, purpose) for root in self._roots])


class Pseudonyms:
    """The pseudonyms of one purpose."""

    def __init__(self, ring: KeyRing, purpose: Purpose) -> None:
        self._keys = ring.keys(purpose)

    def current(self, kind: str, client: str, fhir_server: Part, *parts: Part) -> bytes:
        """`kind` is a name of wardgate's own and stands in clear; of the rest only the digest does."""
        return _pseudonym(self._keys[0], kind, unambiguous(kind, client, fhir_server, *parts))

    def all(self, kind: str, client: str, fhir_server: Part, *parts: Part) -> tuple[bytes, ...]:
        """The current pseudonym, then those under previous keys."""
        message = unambiguous(kind, client, fhir_server, *parts)
        return tuple([_pseudonym(key, kind, message) for key in self._keys])


def unambiguous(*parts: Part) -> bytes:
    """No two lists of parts have the same bytes: each text is preceded by its length in bytes, None is a dash."""
    encoded = [b"-" if part is None else part.encode("utf-8", "surrogatepass") for part in parts]
    return b"".join(
        [b"-" if part is None else b"%d:%b" % (len(raw), raw) for part, raw in zip(parts, encoded, strict=True)]
    )


def _pseudonym(key: PurposeKey, kind: str, message: bytes) -> bytes:
    digest = hmac.digest(key.secret, message, "sha256")[:_DIGEST_BYTES].hex()
    return f"{kind}:{key.id}:{digest}".encode()


def _derived(root: bytes, purpose: Purpose) -> PurposeKey:
    """HKDF's second step, one block of it."""
    secret = hmac.digest(root, purpose.value.encode() + b"\x01", "sha256")
    return PurposeKey(sha256(b"id" + secret).digest()[:_ID_BYTES].hex(), secret)
