"""Ceilings beside a snapshot: added once, the lowest of each, and over once they were lifted."""

from random import Random

from hypothesis import given
from hypothesis import strategies as st

from tests.fakes.snapshots import ceiling, snapshot
from wardgate.domain.outcomes import Mode
from wardgate.domain.rollout.ceilings import unfolded, with_ceilings
from wardgate.domain.rollout.rollouts import Ceiling

CEILINGS = st.lists(st.builds(ceiling, st.integers(1, 5), st.sampled_from(Mode)), max_size=8)


def test_nothing_to_add_leaves_the_very_same_snapshot() -> None:
    whole = snapshot(3, ceilings=(ceiling(1),), lifted=frozenset({ceiling(2).id}))
    assert with_ceilings(whole, [ceiling(1), ceiling(2)]) is whole
    assert unfolded(whole, [ceiling(1), ceiling(2)]) == ()


def test_a_ceiling_that_is_lower_than_the_one_of_its_name_counts() -> None:
    whole = snapshot(3, ceilings=(ceiling(1, Mode.SILENT),))
    assert with_ceilings(whole, [ceiling(1, Mode.OFF)]).ceilings == (ceiling(1, Mode.OFF),)
    assert with_ceilings(whole, [ceiling(1, Mode.ACTIVE)]) is whole


@given(CEILINGS, CEILINGS, st.frozensets(st.integers(1, 5), max_size=3), st.randoms(use_true_random=False))
def test_whatever_the_order_the_lowest_of_each_holds(
    inside: list[Ceiling], side: list[Ceiling], lifted: frozenset[int], random: Random
) -> None:
    over = frozenset({ceiling(number).id for number in lifted})
    own = tuple({each.id: each for each in inside if each.id not in over}.values())
    whole = snapshot(3, ceilings=own, lifted=over)
    shuffled = list(side)
    random.shuffle(shuffled)
    effective = with_ceilings(whole, side)
    assert set(effective.ceilings) == set(with_ceilings(whole, shuffled).ceilings)
    order = [Mode.NONE, *[mode for mode in Mode if mode is not Mode.NONE]]
    for name in {each.id for each in (*own, *side)} - over:
        lowest = min((each.mode for each in (*own, *side) if each.id == name), key=order.index)
        assert [each.mode for each in effective.ceilings if each.id == name] == [lowest]
    assert not over & {each.id for each in effective.ceilings}
