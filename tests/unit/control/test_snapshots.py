"""A snapshot is read back only as this deployment wrote it."""

import msgspec
import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes.snapshots import OTHERS, SEALER, ceiling, everything, kept, snapshot
from wardgate.control.snapshots import LARGEST, Sealer, Unsound, document_of, snapshot_of
from wardgate.domain.outcomes import Mode
from wardgate.domain.pseudonyms import KeyRing, Purpose


def test_what_is_sealed_opens_as_it_was() -> None:
    whole = everything(7)
    sealed = SEALER.seal(whole)
    assert SEALER.open(sealed) == whole and sealed.epoch == 7
    assert sealed.document == rfc8785.dumps(msgspec.json.decode(sealed.document))
    assert b"hidden" not in sealed.document


def test_one_snapshot_has_one_document() -> None:
    """Sets have no order, documents have."""
    other = msgspec.structs.replace(everything(7), lifted=frozenset(sorted(everything(7).lifted, reverse=True)))
    assert document_of(everything(7)) == document_of(other)


def test_what_one_replica_hides_is_nobody_elses() -> None:
    assert not SEALER.open(SEALER.seal(snapshot(3, hidden=True))).hidden


def test_a_previous_key_opens_and_a_strangers_does_not() -> None:
    rotated = Sealer(KeyRing([b"n" * 32, b"s" * 32]).keys(Purpose.STORE))
    assert rotated.open(kept(3)) == snapshot(3)
    assert rotated.open(rotated.seal(snapshot(4))) == snapshot(4)
    with pytest.raises(Unsound):
        SEALER.open(rotated.seal(snapshot(4)))
    with pytest.raises(Unsound):
        OTHERS.open(kept(3))


def test_an_old_snapshot_cannot_be_given_another_epoch() -> None:
    with pytest.raises(Unsound):
        SEALER.open(msgspec.structs.replace(kept(3), epoch=4))


@given(st.integers(0, len(kept(3).document) - 1), st.integers(1, 255))
def test_a_changed_byte_is_seen(place: int, change: int) -> None:
    sealed = kept(3)
    document = bytearray(sealed.document)
    document[place] ^= change
    assert not SEALER.is_sound(msgspec.structs.replace(sealed, document=bytes(document)))


@given(st.binary(max_size=200) | st.text(max_size=100).map(lambda text: text.encode("utf-8", "surrogatepass")))
def test_garbage_is_unsound_and_nothing_else(garbage: bytes) -> None:
    for read in (snapshot_of, SEALER.open_ceiling):
        with pytest.raises(Unsound):
            read(garbage)
    assert not SEALER.is_sound(msgspec.structs.replace(kept(3), mac=garbage.decode("utf-8", "surrogateescape")))


@pytest.mark.parametrize(
    ("part", "instead"),
    [
        (b'{"ceilings"', b'{"brake":true,"ceilings"'),  # of a version to come
        (b'"mode":"active"', b'"mode":"active","until":5'),
        (b'"mode":"active"', b'"mode":"loud"'),
        (b'"mode":"active"', b'"mode":"off","mode":"active"'),
        (b'"epoch":3', b'"epoch":"3"'),
        (b'"epoch":3', b'"epoch":0'),
        (b'"epoch":3', b'"epoch":3,"hidden":true'),
        (b'{"ceilings"', b' {"ceilings"'),
    ],
)
def test_a_document_of_another_form_is_refused(part: bytes, instead: bytes) -> None:
    """Also where its MAC is right."""
    document = kept(3).document
    assert part in document
    with pytest.raises(Unsound):
        snapshot_of(document.replace(part, instead))


def test_a_document_from_before_a_field_was_added_is_read() -> None:
    said = msgspec.json.decode(kept(3).document)
    del said["isolated"], said["rollouts"]["kidney-failure"]["preview"]
    assert snapshot_of(rfc8785.dumps(said)) == snapshot(3)


def test_a_document_beyond_all_measure_is_not_read() -> None:
    with pytest.raises(Unsound):
        snapshot_of(b" " * LARGEST + kept(3).document)


def test_what_json_cannot_carry_is_not_sealed() -> None:
    with pytest.raises(ValueError, match="can hold"):
        SEALER.seal(snapshot(2**60))
    with pytest.raises(ValueError, match="can hold"):
        SEALER.seal(snapshot(3, isolated=frozenset({("\ud800", "1.0.0")})))


def test_a_sealed_ceiling_opens_as_it_was() -> None:
    made = ceiling(5, Mode.SHADOW, set_by="operator-1")
    assert SEALER.open_ceiling(SEALER.seal_ceiling(made)) == made
    with pytest.raises(Unsound):
        OTHERS.open_ceiling(SEALER.seal_ceiling(made))


def test_a_snapshot_is_no_ceiling() -> None:
    """One MAC is not good for the other kind."""
    sealed = SEALER.seal_ceiling(ceiling())
    document = msgspec.msgpack.decode(sealed)["document"]
    with pytest.raises(Unsound):
        SEALER.open(msgspec.structs.replace(kept(1), document=document, mac=msgspec.msgpack.decode(sealed)["mac"]))
