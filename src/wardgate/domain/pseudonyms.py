"""Pseudonyms: what stands for a patient, an encounter or a user wherever something is kept (law 4).

    pseudonym = HMAC-SHA-256(key of the purpose, kind | client | FHIR server | id …)

Each purpose has a key of its own, derived from the one secret of the deployment (HKDF, RFC 5869), so that what a cache
holds cannot be joined to a log or an export. A key says by its id which secret it comes from. Secrets rotate with
overlap: what is written goes under the current one, what is looked up may still lie under a previous one.
"""

import hmac
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from hashlib import sha256

SECRET_BYTES = 32
"""The least that a secret has."""

_SALT = b"wardgate pseudonym key, version 1"
_DIGEST_BYTES = 20
_ID_BYTES = 4
_BLOCK = 64  # of SHA-256

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


class Mac:
    """HMAC-SHA-256 (RFC 2104) under one key of 64 bytes or fewer, whose two halves are hashed beforehand: 1 µs where
    `hmac.digest` takes 2.5, and a call makes a dozen."""

    __slots__ = ("_inner", "_outer")

    def __init__(self, secret: bytes) -> None:
        if len(secret) > _BLOCK:
            raise ValueError(f"a key has {_BLOCK} bytes or fewer")
        block = secret.ljust(_BLOCK, b"\0")
        self._inner = sha256(bytes([byte ^ 0x36 for byte in block]))
        self._outer = sha256(bytes([byte ^ 0x5C for byte in block]))

    def __call__(self, message: bytes) -> bytes:
        inner, outer = self._inner.copy(), self._outer.copy()
        inner.update(message)
        outer.update(inner.digest())
        return outer.digest()

    def after(self, beginning: bytes) -> "Mac":
        """Of messages that all begin so, which is hashed beforehand too."""
        mac = object.__new__(Mac)
        mac._inner, mac._outer = self._inner.copy(), self._outer
        mac._inner.update(beginning)
        return mac


class Pseudonyms:
    """The pseudonyms of one purpose."""

    def __init__(self, ring: KeyRing, purpose: Purpose) -> None:
        self._macs = tuple([(key.id, Mac(key.secret)) for key in ring.keys(purpose)])

    def current(self, kind: str, client: str, fhir_server: Part, *parts: Part) -> bytes:
        """`kind` is a name of wardgate's own and stands in clear; of the rest only the digest does."""
        key_id, mac = self._macs[0]
        return _pseudonym(kind, key_id, mac(unambiguous(kind, client, fhir_server, *parts)))

    def maker(self, kind: str, client: str) -> Callable[[Part, Part], str]:
        """`current` for one kind and client, of FHIR server and id: half as dear, for whoever makes many."""
        key_id, mac = self._macs[0]
        head, mac = f"{kind}:{key_id}:", mac.after(unambiguous(kind, client))

        def make(fhir_server: Part, id_: Part) -> str:
            return head + mac(unambiguous(fhir_server, id_))[:_DIGEST_BYTES].hex()

        return make

    def all(self, kind: str, client: str, fhir_server: Part, *parts: Part) -> tuple[bytes, ...]:
        """The current pseudonym, then those under previous keys."""
        message = unambiguous(kind, client, fhir_server, *parts)
        return tuple([_pseudonym(kind, key_id, mac(message)) for key_id, mac in self._macs])


def unambiguous(*parts: Part) -> bytes:
    """No two lists of parts have the same bytes: each text is preceded by its length, None is a dash."""
    text = ""
    for part in parts:
        text += "-" if part is None else f"{len(part)}:{part}"
    return text.encode("utf-8", "surrogatepass")


def _pseudonym(kind: str, key_id: str, digest: bytes) -> bytes:
    return f"{kind}:{key_id}:{digest[:_DIGEST_BYTES].hex()}".encode()


def _derived(root: bytes, purpose: Purpose) -> PurposeKey:
    """HKDF's second step, one block of it."""
    secret = hmac.digest(root, purpose.value.encode() + b"\x01", "sha256")
    return PurposeKey(sha256(b"id" + secret).digest()[:_ID_BYTES].hex(), secret)
