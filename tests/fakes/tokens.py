"""Tokens as clients make them, sound and unsound, and the keys that sign them. Written by hand: whoever forges one uses
no library that would stop her."""

import hashlib
import json
from base64 import urlsafe_b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from wardgate.domain.clients import Client
from wardgate.domain.registrations import Registration

NOW = 1_795_251_600.0  # 2026-11-21T09:00:00Z
ISSUER = "https://ehr.example/fhir"
ORIGIN = "https://cds.example"
PATH = "/cds-services/kidney-failure"
URL = f"{ORIGIN}{PATH}"
JWKS_URL = "https://ehr.example/jwks.json"

_HASHES = {"256": hashes.SHA256(), "384": hashes.SHA384(), "512": hashes.SHA512()}


def b64(raw: bytes) -> bytes:
    return urlsafe_b64encode(raw).rstrip(b"=")


@dataclass(frozen=True)
class Signer:
    """A private key and the algorithm that it is used with."""

    kid: str
    algorithm: str
    key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey

    def sign(self, signed: bytes, der: bool = False) -> bytes:
        digest = _HASHES[self.algorithm[2:]]
        if isinstance(self.key, rsa.RSAPrivateKey):
            return self.key.sign(signed, padding.PKCS1v15(), digest)
        signature = self.key.sign(signed, ec.ECDSA(digest))
        if der:
            return signature
        size = (self.key.curve.key_size + 7) // 8
        return b"".join(part.to_bytes(size, "big") for part in decode_dss_signature(signature))

    def jwk(self, **changes: Any) -> dict[str, Any]:
        """Its public half; a change to None removes the member."""
        numbers = self.key.public_key().public_numbers()
        if isinstance(numbers, rsa.RSAPublicNumbers):
            parts = {"kty": "RSA", "n": _number(numbers.n), "e": _number(numbers.e)}
        else:
            size = (self.key.key_size + 7) // 8
            crv = {256: "P-256", 384: "P-384", 521: "P-521"}[self.key.key_size]
            parts = {"kty": "EC", "crv": crv, "x": _number(numbers.x, size), "y": _number(numbers.y, size)}
        jwk = {"kid": self.kid, "use": "sig", "alg": self.algorithm, **parts, **changes}
        return {name: value for name, value in jwk.items() if value is not None}


def _number(value: int, size: int | None = None) -> str:
    return b64(value.to_bytes(size or (value.bit_length() + 7) // 8, "big")).decode()


@cache
def ec_signer(kid: str = "ec-1", bits: int = 384) -> Signer:
    curve = {256: ec.SECP256R1(), 384: ec.SECP384R1(), 521: ec.SECP521R1()}[bits]
    return Signer(kid, f"ES{512 if bits == 521 else bits}", ec.generate_private_key(curve))


@cache
def rsa_signer(kid: str = "rsa-1", bits: int = 2048, algorithm: str = "RS384") -> Signer:
    return Signer(kid, algorithm, rsa.generate_private_key(65537, bits))


def key_set(*signers: Signer) -> bytes:
    return json.dumps({"keys": [signer.jwk() for signer in signers]}).encode()


def header(signer: Signer, **changes: Any) -> dict[str, Any]:
    return _changed({"alg": signer.algorithm, "typ": "JWT", "kid": signer.kid}, changes)


def claims(number: int | str = 1, **changes: Any) -> dict[str, Any]:
    """Of a token that was made just now; each number has an id of its own. A change to None removes the claim."""
    jti = hashlib.sha256(str(number).encode()).hexdigest()
    return _changed({"iss": ISSUER, "aud": URL, "iat": int(NOW), "exp": int(NOW) + 300, "jti": jti}, changes)


def _changed(good: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in {**good, **changes}.items() if value is not None}


def compact(signer: Signer, head: bytes | Mapping[str, Any], payload: bytes | Mapping[str, Any]) -> bytes:
    """Signed as it stands; bytes are taken as they are."""
    parts = [part if isinstance(part, bytes) else json.dumps(part).encode() for part in (head, payload)]
    signed = b".".join(map(b64, parts))
    return signed + b"." + b64(signer.sign(signed))


def token(signer: Signer | None = None, number: int | str = 1, **changes: Any) -> bytes:
    signer = signer or ec_signer()
    return compact(signer, header(signer), claims(number, **changes))


def registration(
    name: str = "ward-ehr", issuer: str = ISSUER, origins: Sequence[str] = (), **changes: Any
) -> Registration:
    client = Client(name, frozenset({"https://ehr.example/fhir/r4"}), tuple(origins), "hospital_a", ZoneInfo("UTC"))
    return Registration(client, issuer, **changes)
