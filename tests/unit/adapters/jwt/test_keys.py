"""Key sets: what in them is a key, and for what."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes.tokens import b64, ec_signer, key_set, rsa_signer
from wardgate.adapters.jwt.keys import UnusableKeySet, read_key_set

ALL = frozenset({"ES384", "RS384", "ES256", "RS256"})
EC, RSA = ec_signer(), rsa_signer()


def names(*jwks: Any, algorithms: frozenset[str] = ALL) -> set[tuple[str, str]]:
    try:
        return set(read_key_set(json.dumps({"keys": jwks}).encode(), algorithms))
    except UnusableKeySet:
        return set()


@pytest.mark.requirement("SEC-7", "SEC-8")
def test_a_key_is_for_one_algorithm() -> None:
    """By its type and curve; `alg` narrows, and cannot widen."""
    assert names(EC.jwk()) == names(EC.jwk(alg=None)) == {("ec-1", "ES384")}
    assert names(ec_signer("p", 256).jwk(alg=None)) == {("p", "ES256")}
    assert names(RSA.jwk()) == {("rsa-1", "RS384")}
    assert names(RSA.jwk(alg=None)) == {("rsa-1", "RS384"), ("rsa-1", "RS256")}
    assert names(RSA.jwk(alg=None), algorithms=frozenset({"RS384"})) == {("rsa-1", "RS384")}
    assert not names(EC.jwk(alg="RS384"), RSA.jwk(alg="ES384"), EC.jwk(alg="HS256"), RSA.jwk(alg="PS384"))


@pytest.mark.parametrize(
    "jwk",
    [
        {},
        [],
        "key",
        None,
        {"kty": "oct", "kid": "s", "k": "c2VjcmV0"},
        {"kty": "OKP", "kid": "ed", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"},
        ec_signer("p", 521).jwk(),
        EC.jwk(kid=None),
        EC.jwk(kid=""),
        EC.jwk(kid=1),
        EC.jwk(use="enc"),
        EC.jwk(key_ops=["sign"]),
        EC.jwk(key_ops="verify"),
        EC.jwk(x=None),
        EC.jwk(x="AA"),
        EC.jwk(x=1),
        EC.jwk(x=EC.jwk()["y"]),
        EC.jwk(crv=["P-384"]),
        EC.jwk(crv="P-256"),
        EC.jwk(d="AA"),
        RSA.jwk(d="AA"),
        RSA.jwk(n=None),
        RSA.jwk(n=""),
        RSA.jwk(n="!!"),
        RSA.jwk(e="AA"),
        RSA.jwk(e="AQ"),
        RSA.jwk(e=b64(b"\x01" + bytes(8) + b"\x01").decode()),
        RSA.jwk(n=b64(b"\xff" * 2049).decode()),
        rsa_signer("weak", 1024).jwk(),
    ],
)
def test_what_is_no_key(jwk: Any) -> None:
    """A set with nothing else is refused, and one with something else goes without it: a secret, another curve, a
    point beside the curve, a private key that was published, RSA of too few bits or far too many."""
    assert not names(jwk)
    assert names(jwk, RSA.jwk(kid="sound")) == {("sound", "RS384")}


@pytest.mark.parametrize(
    "body",
    [b"", b"{}", b"[]", b"null", b'{"keys":{}}', b'{"keys":[]}', b"<html>", b"\xff", b"[" * 100_000, b'{"keys":NaN}'],
)
def test_what_is_no_set(body: bytes) -> None:
    with pytest.raises(UnusableKeySet):
        read_key_set(body, ALL)


def test_too_many_keys() -> None:
    """Nobody has hundreds; to read them all would hold up the calls."""
    assert len(names(*[EC.jwk(kid=str(number)) for number in range(64)])) == 64
    assert not names(*[EC.jwk(kid=str(number)) for number in range(65)])


def test_of_two_with_one_id_the_first_counts() -> None:
    """The standard asks for unique ones."""
    second = ec_signer("ec-2").jwk(kid="ec-1")
    key = read_key_set(json.dumps({"keys": [EC.jwk(), second]}).encode(), ALL)["ec-1", "ES384"]
    assert key.verify(b"x", EC.sign(b"x"))


@given(st.sampled_from([EC, RSA]), st.binary(max_size=64), st.binary(max_size=300) | st.none(), st.integers(0, 2000))
def test_signatures(signer: Any, signed: bytes, other: bytes | None, bit: int) -> None:
    """Of this key over these bytes, and not another bit; no repr shows the key."""
    (key,) = read_key_set(key_set(signer), ALL).values()
    signature = signer.sign(signed)
    assert key.verify(signed, signature) and not key.verify(signed + b"x", signature)
    if other is not None:
        assert not key.verify(signed, other)
    flipped = bytearray(signature)
    flipped[bit // 8 % len(flipped)] ^= 1 << bit % 8
    assert not key.verify(signed, bytes(flipped))
    assert "object at" not in repr(key) and key.slow == (signer is EC)
