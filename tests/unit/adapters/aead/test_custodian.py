"""Identities that only the custodian can open."""

import pytest

from tests.fakes.custodian import key_pair
from wardgate.adapters.aead.custodian import NoCustodianKey, Opener, Sealer
from wardgate.domain.record_names import patient

ANNA = patient("ward-ehr", "https://ehr.example/fhir", "anna-1")
NAME = "patient:abcdef12:00"


def test_the_custodian_opens_what_was_sealed_for_her() -> None:
    """Twice the same is sealed to two different texts, neither of which shows the id."""
    private, public = key_pair()
    sealed = [Sealer(public)(NAME, ANNA) for _ in range(2)]
    assert [Opener(private).open(NAME, one) for one in sealed] == [ANNA, ANNA]
    assert sealed[0] != sealed[1] and not [one for one in sealed if b"anna" in one]


def test_nobody_else_opens_it() -> None:
    """Another key, another pseudonym, a changed byte, a shorter text, none."""
    private, public = key_pair()
    sealed = Sealer(public)(NAME, ANNA)
    assert Opener(key_pair()[0]).open(NAME, sealed) is None
    assert Opener(private).open("patient:abcdef12:01", sealed) is None
    for broken in (sealed[:-1] + bytes([sealed[-1] ^ 1]), b"\0" + sealed[1:], sealed[:40], b""):
        assert Opener(private).open(NAME, broken) is None


def test_what_is_no_such_key_is_refused_without_a_word_of_it() -> None:
    private, public = key_pair()
    for make, pem in ((Sealer, private), (Opener, public), (Sealer, b"a secret"), (Opener, b"")):
        with pytest.raises(NoCustodianKey) as refused:
            make(pem)
        assert str(refused.value) == ""
