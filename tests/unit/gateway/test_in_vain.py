"""Whether waiting for a place is of any use to a call."""

import msgspec
import pytest

from tests.fakes.clock import FakeClock
from tests.fakes.gateway import DEMO
from tests.fakes.meter import FakeMeter
from tests.fakes.model import FakeModel, model_ask
from wardgate.adapters.files.catalog import load
from wardgate.domain.plans import ReleasePlan, ServicePlan
from wardgate.domain.rollout.rollouts import Challenger, Cohort, Snapshot
from wardgate.gateway.in_vain import in_vain
from wardgate.gateway.probes import ProvenModel

CATALOG = load(DEMO).catalog
SNAPSHOT = Snapshot(1, CATALOG.rollouts)
(KIDNEY,) = CATALOG.services["kidney-failure"].values()
(WARD,) = CATALOG.services["deterioration"].values()


def model_of(release: ReleasePlan, room: int | None) -> ProvenModel:
    clock, model = FakeClock(), FakeModel()
    ask = model_ask(model, clock, release.endpoint)
    has = None if room is None else lambda: room
    parts = (release.endpoint, release.probes, model, ask, clock, FakeMeter())
    return ProvenModel(release.model, release.version, *parts, room=has)


def vain(plan: ServicePlan, room: int | None, coming: int) -> bool:
    models = {release.digest: model_of(release, room) for release in plan.releases.values()}
    return in_vain(plan, SNAPSHOT, models, coming)


@pytest.mark.parametrize(
    ("room", "coming", "expected"), [(1, 0, False), (0, 0, True), (3, 2, False), (3, 3, True), (0, 9, True)]
)
def test_it_is_of_none_where_those_before_take_all_places_of_the_model(room: int, coming: int, expected: bool) -> None:
    """They wait at the gate already, and will be there first."""
    assert vain(KIDNEY, room, coming) is expected


def test_a_model_without_bound_has_a_place() -> None:
    """However many are coming."""
    assert not vain(KIDNEY, None, 10_000)


def test_it_is_of_use_where_something_stands_in_for_the_model() -> None:
    """A rule, or the notice that nothing was computed: both are worth waiting for (law 6)."""
    assert not vain(WARD, 0, 0)
    assert not vain(msgspec.structs.replace(KIDNEY, notice_every=600.0), 0, 0)


@pytest.mark.parametrize(("room", "expected"), [(0, True), (1, False)])
def test_a_challenger_may_have_a_place_where_the_champion_has_none(room: int, expected: bool) -> None:
    """Which of the two a call would get is not known before it is read."""
    (release,) = KIDNEY.releases.values()
    other = msgspec.structs.replace(release, digest="sha256:other")
    plan = msgspec.structs.replace(KIDNEY, releases={each.digest: each for each in (release, other)})
    rollout = msgspec.structs.replace(SNAPSHOT.rollouts[plan.id], challenger=Challenger(other.digest, Cohort()))
    models = {release.digest: model_of(release, 0), other.digest: model_of(other, room)}
    assert in_vain(plan, Snapshot(1, {plan.id: rollout}), models, 0) is expected
