"""`may_we` before the model is asked, `should_we` after it answered: pure, and in the order that DESIGN fixes.

    audience, population, exclusions     false population or true exclusion: out of scope; unknown: held
    defer rules on features              the first true one decides
    what was held                        population_unknown, then exclusion_unknown
    required features without a value    unavailable where they could not be fetched, else input_*
    optional inputs that are unreadable  input_*: a fill is for what is not there
    defer rules on features, unknown     rule_unknown
    ── the model ──
    defer rules on outputs               the first true one decides, then an unknown one
    threshold                            indeterminate around it, below it, at or above it

A call about somebody else's data ends before all of them (law 11). A deferral is final: nothing after it is asked.
"""

from bisect import bisect_right
from collections.abc import Iterable

from wardgate.domain.decisions.decision import Decision
from wardgate.domain.decisions.rules import Band, DeferRule, Exclusion, Rules, Show
from wardgate.domain.expressions import Environment, Expression, Known, Operand
from wardgate.domain.features.vector import FeatureValue, FeatureVector, Mark
from wardgate.domain.inference.prediction import Prediction
from wardgate.domain.outcomes import Reason

REASON_OF_MARK: dict[Mark, Reason] = {
    Mark.MISSING: Reason.INPUT_MISSING,
    Mark.STALE: Reason.INPUT_STALE,
    Mark.IMPLAUSIBLE: Reason.INPUT_IMPLAUSIBLE,
    Mark.WRONG_UNIT: Reason.INPUT_UNIT,
    Mark.COMPARATOR: Reason.INPUT_COMPARATOR,
    Mark.NOT_NUMERIC: Reason.INPUT_NOT_NUMERIC,
}

_FILLED = (None, Mark.MISSING, Mark.STALE)

_WRONG_PATIENT = Decision(Reason.WRONG_PATIENT)
_AUDIENCE = Decision(Reason.AUDIENCE)
_POPULATION = Decision(Reason.POPULATION)

_NOISE = 12
"""Decimals of |score - threshold| that count: 0.11 - 0.10 is a hair less than 0.01 in binary."""


def may_we(rules: Rules, vector: FeatureVector, user_type: str | None, wrong_patient: bool) -> Decision | None:
    """Why the model must not be asked about this patient, or None: it may be.

    `user_type` is the resource type of the call's userId (None: no usable userId).
    """
    if wrong_patient:
        return _WRONG_PATIENT
    if rules.audience is not None and user_type not in rules.audience:
        return _AUDIENCE
    facts = facts_of(vector)
    population = True if rules.population is None else rules.population.evaluate(facts)
    if population is False:
        return _POPULATION
    unsure: list[Exclusion] = []
    for exclusion in rules.exclusions:
        if exclusion.when is not None and (answer := exclusion.when.evaluate(facts)) is not False:
            if answer is True:
                return Decision(Reason.EXCLUSION, question=exclusion.name)
            unsure.append(exclusion)
    decided, unknown = _defer(rules, facts, vector, on_outputs=False)
    if decided is not None:
        return decided
    if population is not True and rules.population is not None:
        return Decision(Reason.POPULATION_UNKNOWN, rules.show_unknown, features=_unknown_in(rules.population, vector))
    if unsure:
        return _unsure(rules, unsure, vector)
    return _without_value(rules, vector) or unknown


def should_we(rules: Rules, vector: FeatureVector, prediction: Prediction, site: str | None) -> Decision:
    """What becomes of a prediction; its calibrated score meets the threshold of this `site`."""
    score = prediction.score
    threshold = rules.threshold.at(site)
    decision = _on_outputs(rules, vector, prediction) or _on_threshold(rules, score, threshold)
    return Decision(
        decision.reason,
        decision.show,
        score,
        threshold,
        band_of(rules.bands, score),
        decision.features,
        decision.question,
    )


def band_of(bands: tuple[Band, ...], score: float) -> Band | None:
    """The highest band that starts at or below the score; None below the lowest. `bands` ascend."""
    position = bisect_right(bands, score, key=_start)
    return bands[position - 1] if position else None


def _start(band: Band) -> float:
    return band.start


def facts_of(vector: FeatureVector) -> dict[str, Operand]:
    """What an expression on features may read."""
    return {**vector.values, "deceased": Known(vector.deceased)}


def _defer(
    rules: Rules, facts: Environment, vector: FeatureVector, on_outputs: bool
) -> tuple[Decision | None, Decision | None]:
    """What the first true `defer` rule decides, and what the first unknown one would (never shown)."""
    unknown: Decision | None = None
    for number, rule in enumerate(rules.defer, 1):
        if rule.when.uses_outputs is not on_outputs:
            continue
        answer = rule.when.evaluate(facts)
        if answer is True:
            features = _read_by(rule.when, vector)
            return Decision(_reason(rule, vector, features), rule.show, features=features, question=str(number)), None
        if answer is not False and unknown is None:
            features = _unknown_in(rule.when, vector)
            unknown = Decision(Reason.RULE_UNKNOWN, Show.NONE, features=features, question=str(number))
    return None, unknown


def _reason(rule: DeferRule, vector: FeatureVector, features: tuple[str, ...]) -> Reason:
    """The rule's; but where it says "missing" of what is all there, too old or unreadable, the mark of the first."""
    marks = [mark for name in features if (mark := vector.values[name].mark) is not None]
    if rule.reason is not Reason.INPUT_MISSING or not marks or Mark.MISSING in marks:
        return rule.reason
    return REASON_OF_MARK[marks[0]]


def _unsure(rules: Rules, unsure: list[Exclusion], vector: FeatureVector) -> Decision:
    names: dict[str, None] = {}
    for exclusion in unsure:
        if exclusion.when is not None:
            names.update(dict.fromkeys(_unknown_in(exclusion.when, vector)))
    return Decision(Reason.EXCLUSION_UNKNOWN, rules.show_unknown, features=tuple(names), question=unsure[0].name)


def _without_value(rules: Rules, vector: FeatureVector) -> Decision | None:
    """A required feature without value: not fetched at all, or marked (the first mark gives the reason). Where all
    have one, an optional input that stands in the chart and cannot be used: a fill would be a guess about it."""
    values = vector.values
    bad = [value for name in rules.required if (value := values[name]).value is None]
    bad = bad or [v for name in rules.filled if (v := values[name]).mark not in _FILLED and not v.unobtained]
    if not bad:
        return None
    features = tuple(value.name for value in bad)
    if any(value.unobtained for value in bad):
        return Decision(Reason.CONTEXT_UNAVAILABLE, features=features)
    return Decision(REASON_OF_MARK[bad[0].mark or Mark.MISSING], features=features)


def _on_outputs(rules: Rules, vector: FeatureVector, prediction: Prediction) -> Decision | None:
    if not any(rule.when.uses_outputs for rule in rules.defer):
        return None
    facts = facts_of(vector)
    facts.update((name, Known(value)) for name, value in prediction.others.items())
    facts["score"] = Known(prediction.score)
    decided, unknown = _defer(rules, facts, vector, on_outputs=True)
    return decided or unknown


_INDETERMINATE = Decision(Reason.INDETERMINATE)
_SHOWN = Decision(Reason.THRESHOLD_MET)
_ALWAYS = Decision(Reason.NO_THRESHOLD)
_BELOW = Decision(Reason.BELOW_THRESHOLD)


def _on_threshold(rules: Rules, score: float, threshold: float | None) -> Decision:
    if threshold is None:
        return _ALWAYS
    if round(abs(score - threshold), _NOISE) < rules.threshold.indeterminate:
        return _INDETERMINATE
    return _SHOWN if score >= threshold else _BELOW


def _read_by(expression: Expression, vector: FeatureVector) -> tuple[str, ...]:
    """The features that an expression reads, in the order of the schema."""
    return tuple(name for name in vector.values if name in expression.names)


def _unknown_in(expression: Expression, vector: FeatureVector) -> tuple[str, ...]:
    """The features that leave an expression unknown: those without a value, else all that it reads."""
    read = _read_by(expression, vector)
    return _absent(vector.values[name] for name in read) or read


def _absent(values: Iterable[FeatureValue]) -> tuple[str, ...]:
    return tuple(value.name for value in values if value.value is None)
