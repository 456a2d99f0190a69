"""What a reload means for calls under way: their own releases, and never more visibility than now."""

from hypothesis import given
from hypothesis import strategies as st

from wardgate.domain.outcomes import Mode
from wardgate.domain.rollout.rollouts import Cohort, Rollout
from wardgate.gateway.generations import FileSnapshots

MODES: list[Mode] = [mode for mode in Mode if mode is not Mode.NONE]
ROLLOUTS = st.builds(
    Rollout,
    champion=st.sampled_from(["1", "2"]),
    mode=st.sampled_from(MODES),
    cohort=st.sampled_from([None, Cohort(sites=frozenset({"a"}))]),
    shadows=st.sampled_from([(), ("3",)]),
)
DECIDED = st.dictionaries(st.sampled_from(["x", "y", "z"]), ROLLOUTS)


@given(st.lists(DECIDED, min_size=1, max_size=5))
def test_every_generation_is_told_what_the_newest_has_lowered(decided: list[dict[str, Rollout]]) -> None:
    """Its own releases, the lowest mode of all that came after it, off what is gone; and one epoch for all."""
    generations = [FileSnapshots(decided[0])]
    for rollouts in decided[1:]:
        generations.append(generations[-1].following(rollouts))
        generations[-2].give_way(generations[-1])
    newest = generations[-1].current()
    assert newest.rollouts == decided[-1] and newest.epoch == len(decided)
    for number, (generation, rollouts) in enumerate(zip(generations, decided, strict=True)):
        told = generation.current()
        assert told.epoch == newest.epoch
        assert told.rollouts.keys() == rollouts.keys()
        for name, rollout in told.rollouts.items():
            own = rollouts[name]
            assert (rollout.champion, rollout.shadows) == (own.champion, own.shadows)
            later = [each[name].mode if name in each else Mode.OFF for each in decided[number:]]
            assert rollout.mode is MODES[min(MODES.index(mode) for mode in later)]


def test_a_smaller_cohort_holds_for_calls_under_way() -> None:
    """It hides from some, as a lower mode does from all."""
    before = FileSnapshots({"x": Rollout("1", Mode.CANARY)})
    after = before.following({"x": Rollout("2", Mode.CANARY, Cohort(sites=frozenset({"a"})))})
    before.give_way(after)
    assert before.current().rollouts["x"] == Rollout("1", Mode.CANARY, Cohort(sites=frozenset({"a"})))
