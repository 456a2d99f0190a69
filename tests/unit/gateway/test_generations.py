"""What a reload means for calls under way: their own releases, and never more visibility than now."""

from hypothesis import given
from hypothesis import strategies as st

from wardgate.domain.outcomes import Mode
from wardgate.domain.plans import Catalog
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
CATALOGS = st.dictionaries(st.sampled_from(["x", "y", "z"]), ROLLOUTS).map(lambda rollouts: Catalog({}, rollouts))


@given(st.lists(CATALOGS, min_size=1, max_size=5))
def test_every_generation_is_told_what_the_newest_has_lowered(catalogs: list[Catalog]) -> None:
    """Its own releases, the lowest mode of all that came after it, off what is gone; and one epoch for all."""
    generations = [FileSnapshots(catalogs[0])]
    for catalog in catalogs[1:]:
        generations.append(generations[-1].following(catalog))
        generations[-2].give_way(generations[-1])
    newest = generations[-1].current()
    assert newest.rollouts == catalogs[-1].rollouts and newest.epoch == len(catalogs)
    for number, (generation, catalog) in enumerate(zip(generations, catalogs, strict=True)):
        told = generation.current()
        assert told.epoch == newest.epoch
        assert told.rollouts.keys() == catalog.rollouts.keys()
        for name, rollout in told.rollouts.items():
            own = catalog.rollouts[name]
            assert (rollout.champion, rollout.shadows) == (own.champion, own.shadows)
            later = [each.rollouts[name].mode if name in each.rollouts else Mode.OFF for each in catalogs[number:]]
            assert rollout.mode is MODES[min(MODES.index(mode) for mode in later)]


def test_a_smaller_cohort_holds_for_calls_under_way() -> None:
    """It hides from some, as a lower mode does from all."""
    before = FileSnapshots(Catalog({}, {"x": Rollout("1", Mode.CANARY)}))
    after = before.following(Catalog({}, {"x": Rollout("2", Mode.CANARY, Cohort(sites=frozenset({"a"})))}))
    before.give_way(after)
    assert before.current().rollouts["x"] == Rollout("1", Mode.CANARY, Cohort(sites=frozenset({"a"})))
