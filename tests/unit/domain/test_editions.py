"""The catalog that answers: files, what was kept, and what people decided."""

from pathlib import Path

import msgspec
import pytest

from tests.fakes.editions import SERVICE, Edition
from wardgate.domain.editions import assemble, pending, wanted
from wardgate.domain.outcomes import Mode
from wardgate.domain.plans import Catalog, ServicePlan
from wardgate.domain.rollout.rollouts import Challenger, Cohort, Rollout, Snapshot
from wardgate.gateway.generations import CatalogSnapshots

_DIALYSIS = ("problems: Condition?patient={{context.patientId}}", "conditions: Condition?patient={{context.patientId}}")


def plan(catalog: Catalog, hook: str = "patient-view") -> ServicePlan:
    return catalog.services[SERVICE][hook]


def rollout(champion: str, mode: Mode = Mode.ACTIVE, **more: object) -> dict[str, Rollout]:
    return {SERVICE: msgspec.structs.replace(Rollout(champion, mode), **more)}


class Visibility:
    """What was decided, as a replica goes by it."""

    def __init__(self, decided: dict[str, Rollout]) -> None:
        self._now = Snapshot(1, decided)

    def current(self) -> Snapshot:
        return self._now


@pytest.fixture
def today(tmp_path: Path) -> Edition:
    return Edition(tmp_path / "today")


@pytest.fixture
def approved(tmp_path: Path) -> Edition:
    """What was approved before the files were edited."""
    edits = [("default: 0.10", "default: 0.08"), ("deadline: 500ms", "deadline: 450ms"), ("Two-year risk", "Old words")]
    return Edition(tmp_path / "approved", service=edits, card=("from: 0.10", "from: 0.08"))


def test_files_that_give_what_was_decided_answer_as_they_are(today: Edition) -> None:
    for decided in ({}, rollout(today.digest), {"another": Rollout("sha256:x", Mode.ACTIVE)}):
        assembly = assemble(today.files, {}, decided)
        assert assembly.catalog.services == today.files.services and not assembly.lacks
        assert not wanted(today.files, decided)


def test_what_was_approved_goes_on_whatever_the_files_say_now(today: Edition, approved: Edition) -> None:
    """Threshold, card, deadline; but words that no digest covers are today's."""
    decided = rollout(approved.digest)
    assert wanted(today.files, decided) == {approved.digest: SERVICE}
    answering = plan(assemble(today.files, {approved.digest: approved.kept}, decided).catalog)
    assert list(answering.releases) == [approved.digest]
    assert answering.releases[approved.digest].rules.threshold.default == 0.08
    assert answering.releases[approved.digest].rules.bands[0].start == 0.08
    assert answering.deadline == 0.45
    assert answering.description == plan(today.files).description


def test_a_champion_that_is_nowhere_hides_its_service(today: Edition) -> None:
    assembly = assemble(today.files, {}, rollout("sha256:gone"))
    (lack,) = assembly.lacks
    assert (lack.service_id, lack.digest, lack.hides) == (SERVICE, "sha256:gone", True)
    assert assembly.catalog.services == today.files.services  # discovery still has it
    assert assembly.catalog.rollouts == today.files.rollouts


def test_a_challenger_that_is_nowhere_hides_nothing(today: Edition) -> None:
    """Its cohort gets the champion, as where a ceiling is held over it: silence may be read as "no risk"."""
    challenger = Challenger("sha256:gone", Cohort(percent=10))
    for mode in (Mode.SHADOW, Mode.SILENT, Mode.CANARY, Mode.ACTIVE):
        decided = rollout(today.digest, mode, challenger=challenger)
        assembly = assemble(today.files, {}, decided)
        assert [lack.hides for lack in assembly.lacks] == [False]
        assert list(plan(assembly.catalog).releases) == [today.digest]
        told = CatalogSnapshots(Visibility(decided), assembly.catalog).current().rollouts[SERVICE]
        assert (told.champion, told.mode, told.challenger) == (today.digest, mode, None)


def test_a_shadow_that_is_nowhere_is_left_out(today: Edition) -> None:
    decided = rollout(today.digest, shadows=("sha256:gone",))
    assembly = assemble(today.files, {}, decided)
    assert [lack.hides for lack in assembly.lacks] == [False]
    assert list(plan(assembly.catalog).releases) == [today.digest]


def test_where_nothing_decided_can_be_followed_only_what_is_there_stands(today: Edition, approved: Edition) -> None:
    """Whoever falls back on it finds its releases."""
    decided = rollout(approved.digest, shadows=("sha256:gone",), challenger=Challenger("sha256:gone", Cohort()))
    catalog = assemble(today.files, {approved.digest: approved.kept}, decided).catalog
    standing = catalog.rollouts[SERVICE]
    assert standing.releases == (approved.digest,) == tuple(plan(catalog).releases)


def test_a_release_in_shadow_brings_its_keys_and_none_of_them_is_required(today: Edition, tmp_path: Path) -> None:
    edits = [_DIALYSIS, ("required_prefetch: [patient, labs]", "required_prefetch: [patient, labs, conditions]")]
    other = Edition(tmp_path / "other", "2.0.0", service=edits)
    decided = rollout(today.digest, shadows=(other.digest,))
    assembly = assemble(today.files, {other.digest: other.kept}, decided)
    answering = plan(assembly.catalog)
    assert not assembly.lacks and list(answering.releases) == [today.digest, other.digest]
    assert [(key.name, key.required) for key in answering.prefetch] == [
        ("patient", True),
        ("labs", True),
        ("problems", False),
        ("conditions", False),
    ]
    assert answering.deadline == plan(today.files).deadline


def test_the_same_key_with_another_search_is_refused_and_told(today: Edition, tmp_path: Path) -> None:
    other = Edition(tmp_path / "other", "2.0.0", service=("labs: Observation?", "labs: Observation?_count=50&"))
    decided = rollout(today.digest, shadows=(other.digest,))
    assembly = assemble(today.files, {other.digest: other.kept}, decided)
    (lack,) = assembly.lacks
    assert "prefetch key labs" in lack.why and not lack.hides
    assert list(plan(assembly.catalog).releases) == [today.digest]
    other_way = assemble(today.files, {other.digest: other.kept}, rollout(other.digest, shadows=(today.digest,)))
    assert list(plan(other_way.catalog).releases) == [other.digest]


def test_two_in_shadow_that_disagree_are_not_both_there(today: Edition, tmp_path: Path) -> None:
    one = Edition(tmp_path / "one", "2.0.0", service=_DIALYSIS)
    searched = ("problems: Condition?patient=", "conditions: Condition?_count=200&patient=")
    other = Edition(tmp_path / "other", "3.0.0", service=searched)
    kept = {one.digest: one.kept, other.digest: other.kept}
    assembly = assemble(today.files, kept, rollout(today.digest, shadows=(one.digest, other.digest)))
    assert list(plan(assembly.catalog).releases) == [today.digest, one.digest]
    assert [lack.digest for lack in assembly.lacks] == [other.digest]


def test_hooks_are_the_champions(today: Edition, tmp_path: Path) -> None:
    """A hook's file that was added since waits with the rest of the edit; one that was removed goes on."""
    two = Edition(tmp_path / "two", hooks=["encounter-start"])

    before = assemble(two.files, {today.digest: today.kept}, rollout(today.digest)).catalog
    assert list(before.services[SERVICE]) == ["patient-view"]
    after = assemble(today.files, {two.digest: two.kept}, rollout(two.digest)).catalog
    assert sorted(after.services[SERVICE]) == ["encounter-start", "patient-view"]

    shadowed = assemble(two.files, {today.digest: today.kept}, rollout(two.digest, shadows=(today.digest,)))
    assert ["hook encounter-start" in lack.why for lack in shadowed.lacks] == [True]


def test_a_service_without_files_is_not_there(today: Edition, approved: Edition) -> None:
    nothing = msgspec.structs.replace(today.files, services={}, rollouts={})
    assembly = assemble(nothing, {approved.digest: approved.kept}, rollout(approved.digest))
    assert not assembly.catalog.services and not wanted(nothing, rollout(approved.digest))


def test_sites_that_any_release_names_count(today: Edition, tmp_path: Path) -> None:
    """A call of an unknown site would be judged by the wrong threshold."""
    plain = Edition(tmp_path / "plain", "2.0.0", service=("  sites: {hospital_b: 0.12}\n", ""))
    assert not plan(plain.files).names_sites and plan(today.files).names_sites
    kept = {today.digest: today.kept}
    assert plan(assemble(plain.files, kept, rollout(plain.digest, shadows=(today.digest,))).catalog).names_sites
    assert not plan(assemble(plain.files, kept, rollout(plain.digest)).catalog).names_sites


def test_an_edit_of_the_champion_waits(today: Edition, approved: Edition) -> None:
    versions = {approved.digest: "1.0.0"}
    (waiting,) = pending(today.files, rollout(approved.digest), versions)
    assert (waiting.version, waiting.digest, waiting.decided) == ("1.0.0", today.digest, approved.digest)
    assert str(waiting) == f"kidney-failure 1.0.0 ({today.digest[7:19]})"
    assert not pending(today.files, rollout(today.digest), {today.digest: "1.0.0"})
    assert not pending(today.files, {}, versions)
    assert not pending(today.files, rollout(approved.digest), {approved.digest: "0.9.0"})  # another release: no edit
