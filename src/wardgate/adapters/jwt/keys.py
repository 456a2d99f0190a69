"""JSON Web Key Sets (RFC 7517) → keys that are ready to verify, each bound to one algorithm.

PyJWT reads the keys and does the arithmetic. It is not asked to choose: which algorithm a key is for is settled here,
when the set is read, so that no token can say otherwise.
"""

from collections.abc import Mapping, Set
from dataclasses import dataclass, field
from typing import Any

import msgspec
from cryptography.exceptions import InternalError, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from jwt import PyJWTError
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

_EC = {"P-256": ("ES256", ECAlgorithm(ECAlgorithm.SHA256), 64), "P-384": ("ES384", ECAlgorithm(ECAlgorithm.SHA384), 96)}
"""By curve (RFC 7518 §3.4): the one algorithm that it is for, and the bytes of a signature."""
_RSA = {"RS256": RSAAlgorithm(RSAAlgorithm.SHA256), "RS384": RSAAlgorithm(RSAAlgorithm.SHA384)}
_RSA_BITS = range(2048, 8193)  # RFC 7518 §3.3; above it, a signature takes too long
_LARGEST_EXPONENT = 2**32
_MOST_KEYS = 64
_OFF_LOOP = frozenset({"ES384"})


class UnusableKeySet(Exception):
    """No key of the set can verify anything, or it is no key set. Says nothing of its content."""


@dataclass(frozen=True, slots=True)
class PreparedKey:
    """Meets `gateway.authentication.VerifyingKey`."""

    algorithm: str
    _method: ECAlgorithm | RSAAlgorithm = field(repr=False)
    _key: Any = field(repr=False)
    _length: int
    """Bytes that a signature has."""

    @property
    def slow(self) -> bool:
        return self.algorithm in _OFF_LOOP

    def verify(self, signed: bytes, signature: bytes) -> bool:
        return len(signature) == self._length and self._method.verify(signed, self._key, signature)


KeySet = Mapping[tuple[str, str], PreparedKey]
"""By key id and algorithm."""


def read_key_set(body: bytes, algorithms: Set[str]) -> KeySet:
    """The keys for these algorithms; others, and those that are none, are left out: a set also holds keys for
    encryption, and ones that are newer than we are. Of two with one id the first counts. Raises UnusableKeySet."""
    try:
        listed = msgspec.json.decode(body, type=dict[str, Any]).get("keys")
    except (msgspec.MsgspecError, RecursionError, ValueError):
        raise UnusableKeySet from None
    if not isinstance(listed, list) or len(listed) > _MOST_KEYS:
        raise UnusableKeySet
    found: dict[tuple[str, str], PreparedKey] = {}
    for jwk in listed:
        if not isinstance(jwk, dict) or not _is_for_signatures(jwk):
            continue
        for key in _prepared(jwk):
            if key.algorithm in algorithms and jwk.get("alg", key.algorithm) == key.algorithm:
                found.setdefault((jwk["kid"], key.algorithm), key)
    if not found:
        raise UnusableKeySet
    return found


def _is_for_signatures(jwk: dict[str, Any]) -> bool:
    """A key whose private half stands beside it is everybody's, and proves nothing."""
    operations = jwk.get("key_ops", ["verify"])
    named = isinstance(jwk.get("kid"), str) and jwk["kid"]
    verifies = jwk.get("use", "sig") == "sig" and isinstance(operations, list) and "verify" in operations
    return bool(named and verifies and "d" not in jwk and "k" not in jwk)


def _prepared(jwk: dict[str, Any]) -> list[PreparedKey]:
    try:
        if jwk.get("kty") == "EC" and jwk.get("crv") in _EC:
            algorithm, method, length = _EC[jwk["crv"]]
            point = method.from_jwk(jwk)
            return [PreparedKey(algorithm, method, point, length)] if isinstance(point, EllipticCurvePublicKey) else []
        if jwk.get("kty") == "RSA":
            key = RSAAlgorithm.from_jwk(jwk)
            if isinstance(key, RSAPublicKey) and _is_sound(key):
                length = (key.key_size + 7) // 8
                return [PreparedKey(algorithm, method, key, length) for algorithm, method in _RSA.items()]
    except (PyJWTError, ValueError, TypeError, KeyError, AttributeError, UnsupportedAlgorithm, InternalError):
        pass  # whatever a stranger wrote there
    return []


def _is_sound(key: RSAPublicKey) -> bool:
    return key.key_size in _RSA_BITS and key.public_numbers().e < _LARGEST_EXPONENT
