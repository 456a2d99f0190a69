"""Tokens that must not get in, each with the fault that it is refused for. All of them would pass but for that."""

import hmac
import json
from collections.abc import Callable
from typing import Any

from cryptography.hazmat.primitives import serialization

from tests.fakes.tokens import (
    ISSUER,
    NOW,
    ORIGIN,
    PATH,
    URL,
    Signer,
    b64,
    claims,
    compact,
    ec_signer,
    header,
    rsa_signer,
    token,
)
from wardgate.domain.token_faults import TokenFault as F

EC, RSA = ec_signer(), rsa_signer()
OTHER_CLIENT = ec_signer("other-1")
"""A key that is registered, for another client."""
STRANGER = ec_signer("ec-1-of-a-stranger")

Headers = list[bytes]


def _bearer(*tokens: bytes) -> Headers:
    return [b"Bearer " + each for each in tokens]


def _head(signer: Signer = EC, **changes: Any) -> Headers:
    return _bearer(compact(signer, header(signer, **changes), claims()))


def _claims(**changes: Any) -> Headers:
    return _bearer(token(**changes))


def _raw(payload: str) -> Headers:
    return _bearer(compact(EC, header(EC), payload.encode()))


def _signed_by(impostor: Signer, **changes: Any) -> Headers:
    """Under the id of the registered key."""
    return _bearer(compact(impostor, header(EC, **{"alg": impostor.algorithm, **changes}), claims()))


def _hmac(secret: bytes, algorithm: str = "HS256") -> Headers:
    signed = b".".join(b64(json.dumps(part).encode()) for part in (header(RSA, alg=algorithm), claims()))
    return _bearer(signed + b"." + b64(hmac.digest(secret, signed, "sha256")))


def _public_pem() -> bytes:
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return RSA.key.public_key().public_bytes(serialization.Encoding.PEM, form)


def _with_signature(signature: bytes, signer: Signer = EC) -> Headers:
    signed = token(signer).rpartition(b".")[0]
    return _bearer(signed + b"." + b64(signature))


def _der() -> Headers:
    signed = token().rpartition(b".")[0]
    return _bearer(signed + b"." + b64(EC.sign(signed, der=True)))


def _exchanged(part: int, of: bytes) -> Headers:
    """One segment of another sound token."""
    parts = token().split(b".")
    parts[part] = of.split(b".")[part]
    return _bearer(b".".join(parts))


def _text(**changes: Any) -> str:
    return json.dumps(claims(**changes))


_WEAK = rsa_signer("weak", 1024)

FORGERIES: dict[str, tuple[Callable[[], Headers], F]] = {
    # the header of the request
    "no header at all": (list, F.MISSING),
    "an empty header": (lambda: [b""], F.SCHEME),
    "no scheme": (lambda: [token()], F.SCHEME),
    "another scheme": (lambda: [b"Basic " + token()], F.SCHEME),
    "a scheme without a space": (lambda: [b"Bearer" + token()], F.SCHEME),
    "a scheme and nothing": (lambda: [b"Bearer "], F.MALFORMED),
    "two spaces": (lambda: [b"Bearer  " + token()], F.MALFORMED),
    "lower-case bearer, forged": (lambda: [b"bearer " + _signed_by(STRANGER)[0][7:]], F.SIGNATURE),
    "two headers, both sound": (lambda: _bearer(token(number=1), token(number=2)), F.SCHEME),
    "two headers, one forged": (lambda: _bearer(b"x.y.z", token()), F.SCHEME),
    "two tokens in one header": (lambda: [b"Bearer " + token(number=1) + b", Bearer " + token(number=2)], F.MALFORMED),
    # its form
    "two segments": (lambda: _bearer(token().rpartition(b".")[0]), F.MALFORMED),
    "four segments": (lambda: _bearer(token() + b".AAAA"), F.MALFORMED),
    "an empty signature": (lambda: _bearer(token().rpartition(b".")[0] + b"."), F.MALFORMED),
    "garbage behind": (lambda: _bearer(token() + b"!garbage"), F.MALFORMED),
    "a space behind": (lambda: _bearer(token() + b" "), F.MALFORMED),
    "a line feed behind": (lambda: _bearer(token() + b"\n"), F.MALFORMED),
    "a null byte behind": (lambda: _bearer(token() + b"\x00"), F.MALFORMED),
    "a null byte inside": (lambda: _bearer(token().replace(b".", b".\x00", 1)), F.MALFORMED),
    "white space inside": (lambda: _bearer(token().replace(b".", b" .", 1)), F.MALFORMED),
    "padding": (lambda: _bearer(token() + b"=="), F.MALFORMED),
    "the alphabet of base64": (lambda: _bearer(token().replace(b".", b"+.", 1)), F.MALFORMED),
    "unicode": (lambda: _bearer(token() + "é".encode()), F.MALFORMED),
    "a second spelling of the signature": (
        lambda: _bearer(_other_spelling(token(RSA))),
        F.MALFORMED,
    ),
    "a mebibyte": (lambda: _bearer(token(sub="x" * 1024 * 1024)), F.MALFORMED),
    "deep nesting": (lambda: _raw('{"a":' * 2000 + "1" + "}" * 2000), F.MALFORMED),
    # its header
    "alg none": (lambda: _bearer(_unsigned("none")), F.MALFORMED),
    "alg none with a signature": (lambda: _head(alg="none"), F.ALGORITHM),
    "alg None": (lambda: _head(alg="None"), F.ALGORITHM),
    "alg empty": (lambda: _head(alg=""), F.HEADER),
    "no alg": (lambda: _head(alg=None), F.HEADER),
    "alg a list": (lambda: _head(alg=["ES384"]), F.HEADER),
    "alg in lower case": (lambda: _head(alg="es384"), F.ALGORITHM),
    "HS256 with the public key in PEM": (lambda: _hmac(_public_pem()), F.ALGORITHM),
    "HS384 with the public key in PEM": (lambda: _hmac(_public_pem(), "HS384"), F.ALGORITHM),
    "HS256 with the key set as the secret": (lambda: _hmac(json.dumps(RSA.jwk()).encode()), F.ALGORITHM),
    "RS512": (lambda: _bearer(token(Signer("rsa-1", "RS512", RSA.key))), F.ALGORITHM),
    "PS384": (lambda: _head(RSA, alg="PS384"), F.ALGORITHM),
    "RS256 where only RS384 is allowed": (lambda: _bearer(token(Signer("rsa-1", "RS256", RSA.key))), F.ALGORITHM),
    "ES256 where only ES384 is allowed": (lambda: _bearer(token(ec_signer("ec-256", 256))), F.ALGORITHM),
    "an RSA key's id with an EC algorithm": (lambda: _head(kid="rsa-1"), F.KEY_UNKNOWN),
    "an EC key's id with an RSA algorithm": (lambda: _head(RSA, kid="ec-1"), F.KEY_UNKNOWN),
    "no kid": (lambda: _head(kid=None), F.HEADER),
    "an unknown kid": (lambda: _head(kid="ec-2"), F.KEY_UNKNOWN),
    "a kid that is a path": (lambda: _head(kid="../../../../dev/null"), F.KEY_UNKNOWN),
    "a kid that is a query": (lambda: _head(kid="ec-1' OR '1'='1"), F.KEY_UNKNOWN),
    "a kid with a null byte": (lambda: _head(kid="ec-1\x00"), F.KEY_UNKNOWN),
    "a kid that is a number": (lambda: _head(kid=1), F.HEADER),
    "the key of another client": (lambda: _bearer(token(OTHER_CLIENT)), F.KEY_UNKNOWN),
    "the key of another client under its id": (lambda: _signed_by(OTHER_CLIENT), F.SIGNATURE),
    "a key of its own in jwk": (lambda: _signed_by(STRANGER, jwk=STRANGER.jwk()), F.SIGNATURE),
    "a key of its own in x5c": (lambda: _signed_by(STRANGER, x5c=["MIIB"]), F.SIGNATURE),
    "a key of its own behind x5u": (lambda: _signed_by(STRANGER, x5u="https://evil.example/c"), F.SIGNATURE),
    "a key of its own behind jku": (lambda: _signed_by(STRANGER, jku="https://evil.example/k"), F.JKU),
    "a jku with a user": (lambda: _head(jku="https://ehr.example@evil.example/jwks.json"), F.JKU),
    "a jku on loopback": (lambda: _head(jku="http://127.0.0.1:8081/metrics"), F.JKU),
    "a jku that is a file": (lambda: _head(jku="file:///etc/passwd"), F.JKU),
    "a jku that is a list": (lambda: _head(jku=["https://ehr.example/jwks.json"]), F.MALFORMED),
    "crit": (lambda: _head(crit=["exp"], exp=1), F.HEADER),
    "crit, empty": (lambda: _head(crit=[]), F.HEADER),
    "unencoded payload": (lambda: _head(crit=["b64"], b64=False), F.HEADER),
    "no typ": (lambda: _head(typ=None), F.HEADER),
    "typ of an access token": (lambda: _head(typ="at+jwt"), F.HEADER),
    "a header that is a list": (lambda: _bearer(compact(EC, b"[]", claims())), F.MALFORMED),
    "a name twice in the header": (
        lambda: _bearer(compact(EC, b'{"alg":"none","alg":"ES384","typ":"JWT","kid":"ec-1"}', claims())),
        F.MALFORMED,
    ),
    # its signature
    "a stranger's signature": (lambda: _signed_by(STRANGER), F.SIGNATURE),
    "a signature in DER": (_der, F.SIGNATURE),
    "r and s zero": (lambda: _with_signature(bytes(96)), F.SIGNATURE),
    "r and s of the order": (lambda: _with_signature(b"\xff" * 96), F.SIGNATURE),
    "half a signature": (lambda: _with_signature(bytes(48)), F.SIGNATURE),
    "one byte": (lambda: _with_signature(b"\x00"), F.SIGNATURE),
    "an RSA signature that is zero": (lambda: _with_signature(bytes(256), RSA), F.SIGNATURE),
    "an RSA signature that is one": (lambda: _with_signature(bytes(255) + b"\x01", RSA), F.SIGNATURE),
    "an RSA signature with zeros before": (lambda: _with_signature(bytes(300), RSA), F.SIGNATURE),
    "an RSA key of 1024 bits": (lambda: _bearer(token(_WEAK)), F.KEY_UNKNOWN),
    "the claims of another token": (lambda: _exchanged(1, token(number=2)), F.SIGNATURE),
    "the signature of another token": (lambda: _exchanged(2, token(number=2)), F.SIGNATURE),
    # its claims
    "claims that are a list": (lambda: _raw("[]"), F.MALFORMED),
    "claims that are no JSON": (lambda: _raw("{"), F.MALFORMED),
    "claims in UTF-16": (lambda: _bearer(compact(EC, header(EC), json.dumps(claims()).encode("utf-16"))), F.MALFORMED),
    "claims with broken UTF-8": (lambda: _bearer(compact(EC, header(EC), b'{"iss":"\xff"}')), F.MALFORMED),
    "a claim twice": (lambda: _raw('{"iss":"https://evil.example",' + _text()[1:]), F.MALFORMED),
    "a claim twice, by an escape": (lambda: _raw('{"\\u0065xp":1,' + _text()[1:]), F.MALFORMED),
    "no iss": (lambda: _claims(iss=None), F.MALFORMED),
    "another iss": (lambda: _claims(iss="https://evil.example"), F.ISSUER),
    "iss with a slash more": (lambda: _claims(iss=ISSUER + "/"), F.ISSUER),
    "iss in upper case": (lambda: _claims(iss=ISSUER.upper()), F.ISSUER),
    "iss a list": (lambda: _claims(iss=[ISSUER]), F.MALFORMED),
    "no aud": (lambda: _claims(aud=None), F.MALFORMED),
    "aud of another service": (lambda: _claims(aud=f"{ORIGIN}/cds-services/sepsis"), F.AUDIENCE),
    "aud of discovery": (lambda: _claims(aud=f"{ORIGIN}/cds-services"), F.AUDIENCE),
    "aud of feedback": (lambda: _claims(aud=f"{URL}/feedback"), F.AUDIENCE),
    "aud of another host": (lambda: _claims(aud=f"https://evil.example{PATH}"), F.AUDIENCE),
    "aud over http": (lambda: _claims(aud=URL.replace("https", "http")), F.AUDIENCE),
    "aud a part": (lambda: _claims(aud=URL[:-1]), F.AUDIENCE),
    "aud with a query": (lambda: _claims(aud=f"{URL}?x=1"), F.AUDIENCE),
    "aud a list of others": (lambda: _claims(aud=["https://a.example", "https://b.example"]), F.AUDIENCE),
    "aud an empty list": (lambda: _claims(aud=[]), F.MALFORMED),
    "aud a list in a list": (lambda: _claims(aud=[[URL]]), F.MALFORMED),
    "aud an object": (lambda: _claims(aud={"0": URL}), F.MALFORMED),
    "aud a thousand": (lambda: _claims(aud=[URL] * 1000), F.MALFORMED),
    "no exp": (lambda: _claims(exp=None), F.MALFORMED),
    "exp past": (lambda: _claims(exp=NOW - 60), F.EXPIRED),
    "exp below zero": (lambda: _claims(exp=-1), F.EXPIRED),
    "exp a text": (lambda: _claims(exp=str(int(NOW) + 300)), F.MALFORMED),
    "exp true": (lambda: _claims(exp=True), F.MALFORMED),
    "exp huge": (lambda: _claims(exp=10**40), F.MALFORMED),
    "exp of five thousand digits": (lambda: _raw('{"exp":' + "9" * 5000 + "}"), F.MALFORMED),
    "exp 1e400": (lambda: _raw(_text().replace(str(int(NOW) + 300), "1e400")), F.MALFORMED),
    "exp NaN": (lambda: _raw(_text().replace(str(int(NOW) + 300), "NaN")), F.MALFORMED),
    "exp Infinity": (lambda: _raw(_text().replace(str(int(NOW) + 300), "Infinity")), F.MALFORMED),
    "exp an object": (lambda: _claims(exp={}), F.MALFORMED),
    "no iat": (lambda: _claims(iat=None), F.MALFORMED),
    "iat a text": (lambda: _claims(iat=str(int(NOW))), F.MALFORMED),
    "iat in the future": (lambda: _claims(iat=NOW + 61), F.NOT_YET),
    "iat long ago, exp far": (lambda: _claims(iat=NOW - 4000, exp=NOW + 10**8), F.TOO_OLD),
    "nbf in the future": (lambda: _claims(nbf=NOW + 61), F.NOT_YET),
    "nbf a text": (lambda: _claims(nbf="0"), F.MALFORMED),
    "no jti": (lambda: _claims(jti=None), F.MALFORMED),
    "jti empty": (lambda: _claims(jti=""), F.MALFORMED),
    "jti a number": (lambda: _claims(jti=1), F.MALFORMED),
    "tenant a number": (lambda: _claims(tenant=1), F.MALFORMED),
}


def _unsigned(algorithm: str) -> bytes:
    return b".".join(b64(json.dumps(part).encode()) for part in (header(EC, alg=algorithm), claims())) + b"."


def _other_spelling(text: bytes) -> bytes:
    """The bits that the last digit of 256 bytes has too many, set: the same bytes to a lenient reader."""
    alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    return text[:-1] + alphabet[alphabet.index(text[-1]) ^ 1 :][:1]
