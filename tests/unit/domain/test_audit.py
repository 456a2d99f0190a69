"""The chain finds what was done to it, and says where."""

import json
import random
from collections.abc import Iterable, Sequence
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes.audit import chain_of, event, reseal
from wardgate.domain.audit import Anchor, SealedEntry, checked, moment, remark_hash
from wardgate.domain.audit_verification import Fault, Found, Verdict, Verifier

CHAIN = chain_of(30)
LINES = [entry.line for entry in CHAIN]


def judged(lines: Iterable[bytes], anchors: Sequence[Anchor] = ()) -> Verdict:
    verifier = Verifier(anchors)
    for line in lines:
        verifier.take(line)
    return verifier.verdict()


def anchor(entry: SealedEntry) -> Anchor:
    return Anchor(entry.number, entry.seal, moment(0), "0" * 16)


def faults(lines: Iterable[bytes], anchors: Sequence[Anchor] = ()) -> list[tuple[str, int, int]]:
    return [(found.fault.value, found.first, found.last) for found in judged(lines, anchors).found]


def test_a_chain_as_it_was_written_is_sound() -> None:
    verdict = judged(LINES)
    assert verdict.sound and verdict.entries == 30
    assert verdict.last == CHAIN[-1].link


def test_without_an_anchor_the_tail_is_unproven() -> None:
    """All of it could be another chain; with one, what comes after it."""
    assert judged(LINES).unproven == 30
    assert judged(LINES, [anchor(CHAIN[19])]).unproven == 10
    assert judged(LINES, [anchor(CHAIN[29]), anchor(CHAIN[4])]).unproven == 0


def test_an_empty_chain_is_sound_until_an_anchor_says_otherwise() -> None:
    assert judged([]).sound
    assert faults([], [anchor(CHAIN[2])]) == [("truncated", 1, 3)]


@given(st.integers(0, len(b"\n".join(LINES)) * 8 - 1))
def test_a_flipped_bit_is_located(bit: int) -> None:
    """Any bit of the file, the ends of lines included."""
    data = bytearray(b"\n".join(LINES))
    data[bit // 8] ^= 1 << bit % 8
    whole = b"\n".join(LINES)
    at = whole[: bit // 8].count(b"\n") + 1
    found = judged(bytes(data).split(b"\n")).found
    assert found and found[0].first in (at, at + 1) and found[0].line in (at, at + 1)
    if whole[bit // 8] != ord("\n"):
        assert found[0].first == at
        if data[bit // 8] != ord("\n"):
            assert len(found) == 1 and found[0].fault in (Fault.ALTERED, Fault.UNREADABLE)


@given(st.integers(0, 28), st.integers(1, 5))
def test_missing_entries_are_located(at: int, count: int) -> None:
    count = min(count, 29 - at)
    assert faults(LINES[:at] + LINES[at + count :]) == [("missing", at + 1, at + count)]


@given(st.integers(0, 29), st.integers(0, 30))
def test_a_repeated_entry_is_located(of: int, to: int) -> None:
    """Wherever it was put after itself; before itself, it is the one that came too early."""
    found = judged([*LINES[:to], LINES[of], *LINES[to:]]).found
    assert found
    if to > of:
        assert found == (Found(Fault.ADDED, of + 1, of + 1, to + 1),)


@given(st.integers(1, 30))
def test_an_added_entry_is_located(at: int) -> None:
    """Forged with a seal of its own, upon the right one before it."""
    forged = reseal(event(99), CHAIN[at - 2].link if at > 1 else None)
    lines = [*LINES[: at - 1], forged.line, *LINES[at - 1 :]]
    assert judged(lines).found == (Found(Fault.ADDED, at, at, at + 1),)


@given(st.integers(0, 29), st.integers(0, 29))
def test_reordered_entries_are_located(one: int, other: int) -> None:
    lines = list(LINES)
    lines[one], lines[other] = lines[other], lines[one]
    found = judged(lines).found
    first, last = sorted((one + 1, other + 1))
    assert bool(found) == (one != other)
    assert all(each.fault is Fault.REORDERED and first <= each.first <= last for each in found)


@given(st.integers(1, 29))
def test_a_replaced_entry_is_located(at: int) -> None:
    """Resealed with care: the one after it was sealed upon another."""
    forged = reseal(event(99), CHAIN[at - 2].link if at > 1 else None)
    assert faults([*LINES[: at - 1], forged.line, *LINES[at:]]) == [("replaced", at, at)]


@given(st.integers(0, 29), st.integers(1, 30))
def test_truncation_is_found_back_to_the_last_anchor(kept: int, anchored: int) -> None:
    verdict = judged(LINES[:kept], [anchor(CHAIN[anchored - 1])])
    if anchored <= kept:
        assert verdict.sound and verdict.proven == anchored and verdict.unproven == kept - anchored
    else:
        assert verdict.found == (Found(Fault.TRUNCATED, kept + 1, anchored),)


@given(st.integers(1, 30))
def test_a_chain_that_was_written_anew_is_found_by_an_anchor(since: int) -> None:
    """Every seal and link is right."""
    entries = CHAIN[: since - 1]
    for number in range(since, 31):
        entries = [*entries, reseal(event(number + 100), entries[-1].link if entries else None)]
    lines = [entry.line for entry in entries]
    assert judged(lines).sound
    assert faults(lines, [anchor(CHAIN[-1])]) == [("rewritten", 30, 30)]


def test_two_anchors_that_disagree_are_told() -> None:
    other = Anchor(30, "1" * 64, moment(0), "0" * 16)
    assert faults(LINES, [anchor(CHAIN[29]), other]) == [("rewritten", 30, 30)]


def test_a_key_that_stands_twice_is_no_entry() -> None:
    """Readers differ on which of them counts."""
    doubled = LINES[4].replace(b'{"entry":{', b'{"entry":{"who":"somebody",', 1)
    assert faults([*LINES[:4], doubled, *LINES[5:]]) == [("unreadable", 5, 5)]


@pytest.mark.parametrize(
    "line",
    [b"", b"{}", b"[]", b"\xff", b"null", b'{"entry":{},"seal":""}', b"[" * 100_000, b'{"entry":{"number":1e400}}']
    + [b'{"entry":{"number":%s,"previous":"x"},"seal":"x"}' % n for n in (b"true", b"-1", b"0", b"1.5", b"9" * 40)],
)
def test_what_is_no_entry_is_told_and_does_no_harm(line: bytes) -> None:
    assert faults([*LINES[:9], line, *LINES[10:]]) == [("unreadable", 10, 10)]


def test_a_hostile_file_is_not_listed_without_end() -> None:
    """A million lines of nothing: the first thousand are enough."""
    verifier = Verifier()
    for _ in range(5000):
        verifier.take(b"nothing")
    assert verifier.full and len(verifier.verdict().found) == 1000 and verifier.verdict().more


def test_the_seal_is_what_anybody_computes() -> None:
    """With a JSON library and SHA-256."""
    read = json.loads(LINES[7])
    text = json.dumps(read["entry"], ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    assert sha256(text.encode()).hexdigest() == read["seal"]
    assert read["entry"]["previous"] == CHAIN[6].seal and read["entry"]["number"] == 8


@pytest.mark.parametrize(
    "changes",
    [
        {"who": "Mary Miller"},
        {"who": "a\n"},
        {"subject": ""},
        {"subject": "\ud800"},
        {"reason": "she was upset"},
        {"ticket": "call Mrs Miller"},
        {"before": "caf\u00e9"},
        {"after": "x" * 4001},
        {"at": "2026-11-25"},
        {"id": "1"},
        {"remark": "the text itself"},
        {"request_id": "mine"},
    ],
)
def test_free_text_does_not_get_onto_the_chain(changes: dict[str, str]) -> None:
    """And the refusal does not repeat it."""
    with pytest.raises(ValueError) as refused:
        checked(event(1, **changes))
    assert not any(value and value in str(refused.value) for value in changes.values())


def test_a_remark_cannot_be_guessed_without_its_salt() -> None:
    rng = random.Random(1)
    salts = [rng.randbytes(32) for _ in range(2)]
    assert remark_hash(salts[0], "text") == remark_hash(salts[0], "text") != remark_hash(salts[1], "text")
