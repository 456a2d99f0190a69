"""Pseudonyms: no two things share one, no purpose shares a key, and a rotation is found again."""

import hmac
import itertools
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wardgate.domain.pseudonyms import KeyRing, Mac, Pseudonyms, Purpose, unambiguous

RING = KeyRing([b"a" * 32])
PARTS = st.lists(st.none() | st.text(max_size=6) | st.sampled_from(["-", "1:", "0:", "1:-", "-1:a"]), max_size=5)


@given(PARTS, PARTS)
def test_no_two_lists_of_parts_have_the_same_bytes(one: list[str | None], other: list[str | None]) -> None:
    """Whatever the parts hold: separators, lengths, dashes, nothing."""
    assert (unambiguous(*one) == unambiguous(*other)) == (one == other)


@given(st.binary(max_size=64), st.binary(max_size=200))
def test_the_prepared_mac_is_hmac(secret: bytes, message: bytes) -> None:
    """The same bytes as the standard library's, twice in a row."""
    mac = Mac(secret)
    assert mac(message) == mac(message) == hmac.digest(secret, message, "sha256")


def test_a_mac_takes_no_longer_key() -> None:
    """It would have to be hashed first; none here is."""
    with pytest.raises(ValueError, match="64 bytes"):
        Mac(b"k" * 65)


@given(st.lists(st.text(min_size=1, max_size=3), min_size=2, max_size=5))
def test_where_the_parts_are_cut_matters(parts: list[str]) -> None:
    """The same characters, split elsewhere, are something else."""
    joined = "".join(parts)
    cuts = {unambiguous(*parts)} | {unambiguous(joined[:n], joined[n:]) for n in range(len(joined) + 1)}
    assert len(cuts) == len(joined) + 1 + (len(parts) > 2)


def test_every_part_of_a_name_counts() -> None:
    """Kind, client, FHIR server and each id: another one is another pseudonym. Nothing of it stands in clear."""
    cache = Pseudonyms(RING, Purpose.CACHE)
    names = itertools.product(("score", "shown"), ("a", "b"), ("https://one", "https://two", None), ("1", "2", None))
    made = [cache.current(*name) for name in names]
    assert len(set(made)) == 36
    for pseudonym in made:
        kind, key_id, digest = pseudonym.decode().split(":")
        assert kind in ("score", "shown") and len(key_id) == 8 and len(digest) == 40
        assert set(key_id + digest) <= set(string.hexdigits)


def test_a_purpose_has_its_own_key() -> None:
    """What is cached cannot be joined to what is logged; the id of a key tells keys apart."""
    keys = [RING.keys(purpose)[0] for purpose in Purpose]
    assert len({key.secret for key in keys}) == len({key.id for key in keys}) == len(Purpose)
    assert len({Pseudonyms(RING, purpose).current("p", "ehr", None, "1") for purpose in Purpose}) == len(Purpose)


def test_keys_are_those_of_rfc_5869() -> None:
    """Extract with the salt, expand with the purpose: written out once more, so that no release changes a key."""
    extracted = hmac.digest(b"wardgate pseudonym key, version 1", b"a" * 32, "sha256")
    expanded = hmac.digest(extracted, b"cache\x01", "sha256")
    assert RING.keys(Purpose.CACHE)[0].secret == expanded
    assert Pseudonyms(RING, Purpose.CACHE).current("p", "ehr", None, "1") == (
        b"p:11ca8dd3:cfb40dba22304b5b9f1266b25b369e6924279da6"
    )


def test_a_rotation_keeps_the_previous_pseudonym() -> None:
    """The current one first; a third secret finds neither."""
    old, new = Pseudonyms(RING, Purpose.CACHE), Pseudonyms(KeyRing([b"b" * 32, b"a" * 32]), Purpose.CACHE)
    name = ("score", "ehr", "https://fhir", "1")
    assert new.all(*name) == (new.current(*name), old.current(*name))
    assert old.current(*name) not in Pseudonyms(KeyRing([b"b" * 32]), Purpose.CACHE).all(*name)


@pytest.mark.parametrize("secrets", [[], [b"short"], [b"a" * 32, b"a" * 31]])
def test_a_short_secret_is_none(secrets: list[bytes]) -> None:
    """The current one, and each previous one."""
    with pytest.raises(ValueError, match="32 bytes"):
        KeyRing(secrets)


def test_no_key_is_printed() -> None:
    """Neither in a representation nor in that of the ring."""
    key = RING.keys(Purpose.LOG)[0]
    assert key.secret.hex() not in repr(key) and repr(key.secret) not in repr(key)
    assert "aaaa" not in repr(RING)


def test_any_text_has_a_pseudonym() -> None:
    """Half of a surrogate pair as well: nothing that a body may hold raises here."""
    assert Pseudonyms(RING, Purpose.CACHE).current("p", "ehr", None, "\ud800") != b""


@given(st.text(max_size=9), st.none() | st.text(max_size=9), st.none() | st.text(max_size=9))
def test_a_maker_makes_the_same(client: str, fhir_server: str | None, id_: str | None) -> None:
    """For one kind and client, with what is common hashed beforehand."""
    pseudonyms = Pseudonyms(RING, Purpose.LOG)
    made = pseudonyms.maker("patient", client)(fhir_server, id_)
    assert made.encode() == pseudonyms.current("patient", client, fhir_server, id_)


@given(st.binary(max_size=200), st.binary(max_size=200))
def test_a_mac_goes_on_after_a_beginning(beginning: bytes, rest: bytes) -> None:
    """As often as one likes."""
    after = Mac(b"k" * 32).after(beginning)
    assert after(rest) == after(rest) == Mac(b"k" * 32)(beginning + rest)
