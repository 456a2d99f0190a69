"""Fingerprints: the same bytes under the same key, and nothing can be learned or guessed without it."""

from hypothesis import given
from hypothesis import strategies as st

from wardgate.adapters.aead.fingerprints import KeyedFingerprints
from wardgate.domain.pseudonyms import KeyRing, Purpose

OLD, NEW = b"o" * 32, b"n" * 32


def prints(*secrets: bytes) -> KeyedFingerprints:
    return KeyedFingerprints(KeyRing(secrets).keys(Purpose.LOG))


@given(st.binary(max_size=300), st.binary(max_size=300))
def test_equal_bytes_have_equal_fingerprints(one: bytes, other: bytes) -> None:
    assert (prints(NEW).of(one) == prints(NEW).of(other)) == (one == other)


@given(st.binary(min_size=1, max_size=300), st.data())
def test_any_bit_counts(content: bytes, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(content) * 8 - 1))
    changed = bytearray(content)
    changed[at // 8] ^= 1 << at % 8
    assert prints(NEW).of(content) != prints(NEW).of(bytes(changed))


def test_another_key_makes_another_fingerprint() -> None:
    """So nobody without it can try what the content may have been; and it is found again after a rotation."""
    before, after = prints(OLD), prints(NEW, OLD)
    fingerprint = before.of(b"content")
    assert after.of(b"content") != fingerprint
    assert after.fits(fingerprint, b"content") is True and after.fits(fingerprint, b"contend") is False
    assert prints(NEW).fits(fingerprint, b"content") is None
    assert fingerprint.partition(":")[0] == KeyRing([OLD]).keys(Purpose.LOG)[0].id
