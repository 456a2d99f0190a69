"""The spine: modes, proof, visibility, and what a call ends with when the world fails."""

from typing import Any

import pytest

from tests.fakes.charts import hook_body, lab, patient
from tests.fakes.gateway import FHIR, FakeGateway
from tests.fakes.model import FakeModel, told_to_be
from wardgate.domain.outcomes import Mode, Reason
from wardgate.gateway.proof import Proof


def _body(**changes: Any) -> dict[str, Any]:
    return hook_body(patient(), [lab("98979-8", 22.0), lab("9318-7", 300.0)], [], **changes)


def _ended(gateway: FakeGateway) -> tuple[str, str, str, str]:
    """Mode, outcome, reason and step of the newest call, as counted."""
    _, _, mode, _, outcome, reason, step = gateway.meter.calls[-1]
    return mode, outcome, reason, step


async def test_an_active_service_shows_its_card() -> None:
    """The whole path; the stages are timed in their order."""
    gateway = FakeGateway()
    reply = await gateway.call(_body())
    assert len(reply.json()["cards"]) == 1
    assert _ended(gateway) == ("active", "shown", "threshold_met", "model")
    assert list(gateway.sink.newest(1)[0].stages_ms) == ["gather", "extract", "predict", "render"]


async def test_a_silent_service_computes_records_and_shows_nothing() -> None:
    """Silent: the model is asked on the path, the record holds the score, the clinician sees nothing."""
    gateway = FakeGateway()
    gateway.mode(Mode.SILENT)
    reply = await gateway.call(_body())
    assert reply.json() == {"cards": []}
    assert _ended(gateway) == ("silent", "withheld", "silent", "model")
    (record,) = gateway.sink.newest(1)
    assert record.score is not None and len(record.card_uuids) == 1 and record.visible is False


@pytest.mark.parametrize("mode, outcome", [(Mode.OFF, "off"), (Mode.SHADOW, "withheld")])
async def test_off_and_shadow_touch_neither_chart_nor_model(mode: Mode, outcome: str) -> None:
    """Nothing of them is on the path, not even a 412 for a prefetch that nobody needs."""
    gateway = FakeGateway()
    gateway.mode(mode)
    reply = await gateway.call(_body(prefetch={}))
    assert (reply.status, reply.json()) == (200, {"cards": []})
    assert _ended(gateway)[1] == outcome
    assert gateway.model.asked == [] and gateway.fhir.asked == []


@pytest.mark.parametrize("proof", [Proof.PENDING, Proof.FAILED])
async def test_an_unproven_model_is_not_asked(proof: Proof) -> None:
    """Law 2: a score is shown only while the endpoint proves that it runs the pinned model."""
    gateway = FakeGateway()
    for model in gateway.proven.values():
        told_to_be(model, proof)
    reply = await gateway.call(_body())
    assert reply.json() == {"cards": []} and gateway.model.asked == []
    assert _ended(gateway) == ("active", "unavailable", proof.value, "none")


@pytest.mark.parametrize(
    "reason", [Reason.MODEL_UNREACHABLE, Reason.MODEL_ERROR, Reason.REPLY_VERSION, Reason.REPLY_NOT_FINITE]
)
async def test_a_failing_model_ends_as_unavailable_with_its_reason(reason: Reason) -> None:
    """Four different failures stay four different reasons; the EHR gets an empty answer."""
    gateway = FakeGateway(model=FakeModel(broken=reason))
    reply = await gateway.call(_body())
    assert (reply.status, reply.json()) == (200, {"cards": []})
    assert _ended(gateway) == ("active", "unavailable", reason.value, "none")


async def test_a_raw_score_out_of_range_is_no_score() -> None:
    """`score_range` of the release: a probability of 1.2 is refused."""
    gateway = FakeGateway(model=FakeModel(function=lambda *inputs: 1.2))
    assert (await gateway.call(_body())).json() == {"cards": []}
    assert _ended(gateway)[1:3] == ("unavailable", "reply_range")


async def test_a_service_that_is_switched_off_during_the_call_shows_nothing() -> None:
    """Visibility is read again just before the card leaves."""
    gateway = FakeGateway()

    def switch(*inputs: float) -> float:
        gateway.mode(Mode.OFF)
        return 0.3

    gateway.model.function = switch
    assert (await gateway.call(_body())).json() == {"cards": []}
    assert _ended(gateway) == ("active", "withheld", "hidden_snapshot", "model")


async def test_an_unrelated_change_during_the_call_hides_nothing() -> None:
    """A newer snapshot that still shows this release is no reason to withhold."""
    gateway = FakeGateway()

    def touch(*inputs: float) -> float:
        gateway.mode(Mode.ACTIVE)
        return 0.3

    gateway.model.function = touch
    assert len((await gateway.call(_body())).json()["cards"]) == 1


@pytest.mark.requirement("PF-4", "RSP-4")
async def test_a_required_prefetch_that_cannot_be_had_is_412() -> None:
    """PF-4, with an OperationOutcome that names the key; counted as refused, not recorded."""
    gateway = FakeGateway()
    reply = await gateway.call(_body(prefetch={"patient": patient()}))
    assert reply.status == 412
    assert reply.json()["issue"][0]["expression"] == ["prefetch.labs"]
    assert _ended(gateway)[1:3] == ("refused", "prefetch_required") and gateway.sink.newest(1) == []


@pytest.mark.requirement("PF-3", "INV-9", "FA-1")
async def test_missing_prefetch_is_read_with_the_calls_token() -> None:
    """PF-3: only the keys that are missing are read."""
    gateway = FakeGateway()
    body = _body(fhirServer=FHIR, fhirAuthorization={"access_token": "t", "token_type": "Bearer"})
    del body["prefetch"]["problems"]
    gateway.fhir.answers[f"{FHIR}/Condition?patient=p1"] = b'{"resourceType":"Bundle","type":"searchset","total":0}'
    assert len((await gateway.call(body)).json()["cards"]) == 1
    assert gateway.fhir.asked == [f"{FHIR}/Condition?patient=p1"]


async def test_the_same_call_at_the_same_moment_gives_the_same_bytes() -> None:
    """Law 5: same inputs, same recorded clock and id, same card, byte for byte."""
    first, second = FakeGateway(), FakeGateway()
    assert (await first.call(_body())).body == (await second.call(_body())).body


@pytest.mark.requirement("CARD-1")
async def test_card_ids_are_never_used_twice() -> None:
    """CARD-1: a new UUID for each card, derived from the decision."""
    gateway = FakeGateway()
    uuids = {(await gateway.call(_body())).json()["cards"][0]["uuid"] for _ in range(20)}
    assert len(uuids) == 20


async def test_what_the_gateway_changed_is_counted_by_feature() -> None:
    """A clipped input is named in the metric, in the record and on the card."""
    gateway = FakeGateway()
    body = hook_body(patient(), [lab("98979-8", 22.0), lab("9318-7", 20000.0)], [])
    (card,) = (await gateway.call(body)).json()["cards"]
    assert gateway.meter.adjusted == [("uacr", "clipped")]
    assert [fact.name for fact in gateway.sink.newest(1)[0].inputs if fact.clipped] == ["uacr"]
    assert "taken as 10000" in card["detail"]


@pytest.mark.requirement("SEC-17")
async def test_a_record_holds_steps_and_bins_and_no_value_of_the_patient() -> None:
    """Law 4 for the record: everything in it is from a closed list, a number of ours, or an id of ours."""
    gateway = FakeGateway()
    await gateway.call(_body())
    record = gateway.sink.newest(1)[0]
    egfr = next(fact for fact in record.inputs if fact.name == "egfr")
    assert (egfr.bin, egfr.age_step, egfr.mark) == (1, "<30d", None)
    text = repr(record)
    assert "p1" not in text and "1956" not in text and "Practitioner" not in text and "300" not in text
