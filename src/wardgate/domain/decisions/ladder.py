"""The fallback ladder: what answers where the model cannot.

    cached     the last score of this patient, where it still holds
    rule       points by a rule of the release's digest
    none       the ladder ends

It is walked only from an unavailable model, rung by rung, until one answers. A rung that is not for this patient, or
does not know, gives way to the next; one that knows is final, also where it says "below the threshold".
"""

from collections.abc import Iterable

import msgspec

from wardgate.domain.decisions.cached import LastScore, prediction_of_last
from wardgate.domain.decisions.decide import facts_of, should_we
from wardgate.domain.decisions.decision import Decision, Fallback
from wardgate.domain.decisions.rules import Band, Rules
from wardgate.domain.expressions import Environment
from wardgate.domain.features.vector import FeatureVector
from wardgate.domain.outcomes import Outcome, Reason, Step
from wardgate.domain.scores import Points, RuleScore


class CachedRung(msgspec.Struct, frozen=True):
    """`without_context`: also where an input could not be read in this call; the card says so."""

    max_age: float  # seconds
    without_context: bool = False


class RuleRung(msgspec.Struct, frozen=True):
    """`bands` ascend. Shown at or above `threshold`, or from the band `shown_from` on; with neither, always."""

    name: str
    score: RuleScore
    bands: tuple[Band, ...]
    threshold: float | None = None
    shown_from: Band | None = None


Ladder = tuple[CachedRung | RuleRung, ...]


def cached_for(ladder: Ladder) -> float | None:
    """How long a score of this ladder is worth keeping, in seconds; None: not at all."""
    ages = [rung.max_age for rung in ladder if isinstance(rung, CachedRung)]
    return max(ages, default=None)


def fall_back(
    ladder: Ladder,
    unavailable: Decision,
    rules: Rules,
    vector: FeatureVector,
    last: LastScore | None = None,
    site: str | None = None,
) -> Decision:
    """The first rung's answer, or `unavailable` itself where none has one."""
    if not ladder or _not_safe(rules, facts := facts_of(vector)):
        return unavailable
    for rung in ladder:
        if isinstance(rung, RuleRung):
            answer = _by_rule(rung, unavailable.reason, facts)
        else:
            answer = None if last is None else _by_cache(rung, unavailable.reason, rules, vector, last, site)
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

IN_DOUBT = frozenset({Reason.PROBE_FAILED})
"""Another model answers under the pinned one's name. Since when is not known, so the last score may be its."""


def _by_cache(
    rung: CachedRung, why: Reason, rules: Rules, vector: FeatureVector, last: LastScore, site: str | None
) -> Decision | None:
    """None: too old, in doubt, of other inputs, or one that a rule on outputs would defer. Population, exclusions and
    rules on features have been asked before the model was."""
    if why in IN_DOUBT or last.age > rung.max_age or last.changed:
        return None
    if (last.unchecked or why is Reason.CONTEXT_UNAVAILABLE) and not rung.without_context:
        return None
    decision = should_we(rules, vector, prediction_of_last(last), site)
    if decision.outcome is Outcome.DEFERRED:
        return None
    fallback = Fallback(Step.CACHED, why, computed_at=last.kept.computed_at, unchecked=last.unchecked)
    return msgspec.structs.replace(decision, fallback=fallback)


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
