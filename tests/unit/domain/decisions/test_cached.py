"""The last score: what of it is kept, and whether it may stand in."""

from hashlib import blake2b

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wardgate.domain.decisions.cached import Basis, CachedScore, basis_of, keep, last_score
from wardgate.domain.decisions.decision import Decision
from wardgate.domain.decisions.ladder import CachedRung, RuleRung, cached_for, fall_back
from wardgate.domain.decisions.rules import DeferRule, Rules, Show, Threshold
from wardgate.domain.expressions import Scope, Type, compile_expression
from wardgate.domain.features.schema import FeatureSchema, FeatureSpec
from wardgate.domain.features.vector import FeatureValue, FeatureVector, Mark
from wardgate.domain.inference.prediction import ModelInputs, Prediction
from wardgate.domain.outcomes import OUTCOME_OF, Outcome, Reason, Step

NOW = 1_790_000_000.0
BASIS = Basis(("age", "a", "b"), frozenset({"age"}), ("spread",))
RUNG = CachedRung(3600.0)
SCOPE = Scope(dict.fromkeys(("a", "b", "score", "spread"), Type.NUMBER), outputs=frozenset({"score", "spread"}))


def keyed(what: bytes) -> bytes:
    return blake2b(what, key=b"k", digest_size=8).digest()


def value(name: str, number: float | None, at: float | None = None, unobtained: bool = False) -> FeatureValue:
    return FeatureValue(name, number, None if number is not None else Mark.MISSING, at, unobtained=unobtained)


def vector(age: float | None = 70.0, as_of: float = NOW, **changes: FeatureValue) -> FeatureVector:
    values = {"age": value("age", age), "a": value("a", 1.0, 500.0), "b": value("b", None)} | changes
    return FeatureVector(values, False, as_of)


def kept(score: float = 0.4, spread: float = 0.1, **changes: FeatureValue) -> CachedScore:
    prediction = Prediction(score, score, {"a": 9.0}, {"spread": spread, "other": 1.0}, ModelInputs((), (), ()))
    return keep(prediction, vector(70.0, NOW, **changes), BASIS, "ward", keyed)


def rules(*defer: tuple[str, Reason], threshold: Threshold | None = None) -> Rules:
    compiled = tuple(DeferRule(compile_expression(when, SCOPE), reason, Show.CARD) for when, reason in defer)
    return Rules(None, None, (), compiled, Show.NONE, (), threshold or Threshold(), ())


def answer(
    score: CachedScore,
    now: FeatureVector,
    rung: CachedRung = RUNG,
    why: Reason = Reason.MODEL_TIMEOUT,
    service: Rules | None = None,
    site: str | None = "ward",
) -> Decision:
    last = last_score(score, now, BASIS, site, keyed)
    return fall_back((rung,), Decision(why), service or rules(), now, last, site)


def test_what_is_kept_holds_no_value_no_time_and_no_name() -> None:
    """Score and clock; outputs that a rule reads; fingerprints."""
    encoded = msgspec.msgpack.encode(kept())
    assert msgspec.msgpack.decode(encoded, type=CachedScore) == kept()
    score, raw, computed_at, site, others, inputs = msgspec.msgpack.decode(encoded)
    assert (score, raw, computed_at, site, others) == (0.4, 0.4, NOW, "ward", {"spread": 0.1})
    assert all(isinstance(each, bytes) and len(each) == 8 for each in inputs) and len(encoded) < 100


def test_the_same_inputs_an_hour_later_are_answered_by_it() -> None:
    """The age has drifted by the clock alone; nothing else has moved."""
    decision = answer(kept(), vector(age=70.0001, as_of=NOW + 3600))
    assert (decision.reason, decision.score) == (Reason.NO_THRESHOLD, 0.4)
    assert decision.fallback is not None
    assert (decision.fallback.step, decision.fallback.reason) == (Step.CACHED, Reason.MODEL_TIMEOUT)
    assert (decision.fallback.computed_at, decision.fallback.unchecked) == (NOW, ())


@pytest.mark.parametrize(
    "now, site",
    [
        (vector(as_of=NOW + 3600.1), "ward"),
        (vector(as_of=NOW - 61), "ward"),
        (vector(), "elsewhere"),
        (vector(), None),
        (vector(a=value("a", 1.0, 501.0)), "ward"),
        (vector(a=value("a", 1.1, 500.0)), "ward"),
        (vector(a=value("a", None)), "ward"),
        (vector(b=value("b", 0.0)), "ward"),
        (vector(age=None), "ward"),
    ],
    ids=["old", "future", "site", "no site", "newer", "corrected", "gone", "appeared", "no age"],
)
def test_one_condition_that_does_not_hold_is_enough(now: FeatureVector, site: str | None) -> None:
    """The ladder ends with what it began with."""
    assert answer(kept(), now, site=site).fallback is None


@pytest.mark.parametrize("without_context", [True, False])
def test_what_could_not_be_read_is_named_and_needs_leave(without_context: bool) -> None:
    """Whether the model failed or the chart could not be read."""
    rung = CachedRung(3600.0, without_context)
    unread = vector(a=value("a", None, unobtained=True))
    for why in (Reason.CONTEXT_UNAVAILABLE, Reason.MODEL_TIMEOUT):
        decision = answer(kept(), unread, rung, why)
        assert (decision.fallback is not None) is without_context
        assert decision.fallback is None or decision.fallback.unchecked == ("a",)
    assert (answer(kept(), vector(), rung, Reason.CONTEXT_UNAVAILABLE).fallback is not None) is without_context


def test_rules_on_outputs_and_the_threshold_are_asked_again() -> None:
    """What they would defer is no answer; what is below the threshold is one."""
    service = rules(("spread > 0.5", Reason.UNCERTAIN), threshold=Threshold(0.5, {}, 0.05))
    assert answer(kept(0.9), vector(), service=service).reason is Reason.THRESHOLD_MET
    assert answer(kept(0.1), vector(), service=service).reason is Reason.BELOW_THRESHOLD
    assert answer(kept(0.9, spread=0.6), vector(), service=service).fallback is None
    assert answer(kept(0.52), vector(), service=service).fallback is None


def test_a_safety_rule_that_could_not_be_checked_ends_the_ladder() -> None:
    """Of the cached score as of a rule."""
    assert answer(kept(), vector(), service=rules(("b > 5", Reason.CLINICAL_RULE))).fallback is None


@pytest.mark.parametrize("why", [r for r, outcome in OUTCOME_OF.items() if outcome is Outcome.UNAVAILABLE])
def test_only_a_failed_proof_casts_doubt_on_what_the_model_said(why: Reason) -> None:
    """Every other reason says nothing of earlier answers; an unread chart needs leave."""
    doubted = why in (Reason.PROBE_FAILED, Reason.CONTEXT_UNAVAILABLE)
    assert (answer(kept(), vector(), why=why).fallback is None) is doubted


def test_the_rungs_are_tried_in_their_order() -> None:
    """A cached score before a rule, or behind it; the longest age is how long scores are worth keeping."""
    from tests.unit.domain.decisions.test_ladder import rung

    last = last_score(kept(), vector(), BASIS, "ward", keyed)
    by_rule: RuleRung = rung()
    for ladder, step in (((RUNG, by_rule), Step.CACHED), ((by_rule, RUNG), Step.RULE)):
        decision = fall_back(ladder, Decision(Reason.MODEL_ERROR), rules(), vector(), last, "ward")
        assert decision.fallback is not None and decision.fallback.step is step
    decision = fall_back((RUNG, by_rule), Decision(Reason.MODEL_ERROR), rules(), vector(), None, "ward")
    assert decision.fallback is not None and decision.fallback.step is Step.RULE
    assert cached_for((RUNG, by_rule, CachedRung(60.0))) == 3600.0 and cached_for((by_rule,)) is None


def test_a_derived_input_rests_on_what_it_is_computed_from() -> None:
    """Also by way of another; its own value follows."""
    specs = tuple(
        FeatureSpec(name=name, source="" if derive else "Observation", derive=derive)
        for name, derive in (("x", None), ("y", None), ("half", "x / 2"), ("both", "half + y"), ("other", None))
    )
    assert basis_of(FeatureSchema("1", specs), ("both",), rules()) == Basis(("y", "x"), frozenset(), ())


numbers = st.none() | st.floats(allow_nan=False, allow_infinity=False)


@given(numbers, numbers, st.floats(0, 1e9), st.floats(0, 1e9))
def test_an_input_is_the_same_only_with_its_value_and_its_time(
    then: float | None, now: float | None, at_then: float, at_now: float
) -> None:
    """Whatever numbers they are."""
    last = last_score(kept(a=value("a", then, at_then)), vector(a=value("a", now, at_now)), BASIS, "ward", keyed)
    assert last is not None
    assert last.changed is (repr(then) != repr(now) or at_then != at_now)
