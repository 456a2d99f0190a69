"""Entries of a segment: damage is found, counted, and costs no other entry."""

from hypothesis import given
from hypothesis import strategies as st

from wardgate.adapters.spool.frames import LARGEST, OVERHEAD, Found, Gap, entries, framed

_MARK = framed(1, b"")[:4]
PAYLOADS = st.lists(
    st.tuples(st.integers(1, 255), st.binary(max_size=60) | st.just(_MARK * 9) | st.just(framed(1, b"inner"))),
    min_size=1,
    max_size=8,
)


def sound(data: bytes) -> list[tuple[int, bytes]]:
    return [(found.kind, found.payload) for found in entries(data) if isinstance(found, Found)]


def gaps(data: bytes) -> list[Gap]:
    return [found for found in entries(data) if isinstance(found, Gap)]


@given(PAYLOADS, st.integers(0, 8))
def test_what_is_written_is_read(written: list[tuple[int, bytes]], skipped: int) -> None:
    """From the beginning, and from the end of any entry; each says where it ends."""
    data = b"".join([framed(*each) for each in written])
    found = list(entries(data))
    assert sound(data) == written and found[-1].end == len(data)
    start = found[min(skipped, len(found) - 1)].end
    assert [each.end for each in entries(data, start)] == [each.end for each in found if each.end > start]


@given(PAYLOADS, st.data())
def test_a_torn_tail_costs_the_last_entry_alone(written: list[tuple[int, bytes]], data: st.DataObject) -> None:
    """Wherever the write was cut off."""
    whole = b"".join([framed(*each) for each in written[:-1]])
    last = framed(*written[-1])
    cut = whole + last[: data.draw(st.integers(1, len(last) - 1))]
    assert sound(cut) == written[:-1]
    assert gaps(cut) == [Gap(len(cut), torn=True)]


@given(PAYLOADS, st.data())
def test_a_flipped_bit_costs_one_entry_alone(written: list[tuple[int, bytes]], data: st.DataObject) -> None:
    """Located wherever it is: in the mark, the length, the checksum, the kind or the payload."""
    frames = [framed(*each) for each in written]
    hit = data.draw(st.integers(0, len(frames) - 1))
    damaged = bytearray(frames[hit])
    at = data.draw(st.integers(0, len(damaged) - 1))
    damaged[at] ^= 1 << data.draw(st.integers(0, 7))
    before, after = frames[:hit], frames[hit + 1 :]
    whole = b"".join([*before, bytes(damaged), *after])
    read = sound(whole)
    inner = (1, b"inner")  # a frame in the payload of a damaged one is a frame
    assert [each for each in read if each != inner] == [
        each for number, each in enumerate(written) if number != hit and each != inner
    ]
    assert gaps(whole) and sum(map(len, before)) < gaps(whole)[0].end <= len(whole) - sum(map(len, after))


@given(st.binary(max_size=200))
def test_any_bytes_are_read_to_their_end(data: bytes) -> None:
    """A file that is no segment at all is one gap."""
    found = list(entries(data))
    assert not data or found[-1].end == len(data)


def test_a_length_beyond_all_bounds_is_no_entry() -> None:
    """It would make the rest of the segment one torn entry."""
    huge = framed(1, b"x")
    huge = huge[:4] + (LARGEST + 1).to_bytes(4, "little") + huge[8:]
    assert gaps(huge) == [Gap(len(huge), torn=False)]
    assert len(framed(1, b"")) == OVERHEAD
