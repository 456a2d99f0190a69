"""THE SPINE: one hook call, from request to outcome, one line a step.

    snapshot ─► off? ─► gather ─► locate ─► assign ─► extract ─► may we? ─► predict ─► should we? ─► render
             ─► still allowed?

The first step that ends the call names its reason. Each step has one home: context, flags, features,
decisions, inference, cards; this file only says in what order they happen.
"""

import dataclasses
from collections.abc import Awaitable, Callable, Mapping

from wardgate.domain.cards.render import CardFacts, render
from wardgate.domain.context.caller import Caller, CompiledAttribute, locate
from wardgate.domain.context.record import PatientRecord
from wardgate.domain.decisions.decide import may_we, should_we
from wardgate.domain.decisions.decision import Decision
from wardgate.domain.errors import ModelUnavailable
from wardgate.domain.features.vector import FeatureVector
from wardgate.domain.flags import Assignment, Snapshot, assign
from wardgate.domain.hooks import HookCall
from wardgate.domain.inference.prediction import Prediction, inputs_of, prediction_of
from wardgate.domain.outcomes import Arm, Mode, Outcome, Reason, Step
from wardgate.domain.plans import ReleasePlan
from wardgate.gateway.model_call import ModelRequest
from wardgate.gateway.outcome import HookOutcome
from wardgate.gateway.ports import Clock, Snapshots
from wardgate.gateway.probes import ProvenModel

Gather = Callable[[HookCall], Awaitable[PatientRecord]]


class HookFlow:
    def __init__(
        self,
        snapshots: Snapshots,
        gather: Gather,
        attributes: Mapping[str, CompiledAttribute],
        models: Mapping[str, ProvenModel],
        clock: Clock,
    ) -> None:
        """`models` by release digest: the model stack of that release, behind the proof that it is the pinned one."""
        self._snapshots = snapshots
        self._gather = gather
        self._attributes = attributes
        self._models = models
        self._clock = clock

    async def __call__(self, call: HookCall) -> HookOutcome:
        snapshot = self._snapshots.current()
        if snapshot.rollouts[call.plan.id].mode is Mode.OFF:
            return HookOutcome(call, Reason.OFF, assignment=_off(snapshot, call))
        record = await self._gather(call)
        self._stage(call, "gather")
        caller = locate(call.request, record, self._attributes)
        assignment = assign(snapshot, call.plan.id, call.plan.hook, caller, call.plan.names_sites)
        release = call.plan.releases[assignment.release]
        partial = HookOutcome(call, Reason.SHADOW, Step.NONE, assignment, release, caller, record)
        if assignment.mode is Mode.SHADOW:
            return partial  # the model is asked after the response, never on its path (law 7)
        vector = release.extractor.extract(record, call.now, call.request.client.zone)
        self._stage(call, "extract")
        return await self._decide(partial, release, caller, record, vector)

    async def _decide(
        self,
        partial: HookOutcome,
        release: ReleasePlan,
        caller: Caller,
        record: PatientRecord,
        vector: FeatureVector,
    ) -> HookOutcome:
        call, rules = partial.call, release.rules
        prediction: Prediction | None = None
        decision = may_we(rules, vector, call.request.user_type, record.wrong_patient)
        if decision is None:
            try:
                prediction = await self._predict(call, release, vector)
            except ModelUnavailable as error:
                # Where the fallback ladder begins; without one, what is not available is not shown.
                decision = Decision(error.reason)
            else:
                decision = should_we(rules, vector, prediction, caller.site)
            self._stage(call, "predict")
        outcome = dataclasses.replace(
            partial,
            reason=decision.reason,
            step=Step.MODEL if prediction is not None else Step.NONE,
            vector=vector,
            prediction=prediction,
            decision=decision,
        )
        return self._still_allowed(self._rendered(outcome, release, decision, vector, prediction))

    async def _predict(self, call: HookCall, release: ReleasePlan, vector: FeatureVector) -> Prediction:
        inputs = inputs_of(vector, release.endpoint.inputs)
        reply = await self._models[release.digest](ModelRequest(release.endpoint, inputs, call.expires))
        return prediction_of(reply, inputs, release.endpoint.inputs, release.score_range, release.calibration)

    def _rendered(
        self,
        outcome: HookOutcome,
        release: ReleasePlan,
        decision: Decision,
        vector: FeatureVector,
        prediction: Prediction | None,
    ) -> HookOutcome:
        if outcome.outcome not in (Outcome.SHOWN, Outcome.DEFERRED):
            return outcome
        call = outcome.call
        facts = CardFacts(
            decision_id=call.decision_id,
            decision=decision,
            vector=vector,
            prediction=prediction,
            step=outcome.step,
            computed_at=call.now,
            zone=call.request.client.zone,
        )
        card = render(release.card, facts)
        self._stage(call, "render")
        return dataclasses.replace(outcome, rendered=card)

    def _still_allowed(self, outcome: HookOutcome) -> HookOutcome:
        """Visibility is read again just before a card leaves; only a change hides, none can newly show."""
        before, caller = outcome.assignment, outcome.caller
        assert before is not None and caller is not None
        if before.withheld is None:
            newest = self._snapshots.current()
            if newest.epoch != before.epoch and not _same(newest, before, outcome.call, caller):
                hidden = Assignment(newest.epoch, before.release, before.mode, before.arm, Reason.HIDDEN_SNAPSHOT)
                outcome = dataclasses.replace(outcome, assignment=hidden)
        withheld = outcome.assignment.withheld if outcome.assignment is not None else None
        if outcome.outcome is Outcome.SHOWN and withheld is not None:
            return dataclasses.replace(outcome, reason=withheld)
        return outcome

    def _stage(self, call: HookCall, name: str) -> None:
        call.stages.append((name, self._clock.monotonic()))


def _off(snapshot: Snapshot, call: HookCall) -> Assignment:
    return Assignment(snapshot.epoch, snapshot.rollouts[call.plan.id].champion, Mode.OFF, Arm.NONE, Reason.OFF)


def _same(newest: Snapshot, before: Assignment, call: HookCall, caller: Caller) -> bool:
    if newest.rollouts[call.plan.id].mode is Mode.OFF:
        return False
    now = assign(newest, call.plan.id, call.plan.hook, caller, call.plan.names_sites)
    return now.withheld is None and now.release == before.release
