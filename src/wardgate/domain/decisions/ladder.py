"""The fallback ladder: what answers where the model cannot.

    cached     the last score of this patient                  not built yet
    rule       points by a rule of the release's digest
    none       the ladder ends

It is walked only from an unavailable model, rung by rung, until one answers. A rung that is not for this patient, or
does not know, gives way to the next; one that knows is final, also where it says "below the threshold".
"""

from collections.abc import Iterable

import msgspec

from wardgate.domain.decisions.decide import facts_of
from wardgate.domain.decisions.decision import Decision, Fallback
from wardgate.domain.decisions.rules import Band, Rules
from wardgate.domain.expressions import Environment
from wardgate.domain.features.vector import FeatureVector
from wardgate.domain.outcomes import Reason, Step
from wardgate.domain.scores import Points, RuleScore


class RuleRung(msgspec.Struct, frozen=True):
    """`bands` ascend. Shown at or above `threshold`, or from the band `shown_from` on; with neither, always."""

    name: str
    score: RuleScore
    bands: tuple[Band, ...]
    threshold: float | None = None
    shown_from: Band | None = None


Ladder = tuple[RuleRung, ...]


def fall_back(ladder: Ladder, unavailable: Decision, rules: Rules, vector: FeatureVector) -> Decision:
    """The first rung's answer, or `unavailable` itself where none has one."""
    if not ladder or _not_safe(rules, facts := facts_of(vector)):
        return unavailable
    for rung in ladder:
        answer = _by_rule(rung, unavailable.reason, facts)
        if answer is not None:
            return answer
    return unavailable


def _not_safe(rules: Rules, facts: Environment) -> bool:
    """Whether a deferral rule could not be checked. The model's data may be out of reach, and its inputs are none of
    the rule's concern (`input_*`); but what else would defer the call must be known not to."""
    return any(
        not rule.when.uses_outputs and rule.reason not in _ABOUT_INPUTS and rule.when.evaluate(facts) is not False
        for rule in rules.defer
    )


_ABOUT_INPUTS = frozenset(reason for reason in Reason if reason.value.startswith("input_"))


def _by_rule(rung: RuleRung, why: Reason, facts: Environment) -> Decision | None:
    """None: not for this patient, or not known."""
    points = rung.score.evaluate(facts) if rung.score.applies(facts) else None
    if not isinstance(points, Points):
        return None
    band = band_of_points(rung.bands, points)
    return Decision(
        _reason(rung, points.total, band),
        score=points.total,
        threshold=rung.threshold,
        band=band,
        fallback=Fallback(Step.RULE, why, rung.name, points),
    )


def _reason(rung: RuleRung, total: float, band: Band | None) -> Reason:
    if rung.threshold is not None:
        return Reason.THRESHOLD_MET if total >= rung.threshold else Reason.BELOW_THRESHOLD
    if rung.shown_from is not None:
        reached = band is not None and band.start >= rung.shown_from.start
        return Reason.THRESHOLD_MET if reached else Reason.BELOW_THRESHOLD
    return Reason.NO_THRESHOLD


def band_of_points(bands: Iterable[Band], points: Points) -> Band | None:
    """The highest band that the points reach; None below the lowest."""
    reached = None
    for band in bands:
        if band.start <= points.total and (band.single is None or points.most >= band.single):
            reached = band
    return reached
