"""From an outcome to its record: closed names, steps and bins; never a value of the patient (law 4)."""

from bisect import bisect_right
from collections.abc import Callable, Iterable

from wardgate.domain import record_names
from wardgate.domain.features.vector import FeatureVector
from wardgate.domain.inference.prediction import Prediction
from wardgate.domain.outcomes import OUTCOME_OF, Arm, Mode, Outcome, Reason
from wardgate.domain.plans import ReleasePlan
from wardgate.domain.record_names import Named, RecordNames
from wardgate.domain.records import (
    Action,
    DecisionRecord,
    ErrorCode,
    EventType,
    InputFact,
    RecommendationType,
    age_step,
)
from wardgate.domain.rollout.rollouts import By
from wardgate.gateway.call import HookCall, Traces, milliseconds
from wardgate.gateway.outcome import HookOutcome
from wardgate.gateway.ports import Clock, Fingerprints


class Recorder:
    """Makes the records of one configuration. The parts that a call and its shadow share are made once."""

    def __init__(
        self,
        names: RecordNames,
        prints: Fingerprints,
        clock: Clock,
        environment: str | None = None,
        config_digest: str | None = None,
        shown: Callable[[str, Named], None] | None = None,
    ) -> None:
        """`shown` hears of each patient for whom a card leaves (`left`): pseudonym, and whom it stands for."""
        self._names = names
        self._prints = prints
        self._clock = clock
        self._environment = environment
        self._config_digest = config_digest
        self._shown = shown

    def record(self, outcome: HookOutcome) -> DecisionRecord:
        """Of the answer to a call."""
        return self._record(outcome, EventType.DECISION, None)

    def shadow(self, outcome: HookOutcome, of: str) -> DecisionRecord:
        """Of what another release would have answered; `of` is the decision that it stands beside."""
        return self._record(outcome, EventType.SHADOW, of)

    def left(self, outcome: HookOutcome, record: DecisionRecord) -> None:
        """The record stands, so its card leaves. Nobody is treated by a preview."""
        if self._shown is None or record.patient is None or outcome.preview:
            return
        request = outcome.call.request
        whose = record_names.patient(request.client.name, request.fhir_server, request.patient_id)
        self._shown(record.patient, whose)

    def _record(self, outcome: HookOutcome, event: EventType, of: str | None) -> DecisionRecord:
        call, assignment, release, decision = outcome.call, outcome.assignment, outcome.release, outcome.decision
        caller, card, cards, plan = outcome.caller, outcome.rendered, outcome.cards, outcome.call.plan
        fallback = decision.fallback if decision is not None else None
        traces = call.memory.traces or self._traces(call)
        inputs = _inputs(release, outcome.vector, outcome.prediction)
        reply, call.memory.reply = call.memory.reply, b""
        return DecisionRecord(
            decision_id=call.decision_id,
            at=call.now,
            service_id=plan.id,
            hook=plan.hook,
            client=call.request.client.name,
            outcome=outcome.outcome,
            reason=outcome.reason,
            step=outcome.step,
            mode=assignment.mode if assignment is not None else Mode.NONE,
            arm=assignment.arm if assignment is not None else Arm.NONE,
            visible=bool(cards),
            event_type=event,
            of=of,
            environment=self._environment,
            workflow_id=f"{plan.id}/{plan.hook}",
            model_name=release.model if release is not None else None,
            model_version=release.version if release is not None else None,
            release_digest=release.digest if release is not None else None,
            config_digest=self._config_digest,
            feature_schema_version=release.schema_version if release is not None else None,
            snapshot_epoch=assignment.epoch if assignment is not None else None,
            patient=traces.patient,
            encounter=traces.encounter,
            user=traces.user,
            hook_instance=traces.hook_instance,
            site_id=caller.site if caller is not None else None,
            unit=caller.unit if caller is not None else None,
            specialty=caller.specialty if caller is not None else None,
            encounter_type=caller.encounter_type if caller is not None else None,
            user_role=caller.role if caller is not None else None,
            score=_score(outcome),
            threshold=decision.threshold if decision is not None else None,
            band=decision.band.name if decision is not None and decision.band is not None else None,
            question=decision.question if decision is not None else None,
            fallback_from=fallback.reason if fallback is not None else None,
            rule=fallback.rule if fallback is not None else None,
            error_codes=_error_codes(outcome, inputs),
            inputs=inputs,
            dropped={str(cause): count for cause, count in outcome.record.dropped.items()} if outcome.record else {},
            action=_action(outcome) if cards else Action.NONE,
            card_uuids=(card.uuid,) if card is not None else (),
            suggestion_uuids=tuple([suggestion.uuid for suggestion in card.suggestions]) if card is not None else (),
            recommendation_type=_recommendation(outcome),
            system_actions=len(outcome.system_actions),
            request_print=traces.request_print,
            resources_print=traces.resources_print,
            reply_print=self._prints.of(reply) if reply else None,
            stages_ms=call.stages_ms(),
            latency_ms=milliseconds(self._clock.monotonic() - call.started),
            cache_age_s=_cache_age(outcome),
            repeats=outcome.repeats,
            bucket=assignment.bucket if assignment is not None else None,
            bucket_by=assignment.bucket_by if assignment is not None else By.PATIENT,
        )

    def _traces(self, call: HookCall) -> Traces:
        request, name = call.request, self._names.of
        client, server, encounter = request.client.name, request.fhir_server, request.encounter_id
        kind, user = request.user_type, request.user_id
        traces = Traces(
            name(record_names.patient(client, server, request.patient_id)),
            None if encounter is None else name(record_names.encounter(client, server, encounter)),
            None if kind is None or user is None else name(record_names.user(client, server, kind, user)),
            name(record_names.hook_instance(client, request.hook_instance)),
            self._prints.of(call.body),
            resources_print(call.memory.reads, self._prints) if call.memory.reads else None,
        )
        call.memory.traces, call.memory.reads = traces, []
        return traces


def resources_print(reads: Iterable[tuple[str, bytes]], prints: Fingerprints) -> str:
    """Of URLs and what came from them, in no order: they are read side by side."""
    return prints.of("".join(sorted([prints.of(b"%b\n%b" % (url.encode(), body)) for url, body in reads])).encode())


def _action(outcome: HookOutcome) -> Action:
    match outcome.outcome:
        case Outcome.UNAVAILABLE:
            return Action.NOTICE
        case Outcome.DEFERRED:
            return Action.DEFERRAL
        case _:
            return Action.CARD


def _error_codes(outcome: HookOutcome, inputs: Iterable[InputFact]) -> tuple[ErrorCode, ...]:
    fallback = outcome.decision.fallback if outcome.decision is not None else None
    failed = outcome.reason if fallback is None else fallback.reason
    codes = []
    for fact in inputs:
        if fact.mark is not None and ErrorCode.MISSING_INPUT not in codes:
            codes.append(ErrorCode.MISSING_INPUT)
        if fact.late and ErrorCode.INTERFACE_DELAY not in codes:
            codes.append(ErrorCode.INTERFACE_DELAY)
    if fallback is not None:
        codes.append(ErrorCode.FALLBACK)
    if failed in _MODEL_FAILED:
        codes.append(ErrorCode.MODEL)
    return tuple(codes)


_NOT_THE_MODEL = frozenset({Reason.CONTEXT_UNAVAILABLE, Reason.INTERNAL, Reason.DEADLINE, Reason.RELEASE_ABSENT})
_MODEL_FAILED = frozenset(
    [reason for reason in Reason if OUTCOME_OF[reason] is Outcome.UNAVAILABLE and reason not in _NOT_THE_MODEL]
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
