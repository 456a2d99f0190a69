"""What people decide, on the path of a call: challenger, previews, ceilings, and a change while it is under way."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.acting import SYSTEM, acting_config
from tests.fakes.charts import hook_body, lab, patient
from tests.fakes.config_tree import sound_config
from tests.fakes.gateway import FHIR, FakeGateway
from tests.fakes.hot import memory
from tests.fakes.model import FakeModel
from tests.fakes.two_releases import TwoModels, gateway
from tests.unit.gateway.test_shadow import settled
from wardgate.domain.inference.endpoint import Endpoint, ModelReply
from wardgate.domain.inference.prediction import ModelInputs
from wardgate.domain.outcomes import Mode, Reason
from wardgate.domain.records import DecisionRecord
from wardgate.domain.rollout.rollouts import Ceiling, Challenger, Cohort, Expiry, Scope

NOW = 1_794_300_000.0  # 2026-11-10: the labs are of the same day
CHALLENGER = 'challenger: {release: "1.1.0", cohort: {sites: [hospital_a]}}'
CACHED = ("deadline: 500ms\n", "deadline: 500ms\nfallback: [{cached: {max_age: 12h}}, none]\n")
NOTICE = ("deadline: 500ms\n", "deadline: 500ms\nabsence_means: screened_negative\n")
SUPPRESS = ("deadline: 500ms\n", "deadline: 500ms\nsuppress: {same: [user], for: 24h}\n")
PREVIEW = "mode: active", "mode: silent, preview: [Practitioner/u1]"
BANNER = "Preview, not for care: "
_ids = iter(range(1, 1_000_000))


def body(user: str = "Practitioner/u1", **changes: Any) -> dict[str, Any]:
    """A request with a hookInstance of its own."""
    sent = hook_body(patient(), [lab("33914-3", 20.0), lab("9318-7", 900.0)], [], **changes)
    sent["hookInstance"] = f"00000000-0000-4000-9000-{next(_ids):012d}"
    sent["context"]["userId"] = user
    return sent


def service(folder: Path, *edits: tuple[str, str], **options: Any) -> FakeGateway:
    return FakeGateway(sound_config(folder, service=edits), now=NOW, site="hospital_a", hot=memory, **options)


async def cards(house: FakeGateway, sent: dict[str, Any]) -> list[dict[str, Any]]:
    reply = await house.call(sent)
    assert reply.status == 200 and house.meter.faults == []
    found: list[dict[str, Any]] = reply.json()["cards"]
    return found


def newest(house: FakeGateway) -> DecisionRecord:
    return house.sink.records[-1]


KILLS: dict[str, Callable[[FakeGateway], Ceiling]] = {
    "all": lambda house: Ceiling("k", Scope.ALL),
    "service": lambda house: Ceiling("k", Scope.SERVICE, "kidney-failure"),
    "site": lambda house: Ceiling("k", Scope.SITE, "hospital_a"),
    "release": lambda house: Ceiling("k", Scope.RELEASE, house.snapshots.snapshot.rollouts["kidney-failure"].champion),
}


# the challenger


async def test_the_challengers_cohort_gets_its_card_and_the_champion_is_asked_beside(tmp_path: Path) -> None:
    """Each with its own release in its record, so that both can be compared on the same call."""
    model = TwoModels({"1": 0.3, "2": 0.9})
    house = gateway(tmp_path, model, CHALLENGER, now=NOW)
    (card,) = await cards(house, body())
    assert " 90 %" in card["summary"] and model.versions == ["2"]
    await settled(house, 1)
    assert model.versions == ["2", "1"]
    answered, beside = house.sink.records
    assert (answered.arm, answered.model_version, answered.visible) == ("challenger", "1.1.0", True)
    assert (beside.arm, beside.model_version, beside.visible) == ("shadow", "1.0.0", False)
    assert beside.of == answered.decision_id


async def test_a_challengers_score_never_stands_in_for_the_champions(tmp_path: Path) -> None:
    """Each release has its own last score, whoever answered last."""
    model = TwoModels({"1": 0.3, "2": 0.9})
    house = gateway(tmp_path, model, CHALLENGER, (CACHED,), now=NOW, hot=memory)
    rollout = house.snapshots.snapshot.rollouts["kidney-failure"]
    assert " 90 %" in (await cards(house, body()))[0]["summary"]
    model.scores = {"1": Reason.MODEL_ERROR, "2": Reason.MODEL_ERROR}
    (card,) = await cards(house, body())
    assert card["summary"].startswith("Cached score") and " 90 %" in card["summary"]
    house.decide(challenger=None)
    assert await cards(house, body()) == [] and newest(house).model_version == "1.0.0"
    house.decide(challenger=rollout.challenger)
    assert " 90 %" in (await cards(house, body()))[0]["summary"]


# a change under way


class Changed(FakeModel):
    """While it is asked, somebody decides something."""

    change: Callable[[], None]

    async def infer(
        self,
        endpoint: Endpoint,
        inputs: ModelInputs,
        timeout: float,
        oldest: int = 0,
        traceparent: str | None = None,
    ) -> ModelReply:
        self.change()
        return await super().infer(endpoint, inputs, timeout, oldest)


@pytest.mark.parametrize("over", KILLS)
async def test_a_kill_without_an_epoch_stops_a_call_under_way(tmp_path: Path, over: str) -> None:
    """It comes from a hot copy while the durable store is away: the number of the snapshot is as it was."""
    model = Changed(lambda *inputs: 0.3)
    house = service(tmp_path, model=model)
    model.change = lambda: house.hold(KILLS[over](house))
    assert await cards(house, body()) == []
    assert (newest(house).outcome, newest(house).reason) == ("withheld", "hidden_snapshot")


@pytest.mark.parametrize("over", KILLS)
async def test_a_kill_without_an_epoch_ends_repeats(tmp_path: Path, over: str) -> None:
    """And the next call asks no model."""
    house = service(tmp_path)
    sent = body()
    assert len(await cards(house, sent)) == 1
    house.hold(KILLS[over](house))
    assert await cards(house, sent) == [] and await cards(house, body()) == []
    assert newest(house).reason == "off" and len(house.model.asked) == 1
    house.hold(KILLS[over](house), lifted=frozenset({"k"}))
    assert len(await cards(house, body())) == 1


async def test_a_kill_takes_the_notice_of_a_call_that_was_cut_off(tmp_path: Path) -> None:
    """Nothing is left of a service that is off, not even that it has no score."""
    model = Changed(lambda *inputs: 0.3)
    house = service(tmp_path, NOTICE, model=model)
    model.broken = Reason.MODEL_ERROR
    model.change = lambda: None
    assert len(await cards(house, body())) == 1
    model.change = lambda: house.hold(KILLS["all"](house))
    assert await cards(house, body("Practitioner/u2")) == []


async def test_another_release_under_way_hides_the_card(tmp_path: Path) -> None:
    """A card that nobody decided for any more must not leave."""
    house = gateway(tmp_path, model := TwoModels({"1": 0.3, "2": 0.9}), now=NOW)
    rollout = house.snapshots.snapshot.rollouts["kidney-failure"]
    asked = model.infer

    async def infer(*given: Any, **named: Any) -> ModelReply:
        house.decide(champion=rollout.shadows[0], shadows=())
        return await asked(*given, **named)

    model.infer = infer  # type: ignore[method-assign]
    assert await cards(house, body()) == [] and newest(house).reason == "hidden_snapshot"


async def test_what_changes_nothing_for_the_call_lets_its_card_go(tmp_path: Path) -> None:
    """Somebody lowers another service: a new snapshot, and the same answer."""
    model = Changed(lambda *inputs: 0.3)
    house = service(tmp_path, model=model)
    model.change = lambda: house.hold(Ceiling("k", Scope.SERVICE, "sepsis"), epoch=2)
    assert len(await cards(house, body())) == 1 and newest(house).snapshot_epoch == 1


async def test_a_replica_that_hides_computes_and_records(tmp_path: Path) -> None:
    """Shadow and records go on; no card and no notice leaves."""
    house = service(tmp_path, NOTICE)
    house.hold(hidden=True)
    assert await cards(house, body()) == []
    assert newest(house).reason == "hidden_snapshot" and newest(house).score is not None
    house.model.broken = Reason.MODEL_ERROR
    assert await cards(house, body()) == [] and newest(house).outcome == "unavailable"


async def test_a_site_that_is_down_to_shadow_is_asked_after_the_response(tmp_path: Path) -> None:
    """Its calls alone; what was gathered for them is used."""
    house = service(tmp_path)
    house.hold(Ceiling("k", Scope.SITE, "hospital_a", Mode.SHADOW))
    assert await cards(house, body()) == [] and house.model.asked == []
    await settled(house, 1)
    assert len(house.model.asked) == 1 and newest(house).event_type == "shadow"


async def test_an_expiry_lowers_by_the_clock_of_the_call(tmp_path: Path) -> None:
    """Without anybody's doing, also for a repeat of the same request."""
    house = service(tmp_path)
    house.decide(expiry=Expiry(NOW + 30, Mode.SILENT))
    sent = body()
    assert len(await cards(house, sent)) == 1
    house.clock.advance(29)
    assert len(await cards(house, sent)) == 1 and newest(house).repeats
    house.clock.advance(1)
    assert await cards(house, sent) == [] and newest(house).reason == "silent"


async def test_a_release_that_is_not_here_gives_the_notice(tmp_path: Path) -> None:
    """Whoever has other files than the rollout names must not fall silent where silence is read as no risk."""
    house = service(tmp_path, NOTICE)
    house.decide(champion="sha256:elsewhere")
    (card,) = await cards(house, body())
    assert "not in place" in card["detail"] and house.model.asked == []
    record = newest(house)
    assert (record.outcome, record.reason, record.release_digest) == ("unavailable", "release_absent", None)
    assert record.error_codes == ()


async def test_a_service_that_nobody_has_decided_about_is_off(tmp_path: Path) -> None:
    """And breaks nothing."""
    house = service(tmp_path, NOTICE)
    house.hold(rollouts={})
    assert await cards(house, body()) == [] and newest(house).reason == "off"


# previews


async def test_a_named_user_sees_a_silent_card_with_a_banner(tmp_path: Path) -> None:
    """At the head of the summary and of the detail; another user sees nothing."""
    house = service(tmp_path, PREVIEW)
    assert await cards(house, body("Practitioner/u2")) == [] and newest(house).arm == "champion"
    (card,) = await cards(house, body(fhirServer=FHIR))
    assert card["summary"].startswith(BANNER) and card["detail"].startswith("**Preview, not for care.** ")
    assert "overrideReasons" not in card
    record = newest(house)
    assert (record.mode, record.arm, record.outcome, record.visible) == ("silent", "preview", "shown", True)
    assert not house.sink.full and await cards(house, body("PractitionerRole/u1")) == []


async def test_a_preview_carries_nothing_that_acts(tmp_path: Path) -> None:
    """No suggestion, no system action, not even for a client that takes them (law 10)."""
    config = acting_config(tmp_path, client="    system_actions: true\n", extra=SYSTEM)
    house = FakeGateway(config, FakeModel(lambda *inputs: 0.5), NOW, "hospital_a", system_actions=True)
    reply = (await house.call(body())).json()
    assert reply["cards"][0]["suggestions"] and reply["systemActions"]
    old = house.snapshots.snapshot.rollouts["kidney-failure"]
    named = service(tmp_path / "named", PREVIEW).snapshots.snapshot.rollouts["kidney-failure"].preview
    house.decide(mode=Mode.SILENT, preview=named)
    reply = (await house.call(body())).json()
    assert old.preview == frozenset() and reply["cards"][0]["summary"].startswith(BANNER)
    assert "suggestions" not in reply["cards"][0] and not reply.get("systemActions")
    assert newest(house).system_actions == 0


async def test_a_preview_leaves_no_mark(tmp_path: Path) -> None:
    """It suppresses no card for care, and none suppresses it; a repeat of the same request is the same card."""
    house = service(tmp_path, PREVIEW, SUPPRESS)
    sent = body()
    first = await cards(house, sent)
    assert await cards(house, sent) == first and newest(house).repeats and newest(house).arm == "preview"
    house.clock.advance(20)
    assert len(await cards(house, body())) == 1
    house.decide(mode=Mode.ACTIVE)
    (card,) = await cards(house, body())
    assert not card["summary"].startswith(BANNER) and newest(house).reason == "threshold_met"
    house.clock.advance(20)
    assert await cards(house, body()) == [] and newest(house).reason == "repeated"
    house.decide(mode=Mode.SILENT)
    assert len(await cards(house, body())) == 1


async def test_a_previewed_notice_says_that_it_is_one(tmp_path: Path) -> None:
    """Each time: it leaves no mark either."""
    house = service(tmp_path, PREVIEW, NOTICE, model=FakeModel(broken=Reason.MODEL_ERROR))
    for _ in range(2):
        (card,) = await cards(house, body())
        assert card["summary"].startswith(BANNER) and newest(house).outcome == "unavailable"
    assert await cards(house, body("Practitioner/u2")) == []


async def test_the_banner_stands_before_the_label_and_is_never_cut(tmp_path: Path) -> None:
    """Law 6 besides: of a cached score both are said, and the summary gives way."""
    house = service(tmp_path, PREVIEW, CACHED)
    await cards(house, body())
    house.clock.advance(60)
    house.model.broken = Reason.MODEL_ERROR
    (card,) = await cards(house, body())
    assert card["summary"].startswith(BANNER + "Cached score, 1 min old: ") and len(card["summary"]) < 140


async def test_a_user_who_is_named_no_more_sees_nothing(tmp_path: Path) -> None:
    """Also under way, and in a repeat of what she has seen."""
    model = Changed(lambda *inputs: 0.3)
    model.change = lambda: None
    house = service(tmp_path, PREVIEW, model=model)
    sent = body()
    assert len(await cards(house, sent)) == 1
    model.change = lambda: house.decide(preview=frozenset())
    assert await cards(house, body()) == [] and newest(house).reason == "hidden_snapshot"
    assert await cards(house, sent) == []


# the bucket


async def test_the_place_of_a_patient_is_recorded_for_whoever_wants_to_know_whom_a_percentage_meets(
    tmp_path: Path,
) -> None:
    """In every mode that computes; of the visit, where the rollout goes by visits."""
    house = service(tmp_path)
    await cards(house, body())
    bucket = newest(house).bucket
    assert bucket is not None and newest(house).bucket_by == "patient"
    for percent, count in ((bucket / 100, 0), ((bucket + 1) / 100, 1)):
        house.decide(mode=Mode.CANARY, cohort=Cohort(percent=percent))
        assert len(await cards(house, body())) == count
        assert (newest(house).bucket, newest(house).arm) == (bucket, ("control", "champion")[count])
    house.decide(cohort=Cohort(percent=100.0, by=type(newest(house).bucket_by)("encounter")))
    assert await cards(house, body()) == [] and (newest(house).bucket, newest(house).bucket_by) == (None, "encounter")
    sent = body()
    sent["context"]["encounterId"] = "e1"
    assert len(await cards(house, sent)) == 1 and newest(house).bucket is not None
    house.decide(mode=Mode.OFF)
    assert await cards(house, body()) == [] and newest(house).bucket is None


async def test_twins_of_a_preview_are_the_same_users(tmp_path: Path) -> None:
    """Two at the same time with one body: one card; another body, another user."""
    house = service(tmp_path, PREVIEW)
    sent = body()
    both = await asyncio.gather(house.call(sent), house.call(sent))
    assert both[0].body == both[1].body != b'{"cards":[]}'
    other = body("Practitioner/u2")
    other["hookInstance"] = sent["hookInstance"]
    assert await cards(house, other) == []


async def test_a_challenger_under_way_that_is_taken_away_hides_its_card(tmp_path: Path) -> None:
    """The champion's was not computed, and the challenger's must not leave."""
    model = TwoModels({"1": 0.3, "2": 0.9})
    house = gateway(tmp_path, model, CHALLENGER, now=NOW)
    rollout = house.snapshots.snapshot.rollouts["kidney-failure"]
    assert isinstance(rollout.challenger, Challenger)
    asked = model.infer

    async def infer(*given: Any, **named: Any) -> ModelReply:
        house.hold(Ceiling("k", Scope.RELEASE, rollout.challenger.release if rollout.challenger else ""))
        return await asked(*given, **named)

    model.infer = infer  # type: ignore[method-assign]
    assert await cards(house, body()) == [] and newest(house).reason == "hidden_snapshot"
    model.infer = asked  # type: ignore[method-assign]
    assert " 30 %" in (await cards(house, body()))[0]["summary"]
