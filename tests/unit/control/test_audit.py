"""What raises waits for the chain; what lowers waits for nobody."""

from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import msgspec
import pytest

from tests.fakes.audit import MOST, AuditGround
from wardgate.control.audit import AuditUnavailable
from wardgate.domain.audit import Action, Deed, Kept, remark_hash

DEED = Deed(who="operator-1", what=Action.CIRCUIT_ISOLATE, subject="kidney-failure/1.0.0", reason="alert_rate")


@pytest.fixture
def ground(tmp_path: Path) -> Iterator[AuditGround]:
    made = AuditGround(tmp_path)
    yield made
    made.close()


def test_what_is_required_stands_on_the_chain_when_it_returns(ground: AuditGround) -> None:
    link = ground.trail.require(DEED, "Twice the usual rate since 14:00")
    (said,) = ground.said()
    assert link.number == 1 and said["what"] == "circuit.isolate" and said["at"] == "2026-09-21T14:13:20.500Z"
    assert said["remark"] == remark_hash(b"s" * 32, "Twice the usual rate since 14:00")
    assert "usual" not in str(said)
    remark = ground.store.remark(str(said["id"]))
    assert remark is not None and remark.text == "Twice the usual rate since 14:00"


def test_without_the_store_what_is_required_is_refused(ground: AuditGround) -> None:
    """And nothing of it is chained later: it was not done."""
    ground.cut()
    with pytest.raises(AuditUnavailable):
        ground.trail.require(DEED)
    ground.mend()
    assert ground.trail.chain_spooled() == 0 and ground.said() == []


def test_without_the_store_what_was_done_is_kept_and_chained_later(ground: AuditGround) -> None:
    """In the order in which it was done, with its remark."""
    ground.cut()
    assert ground.trail.keep(DEED, "first") is Kept.SPOOLED
    assert ground.trail.keep(DEED) is Kept.SPOOLED
    assert ground.trail.spooled.is_set()
    with pytest.raises(AuditUnavailable):
        ground.trail.chain_spooled()
    ground.mend()
    assert ground.trail.chain_spooled() == 2
    assert [said["id"] for said in ground.said()] == [str(UUID(int=1)), str(UUID(int=2))]
    assert ground.store.remark(str(UUID(int=1))) is not None
    assert ground.trail.chain_spooled() == 0 and not list(ground.spool.glob("*.json"))


def test_a_process_that_died_after_chaining_chains_nothing_twice(ground: AuditGround) -> None:
    ground.trail.keep(DEED)
    (file,) = ground.spool.iterdir()
    kept = file.read_bytes()
    ground.trail.chain_spooled()
    file.write_bytes(kept)
    ground.trail.chain_spooled()
    assert len(ground.said()) == 1 and not file.exists()


def test_where_the_disk_does_not_take_it_the_store_does(ground: AuditGround) -> None:
    ground.spool.write_bytes(b"")
    assert ground.trail.keep(DEED) is Kept.CHAINED
    assert len(ground.said()) == 1


def test_where_neither_takes_it_that_is_told_and_nothing_is_raised(ground: AuditGround) -> None:
    """A model has been taken out of sight all the same."""
    ground.spool.write_bytes(b"")
    ground.cut()
    assert ground.trail.keep(DEED) is Kept.LOST
    assert ground.told == [Kept.LOST], "so that it is counted, and somebody is told"
    ground.mend()
    assert ground.trail.keep(DEED) is Kept.CHAINED and ground.told[1:] == [Kept.CHAINED]


def test_what_raises_leaves_room_on_the_spool_for_what_lowers(ground: AuditGround) -> None:
    """While a store is away for long, and denials fill the spool: the oldest are kept, and nothing grows for ever."""
    ground.spool.mkdir()
    ground.trail.require(DEED)
    for number in range(MOST - 5):
        (ground.spool / f"{number:017}-x.json").touch()
    with pytest.raises(AuditUnavailable) as refused:
        ground.trail.require(DEED)
    assert "wait on the local spool" in refused.value.meaning
    ground.cut()
    assert [ground.trail.keep(DEED) for _ in range(7)] == [Kept.SPOOLED] * 5 + [Kept.LOST] * 2
    assert (ground.spool / f"{0:017}-x.json").exists() and len(list(ground.spool.iterdir())) == MOST
    ground.mend()
    assert ground.trail.chain_spooled() == 5
    ground.trail.require(DEED)


def test_denials_take_no_place_from_what_is_done(ground: AuditGround) -> None:
    """Whoever is denied in a loop fills neither the chain nor the spool, and others are still heard; the rest is
    counted. Once each denial that a use case spoke took a place, also of those that are left to what lowers."""
    told = [ground.trail.deny(DEED) for _ in range(40)]
    assert told == [Kept.SPOOLED] * 30 + [Kept.SPARED] * 10 == ground.told
    assert ground.trail.deny(msgspec.structs.replace(DEED, who="operator-2")) is Kept.SPOOLED
    ground.trail.chain_spooled()
    assert {said["result"] for said in ground.said()} == {"denied"}
    for number in range(MOST - 999):
        (ground.spool / f"{number:017}-x.json").touch()
    assert ground.trail.deny(msgspec.structs.replace(DEED, who="operator-3")) is Kept.SPARED
    assert ground.trail.keep(DEED) is Kept.SPOOLED


def test_a_denial_with_a_name_that_no_chain_takes_says_so_every_time(ground: AuditGround) -> None:
    for _ in range(40):
        with pytest.raises(ValueError, match="not an event"):
            ground.trail.deny(msgspec.structs.replace(DEED, subject="Zoë"))


@pytest.mark.parametrize("remark", ["\ud800", "a\0b", "x" * 4001])
def test_a_remark_that_cannot_be_kept_is_refused_without_its_text(ground: AuditGround, remark: str) -> None:
    with pytest.raises(ValueError) as refused:
        ground.trail.keep(DEED, remark)
    assert remark not in str(refused.value)
    assert ground.trail.chain_spooled() == 0
