"""Sample calls: every template is rendered once at start, for all bands, steps, reasons and missing features."""

from collections.abc import Iterator, Mapping
from zoneinfo import ZoneInfo

import msgspec

from wardgate.domain.cards.facts import CardFacts
from wardgate.domain.cards.spec import ReleaseFacts
from wardgate.domain.decisions.decision import Decision, Fallback
from wardgate.domain.decisions.ladder import RuleRung
from wardgate.domain.decisions.rules import Band, Rules
from wardgate.domain.features.schema import FeatureSpec, FeatureType
from wardgate.domain.features.vector import FeatureValue, FeatureVector, Mark, Point, Value
from wardgate.domain.inference.prediction import ModelInputs, Prediction
from wardgate.domain.outcomes import DEFERRAL_REASONS, OUTCOME_OF, Outcome, Reason, Step
from wardgate.domain.scores import Counted, Points

_NOW = 1_767_225_600.0
_UTC = ZoneInfo("UTC")
_DAY = 86400.0
_TOKENS = {"patientId": "p", "encounterId": "e", "userId": "Practitioner/u", "userPractitionerId": "u"}


def _value(spec: FeatureSpec) -> Value:
    if spec.map:
        return next(iter(spec.map.values()))
    if spec.type is FeatureType.BOOLEAN or spec.take.value == "any":
        return True
    if spec.type is FeatureType.CODE:
        return "code"
    low, high = spec.plausible or (0.0, 100.0)
    return low + (high - low) / 2


def _found(spec: FeatureSpec) -> FeatureValue:
    value = _value(spec)
    if spec.source != "Observation":
        return FeatureValue(spec.name, value)
    number = isinstance(value, float)
    trend = tuple(Point(_NOW - days * _DAY, float(value)) for days in (90, 30, 3)) if number else ()
    return FeatureValue(spec.name, value, None, _NOW - 3 * _DAY, 3 * _DAY, spec.unit, trend=trend)


def _marked(spec: FeatureSpec, mark: Mark) -> FeatureValue:
    if mark is Mark.MISSING or spec.source != "Observation":
        return FeatureValue(spec.name, None, mark)
    return FeatureValue(spec.name, None, mark, _NOW - 400 * _DAY, 400 * _DAY, shown="> 60 <odd> unit")


def _vector(features: Mapping[str, FeatureSpec], mark: Mark | None, optional: bool) -> FeatureVector:
    """`mark`: on every feature, or with `optional` only on those that a score can do without."""
    values = {
        name: _found(spec) if mark is None or (optional and spec.required) else _marked(spec, mark)
        for name, spec in features.items()
    }
    return FeatureVector(values, False, _NOW)


def _call(decision: Decision, vector: FeatureVector, prediction: Prediction | None, step: Step) -> CardFacts:
    age = None if step is Step.MODEL else 39_600.0
    return CardFacts("sample", decision, vector, prediction, _NOW, _UTC, step, age, visible=True, tokens=_TOKENS)


def score_samples(features: Mapping[str, FeatureSpec], release: ReleaseFacts, rules: Rules) -> Iterator[CardFacts]:
    bands: tuple[Band | None, ...] = (*rules.bands, None)
    for threshold in {rules.threshold.default, *rules.threshold.sites.values()}:
        reason = Reason.NO_THRESHOLD if threshold is None else Reason.THRESHOLD_MET
        for band in bands:
            score = band.start if band is not None else 0.0
            decision = Decision(reason, score=score, threshold=threshold, band=band)
            for mark in (None, Mark.MISSING, Mark.STALE):
                vector = _vector(features, mark, optional=True)
                for effects in (None, dict.fromkeys(release.inputs, 0.1)):
                    filled = tuple(name for name in release.inputs if vector.values[name].value is None)
                    inputs = ModelInputs((1.0,) * len(release.inputs), filled, ())
                    yield _call(decision, vector, Prediction(score, score, effects, {}, inputs), Step.MODEL)
            yield _call(decision, _vector(features, None, optional=True), None, Step.RULE)
            for why in (Reason.MODEL_TIMEOUT, Reason.CONTEXT_UNAVAILABLE):
                kept = msgspec.structs.replace(
                    decision, fallback=Fallback(Step.CACHED, why, computed_at=_NOW, unchecked=release.inputs)
                )
                yield _call(kept, _vector(features, None, optional=True), None, Step.CACHED)


def rule_samples(features: Mapping[str, FeatureSpec], rung: RuleRung) -> Iterator[CardFacts]:
    """Every band, with every item counted; the heaviest reason why there was no model."""
    counted = tuple(Counted(item, item.otherwise) for item in rung.score.items)
    bands: tuple[Band | None, ...] = (*rung.bands, None)
    for band in bands:
        total = band.start if band is not None else 0.0
        for reason in (Reason.CONTEXT_UNAVAILABLE, Reason.MODEL_TIMEOUT):
            fallback = Fallback(Step.RULE, reason, rung.name, Points(total, counted))
            decision = Decision(
                Reason.THRESHOLD_MET, score=total, threshold=rung.threshold, band=band, fallback=fallback
            )
            for mark in (None, Mark.MISSING):
                vector = _vector(features, mark, optional=True)
                yield CardFacts("sample", decision, vector, None, _NOW, _UTC, Step.RULE)


def degraded_samples() -> Iterator[CardFacts]:
    """Every step below the model, with an age and without: a rule's answer has none."""
    for step in (Step.CACHED, Step.RULE):
        for age in (39_600.0, None):
            decision, vector = Decision(Reason.THRESHOLD_MET, score=0.0), FeatureVector({}, False, _NOW)
            yield CardFacts("sample", decision, vector, None, _NOW, _UTC, step, age)


def acting_samples(features: Mapping[str, FeatureSpec], release: ReleaseFacts, rules: Rules) -> Iterator[CardFacts]:
    """Those whose cards carry suggestions."""
    return (call for call in score_samples(features, release, rules) if call.acts)


def deferral_samples(features: Mapping[str, FeatureSpec]) -> Iterator[CardFacts]:
    for reason in sorted(DEFERRAL_REASONS):
        for concerned in ((), tuple(features)):
            decision = Decision(reason, features=concerned)
            yield _call(decision, _vector(features, Mark.MISSING, optional=False), None, Step.MODEL)
    for mark in (None, *Mark):
        decision = Decision(Reason.INPUT_MISSING, features=tuple(features))
        yield _call(decision, _vector(features, mark, optional=False), None, Step.MODEL)


def notice_samples() -> Iterator[CardFacts]:
    vector = FeatureVector({}, None, _NOW)
    for reason, outcome in OUTCOME_OF.items():
        if outcome is Outcome.UNAVAILABLE:
            yield _call(Decision(reason), vector, None, Step.NONE)
