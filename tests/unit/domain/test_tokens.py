"""A token is read strictly, or not at all. (What must not get in: `tests/fakes/forgeries.py`, over the wire.)"""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes.forgeries import FORGERIES
from tests.fakes.tokens import b64, claims, compact, ec_signer, header, token
from wardgate.domain.errors import Unauthenticated
from wardgate.domain.token_faults import TOKEN_FAULTS, TokenFault
from wardgate.domain.tokens import LONGEST, claimed_issuer, read_token
from wardgate.gateway.authentication import bearer

KEY = ec_signer()
UNREADABLE = {TokenFault.MISSING, TokenFault.SCHEME, TokenFault.MALFORMED, TokenFault.HEADER}
JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
NAMES = st.sampled_from(["iss", "aud", "exp", "iat", "nbf", "jti", "tenant", "alg", "kid", "typ", "jku", "crit"])


def test_every_fault_has_its_meaning() -> None:
    assert set(TOKEN_FAULTS) == set(TokenFault)


def test_a_token_is_read() -> None:
    """Every part of it, and the bytes that are signed; no `repr` shows any."""
    text = token(tenant="t", nbf=1.5, aud=["a", "b"])
    read = read_token(text)
    said = claims()
    assert (read.algorithm, read.key_id, read.jku) == ("ES384", "ec-1", None)
    assert (read.issuer, read.audiences, read.id, read.tenant) == (said["iss"], ("a", "b"), said["jti"], "t")
    assert (read.issued, read.expires, read.not_before) == (said["iat"], said["exp"], 1.5)
    assert read.signed + b"." + b64(read.signature) == text
    assert said["jti"] not in repr(read) and said["jti"] not in str(read)


def test_the_longest() -> None:
    """A byte more is too long, whatever is in it."""
    text = compact(KEY, header(KEY), claims())
    filler = LONGEST - len(text)
    while len(text := compact(KEY, header(KEY), claims(sub="x" * filler))) > LONGEST:
        filler -= 1
    read_token(text)
    with pytest.raises(Unauthenticated):
        read_token(text + b"A" * (LONGEST + 1 - len(text)))


@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_any_bytes_are_refused_in_order(text: bytes) -> None:
    """With the one exception that the edge answers."""
    with pytest.raises(Unauthenticated):
        read_token(text)
    claimed_issuer(text)


@given(st.lists(st.binary(max_size=60), min_size=3, max_size=3))
def test_any_segments_are_refused_in_order(parts: list[bytes]) -> None:
    """Well encoded, and nothing that makes sense."""
    with pytest.raises(Unauthenticated):
        read_token(b".".join(map(b64, parts)))


@given(NAMES, JSON, st.booleans())
def test_any_value_is_read_or_refused(name: str, value: Any, in_header: bool) -> None:
    """Of every member; what is read has the types that the rules expect."""
    head, said = header(KEY), claims()
    (head if in_header else said)[name] = value
    text = b".".join([*(b64(json.dumps(part).encode()) for part in (head, said)), b64(b"signature")])
    claimed_issuer(b"Bearer " + text)
    try:
        read = read_token(text)
    except Unauthenticated as refused:
        assert refused.fault in (TokenFault.MALFORMED, TokenFault.HEADER)
        return
    texts = (read.algorithm, read.key_id, read.issuer, read.id, *read.audiences)
    assert all(isinstance(one, str) and one for one in texts)
    assert all(abs(time) < 1e12 for time in (read.issued, read.expires, read.not_before or 0.0))


def test_what_it_claims_to_be() -> None:
    """Cheaply, and for queues alone."""
    assert claimed_issuer(token()) == claims()["iss"]
    for text in (b"", b".", b"a.b.c", b"e30.e30.e30", b"x" * 2 * LONGEST, compact(KEY, header(KEY), b'{"iss":1}')):
        assert claimed_issuer(text) is None


@pytest.mark.parametrize("name", [name for name, (_, fault) in FORGERIES.items() if fault in UNREADABLE])
def test_what_is_no_token(name: str) -> None:
    """Of the forgeries, those that are not even read."""
    make, fault = FORGERIES[name]
    with pytest.raises(Unauthenticated) as caught:
        read_token(bearer(make()))
    assert caught.value.fault is fault


def test_borders() -> None:
    """The most audiences, the last times, and a second more."""
    many = [f"https://{number}.example" for number in range(16)]
    assert read_token(token(aud=many)).audiences == tuple(many)
    assert read_token(token(exp=999_999_999_999)).expires == 999_999_999_999
    for changes in ({"aud": [*many, "x"]}, {"exp": 10**12}, {"exp": -(10**12)}, {"iat": 10**12}):
        with pytest.raises(Unauthenticated):
            read_token(token(**changes))
    assert LONGEST == 16384
    with pytest.raises(AttributeError):
        read_token(token()).issuer = "another"  # type: ignore[misc]


def test_segments_of_no_length_that_base64_has() -> None:
    """A digit left over, in any of them."""
    head, said, signature = token().split(b".")
    for parts in ([b"A", b"A", b"A"], [b"A", said, signature], [head, b"A", signature], [head, said, b"A"]):
        with pytest.raises(Unauthenticated):
            read_token(b".".join(parts))


def test_nan_is_no_json_wherever_it_stands() -> None:
    """Also in a claim that nobody reads: another reader of this token would refuse it."""
    for name in ("NaN", "Infinity", "-Infinity"):
        raw = json.dumps(claims(x=1)).replace('"x": 1', f'"x": {name}').encode()
        with pytest.raises(Unauthenticated):
            read_token(compact(KEY, header(KEY), raw))
