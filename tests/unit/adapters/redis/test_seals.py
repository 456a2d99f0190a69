"""Seals: whatever is changed, moved or prolonged does not open."""

from hypothesis import given
from hypothesis import strategies as st

from wardgate.adapters.redis.seals import OVERHEAD, Seals, Unusable
from wardgate.domain.pseudonyms import KeyRing, Purpose

SEALS = Seals(KeyRing([b"s" * 32]).keys(Purpose.STORE))


@given(st.binary(max_size=40), st.binary(max_size=80))
def test_a_sealed_value_opens_until_it_expires(key: bytes, value: bytes) -> None:
    """For as long as it says, to the millisecond."""
    sealed = SEALS.seal(key, value, 1000.0)
    assert len(sealed) == len(value) + OVERHEAD
    assert SEALS.open(key, sealed, 999.99) == value
    assert SEALS.open(key, sealed, 1000.0) is Unusable.EXPIRED


@given(st.binary(max_size=20), st.binary(max_size=20), st.integers(0), st.integers(1, 255))
def test_no_changed_byte_opens(key: bytes, value: bytes, at: int, change: int) -> None:
    """Of the MAC, of the expiry, of the key's id, of the value."""
    sealed = bytearray(SEALS.seal(key, value, 1000.0))
    sealed[at % len(sealed)] ^= change
    assert SEALS.open(key, bytes(sealed), 0.0) is Unusable.FORGED


@given(st.binary(max_size=8), st.binary(max_size=8), st.binary(max_size=8))
def test_no_value_opens_under_another_key(key: bytes, other: bytes, value: bytes) -> None:
    """Nor where a part of the value is taken for the key."""
    sealed = SEALS.seal(key, value, 1000.0)
    if other != key:
        assert SEALS.open(other, sealed, 0.0) is Unusable.FORGED


@given(st.binary(max_size=OVERHEAD + 4))
def test_garbage_does_not_open(garbage: bytes) -> None:
    """However short."""
    assert SEALS.open(b"key", garbage, 0.0) is Unusable.FORGED


def test_a_previous_secret_opens_and_an_unknown_one_does_not() -> None:
    """Rotation with overlap."""
    sealed = SEALS.seal(b"key", b"value", 1000.0)
    rotated = KeyRing([b"n" * 32, b"s" * 32]).keys(Purpose.STORE)
    assert Seals(rotated).open(b"key", sealed, 0.0) == b"value"
    assert Seals(rotated[:1]).open(b"key", sealed, 0.0) is Unusable.FORGED


def test_a_value_cannot_be_cut_so_that_its_head_becomes_part_of_the_key() -> None:
    """The length of the key is part of what is sealed."""
    inner = SEALS.seal(b"", b"value", 1000.0)[16:]
    sealed = SEALS.seal(b"key", inner, 1000.0)
    head, rest = sealed[16:28], sealed[28:]
    assert SEALS.open(b"key" + head, sealed[:16] + rest, 0.0) is Unusable.FORGED
