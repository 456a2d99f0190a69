"""The ladder on the path: when the spine walks it, what it leaves in record and metric, and that it keeps the time."""

from typing import Any

import pytest

from tests.cases.test_deterioration import body_of
from tests.fakes.gateway import FHIR, FakeGateway
from tests.fakes.model import FakeModel, told_to_be
from wardgate.domain.outcomes import Mode, Reason
from wardgate.gateway.proof import Proof

SICK = {"vitals": {"resp": 26, "sbp": 88, "alert": "C"}}  # NEWS2 9


async def _call(gateway: FakeGateway, case: dict[str, Any] | None = None) -> list[dict[str, Any]]:
    reply = await gateway.call(body_of(case or SICK), "deterioration")
    assert reply.status == 200
    cards: list[dict[str, Any]] = reply.json()["cards"]
    return cards


_MODELS = sorted(
    reason for reason in Reason if reason.value.startswith(("model_", "reply_")) and reason is not Reason.REPLY_RANGE
)


@pytest.mark.parametrize("reason", _MODELS)
async def test_whatever_keeps_the_model_from_answering_the_rule_stands_in(reason: Reason) -> None:
    """The record keeps that reason beside the rule's answer, with the rule's name and points."""
    gateway = FakeGateway(model=FakeModel(broken=reason))
    (card,) = await _call(gateway)
    assert card["summary"] == "Rule, no model: NEWS2 9 (high risk)"
    (record,) = gateway.sink.newest(1)
    assert (record.step, record.fallback_from, record.rule) == ("rule", reason, "news2")
    assert (record.score, record.band, record.visible) == (9, "high", True)
    assert gateway.meter.calls[-1][4:] == ("shown", "threshold_met", "rule")


async def test_a_score_out_of_range_is_a_refused_reply() -> None:
    """It counts as no answer, and the rule stands in."""
    gateway = FakeGateway(model=FakeModel(function=lambda *inputs: 1.2))
    assert len(await _call(gateway)) == 1
    assert gateway.sink.newest(1)[0].fallback_from == "reply_range"


@pytest.mark.parametrize("proof", [Proof.PENDING, Proof.FAILED])
async def test_a_rule_needs_no_proof_of_the_model(proof: Proof) -> None:
    """The model that is not proven is not asked (law 2); the points are the ward's own."""
    gateway = FakeGateway(model=FakeModel())
    for model in gateway.proven.values():
        told_to_be(model, proof)
    assert len(await _call(gateway)) == 1
    assert gateway.model.asked == [] and gateway.sink.newest(1)[0].fallback_from == proof.value


async def test_a_model_that_answers_leaves_the_rule_alone() -> None:
    """The record has no rule."""
    gateway = FakeGateway(model=FakeModel(function=lambda *inputs: 0.5))
    (card,) = await _call(gateway)
    assert "NEWS2" not in card["summary"]
    record = gateway.sink.newest(1)[0]
    assert (record.step, record.rule, record.fallback_from) == ("model", None, None)


async def test_labs_that_could_not_be_read_leave_the_rule_its_vital_signs() -> None:
    """The FHIR server has no labs today; the rule does without them."""
    gateway = FakeGateway(model=FakeModel())
    case = {**SICK, "without": ["labs"]}
    body = body_of(case) | {"fhirServer": FHIR}
    reply = await gateway.call(body, "deterioration")
    (card,) = reply.json()["cards"]
    assert card["summary"].startswith("Rule, no model")
    assert gateway.sink.newest(1)[0].fallback_from == "context_unavailable" and gateway.model.asked == []


async def test_vital_signs_that_could_not_be_read_leave_nothing() -> None:
    """They are required of the EHR: 412, as without a ladder."""
    gateway = FakeGateway(model=FakeModel())
    reply = await gateway.call(body_of({**SICK, "without": ["vitals"]}), "deterioration")
    assert reply.status == 412


async def test_silent_renders_and_records_the_rule_and_shows_nothing() -> None:
    """Withheld with its reason, as a model's card is."""
    gateway = FakeGateway(model=FakeModel(broken=Reason.MODEL_ERROR))
    gateway.mode(Mode.SILENT, "deterioration")
    assert await _call(gateway) == []
    record = gateway.sink.newest(1)[0]
    assert (record.outcome, record.step, record.visible) == ("withheld", "rule", False)
    assert record.score == 9 and len(record.card_uuids) == 1


async def test_a_service_that_is_switched_off_during_the_call_shows_no_rule() -> None:
    """Visibility is read again just before the card leaves."""
    gateway = FakeGateway()

    def switch(*inputs: float) -> float:
        gateway.mode(Mode.OFF, "deterioration")
        return 1.5

    gateway.model.function = switch
    assert await _call(gateway) == []
    assert gateway.meter.calls[-1][4:] == ("withheld", "hidden_snapshot", "rule")


async def test_the_rule_still_answers_where_the_model_took_all_the_time() -> None:
    """A model that hangs for longer than the call may take is cut off in time for the rule, by real clocks."""
    gateway = FakeGateway(model=FakeModel(hang=True))
    (card,) = await _call(gateway)
    assert card["summary"].startswith("Rule, no model")
    assert gateway.sink.newest(1)[0].fallback_from == "model_timeout"
