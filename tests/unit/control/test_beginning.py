"""Where a service begins, and what of an edited file is taken up by itself."""

import msgspec
import pytest

from tests.fakes.snapshots import snapshot
from wardgate.control.beginning import Beginning, Files, beginning
from wardgate.domain.outcomes import Mode
from wardgate.domain.rollout.rollouts import Cohort, Rollout, Snapshot

KNOWN = "sha256:" + "a" * 64
ROLLOUT = Rollout(KNOWN, Mode.SILENT, salt="of the file")


def files(demo: bool = False, **rollouts: Rollout) -> Files:
    rollouts = {name.replace("_", "-"): rollout for name, rollout in rollouts.items()}
    known = {name: frozenset(rollout.releases) for name, rollout in rollouts.items()}
    return Files(rollouts, known, demo)


def begun(before: Snapshot | None, said: Files) -> Beginning:
    return beginning(before, said, lambda: "drawn")


def stands(rollout: Rollout = ROLLOUT, demo: bool = False) -> Snapshot:
    """As the store has it once a service has begun."""
    snapshot = begun(None, files(demo, kidney_failure=rollout)).snapshot
    assert snapshot is not None
    return snapshot


def test_an_empty_store_begins_with_what_the_files_say() -> None:
    made = begun(None, files(kidney_failure=ROLLOUT, deterioration=Rollout(KNOWN, Mode.OFF)))
    assert made.begun == ("kidney-failure", "deterioration") and made.snapshot is not None
    assert made.snapshot.epoch == 1
    rollout = made.snapshot.rollouts["kidney-failure"]
    assert (rollout.champion, rollout.mode, rollout.salt) == (KNOWN, Mode.SILENT, "drawn")
    assert rollout.file.startswith("sha256:")


@pytest.mark.parametrize("mode", [Mode.CANARY, Mode.ACTIVE])
def test_a_file_shows_nothing_beyond_silent_unless_it_is_a_demo(mode: Mode) -> None:
    loud = Rollout(KNOWN, mode, Cohort())
    assert stands(loud).rollouts["kidney-failure"].mode is Mode.SILENT
    assert stands(loud, demo=True).rollouts["kidney-failure"].mode is mode


def test_what_has_begun_is_left_as_it_is() -> None:
    """Whatever people have decided since, and whoever starts again."""
    before = stands()
    raised = msgspec.structs.replace(before.rollouts["kidney-failure"], mode=Mode.ACTIVE, salt="drawn then")
    decided = msgspec.structs.replace(before, epoch=8, rollouts={"kidney-failure": raised})
    for demo in (False, True):
        assert begun(decided, files(demo, kidney_failure=ROLLOUT)) == Beginning(None)


def test_a_new_service_begins_beside_the_others() -> None:
    before = msgspec.structs.replace(stands(), epoch=8)
    made = begun(before, files(kidney_failure=ROLLOUT, deterioration=ROLLOUT))
    assert made.begun == ("deterioration",) and made.snapshot is not None and made.snapshot.epoch == 9
    assert made.snapshot.rollouts["kidney-failure"] == before.rollouts["kidney-failure"]


def test_an_edit_that_shows_more_waits_and_in_a_demo_does_not() -> None:
    quiet, loud = Rollout(KNOWN, Mode.SHADOW), Rollout(KNOWN, Mode.SILENT)
    other = Rollout("sha256:" + "b" * 64, Mode.SHADOW)
    for edited in (loud, other):
        assert begun(stands(quiet), files(kidney_failure=edited)) == Beginning(None, waiting=("kidney-failure",))
        made = begun(stands(quiet), files(demo=True, kidney_failure=edited))
        assert made.taken == ("kidney-failure",) and made.snapshot is not None and made.snapshot.epoch == 2
        rollout = made.snapshot.rollouts["kidney-failure"]
        assert (rollout.champion, rollout.mode, rollout.salt) == (edited.champion, edited.mode, "drawn")


def test_an_edit_that_shows_less_is_taken_up() -> None:
    made = begun(stands(), files(kidney_failure=Rollout(KNOWN, Mode.OFF)))
    assert made.taken == ("kidney-failure",) and made.snapshot is not None
    assert made.snapshot.rollouts["kidney-failure"].mode is Mode.OFF


def test_in_a_demo_an_edited_release_takes_the_place_of_one_that_is_gone() -> None:
    """Elsewhere it waits: what was approved goes on."""
    edited = Rollout("sha256:" + "b" * 64, Mode.ACTIVE, file="sha256:the same")
    before = stands(Rollout(KNOWN, Mode.ACTIVE, file="sha256:the same"), demo=True)
    assert begun(before, files(demo=True, kidney_failure=edited)).taken == ("kidney-failure",)
    approved = promoted(stands(Rollout(KNOWN, Mode.SILENT, file="sha256:the same")))
    assert begun(approved, files(kidney_failure=edited)) == Beginning(None)


def promoted(before: Snapshot, **changes: object) -> Snapshot:
    """By people, to active."""
    now = before.rollouts["kidney-failure"]
    rollout = msgspec.structs.replace(now, **{"mode": Mode.ACTIVE, "by_people": True, **changes})
    return msgspec.structs.replace(before, epoch=8, rollouts={"kidney-failure": rollout})


@pytest.mark.parametrize(
    "edited",
    [
        Rollout(KNOWN, Mode.SILENT, file="sha256:names a preview user less"),
        Rollout("sha256:" + "b" * 64, Mode.SILENT, file="sha256:the edit by which its release was brought in"),
        Rollout(KNOWN, Mode.SHADOW, shadows=("sha256:" + "b" * 64,), file="sha256:one in shadow"),
    ],
    ids=["preview", "champion", "shadow"],
)
def test_a_file_takes_nothing_down_that_people_have_raised(edited: Rollout) -> None:
    """It says where a service begins: to edit it for another reason, and to start again, is nobody's decision."""
    now = promoted(stands(), champion=edited.champion)
    assert begun(now, files(kidney_failure=edited)) == Beginning(None, waiting=("kidney-failure",))


def test_a_file_that_says_off_is_obeyed_whoever_raised_it() -> None:
    """Down is one step; and the way back is the release that was there, not the one of the file."""
    now = promoted(stands(), champion="sha256:" + "c" * 64)
    made = begun(now, files(kidney_failure=Rollout(KNOWN, Mode.OFF)))
    assert made.taken == ("kidney-failure",) and made.snapshot is not None
    rollout = made.snapshot.rollouts["kidney-failure"]
    assert (rollout.champion, rollout.mode) == ("sha256:" + "c" * 64, Mode.OFF)
    assert begun(made.snapshot, files(kidney_failure=Rollout(KNOWN, Mode.OFF))) == Beginning(None)


def test_one_more_release_in_shadow_waits() -> None:
    """Nobody sees it, but features go to its endpoint."""
    edited = msgspec.structs.replace(ROLLOUT, shadows=("sha256:" + "b" * 64,))
    assert begun(stands(), files(kidney_failure=edited)) == Beginning(None, waiting=("kidney-failure",))


@pytest.mark.parametrize("mode", [Mode.CANARY, Mode.ACTIVE])
@pytest.mark.parametrize("by_people", [False, True])
def test_what_a_demo_decided_comes_down_where_approvals_are_asked_for(mode: Mode, by_people: bool) -> None:
    """The same store, and `insecure_demo` taken away: nobody has approved what stands there."""
    demo = stands(Rollout(KNOWN, Mode.ACTIVE, Cohort()), demo=True)
    if by_people:
        demo = promoted(demo, mode=mode)
    made = begun(demo, files(kidney_failure=Rollout(KNOWN, Mode.ACTIVE, Cohort())))
    assert made.lowered == made.changed == ("kidney-failure",) and made.snapshot is not None
    rollout = made.snapshot.rollouts["kidney-failure"]
    assert (rollout.champion, rollout.mode, rollout.unapproved) == (KNOWN, Mode.SILENT, False)
    assert begun(made.snapshot, files(kidney_failure=Rollout(KNOWN, Mode.ACTIVE, Cohort()))) == Beginning(None)


def test_a_service_that_no_file_has_any_more_is_left_to_people() -> None:
    assert begun(snapshot(4), files()) == Beginning(None)
