"""The chain read on, and proved: what was seen stays as it was."""

from hashlib import sha256
from time import perf_counter

import pytest

from tests.fakes.audit import NOW, MemoryChain, chain_of
from wardgate.control.audit import AuditUnavailable
from wardgate.control.chain_reader import ChainBroken, ChainReader
from wardgate.domain.approvals import subject_of
from wardgate.domain.audit import Action, SealedEntry

SUBJECT = subject_of("kidney-failure", "sha256:" + "1" * 64)


def approve(chain: MemoryChain, who: str) -> None:
    chain.add(who=who, what=Action.RELEASE_APPROVE, subject=SUBJECT, before=None, after="canary as approver-clinical")


def people(reader: ChainReader) -> list[str]:
    return [approval.person for approval in reader.read().approvals(SUBJECT)]


def test_only_what_is_new_is_read() -> None:
    chain = MemoryChain(*chain_of(50))
    approve(chain, "mira/0")
    reader = ChainReader(chain)
    assert people(reader) == ["mira"] and chain.read == 51
    before = reader.read()
    approve(chain, "jon/0")
    assert people(reader) == ["mira", "jon"] and chain.read == 51 + 1 + 2
    assert [each.person for each in before.approvals(SUBJECT)] == ["mira"], "what somebody has does not change"


def test_no_part_of_what_somebody_has_changes() -> None:
    """Whatever is said afterwards."""
    chain, digest = MemoryChain(), "sha256:" + sha256(b'{"tiers":{}}').hexdigest()
    approve(chain, "mira/0")
    reader = ChainReader(chain)
    before = reader.read()
    said = {"before": None, "who": "jon/0"}
    chain.add(what=Action.RELEASE_SUBMIT, subject=SUBJECT, after=None, **said)
    chain.add(what=Action.RELEASE_RETIRE, subject=SUBJECT, after="retired", **said)
    chain.add(what=Action.DRILL, subject="kidney-failure", after=None, **said)
    until = "canary without nights until 2027-01-01T00:00:00.000Z"
    chain.add(what=Action.GATE_EXCEPTION, subject=SUBJECT, after=until, **said)
    chain.add(what=Action.GOVERNANCE_APPROVE, subject=f"governance@{digest}", after='{"tiers":{}}', **said)
    after = reader.read()
    for ledger, there in ((before, False), (after, True)):
        assert bool(ledger.authors(SUBJECT)) == there and ledger.retired(SUBJECT) == there
        assert (ledger.drilled("kidney-failure") is not None) == there
        assert bool(ledger.waivers(SUBJECT, NOW)) == there and bool(ledger.waiting(digest)) == there


def test_an_empty_chain_says_nothing() -> None:
    assert people(ChainReader(MemoryChain())) == []


def test_a_chain_that_was_put_back_is_told_to_be_another_than_was_seen() -> None:
    """It is sound by itself, so `audit verify` says nothing: whoever was sent there had no next step."""
    chain = MemoryChain(*chain_of(5))
    reader = ChainReader(chain)
    reader.read()
    del chain.list[3:]
    for _ in range(2):
        with pytest.raises(ChainBroken) as broken:
            reader.read()
        assert "any more that was seen before" in broken.value.meaning and "After a restore" in broken.value.meaning
    ChainReader(chain).read()


@pytest.mark.parametrize("number", [1, 20, 41])
def test_a_flipped_letter_is_seen(number: int) -> None:
    chain = MemoryChain(*chain_of(40))
    approve(chain, "mira/0")
    entry = chain.list[number - 1]
    chain.list[number - 1] = SealedEntry(entry.number, entry.seal, entry.text.replace("v", "w", 1))
    with pytest.raises(ChainBroken) as broken:
        ChainReader(chain).read()
    assert broken.value.number == number


def resealed(entry: SealedEntry, old: str, new: str) -> SealedEntry:
    text = entry.text.replace(old, new)
    return SealedEntry(entry.number, sha256(text.encode()).hexdigest(), text)


def test_an_entry_with_a_seal_of_its_own_is_seen_by_the_next_one() -> None:
    chain = MemoryChain(*chain_of(3))
    chain.list[1] = resealed(chain.list[1], "alert_rate", "all_is_well")
    with pytest.raises(ChainBroken):
        ChainReader(chain).read()


def test_a_key_that_stands_twice_is_no_approval() -> None:
    """Readers may differ on which of them counts."""
    chain = MemoryChain()
    approve(chain, "mira/0")
    twice = '"to":"active as approver-clinical","to":"canary as approver-clinical"'
    chain.list[0] = resealed(chain.list[0], '"to":"canary as approver-clinical"', twice)
    with pytest.raises(ChainBroken):
        ChainReader(chain).read()


@pytest.mark.parametrize("taken", [slice(0, 1), slice(2, 3), slice(1, 3)])
def test_what_is_missing_is_seen(taken: slice) -> None:
    chain = MemoryChain(*chain_of(5))
    del chain.list[taken]
    with pytest.raises(ChainBroken):
        ChainReader(chain).read()


def test_an_end_that_was_seen_and_is_gone_is_never_forgotten() -> None:
    """Nor is one that was written anew."""
    chain = MemoryChain(*chain_of(5))
    reader = ChainReader(chain)
    reader.read()
    last = chain.list.pop()
    for _ in range(3):
        with pytest.raises(ChainBroken):
            reader.read()
    chain.add(reason="another")
    with pytest.raises(ChainBroken):
        reader.read()
    chain.list[-1] = last
    assert people(reader) == [], "it was put back"


def test_an_anchor_shows_what_a_new_process_has_not_seen() -> None:
    chain = MemoryChain(*chain_of(5))
    anchored = {4: chain.list[3].seal}
    assert people(ChainReader(chain, lambda: anchored)) == []
    for seen in ({4: "0" * 64}, {6: "0" * 64}):
        with pytest.raises(ChainBroken):
            ChainReader(chain, lambda seen=seen: seen).read()  # type: ignore[misc]


def test_a_store_that_goes_away_half_way_changes_nothing() -> None:
    chain = MemoryChain(*chain_of(5))
    reader = ChainReader(chain)
    reader.read()
    approve(chain, "mira/0")
    approve(chain, "jon/0")
    chain.down_at = 7
    with pytest.raises(AuditUnavailable):
        reader.read()
    chain.down_at = -1
    assert people(reader) == ["mira", "jon"]


def test_a_long_chain_is_read_fast_and_then_at_once() -> None:
    """20,000 entries within 2 s on a busy machine, for 100,000 in 2 s on a free one; then what is new in no time."""
    chain = MemoryChain(*chain_of(2000))
    link = chain.list[-1].link
    for number in range(2001, 20_001):  # sealed by hand: `seal` takes longer than reading
        text = chain.list[0].text.replace('"number":1,', f'"number":{number},').replace("0" * 64, link.seal)
        chain.list.append(SealedEntry(number, sha256(text.encode()).hexdigest(), text))
        link = chain.list[-1].link
    reader = ChainReader(chain)
    began = perf_counter()
    reader.read()
    whole = perf_counter() - began
    began = perf_counter()
    for _ in range(10):
        reader.read()
    assert whole < 2 and (perf_counter() - began) / 10 < whole / 10
