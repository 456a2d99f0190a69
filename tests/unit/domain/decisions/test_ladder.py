"""The fallback ladder: which rung answers, and when none may."""

import pytest

from wardgate.domain.decisions.decision import Decision
from wardgate.domain.decisions.ladder import RuleRung, band_of_points, fall_back
from wardgate.domain.decisions.rules import Band, DeferRule, Rules, Show, Threshold
from wardgate.domain.expressions import Scope, Type, compile_expression
from wardgate.domain.features.vector import FeatureValue, FeatureVector, Mark
from wardgate.domain.outcomes import Outcome, Reason, Step
from wardgate.domain.scores import Counted, Item, Points, RuleScore

SCOPE = Scope({"a": Type.NUMBER, "b": Type.NUMBER, "score": Type.NUMBER}, outputs=frozenset({"score"}))
BANDS = (
    Band("low", 0, "info"),
    Band("low-medium", 3, "info", single=3),
    Band("medium", 5, "warning"),
    Band("high", 7, "critical"),
)
DOWN = Decision(Reason.MODEL_TIMEOUT)


def rules(*defer: tuple[str, Reason]) -> Rules:
    compiled = tuple(DeferRule(compile_expression(when, SCOPE), reason, Show.CARD) for when, reason in defer)
    return Rules(None, None, (), compiled, Show.NONE, (), Threshold(), ())


def rung(
    name: str = "first",
    points: str = "a",
    population: str | None = None,
    threshold: float | None = None,
    shown_from: str | None = None,
) -> RuleRung:
    score = RuleScore(
        (),
        ("a",),
        compile_expression(points, SCOPE, Type.NUMBER),
        None if population is None else compile_expression(population, SCOPE),
    )
    return RuleRung(name, score, BANDS, threshold, next((band for band in BANDS if band.name == shown_from), None))


def vector(a: float | None = 6.0, b: float | None = None, unobtained: bool = False) -> FeatureVector:
    values = {
        name: FeatureValue(name, value, None if value is not None else Mark.MISSING, unobtained=unobtained)
        for name, value in (("a", a), ("b", b))
    }
    return FeatureVector(values, False, 0.0)


def test_the_rule_answers_and_says_why_there_was_no_model() -> None:
    """Score, band and threshold are the rule's; the reason of the unavailable model is kept beside."""
    decision = fall_back((rung(threshold=5),), DOWN, rules(), vector())
    assert (decision.reason, decision.score, decision.threshold) == (Reason.THRESHOLD_MET, 6.0, 5)
    assert decision.band is not None and decision.band.name == "medium"
    assert decision.fallback is not None
    fallback = decision.fallback
    assert (fallback.step, fallback.reason, fallback.rule) == (Step.RULE, Reason.MODEL_TIMEOUT, "first")


@pytest.mark.parametrize(
    "a, threshold, shown_from, reason",
    [
        (5, 5, None, Reason.THRESHOLD_MET),
        (4.9, 5, None, Reason.BELOW_THRESHOLD),
        (5, None, "medium", Reason.THRESHOLD_MET),
        (4, None, "medium", Reason.BELOW_THRESHOLD),
        (-1, None, "low", Reason.BELOW_THRESHOLD),
        (-1, None, None, Reason.NO_THRESHOLD),
    ],
)
def test_what_is_shown_of_a_rule(a: float, threshold: float | None, shown_from: str | None, reason: Reason) -> None:
    """A number, or the lowest band that is shown; with neither every score is."""
    assert fall_back((rung(threshold=threshold, shown_from=shown_from),), DOWN, rules(), vector(a)).reason is reason


def test_below_its_threshold_the_rule_has_answered() -> None:
    """The next rung is not asked: it is known, and it is little."""
    ladder = (rung("first", threshold=7), rung("second", threshold=1))
    decision = fall_back(ladder, DOWN, rules(), vector())
    assert decision.outcome is Outcome.BELOW_THRESHOLD
    assert decision.fallback is not None and decision.fallback.rule == "first"


@pytest.mark.parametrize("first", [rung(points="b"), rung(population="a > 99"), rung(population="b > 0")])
def test_a_rung_that_does_not_know_or_is_not_for_the_patient_gives_way(first: RuleRung) -> None:
    """Score unknown, population false, population unknown."""
    decision = fall_back((first, rung("second")), DOWN, rules(), vector())
    assert decision.fallback is not None and decision.fallback.rule == "second"


def test_where_no_rung_answers_the_call_ends_as_before() -> None:
    """The very reason that the model gave."""
    assert fall_back((), DOWN, rules(), vector()) is DOWN
    assert fall_back((rung(points="b"),), DOWN, rules(), vector()) is DOWN


@pytest.mark.parametrize(
    "defer, answers",
    [
        (("missing(b)", Reason.INPUT_MISSING), True),
        (("b > 5", Reason.INPUT_STALE), True),
        (("b > 5", Reason.CLINICAL_RULE), False),
        (("a > 99", Reason.CLINICAL_RULE), True),
        (("score > 0.5", Reason.UNCERTAIN), True),
    ],
)
def test_a_safety_rule_that_could_not_be_checked_ends_the_ladder(defer: tuple[str, Reason], answers: bool) -> None:
    """The chart is half out of reach. That the model's inputs could not be judged is no concern of the rule's; that
    something else might defer the call is. A rule on outputs has nothing to judge."""
    unobtained = FeatureValue("b", None, Mark.MISSING, unobtained=True)
    chart = FeatureVector({"a": FeatureValue("a", 6.0), "b": unobtained}, False, 0.0)
    decision = fall_back((rung(),), Decision(Reason.CONTEXT_UNAVAILABLE), rules(defer), chart)
    assert (decision.fallback is not None) is answers


@pytest.mark.parametrize(
    "parts, band",
    [
        ((0,), "low"),
        ((2, 2), "low"),
        ((3,), "low-medium"),
        ((3, 1), "low-medium"),
        ((3, 2), "medium"),
        ((4, 4), "high"),
    ],
)
def test_bands_may_ask_for_points_in_one_item(parts: tuple[float, ...], band: str) -> None:
    """The highest band that holds; four points in two parameters are low, in one they are not."""
    item = Item((), 0)
    points = Points(sum(parts), tuple(Counted(item, part) for part in parts))
    reached = band_of_points(BANDS, points)
    assert reached is not None and reached.name == band
    assert band_of_points(BANDS, Points(-1)) is None
