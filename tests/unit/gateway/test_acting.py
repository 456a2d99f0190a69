"""Suggestions and system actions through the gateway: to whom they go, and what is kept of them."""

from pathlib import Path
from typing import Any

import pytest

from tests.fakes.acting import SYSTEM, acting_config
from tests.fakes.charts import hook_body, lab, patient
from tests.fakes.gateway import FakeGateway
from tests.fakes.model import FakeModel
from tests.fakes.validator import problems_of_call
from wardgate.domain.outcomes import Mode
from wardgate.domain.records import DecisionRecord


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("acting")
    return acting_config(folder, client="    system_actions: true\n", extra=SYSTEM)


def gateway(config: Path, score: float = 0.5, **changes: Any) -> FakeGateway:
    return FakeGateway(config, FakeModel(lambda *inputs: score), site="hospital_a", **changes)


async def answered(gateway: FakeGateway, **changes: Any) -> dict[str, Any]:
    reply = await gateway.call(hook_body(patient(), [lab("33914-3", 22.0), lab("9318-7", 300.0)], [], **changes))
    assert reply.status == 200
    found: dict[str, Any] = reply.json()
    return found


def newest(gateway: FakeGateway) -> DecisionRecord:
    return gateway.sink.newest(1)[0]


async def test_a_suggestion_is_about_the_patient_and_user_of_the_call(config: Path) -> None:
    """Ids of the context, the call's clock, the value that the score rests on; no encounter, where there is none."""
    answer = await answered(gateway(config))
    (suggestion,) = answer["cards"][0]["suggestions"]
    assert suggestion["actions"][0]["resource"] == {
        "resourceType": "ServiceRequest",
        "status": "draft",
        "intent": "order",
        "subject": {"reference": "Patient/p1"},
        "requester": {"reference": "Practitioner/u1"},
        "authoredOn": "2026-11-21T09:00:00+00:00",
        "reasonCode": [{"text": "eGFR 22 mL/min/1.73 m²"}],
    }
    context = {"userId": "Practitioner/u1", "patientId": "p1", "encounterId": "e1"}
    answer = await answered(gateway(config), context=context)
    resource = answer["cards"][0]["suggestions"][0]["actions"][0]["resource"]
    assert resource["encounter"] == {"reference": "Encounter/e1"}


@pytest.mark.requirement("RSP-3", "RSP-8")
async def test_system_actions_go_to_a_client_that_agreed_to_them(config: Path) -> None:
    """RSP-3, RSP-8: beside the cards for one, and no such key for another."""
    assert "systemActions" not in await answered(gateway(config))
    (action,) = (await answered(gateway(config, system_actions=True)))["systemActions"]
    assert action["type"] == "update" and action["resource"]["id"] == "order-of-p1" and "uuid" not in action


async def test_the_record_keeps_the_ids_that_feedback_will_name(config: Path) -> None:
    """Of the card, of each suggestion; what kind of recommendation it was, how many system actions left."""
    acting = gateway(config, system_actions=True)
    (card,) = (await answered(acting))["cards"]
    record = newest(acting)
    assert record.card_uuids == (card["uuid"],)
    assert record.suggestion_uuids == tuple(suggestion["uuid"] for suggestion in card["suggestions"])
    assert (record.recommendation_type, record.system_actions) == ("system_action", 1)
    suggesting = gateway(config)
    await answered(suggesting)
    assert (newest(suggesting).recommendation_type, newest(suggesting).system_actions) == ("suggestion", 0)
    assert "p1" not in repr(newest(acting)) and "22" not in repr(newest(acting).suggestion_uuids)


async def test_a_card_without_actions_is_information(config: Path) -> None:
    """The band below carries none; a deferral never does."""
    low = gateway(config, score=0.15)
    assert "suggestions" not in (await answered(low))["cards"][0]
    assert newest(low).recommendation_type == "information" and newest(low).suggestion_uuids == ()
    off = gateway(config)
    off.mode(Mode.OFF)
    await answered(off)
    assert newest(off).recommendation_type is None


async def test_a_card_that_nobody_sees_is_rendered_without_what_acts(config: Path) -> None:
    """Law 10 for the record as well: a silent card proposes nothing, so that nobody counts what was never offered."""
    silent = gateway(config, system_actions=True)
    silent.mode(Mode.SILENT)
    assert await answered(silent) == {"cards": []}
    record = newest(silent)
    assert len(record.card_uuids) == 1
    assert (record.suggestion_uuids, record.recommendation_type, record.system_actions) == ((), "information", 0)


async def test_an_app_link_is_an_app_card(tmp_path: Path) -> None:
    """What the card asks of the reader is to open the app."""
    link = 'links: [{label: App, url: "https://app.example", type: smart}]\n'
    app = gateway(
        acting_config(tmp_path, ("    bands: [high]\n    actions", "    bands: [raised]\n    actions"), extra=link)
    )
    await answered(app)
    assert newest(app).recommendation_type == "app"


@pytest.mark.parametrize(
    ("score", "suggested"),
    [
        (0.015, [("Order eGFR and urine albumin/creatinine ratio again", False)]),
        (0.2, [("Refer to nephrology", True), ("Order eGFR and urine albumin/creatinine ratio again", False)]),
    ],
)
async def test_the_demo_suggests_what_fits_the_band(score: float, suggested: list[tuple[str, bool]]) -> None:
    """A referral from the high band on, selected beforehand; labs again in any."""
    demo = FakeGateway(model=FakeModel(lambda *inputs: score))
    reply = await demo.call(hook_body(patient(), [lab("98979-8", 22.0), lab("9318-7", 300.0)], []))
    (card,) = reply.json()["cards"]
    assert [(each["label"], each.get("isRecommended", False)) for each in card["suggestions"]] == suggested
    subjects = {a["resource"]["subject"]["reference"] for each in card["suggestions"] for a in each["actions"]}
    assert subjects == {"Patient/p1"} and problems_of_call(200, "application/json", reply.body) == []
