"""From an outcome to its record: closed names, steps and bins; never a value of the patient (law 4)."""

from bisect import bisect_right

from wardgate.domain.features.vector import FeatureVector
from wardgate.domain.inference.prediction import Prediction
from wardgate.domain.outcomes import Arm, Mode
from wardgate.domain.plans import ReleasePlan
from wardgate.domain.records import DecisionRecord, InputFact, RecommendationType, age_step
from wardgate.gateway.outcome import HookOutcome


def record_of(outcome: HookOutcome) -> DecisionRecord:
    call, assignment, release, decision = outcome.call, outcome.assignment, outcome.release, outcome.decision
    caller, card = outcome.caller, outcome.rendered
    fallback = decision.fallback if decision is not None else None
    return DecisionRecord(
        decision_id=call.decision_id,
        at=call.now,
        service_id=call.plan.id,
        hook=call.plan.hook,
        client=call.request.client.name,
        outcome=outcome.outcome,
        reason=outcome.reason,
        step=outcome.step,
        mode=assignment.mode if assignment is not None else Mode.NONE,
        arm=assignment.arm if assignment is not None else Arm.NONE,
        visible=bool(outcome.cards),
        model_name=release.model if release is not None else None,
        model_version=release.version if release is not None else None,
        release_digest=release.digest if release is not None else None,
        feature_schema_version=release.schema_version if release is not None else None,
        snapshot_epoch=assignment.epoch if assignment is not None else None,
        site_id=caller.site if caller is not None else None,
        unit=caller.unit if caller is not None else None,
        specialty=caller.specialty if caller is not None else None,
        user_role=caller.role if caller is not None else None,
        score=_score(outcome),
        threshold=decision.threshold if decision is not None else None,
        band=decision.band.name if decision is not None and decision.band is not None else None,
        question=decision.question if decision is not None else None,
        fallback_from=fallback.reason if fallback is not None else None,
        rule=fallback.rule if fallback is not None else None,
        inputs=_inputs(release, outcome.vector, outcome.prediction),
        dropped={str(cause): count for cause, count in outcome.record.dropped.items()} if outcome.record else {},
        card_uuids=(card.uuid,) if card is not None else (),
        suggestion_uuids=tuple([suggestion.uuid for suggestion in card.suggestions]) if card is not None else (),
        recommendation_type=_recommendation(outcome),
        system_actions=len(outcome.system_actions),
        stages_ms=call.stages_ms(),
        cache_age_s=_cache_age(outcome),
        repeats=outcome.repeats,
    )


def _score(outcome: HookOutcome) -> float | None:
    """The model's, also where the decision keeps silent about it; else a rule's points."""
    if outcome.prediction is not None:
        return outcome.prediction.score
    return outcome.decision.score if outcome.decision is not None else None


def _cache_age(outcome: HookOutcome) -> float | None:
    fallback = outcome.decision.fallback if outcome.decision is not None else None
    if fallback is None or fallback.computed_at is None:
        return None
    return round(max(outcome.call.now - fallback.computed_at, 0.0), 1)


def _recommendation(outcome: HookOutcome) -> RecommendationType | None:
    card = outcome.rendered
    if card is None:
        return None
    if outcome.system_actions:
        return RecommendationType.SYSTEM_ACTION
    if card.suggestions:
        return RecommendationType.SUGGESTION
    apps = any(link.type == "smart" for link in card.links)
    return RecommendationType.APP if apps else RecommendationType.INFORMATION


def _inputs(
    release: ReleasePlan | None, vector: FeatureVector | None, prediction: Prediction | None
) -> tuple[InputFact, ...]:
    if release is None or vector is None:
        return ()
    filled = prediction.inputs.filled if prediction is not None else ()
    clipped = prediction.inputs.clipped if prediction is not None else ()
    facts = []
    for spec in release.extractor.schema.features:
        feature = vector.values[spec.name]
        value = feature.value
        facts.append(
            InputFact(
                spec.name,
                feature.mark,
                bisect_right(spec.bins, value) if spec.bins and isinstance(value, float | int) else None,
                age_step(feature.age) if feature.age is not None else None,
                spec.name in filled,
                spec.name in clipped,
                feature.late,
            )
        )
    return tuple(facts)
