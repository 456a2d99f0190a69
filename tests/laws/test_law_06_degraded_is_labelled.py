"""Law 6: a rule-based answer says so at the head of the card; law 10: nothing on it acts.

A cached one will say so here as well, once scores are kept.
"""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.cases.test_deterioration import body_of
from tests.fakes.gateway import FakeGateway
from tests.fakes.model import FakeModel
from wardgate.domain.cards.render import LONGEST_SUMMARY
from wardgate.domain.outcomes import OUTCOME_OF, Outcome, Reason

LABEL = "Rule, no model: "
DOWN = sorted(
    reason
    for reason, outcome in OUTCOME_OF.items()
    if outcome is Outcome.UNAVAILABLE and reason.value.startswith(("model_", "reply_"))
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


@pytest.mark.parametrize("reason", DOWN)
async def test_a_rule_names_what_it_stood_in_for(reason: Reason) -> None:
    """Source and reason are on the card, whatever its template says."""
    gateway = FakeGateway(model=FakeModel(broken=reason))
    sick = {"vitals": {"resp": 26, "sbp": 88}}
    answer = (await gateway.call(body_of(sick), "deterioration")).json()
    text = msgspec.json.encode(answer).decode()
    assert "Rule: NEWS2, in place of deterioration 1.0.0: the model gave no usable answer." in text
    assert "Points of a rule, not a probability." in text
