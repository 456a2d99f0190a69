"""The notice: where no card would be read as "screened, negative", a call without an answer says so (law 6).

Also for a call that was cut off or broke before its site was known: whoever would not see a card for certain, sees no
notice either.
"""

from collections.abc import Mapping

import msgspec

from wardgate.domain.cards.facts import CardFacts
from wardgate.domain.cards.render import render_notice
from wardgate.domain.context.caller import CompiledAttribute, locate
from wardgate.domain.context.record import PatientRecord
from wardgate.domain.decisions.decision import Decision
from wardgate.domain.features.vector import FeatureVector
from wardgate.domain.outcomes import Step
from wardgate.domain.record_names import RecordNames
from wardgate.domain.rollout.assignment import Assignment
from wardgate.gateway.assigning import assigned
from wardgate.gateway.call import HookCall
from wardgate.gateway.outcome import HookOutcome
from wardgate.gateway.ports import Snapshots
from wardgate.gateway.recall import Recall

_NOTHING_READ = PatientRecord(None, None, {}, {}, {}, False)


class Notices:
    def __init__(
        self,
        snapshots: Snapshots,
        attributes: Mapping[str, CompiledAttribute],
        recall: Recall,
        names: RecordNames,
    ) -> None:
        self._snapshots = snapshots
        self._attributes = attributes
        self._recall = recall
        self._names = names

    def noticed(self, outcome: HookOutcome) -> HookOutcome:
        """`outcome`, which is unavailable, with its notice where there is one to give."""
        call = outcome.call
        every = call.plan.notice_every
        if every is None:
            return outcome
        assignment = outcome.assignment or self._assigned(call)
        if assignment.closed:
            return outcome
        decided = call.plan.releases.get(assignment.release)
        release = decided or next(iter(call.plan.releases.values()))  # the words of another one are better than silence
        audience = release.rules.audience
        if audience is not None and call.request.user_type not in audience:
            return outcome
        seen = assignment.withheld is None and not assignment.preview
        if seen and self._recall.repetition_of_notice(call, every):
            return outcome
        facts = CardFacts(
            call.decision_id,
            outcome.decision or Decision(outcome.reason),
            FeatureVector({}, None, call.now),
            None,
            call.now,
            call.request.client.zone,
            Step.NONE,
            preview=assignment.preview,
        )
        return msgspec.structs.replace(
            outcome, assignment=assignment, release=decided, rendered=render_notice(release.card, facts)
        )

    def _assigned(self, call: HookCall) -> Assignment:
        """Of a call that was cut off: by who asks, as it was noted, else by what the request says itself, since what
        only the chart can say is not known. The newest rollout decides."""
        caller = call.memory.caller or locate(call.request, _NOTHING_READ, self._attributes)
        return assigned(self._snapshots.current(), call, caller, self._names)
