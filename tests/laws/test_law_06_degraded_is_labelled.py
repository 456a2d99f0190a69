"""Law 6: a rule-based or cached answer says so at the head of the card, and silence is never mistaken for safety;
law 10: nothing on such a card acts.
"""

from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.cases.test_deterioration import body_of
from tests.fakes.acting import SYSTEM, acting_config
from tests.fakes.charts import hook_body, lab, patient
from tests.fakes.config_tree import FILES
from tests.fakes.gateway import FakeGateway
from tests.fakes.hot import FlakyStore, memory
from tests.fakes.model import FakeModel
from wardgate.domain.cards.render import LONGEST_SUMMARY
from wardgate.domain.cards.wording import NOT_A_RESULT, unavailable_text
from wardgate.domain.outcomes import OUTCOME_OF, Outcome, Reason

LABEL = "Rule, no model: "
DOWN = sorted(
    reason
    for reason, outcome in OUTCOME_OF.items()
    if outcome is Outcome.UNAVAILABLE and reason.value.startswith(("model_", "reply_", "breaker_", "bulkhead_"))
)

VITALS = st.fixed_dictionaries(
    {
        "resp": st.one_of(st.none(), st.integers(1, 60)),
        "spo2": st.one_of(st.none(), st.integers(60, 100)),
        "oxygen": st.one_of(st.none(), st.integers(0, 15)),
        "sbp": st.one_of(st.none(), st.integers(40, 280)),
        "dbp": st.integers(20, 120),
        "pulse": st.one_of(st.none(), st.integers(25, 220)),
        "alert": st.one_of(st.none(), st.sampled_from("ACVPU")),
        "temperature": st.one_of(st.none(), st.floats(30, 43).map(lambda value: round(value, 1))),
    }
)


@given(vitals=VITALS, hypercapnic=st.booleans(), reason=st.sampled_from(DOWN))
async def test_no_card_of_a_rule_goes_without_its_label(
    vitals: dict[str, Any], hypercapnic: bool, reason: Reason
) -> None:
    """Whatever is charted and however the model fails: a card is labelled and carries nothing that acts, or it is a
    deferral; what the record calls a rule is what the clinician was told."""
    gateway = FakeGateway(model=FakeModel(broken=reason))
    case = {"vitals": vitals, "problems": ["J96.12"] if hypercapnic else []}
    answer = (await gateway.call(body_of(case), "deterioration")).json()
    (record,) = gateway.sink.newest(1)
    for card in answer["cards"]:
        assert len(card["summary"]) <= LONGEST_SUMMARY
        assert card["summary"].startswith(LABEL) is (record.step == "rule")
        assert record.step == "rule" or record.outcome == "deferred"
        assert "suggestions" not in card and not any(link.get("autolaunchable") for link in card["links"])
    assert "systemActions" not in answer
    assert (record.fallback_from == reason) is (record.step == "rule")
    assert gateway.meter.faults == []


async def test_what_acts_on_the_models_card_is_not_on_the_rules(tmp_path: Path) -> None:
    """Law 10: the same service, band, client and patient; the model suggests and acts, the rule only says."""
    config = acting_config(tmp_path, client="    system_actions: true\n", extra=SYSTEM)
    service, rule = (tmp_path / FILES[name][0] for name in ("service", "rule"))
    service.write_text(service.read_text() + "fallback: [{rule: ckd-stage}]\n")
    rule.write_text(
        rule.read_text().replace("name: G5", "name: high").replace("{lt: 30, points: 3}", "{lt: 30, points: 4}")
    )
    body = hook_body(patient(), [lab("33914-3", 22.0), lab("9318-7", 300.0)], [])
    answers = [
        (await FakeGateway(config, model, site="hospital_a", system_actions=True).call(body)).json()
        for model in (FakeModel(lambda *inputs: 0.5), FakeModel(broken=Reason.MODEL_ERROR))
    ]
    (fresh,), (ruled,) = (answer["cards"] for answer in answers)
    assert fresh["suggestions"] and answers[0]["systemActions"]
    assert ruled["summary"].startswith(LABEL + "CKD stage high")
    assert not {"suggestions", "selectionBehavior"} & ruled.keys() and "systemActions" not in answers[1]


@pytest.mark.parametrize("reason", DOWN)
async def test_a_rule_names_what_it_stood_in_for(reason: Reason) -> None:
    """Source and reason are on the card, whatever its template says."""
    gateway = FakeGateway(model=FakeModel(broken=reason))
    sick = {"vitals": {"resp": 26, "sbp": 88}}
    answer = (await gateway.call(body_of(sick), "deterioration")).json()
    text = msgspec.json.encode(answer).decode()
    assert f"Rule: NEWS2, in place of deterioration 1.0.0: {unavailable_text(reason)}." in text
    assert "Points of a rule, not a probability." in text


# the last score, and the notice

REMEMBERS = """\
deadline: 500ms
fallback: [{cached: {max_age: 12h, without_context: true}}, none]
absence_means: screened_negative
"""
LAB_CALL = hook_body(patient(), [lab("33914-3", 20.0), lab("9318-7", 900.0)], [])
UNANSWERED = sorted(reason for reason, outcome in OUTCOME_OF.items() if outcome is Outcome.UNAVAILABLE)


@pytest.fixture(scope="module")
def remembering(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A service that keeps scores and says when there is none; every card of the model acts."""
    config = acting_config(
        tmp_path_factory.mktemp("remembering"),
        ("    bands: [high]\n    actions", "    actions"),
        client="    system_actions: true\n",
        extra=SYSTEM.replace("    bands: [high]\n", ""),
    )
    service = config.parents[1] / FILES["service"][0]
    text = service.read_text().replace("deadline: 500ms\n", REMEMBERS)
    service.write_text(text.replace("required_prefetch: [patient, labs]", "required_prefetch: [patient]"))
    return config


@given(
    reason=st.sampled_from(UNANSWERED),
    score=st.sampled_from([0.05, 0.105, 0.15, 0.9]),
    hours=st.sampled_from([0.0, 0.5, 11.9, 12.1]),
    kept=st.booleans(),
    up=st.booleans(),
)
async def test_without_a_fresh_score_there_is_a_label_or_a_notice_and_nothing_acts(
    remembering: Path, reason: Reason, score: float, hours: float, kept: bool, up: bool
) -> None:
    """Whatever failed, whether or not a score was kept and the store is up: never silence that means negative, but
    where the last score says so."""
    gateway = FakeGateway(remembering, site="hospital_a", system_actions=True, hot=memory)
    gateway.model.function = lambda *inputs: score
    store = gateway.hot
    assert isinstance(store, FlakyStore)
    if kept:
        await gateway.call(LAB_CALL | {"hookInstance": "00000000-0000-4000-9000-000000000001"})
    gateway.clock.advance(hours * 3600)
    store.down = not up
    gateway.model.broken = reason
    answer = (await gateway.call(LAB_CALL | {"hookInstance": "00000000-0000-4000-9000-000000000002"})).json()
    record = gateway.sink.newest(1)[0]
    assert "systemActions" not in answer
    for card in answer["cards"]:
        assert "suggestions" not in card and not any(link.get("autolaunchable") for link in card.get("links", ()))
    if record.step == "cached":
        assert kept and up and hours <= 12 and record.fallback_from == reason and record.cache_age_s == hours * 3600
        assert (record.outcome == "shown") is (score > 0.11) is bool(answer["cards"])
        for card in answer["cards"]:
            assert card["summary"].startswith("Cached score, ") and "Cached: computed " in card["detail"]
    else:
        (card,) = answer["cards"]
        assert (record.outcome, record.reason, record.visible) == ("unavailable", reason, True)
        assert card["summary"].startswith("Not available at the moment") and NOT_A_RESULT in card["detail"]
    assert gateway.meter.faults == []
