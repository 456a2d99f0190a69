"""Law 10. Only fresh, determined, visible results act: suggestions, systemActions and preselection never ride on a
cached, rule-based, deferred or preview answer."""

from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.fakes.acting import SYSTEM, acting_config
from tests.fakes.charts import hook_body, lab, patient
from tests.fakes.gateway import FakeGateway
from tests.fakes.model import FakeModel, told_to_be
from tests.fakes.validator import problems_of_call
from tests.unit.domain.cards.kidney import BANDS, compiled, prediction, shown
from wardgate.domain.cards.card import Action, Card, Link, Source
from wardgate.domain.cards.render import render, render_notice, system_actions
from wardgate.domain.cards.spec import ActionSpec, SuggestionSpec, SystemActionSpec
from wardgate.domain.decisions.decision import Decision
from wardgate.domain.decisions.rules import Show
from wardgate.domain.outcomes import OUTCOME_OF, Arm, Mode, Outcome, Reason, Step
from wardgate.domain.rollout.assignment import Assignment
from wardgate.gateway.outcome import HookOutcome
from wardgate.gateway.proof import Proof

ACTION = ActionSpec(
    "create", "Do", {"resourceType": "Basic", "subject": {"reference": "Patient/{{ context.patientId }}"}}
)
PLAN = compiled(
    suggestions=(SuggestionSpec("Refer", (ACTION,), is_recommended=True),),
    system_actions=(SystemActionSpec(ACTION),),
)
LAUNCHING = compiled(links=(Link("App", "https://app.example", "smart", autolaunchable=True),))
TOKENS = {"patientId": "p1"}
FRESH = (Reason.THRESHOLD_MET, Reason.NO_THRESHOLD)

UNAVAILABLE = sorted(reason for reason, outcome in OUTCOME_OF.items() if outcome is Outcome.UNAVAILABLE)


# the card


@pytest.mark.parametrize("reason", list(Reason))
def test_no_card_acts_but_that_of_a_fresh_score(reason: Reason) -> None:
    """Over every reason, step, age, visibility and band: what is not both fresh and seen carries nothing that acts."""
    for step, visible, predicted, age, band in product(
        Step, (True, False), (prediction(), None), (None, 0.0, 3600.0), (None, *BANDS)
    ):
        decision = Decision(reason, Show.CARD, 0.5, 0.01, band)
        call = msgspec.structs.replace(
            shown(), decision=decision, step=step, step_age=age, visible=visible, prediction=predicted, tokens=TOKENS
        )
        fresh = reason in FRESH and step is Step.MODEL and age is None and visible and predicted is not None
        assert bool(system_actions(PLAN, call)) is fresh
        if decision.outcome in (Outcome.SHOWN, Outcome.DEFERRED):
            card = render(PLAN, call)
            assert bool(card.suggestions) is fresh
            assert any(suggestion.is_recommended for suggestion in card.suggestions) is fresh
            assert (card.selection_behavior is not None) is fresh
            assert render(LAUNCHING, call).links[0].autolaunchable is fresh


@pytest.mark.parametrize("reason", UNAVAILABLE)
def test_a_notice_never_acts(reason: Reason) -> None:
    """Nor where all else says that the score is fresh."""
    call = msgspec.structs.replace(shown(), decision=Decision(reason), visible=True, tokens=TOKENS)
    assert render_notice(PLAN, call).suggestions == ()
    assert render_notice(LAUNCHING, call).links[0].autolaunchable is False


# what leaves


@pytest.mark.parametrize("reason", list(Reason))
def test_system_actions_never_leave_without_a_shown_score(reason: Reason) -> None:
    """Whatever a later part of the flow makes of a call that proposed some: hidden, unrecorded, failed."""
    for withheld, show, card in product((None, *Reason), Show, (Card("u", "s", "info", Source("x")), None)):
        outcome = HookOutcome(
            None,  # type: ignore[arg-type]
            reason,
            Step.MODEL,
            Assignment(1, "1.0.0", Mode.ACTIVE, Arm.CHAMPION, withheld),
            decision=Decision(Reason.THRESHOLD_MET, show),
            rendered=card,
            proposed=(Action("create", "Do"),),
        )
        assert bool(outcome.system_actions) is (reason in FRESH and withheld is None and card is not None)


# the whole way


def body(egfr: float | None, uacr: float | None) -> dict[str, Any]:
    labs = [lab(code, value) for code, value in (("33914-3", egfr), ("9318-7", uacr)) if value is not None]
    return hook_body(patient(), labs, [])


def acting_parts(answer: dict[str, Any]) -> Iterator[str]:
    if "systemActions" in answer:
        yield "systemActions"
    for card in answer["cards"]:
        yield from ("suggestions" for _ in card.get("suggestions", ()))
        yield from ("autolaunchable" for link in card.get("links", ()) if link.get("autolaunchable"))


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return acting_config(
        tmp_path_factory.mktemp("acting"),
        ("    bands: [high]\n    actions", "    actions"),
        client="    system_actions: true\n",
        extra=SYSTEM.replace("    bands: [high]\n", ""),
    )


def world(**changes: Any) -> example:
    """A call that ends with a score on a screen, but for the changes."""
    fresh: dict[str, Any] = {"mode": Mode.ACTIVE, "during": None, "egfr": 22.0, "uacr": 300.0, "score": 0.5}
    fresh |= {"broken": None, "proof": Proof.PASSED, "recorded": True, "takes": True, "site": "hospital_a"}
    return example(**(fresh | changes))


MODES = [Mode.OFF, Mode.SHADOW, Mode.SILENT, Mode.ACTIVE]


@world()
@world(takes=False)
@world(during=Mode.ACTIVE)
@world(during=Mode.OFF)
@world(mode=Mode.SILENT)
@world(recorded=False)
@world(site=None)
@world(score=0.1005)  # too close to the threshold
@world(uacr=None)  # deferred, with a card
@world(broken=Reason.REPLY_VERSION)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    mode=st.sampled_from(MODES),
    during=st.none() | st.sampled_from(MODES),
    egfr=st.none() | st.sampled_from([8.0, 22.0, 45.0, 88.0, 500.0]),
    uacr=st.none() | st.sampled_from([10.0, 300.0, 3000.0]),
    score=st.sampled_from([0.05, 0.1005, 0.11, 0.5, 1.5]),
    broken=st.none() | st.sampled_from([Reason.MODEL_UNREACHABLE, Reason.REPLY_VERSION]),
    proof=st.sampled_from(list(Proof)),
    recorded=st.booleans(),
    takes=st.booleans(),
    site=st.sampled_from([None, "hospital_a", "hospital_b"]),
)
async def test_what_an_ehr_is_sent_acts_only_where_a_score_was_shown(
    config: Path,
    mode: Mode,
    during: Mode | None,
    egfr: float | None,
    uacr: float | None,
    score: float,
    broken: Reason | None,
    proof: Proof,
    recorded: bool,
    takes: bool,
    site: str | None,
) -> None:
    """From request to answer, through every way that a call can end: acting, if and only if counted as shown by the
    model; valid by the standard in any case."""
    gateway = FakeGateway(config, FakeModel(broken=broken), site=site, system_actions=takes)
    gateway.mode(mode)
    for model in gateway.proven.values():
        told_to_be(model, proof)

    def answer_of_model(*inputs: float) -> float:
        if during is not None:
            gateway.mode(during)
        return score

    gateway.model.function = answer_of_model
    gateway.sink.full = not recorded
    reply = await gateway.call(body(egfr, uacr))
    _, _, _, _, outcome, _, step = gateway.meter.calls[-1]
    acts = set(acting_parts(reply.json())) if reply.status == 200 else set()
    assert problems_of_call(reply.status, "application/json", reply.body) == []
    if outcome == "shown" and step == "model" and recorded:
        assert acts == ({"suggestions", "systemActions"} if takes else {"suggestions"})
    else:
        assert acts == set()
