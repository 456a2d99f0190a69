"""Verified only where every replica is sure."""

from wardgate.control.confirmation import Effect, effect_of
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


def test_nobody_verifies_nothing() -> None:
    assert not effect_of(7, [], NOW, SILENCE).verified
