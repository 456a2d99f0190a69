"""What a reload means for calls under way: their own releases, and never more visibility than now."""

from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wardgate.domain.outcomes import Mode
from wardgate.domain.plans import Catalog, ReleasePlan, ServicePlan
from wardgate.domain.rollout.rollouts import Challenger, Cohort, Rollout, Snapshot
from wardgate.gateway.generations import CatalogSnapshots, FileSnapshots, missing

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


# --- by the store -----------------------------------------------------------------------------------------------------


class Decisions:
    """What was decided, swapped whole."""

    def __init__(self, decided: Snapshot) -> None:
        self.now = decided

    def current(self) -> Snapshot:
        return self.now


def catalog(champion: str, mode: Mode = Mode.ACTIVE, others: tuple[str, ...] = (), name: str = "x") -> Catalog:
    """One service, under two hooks, of which the second lacks the release `half`."""
    releases = {digest: cast(ReleasePlan, object()) for digest in (champion, *others)}
    fewer = {digest: plan for digest, plan in releases.items() if digest != "half"}
    plans = {
        hook: ServicePlan(name, hook, "", "", None, (), 1.0, "low", False, held)
        for hook, held in (("patient-view", releases), ("order-sign", fewer))
    }
    return Catalog({name: plans}, {name: Rollout(champion, mode, shadows=("3",))})


def seen(decided: Snapshot, known: Catalog) -> Rollout:
    return CatalogSnapshots(Decisions(decided), known).current().rollouts["x"]


def test_what_was_decided_is_told_as_it_is_where_the_catalog_has_it() -> None:
    rollout = Rollout("1", Mode.CANARY, challenger=Challenger("2", Cohort()), shadows=("3",), salt="s")
    decided = Snapshot(7, {"x": rollout, "gone": rollout}, hidden=True)
    told = CatalogSnapshots(Decisions(decided), catalog("1", others=("2", "3"))).current()
    assert told.rollouts == {"x": rollout} and told.epoch == 7 and told.hidden


def test_what_the_catalog_does_not_have_is_left_out() -> None:
    rollout = Rollout("1", Mode.ACTIVE, challenger=Challenger("9", Cohort()), shadows=("3", "8"))
    assert seen(Snapshot(1, {"x": rollout}), catalog("1", others=("3",))) == Rollout("1", Mode.ACTIVE, shadows=("3",))


@pytest.mark.parametrize("champion", ["9", "half"])
def test_a_champion_that_no_plan_gives_is_shown_to_nobody(champion: str) -> None:
    """The file's own releases are recorded; also where one hook of the service alone lacks it."""
    own = catalog("1", others=("3", "half"))
    for mode, told in ((Mode.ACTIVE, Mode.SILENT), (Mode.SHADOW, Mode.SHADOW), (Mode.OFF, Mode.OFF)):
        decided = Snapshot(1, {"x": Rollout(champion, mode, preview=frozenset({"user"}))})
        assert seen(decided, own) == Rollout("1", told, shadows=("3",))
        assert missing(decided, own) == ("x",)
    assert missing(Snapshot(1, {"x": Rollout("1", Mode.ACTIVE)}), own) == ()


@pytest.mark.parametrize("mode", [Mode.CANARY, Mode.ACTIVE])
def test_what_a_demo_decided_is_shown_to_nobody_where_approvals_are_asked_for(mode: Mode) -> None:
    """Also before anybody could write that down, since the store is away."""
    decided = Decisions(Snapshot(1, {"x": Rollout("1", mode, Cohort(), unapproved=True)}))
    assert CatalogSnapshots(decided, catalog("1")).current().rollouts["x"].mode is Mode.SILENT
    assert CatalogSnapshots(decided, catalog("1"), insecure_demo=True).current().rollouts["x"].mode is mode


def test_a_service_that_has_not_begun_is_shown_to_nobody() -> None:
    assert seen(Snapshot(0, {}, hidden=True), catalog("1")).mode is Mode.SILENT
    assert seen(Snapshot(1, {}), catalog("1", Mode.OFF)).mode is Mode.OFF


def test_calls_end_on_their_release_where_the_next_catalog_has_the_new_one_and_never_at_a_higher_mode() -> None:
    decisions = Decisions(Snapshot(1, {"x": Rollout("1", Mode.ACTIVE)}))
    old = CatalogSnapshots(decisions, catalog("1"))
    new = CatalogSnapshots(decisions, catalog("2"))
    old.expect(new)
    decisions.now = Snapshot(2, {"x": Rollout("2", Mode.ACTIVE)})
    assert old.current().rollouts["x"] == Rollout("1", Mode.ACTIVE) and old.current().epoch == 2
    assert new.current().rollouts["x"] == Rollout("2", Mode.ACTIVE)
    old.give_way(new)
    decisions.now = Snapshot(3, {"x": Rollout("2", Mode.SILENT)})
    assert old.current().rollouts["x"].mode is Mode.SILENT
    decisions.now = Snapshot(4, {"x": Rollout("2", Mode.ACTIVE)})
    assert old.current().rollouts["x"].mode is Mode.SILENT
    decisions.now = Snapshot(5, {"x": Rollout("9", Mode.ACTIVE)})  # neither of them has it
    assert old.current().rollouts["x"].mode is new.current().rollouts["x"].mode is Mode.SILENT


def test_a_catalog_that_does_not_come_after_all_changes_nothing() -> None:
    decisions = Decisions(Snapshot(1, {"x": Rollout("1", Mode.ACTIVE)}))
    old = CatalogSnapshots(decisions, catalog("1"))
    old.expect(CatalogSnapshots(decisions, catalog("2")))
    old.expect(None)
    decisions.now = Snapshot(2, {"x": Rollout("2", Mode.ACTIVE)})
    assert old.current().rollouts["x"].mode is Mode.SILENT


def test_a_service_that_the_next_catalog_does_not_have_is_off() -> None:
    decisions = Decisions(Snapshot(1, {"x": Rollout("1", Mode.ACTIVE)}))
    old = CatalogSnapshots(decisions, catalog("1"))
    old.give_way(CatalogSnapshots(decisions, catalog("2", name="another")))
    assert old.current().rollouts["x"].mode is Mode.OFF


def test_the_same_snapshot_is_told_as_the_same_object() -> None:
    told = CatalogSnapshots(Decisions(Snapshot(1, {"x": Rollout("9", Mode.ACTIVE)})), catalog("1"))
    assert told.current() is told.current()
