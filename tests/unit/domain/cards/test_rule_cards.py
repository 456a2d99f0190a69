"""The card of a rule that stands in for the model: labelled, with its points, and silent about the model's number."""

from dataclasses import dataclass

import pytest
from msgspec import structs

from tests.unit.domain.cards.kidney import BERLIN, FEATURES, NOW, RULES, SPEC, missing, observed, patient
from wardgate.domain.cards.card import Card
from wardgate.domain.cards.compile import compile_rule_card
from wardgate.domain.cards.facts import CardFacts
from wardgate.domain.cards.plan import CardPlan
from wardgate.domain.cards.render import render
from wardgate.domain.cards.spec import CardProblem, ReleaseFacts, RuleSpec
from wardgate.domain.decisions.decision import Decision
from wardgate.domain.decisions.ladder import RuleRung, fall_back
from wardgate.domain.decisions.rules import Band
from wardgate.domain.expressions import Scope, Type, compile_expression
from wardgate.domain.features.vector import FeatureVector, Mark
from wardgate.domain.outcomes import Outcome, Reason, Step
from wardgate.domain.scores import Item, RuleScore, Within

SCOPE = Scope({"egfr": Type.NUMBER, "uacr": Type.NUMBER, "has_dialysis": Type.BOOLEAN})
ITEMS = (
    Item(("egfr",), 0, "egfr", (Within(3, lt=30), Within(1, lt=60)), display="filtration"),
    Item(("uacr",), 2, "uacr", (Within(0, lt=300),), missing=1),
    Item(("has_dialysis",), 4, when=compile_expression("has_dialysis", SCOPE)),
)
BANDS = (Band("few", 0, "info"), Band("one", 3, "info", single=3), Band("many", 5, "warning"))
RUNG = RuleRung("ckd", RuleScore(ITEMS, ("egfr", "uacr", "has_dialysis")), BANDS, shown_from=BANDS[1])


@dataclass(frozen=True)
class Shown:
    card: Card

    @property
    def text(self) -> str:
        return f"{self.card.summary}\n{self.card.detail}"


def spec(
    summary: str = "CKD points {{ score }} ({{ band }})", detail: str | None = None, rung: RuleRung = RUNG
) -> RuleSpec:
    return RuleSpec("CKD points", summary, detail, 0, rung)


def compiled(spec: RuleSpec, label: str | None = None) -> CardPlan | list[CardProblem]:
    card = SPEC if label is None else structs.replace(SPEC, fallback_label=label)
    release = ReleaseFacts("kidney-failure", "1.0.0", spec.rung.score.features)
    return compile_rule_card(spec, card, FEATURES, release, RULES)


def shown(
    texts: RuleSpec | None = None,
    vector: FeatureVector | None = None,
    why: Reason = Reason.MODEL_TIMEOUT,
    label: str | None = None,
) -> Shown:
    texts = texts or spec()
    plan = compiled(texts, label)
    assert isinstance(plan, CardPlan), plan
    vector = vector or patient()
    decision = fall_back((texts.rung,), Decision(why), structs.replace(RULES, defer=()), vector)
    assert decision.outcome is Outcome.SHOWN
    return Shown(render(plan, CardFacts("d-1", decision, vector, None, NOW, BERLIN, Step.RULE)))


def test_the_label_stands_at_the_head_and_is_never_cut() -> None:
    """Law 6: a clinician reads first that no model was asked."""
    assert shown().card.summary == "Rule, no model: CKD points 5 (many)"
    assert shown(label="{{ step.display }} (check!): ").card.summary.startswith("Rule, no model (check!): ")


def test_a_summary_too_long_for_its_label_is_a_problem_of_the_rule() -> None:
    """At start, not on a screen; the label leaves it less room than a model's summary has."""
    problems = compiled(spec(summary="x" * 130))
    assert isinstance(problems, list)
    assert [problem.key for problem in problems] == ["summary"]


def test_each_item_of_the_sum_has_its_value_and_its_points() -> None:
    """Also the one that gives none, and the one that is worth points because nothing was charted."""
    text = shown(vector=patient(uacr=missing("uacr"))).text
    assert "| Input | Value | Measured | Points |" in text
    assert "| filtration | 24 mL/min/1.73 m² | 2026-02-27, 3 days ago | 3 |" in text
    assert "| UACR | not found in the last 365 days | – | 1 |" in text
    assert "| dialysis | no | – | 0 |" in text


def test_it_says_what_it_is_and_why() -> None:
    """The rule, the release that it stands in for, the reason; the band with what it asks for; what was not checked."""
    text = shown(vector=patient(uacr=observed("uacr", 12, 3, "mg/g")), why=Reason.CONTEXT_UNAVAILABLE).text
    assert "Rule: CKD points, in place of kidney-failure 1.0.0: not all that the model needs could be read." in text
    assert "Band one: 3 to below 5 points, 3 of them from one item alone. Shown from band one." in text
    assert "Points of a rule, not a probability." in text
    assert "Not checked: transplant, deceased." in text
    assert "valid until" in text


def test_it_says_nothing_of_the_model() -> None:
    """Neither its calibration nor its limitations are the rule's."""
    text = shown().text
    assert "recalibrated" not in text and "Limitation" not in text and "%" not in text and "Effect" not in text


def test_links_source_and_override_reasons_are_the_services() -> None:
    """A rule has none of its own."""
    card = shown().card
    assert card.source == SPEC.source and card.links == SPEC.links and len(card.override_reasons) == 1
    assert card.indicator == "warning"


@pytest.mark.parametrize(
    "detail, tables",
    [
        (None, 1),
        ("{{ reasons | table }}", 1),
        ("{% for r in reasons %}{{ r.input }} {{ r.value }} {{ r.measured }} {{ r.effect }}\n{% endfor %}", 0),
    ],
)
def test_a_template_says_the_items_where_it_likes(detail: str | None, tables: int) -> None:
    """Once; and a loop over them sees the same names as over a model's inputs."""
    text = shown(spec(detail=detail)).text
    assert text.count("| Points |") == tables
    assert "filtration" in text


def test_an_expression_lists_its_inputs() -> None:
    """There are no items to give points to."""
    score = RuleScore((), ("egfr",), compile_expression("if(egfr < 30, 4, 0)", SCOPE, Type.NUMBER))
    rung = RuleRung("ckd", score, (Band("any", 0, "info"),), threshold=2)
    text = shown(spec(rung=rung)).text
    assert "| eGFR | 24 mL/min/1.73 m² |" in text and "Points |" not in text
    assert "Band any: 0 points and above. Shown from 2 points." in text


def test_the_same_facts_give_the_same_card() -> None:
    """Byte for byte (law 5)."""
    assert shown() == shown()


def test_a_value_that_cannot_be_read_is_not_on_the_card_as_markdown() -> None:
    """Whatever stood in the chart."""
    hostile = missing("uacr", Mark.MISSING, raw="<script>[x](http://evil)")
    assert "<script>" not in shown(vector=patient(uacr=hostile)).text
