"""Sealed answers: opened by the same request under the same name, and by nothing else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wardgate.adapters.aead.answers import SealedAnswers
from wardgate.domain.pseudonyms import KeyRing, Purpose

OLD, NEW = b"o" * 32, b"n" * 32
NAME, BODY, ANSWER = b"answer:1:ab", b'{"hook":"patient-view"}', b'["a card with values of a patient"]'


def vault(*secrets: bytes) -> SealedAnswers:
    return SealedAnswers(KeyRing(secrets).keys(Purpose.ANSWER))


@given(st.binary(max_size=3000), st.binary(max_size=300), st.binary(max_size=30))
def test_the_same_request_opens_what_was_sealed(body: bytes, answer: bytes, name: bytes) -> None:
    """Whatever the bytes are; and nothing of the answer can be read in between."""
    sealed = vault(NEW).seal(name, body, answer)
    assert vault(NEW).open(name, body, sealed) == answer
    assert len(answer) < 8 or answer not in sealed


@given(st.data())
def test_nothing_else_opens_it(data: st.DataObject) -> None:
    """Another body, name or secret, and any damage, by any single bit."""
    sealed = vault(NEW).seal(NAME, BODY, ANSWER)

    def damaged(original: bytes) -> bytes:
        at = data.draw(st.integers(0, len(original) * 8 - 1))
        changed = bytearray(original)
        changed[at // 8] ^= 1 << at % 8
        return bytes(changed)

    assert vault(NEW).open(NAME, damaged(BODY), sealed) is None
    assert vault(NEW).open(damaged(NAME), BODY, sealed) is None
    assert vault(NEW).open(NAME, BODY, damaged(sealed)) is None
    assert vault(OLD).open(NAME, BODY, sealed) is None


@pytest.mark.parametrize("length", [0, 7, 8, 19, 20, 35])
def test_a_value_that_broke_off_is_nothing(length: int) -> None:
    """A store may hold anything."""
    sealed = vault(NEW).seal(NAME, BODY, ANSWER)
    assert vault(NEW).open(NAME, BODY, sealed[:length]) is None


def test_a_secret_that_is_being_rotated_still_opens() -> None:
    """What is sealed is sealed under the current one."""
    before = vault(OLD).seal(NAME, BODY, ANSWER)
    assert vault(NEW, OLD).open(NAME, BODY, before) == ANSWER
    assert vault(OLD).open(NAME, BODY, vault(NEW, OLD).seal(NAME, BODY, ANSWER)) is None


def test_bodies_that_differ_in_length_alone_have_other_keys() -> None:
    """The hash covers the length: zeros at the end are not nothing."""
    sealed = vault(NEW).seal(NAME, BODY, ANSWER)
    assert vault(NEW).open(NAME, BODY + b"\x00", sealed) is None
    assert vault(NEW).seal(NAME, BODY, ANSWER) != sealed
