"""Shadow: recorded beside the champion's, with a schema, a proof and a model of its own, and no FHIR read."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest

from tests.fakes.charts import patient
from tests.fakes.gateway import FHIR, FakeGateway
from tests.fakes.hot import memory
from tests.fakes.two_releases import BODY, TwoModels, gateway
from wardgate.domain.inference.endpoint import Endpoint, ModelReply
from wardgate.domain.inference.prediction import ModelInputs
from wardgate.domain.outcomes import Mode, Reason
from wardgate.domain.rollout.rollouts import Snapshot
from wardgate.gateway.outcome import HookOutcome
from wardgate.gateway.shadow import ShadowOptions


@asynccontextmanager
async def pool_of(house: FakeGateway) -> AsyncIterator[None]:
    """The pool at work beside the body."""
    async with asyncio.TaskGroup() as group:
        pool = group.create_task(house.shadow.run())
        yield
        pool.cancel()


async def working(house: FakeGateway, done: Callable[[], bool], pause: float = 0.0) -> None:
    """Let the pool work until `done`."""
    async with pool_of(house):
        for _ in range(2000):
            await asyncio.sleep(pause)
            if done():
                break
    assert done()


async def settled(house: FakeGateway, runs: int, pause: float = 0.0) -> None:
    """Until so many runs have ended."""
    await working(house, lambda: len(house.meter.shadow) >= runs, pause)


async def test_a_shadow_release_is_asked_after_the_response_and_recorded_beside_the_champions(tmp_path: Path) -> None:
    """The same decision, the arm shadow, its own digest, schema and score; nobody sees it."""
    model = TwoModels({"1": 0.3, "2": 0.9})
    house = gateway(tmp_path, model, now=1_794_300_000.0)  # 2026-11-10: the labs are of the same day
    assert len((await house.call(BODY)).json()["cards"]) == 1
    assert model.versions == ["1"], "not before the response"
    await settled(house, 1)
    shadow, champion = house.sink.newest(2)
    assert (champion.arm, champion.model_version, champion.score) == ("champion", "1.0.0", 0.3)
    assert shadow.bucket == champion.bucket and shadow.bucket is not None
    assert (shadow.arm, shadow.model_version, shadow.score, shadow.feature_schema_version) == (
        "shadow",
        "1.1.0",
        0.9,
        "2026.04",
    )
    assert shadow.of == champion.decision_id != shadow.decision_id and shadow.event_type == "shadow"
    assert champion.of is None and shadow.patient == champion.patient
    assert shadow.request_print == champion.request_print and shadow.release_digest != champion.release_digest
    assert (shadow.outcome, shadow.reason, shadow.visible) == ("withheld", "shadow", False)
    assert len(shadow.card_uuids) == 1 and shadow.system_actions == 0
    assert house.meter.shadow == [("kidney-failure", "kidney-failure", "1.1.0", "withheld", "shadow")]
    assert len(house.meter.calls) == 1, "calls are counted once"


class InTheMeantime(TwoModels):
    """While it works, the snapshot becomes another."""

    house: FakeGateway
    then: Snapshot

    async def infer(
        self,
        endpoint: Endpoint,
        inputs: ModelInputs,
        timeout: float,
        oldest: int = 0,
        traceparent: str | None = None,
    ) -> ModelReply:
        self.house.snapshots.snapshot = self.then
        return await super().infer(endpoint, inputs, timeout, oldest)


async def test_the_chart_waits_for_the_model_only_where_somebody_is_in_shadow(tmp_path: Path) -> None:
    """It is let go of, and a release that comes into shadow meanwhile does not judge what is no longer there."""
    model = InTheMeantime({"1": 0.3, "2": 0.9})
    house = model.house = gateway(tmp_path, model, now=1_794_300_000.0)
    both = house.snapshots.snapshot
    (rollout,) = both.rollouts.values()
    alone = Snapshot(both.epoch, {"kidney-failure": msgspec.structs.replace(rollout, shadows=())})
    seen: list[HookOutcome] = []
    follow = house.shadow.follow

    def watch(outcome: HookOutcome) -> None:
        seen.append(outcome)
        follow(outcome)

    house.shadow.follow = watch  # type: ignore[method-assign]
    for before, during, kept in ((alone, alone, False), (alone, both, False), (both, both, True)):
        house.snapshots.snapshot, model.then = before, during
        assert len((await house.call(BODY)).json()["cards"]) == 1
        record, prefetch = seen[-1].record, seen[-1].call.request.prefetch
        assert record is not None and (bool(record.resources), bool(prefetch), not record.let_go) == (kept,) * 3
    await settled(house, 1)
    assert house.meter.shadow == [("kidney-failure", "kidney-failure", "1.1.0", "withheld", "shadow")]


async def test_it_judges_by_its_own_schema(tmp_path: Path) -> None:
    """The labs of eleven days ago are too old for it, and good for the champion."""
    house = gateway(tmp_path, TwoModels({"1": 0.3, "2": 0.9}))
    assert len((await house.call(BODY)).json()["cards"]) == 1
    await settled(house, 1)
    assert house.meter.shadow[0][3:] == ("deferred", "input_stale")


async def test_the_challenger_runs_in_shadow_too(tmp_path: Path) -> None:
    """For a call that it does not answer; twice named, once asked."""
    model = TwoModels({"1": 0.3, "2": 0.9})
    both = 'challenger: {release: "1.1.0", cohort: {sites: [hospital_b]}}, shadow: ["1.1.0", "1.0.0"]'
    house = gateway(tmp_path, model, both, now=1_794_300_000.0)
    await house.call(BODY)
    await settled(house, 1)
    assert model.versions == ["1", "2"]


async def test_in_mode_shadow_the_champion_runs_on_what_the_ehr_has_sent(tmp_path: Path) -> None:
    """After an empty answer, and no FHIR server is asked."""
    model = TwoModels({"1": 0.3, "2": 0.9})
    house = gateway(tmp_path, model, now=1_794_300_000.0)
    house.mode(Mode.SHADOW)
    sent = {**BODY, "fhirServer": FHIR, "prefetch": {k: v for k, v in BODY["prefetch"].items() if k != "problems"}}
    assert (await house.call(sent)).json() == {"cards": []}
    assert model.versions == []
    await settled(house, 2)
    assert house.fhir.asked == []
    assert sorted(run[2] for run in house.meter.shadow) == ["1.0.0", "1.1.0"]
    assert {run[4] for run in house.meter.shadow} == {"exclusion_unknown"}, "problems were not sent"
    assert not any(record.visible for record in house.sink.newest(9))


async def test_off_means_off(tmp_path: Path) -> None:
    """No model is asked on any path."""
    house = gateway(tmp_path, TwoModels({"1": 0.3, "2": 0.9}))
    house.mode(Mode.OFF)
    await house.call(BODY)
    assert house.shadow._waiting.empty()


async def test_a_repeat_is_not_asked_again(tmp_path: Path) -> None:
    """It was answered without the champion, too."""
    model = TwoModels({"1": 0.3, "2": 0.9})
    house = gateway(tmp_path, model, now=1_794_300_000.0, hot=memory)
    await house.call(BODY)
    await house.call(BODY)
    assert house.shadow._waiting.qsize() == 1


@pytest.mark.parametrize("breaks", ["model", "code", "patient"])
async def test_what_breaks_in_shadow_stays_there(tmp_path: Path, breaks: str) -> None:
    """Counted by its reason, or as a fault by class; the pool works on."""
    model = TwoModels({"1": 0.3, "2": Reason.MODEL_ERROR if breaks == "model" else 0.9})
    house = gateway(tmp_path, model, now=1_794_300_000.0)
    sent = BODY
    if breaks == "patient":
        house.mode(Mode.SHADOW)
        sent = {**BODY, "prefetch": {**BODY["prefetch"], "patient": patient(id="p2")}}
    await house.call(sent)
    if breaks == "code":
        house.sink.note = _broken  # type: ignore[method-assign]
        await working(house, lambda: bool(house.meter.faults))
        assert house.meter.faults == [("shadow", "ZeroDivisionError")]
        return
    await settled(house, 1)
    expected = ("unavailable", "model_error") if breaks == "model" else ("refused", "patient_mismatch")
    assert house.meter.shadow[0][3:] == expected and house.meter.faults == []


def _broken(record: object) -> None:
    raise ZeroDivisionError


async def test_too_much_of_it_is_given_up_and_counted(tmp_path: Path) -> None:
    """A full queue; and a gateway that says it is busy, before and after the wait."""
    model = TwoModels({"1": 0.3, "2": None})
    house = gateway(tmp_path, model, now=1_794_300_000.0, shadow=ShadowOptions(queue=3))
    for _ in range(5):
        assert len((await house.call(BODY)).json()["cards"]) == 1
    assert house.meter.shed == 2 and house.shadow._waiting.qsize() == 3
    house.shadow._busy = lambda: True
    await house.call(BODY)
    assert house.meter.shed == 3
    await working(house, lambda: house.meter.shed == 6)
    assert model.versions == ["1"] * 6


async def test_a_loop_that_lags_comes_first(tmp_path: Path) -> None:
    """Whoever waits for an answer has the next turn; the run is given up."""
    model = TwoModels({"1": 0.3, "2": 0.9})
    house = gateway(tmp_path, model, now=1_794_300_000.0)
    await house.call(BODY)

    def late() -> bool:
        house.clock.advance(0.05)
        return house.meter.shed == 1

    await working(house, late)
    assert model.versions == ["1"]
