"""Verified only where every replica is sure."""

from tests.fakes.clock import FakeClock
from tests.fakes.decided import FakeHotCopy
from tests.fakes.snapshots import OTHERS, SEALER, kept, snapshot
from wardgate.control.confirmation import Effect, HotWitness, effect_of
from wardgate.control.ports import Replica

NOW, SILENCE = 1000.0, 31.5


def replica(name: str, drained: int, seen: float = NOW) -> Replica:
    return Replica(f"id-{name}", name, 0.0, seen, drained + 1, drained, "sha256:0", ())


def test_every_replica_that_has_ended_its_older_calls_verifies() -> None:
    effect = effect_of(7, [replica("b", 7), replica("a", 9)], NOW, SILENCE)
    assert effect == Effect(7, ("a", "b"), (), ()) and effect.verified


def test_one_that_still_works_by_an_older_snapshot_is_waited_for_by_name() -> None:
    """It answers by the new one already (`epoch`), and has a call of the old one under way."""
    effect = effect_of(7, [replica("a", 7), replica("b", 6)], NOW, SILENCE)
    assert effect.waiting == ("b",) and not effect.verified


def test_one_that_was_silent_beyond_its_lease_shows_nothing() -> None:
    effect = effect_of(7, [replica("a", 7), replica("b", 6, NOW - SILENCE - 0.1)], NOW, SILENCE)
    assert effect.silent == ("b",) and effect.verified
    assert not effect_of(7, [replica("b", 6, NOW - SILENCE + 0.1)], NOW, SILENCE).verified


def test_one_that_may_still_read_the_hot_copy_is_silent_only_once_that_had_the_change_as_long() -> None:
    replicas = [replica("a", 7), replica("b", 6, NOW - 10 * SILENCE)]
    assert effect_of(7, replicas, NOW, SILENCE, SILENCE).waiting == ("b",)
    assert effect_of(7, replicas, NOW, SILENCE, SILENCE + 0.1).silent == ("b",)


def test_the_hot_copy_is_a_witness_for_as_long_as_it_was_seen_to_hold_the_change() -> None:
    hot, clock = FakeHotCopy(), FakeClock()
    witness = HotWitness(hot, SEALER.is_sound, clock.monotonic)
    assert witness.holds(7) < 0
    hot.put(kept(6))
    assert witness.holds(6) == 0 and witness.holds(7) < 0
    clock.advance(5)
    hot.put(kept(8))
    assert witness.holds(7) == 0 and witness.holds(6) == 5
    clock.advance(5)
    assert witness.holds(7) == 5
    hot.down = True
    assert witness.holds(7) < 0, "nobody knows what it says now"
    hot.down = False
    for broken in (None, kept(6), OTHERS.seal(snapshot(8))):
        hot.snapshot = broken
        assert witness.holds(8) < 0
        hot.put(kept(8))
        assert witness.holds(7) == 0, "it was not there all the time"


def test_nobody_verifies_nothing() -> None:
    assert not effect_of(7, [], NOW, SILENCE).verified
