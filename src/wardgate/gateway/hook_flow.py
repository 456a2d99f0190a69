"""THE SPINE: one hook call, from request to outcome, one line a step.

    snapshot ─► off or shadow? ─► gather ─► locate ─► assign ─► extract ─► may we? ─► predict ─► should we?
             ─► ladder, if unavailable ─► still allowed? ─► suppress? ─► render

The first step that ends the call names its reason. Each step has one home: context, flags, features,
decisions, inference, cards; this file only says in what order they happen. In shadow it begins with extract, after the
response, and ends without a ladder: what is judged there is the model.
"""

from collections.abc import Awaitable, Callable, Mapping

import msgspec

from wardgate.domain.cards.card import Action, Card
from wardgate.domain.cards.facts import CardFacts
from wardgate.domain.cards.render import render_whole
from wardgate.domain.context.caller import Caller, CompiledAttribute, locate
from wardgate.domain.context.record import PatientRecord
from wardgate.domain.decisions.decide import may_we, should_we
from wardgate.domain.decisions.decision import Decision
from wardgate.domain.decisions.ladder import fall_back
from wardgate.domain.decisions.rules import Show
from wardgate.domain.errors import ModelUnavailable
from wardgate.domain.features.vector import FeatureVector
from wardgate.domain.inference.endpoint import ModelReply
from wardgate.domain.inference.prediction import ModelInputs, Prediction, inputs_of, prediction_of
from wardgate.domain.outcomes import Mode, Outcome, Reason, Stage, Step
from wardgate.domain.plans import ReleasePlan
from wardgate.domain.record_names import RecordNames
from wardgate.domain.rollout.assignment import Assignment, beside, closed
from wardgate.domain.rollout.rollouts import Snapshot
from wardgate.gateway.assigning import assigned, in_shadow
from wardgate.gateway.call import HookCall
from wardgate.gateway.model_call import ModelRequest, subject_of
from wardgate.gateway.outcome import HookOutcome
from wardgate.gateway.ports import Clock, Meter, Snapshots
from wardgate.gateway.recall import Recall
from wardgate.resilience.stack import Handler

Gather = Callable[[HookCall], Awaitable[PatientRecord]]


class HookFlow:
    def __init__(
        self,
        snapshots: Snapshots,
        gather: Gather,
        attributes: Mapping[str, CompiledAttribute],
        models: Mapping[str, Handler[ModelRequest, ModelReply]],
        clock: Clock,
        meter: Meter,
        recall: Recall,
        names: RecordNames,
    ) -> None:
        """`models` by release digest: the model stack of that release, behind the proof that it is the pinned one."""
        self._snapshots = snapshots
        self._gather = gather
        self._attributes = attributes
        self._models = models
        self._clock = clock
        self._meter = meter
        self._recall = recall
        self._names = names
        self._site_is_read = "site" in attributes

    async def __call__(self, call: HookCall) -> HookOutcome:
        snapshot = self._snapshots.current()
        shut = closed(snapshot, call.plan.id, call.now, None if self._site_is_read else call.request.client.site)
        if shut is not None:  # shadow: its model is asked after the response, so nothing is done on the path (law 7)
            return HookOutcome(call, _why(shut), assignment=shut)
        record = await self._gather(call)
        self._stage(call, Stage.GATHER)
        caller = locate(call.request, record, self._attributes)
        call.memory.caller = caller
        assignment = assigned(snapshot, call, caller, self._names)
        if assignment.closed:  # at this site
            return HookOutcome(call, _why(assignment), assignment=assignment, caller=caller, record=record)
        release = call.plan.releases.get(assignment.release)
        if release is None:
            return HookOutcome(call, Reason.RELEASE_ABSENT, assignment=assignment, caller=caller)
        vector = self._extract(call, release, record)
        if not beside(snapshot, call.plan.id, assignment.release):
            record = _without_chart(call, record)
        prediction, decision = await self._decide(call, release, vector, record.wrong_patient, caller)
        step = _step(decision, prediction)
        withheld = self._withheld(call, snapshot, assignment, caller)
        if decision.outcome is Outcome.SHOWN and withheld is None and not assignment.preview:
            if self._recall.repetition(call, release, decision, step, caller.site):
                decision = msgspec.structs.replace(decision, reason=Reason.REPEATED)
        rendered, proposed = self._render(call, assignment, release, decision, vector, prediction)
        return HookOutcome(
            call,
            withheld if withheld is not None and decision.outcome is Outcome.SHOWN else decision.reason,
            step,
            assignment if withheld is assignment.withheld else msgspec.structs.replace(assignment, withheld=withheld),
            release,
            caller,
            record,
            vector,
            prediction,
            decision,
            rendered,
            proposed=proposed,
        )

    async def in_shadow(
        self, call: HookCall, release: ReleasePlan, record: PatientRecord, caller: Caller, epoch: int
    ) -> HookOutcome:
        """What a release would have answered; nobody sees it."""
        assignment = in_shadow(self._snapshots.current(), call, caller, release.digest, epoch)
        vector = self._extract(call, release, record)
        prediction, decision = await self._decide(call, release, vector, record.wrong_patient, caller, live=False)
        rendered, _ = self._render(call, assignment, release, decision, vector, prediction)
        return HookOutcome(
            call,
            Reason.SHADOW if decision.outcome is Outcome.SHOWN else decision.reason,
            _step(decision, prediction),
            assignment,
            release,
            caller,
            record,
            vector,
            prediction,
            decision,
            rendered,
        )

    def _extract(self, call: HookCall, release: ReleasePlan, record: PatientRecord) -> FeatureVector:
        vector = release.extractor.extract(record, call.now, call.request.client.zone)
        self._stage(call, Stage.EXTRACT)
        return vector

    async def _decide(
        self,
        call: HookCall,
        release: ReleasePlan,
        vector: FeatureVector,
        wrong_patient: bool,
        caller: Caller,
        live: bool = True,
    ) -> tuple[Prediction | None, Decision]:
        """From may we to the ladder. Not `live`: without a ladder, and counted elsewhere."""
        prediction: Prediction | None = None
        decision = may_we(release.rules, vector, call.request.user_type, wrong_patient)
        if decision is None:
            try:
                prediction = await self._predict(call, release, vector, live)
            except ModelUnavailable as error:
                decision = Decision(error.reason)
            else:
                decision = should_we(release.rules, vector, prediction, caller.site)
            self._stage(call, Stage.PREDICT)
        if decision.outcome is Outcome.UNAVAILABLE and live:
            last = self._recall.last_score(call, release, vector, caller.site)
            decision = fall_back(release.ladder, decision, release.rules, vector, last, caller.site)
        return prediction, decision

    async def _predict(self, call: HookCall, release: ReleasePlan, vector: FeatureVector, live: bool) -> Prediction:
        inputs = inputs_of(vector, release.endpoint.inputs)
        traceparent = None if call.trace is None else call.trace.traceparent
        reply = await self._models[release.digest](
            ModelRequest(release.endpoint, inputs, call.budget.model, subject_of(call.request), traceparent)
        )
        call.memory.reply = reply.body
        if live:
            self._count(release, inputs, reply)
        return prediction_of(reply, inputs, release.endpoint.inputs, release.score_range, release.calibration)

    def _count(self, release: ReleasePlan, inputs: ModelInputs, reply: ModelReply) -> None:
        for name in inputs.filled:
            self._meter.input_adjusted(release.model, name, "filled")
        for name in inputs.clipped:
            self._meter.input_adjusted(release.model, name, "clipped")
        if reply.contributions is None and release.endpoint.contributions is not None:
            self._meter.contributions_absent(release.model, release.version)

    def _render(
        self,
        call: HookCall,
        assignment: Assignment,
        release: ReleasePlan,
        decision: Decision,
        vector: FeatureVector,
        prediction: Prediction | None,
    ) -> tuple[Card | None, tuple[Action, ...]]:
        """The card of a decision that has one, also where nobody may see it: silent is rendered and recorded.
        Beside it what the EHR shall do by itself, for a client that takes it."""
        if decision.outcome is not Outcome.SHOWN and decision.show is not Show.CARD:
            return None, ()
        fallback = decision.fallback
        computed_at = None if fallback is None else fallback.computed_at
        facts = CardFacts(
            call.decision_id,
            decision,
            vector,
            prediction,
            call.now if computed_at is None else computed_at,
            call.request.client.zone,
            _step(decision, prediction),
            None if computed_at is None else max(call.now - computed_at, 0.0),
            visible=assignment.withheld is None and not assignment.preview,
            preview=assignment.preview,
            tokens=call.request.tokens,
        )
        rule = None if fallback is None else fallback.rule
        plan = release.card if rule is None else release.rule_cards[rule]
        card, proposed, foreign = render_whole(plan, facts, call.request.client.system_actions)
        if foreign:
            self._meter.resource_dropped("foreign_action", foreign)
        self._stage(call, Stage.RENDER)
        return card, proposed

    def _withheld(self, call: HookCall, then: Snapshot, before: Assignment, caller: Caller) -> Reason | None:
        """Visibility is read again just before a card leaves; a change can hide, and none can newly show. A ceiling may
        have come without a new epoch, so it is the snapshot itself that must be the same."""
        if before.withheld is not None:
            return before.withheld
        newest = self._snapshots.current()
        if newest is then:
            return None
        now = assigned(newest, call, caller, self._names)
        same = now.withheld is None and (now.release, now.arm) == (before.release, before.arm)
        return None if same else Reason.HIDDEN_SNAPSHOT

    def _stage(self, call: HookCall, name: Stage) -> None:
        call.stages.append((name, self._clock.monotonic()))


def _without_chart(call: HookCall, record: PatientRecord) -> PatientRecord:
    """Nobody reads the chart any more, and while the model works those of other calls need the processor's caches:
    with 64 calls in flight this saves a tenth of all."""
    call.request.prefetch.clear()
    return record.without_chart()


def _why(shut: Assignment) -> Reason:
    return Reason.SHADOW if shut.mode is Mode.SHADOW else Reason.OFF


def _step(decision: Decision, prediction: Prediction | None) -> Step:
    if decision.fallback is not None:
        return decision.fallback.step
    return Step.MODEL if prediction is not None else Step.NONE
