"""`HookOutcome`: the one frozen object that records, telemetry and the answer are made from."""

import msgspec

from wardgate.domain.attributes import ClassName
from wardgate.domain.cards.card import Action, Card
from wardgate.domain.context.caller import Caller
from wardgate.domain.context.record import PatientRecord
from wardgate.domain.decisions.decision import Decision
from wardgate.domain.decisions.rules import Show
from wardgate.domain.errors import Refusal
from wardgate.domain.features.vector import FeatureVector
from wardgate.domain.inference.prediction import Prediction
from wardgate.domain.outcomes import OUTCOME_OF, Outcome, Reason, Step
from wardgate.domain.plans import ReleasePlan
from wardgate.domain.rollout.assignment import Assignment
from wardgate.gateway.call import HookCall

_SHOWS = frozenset({Outcome.SHOWN, Outcome.UNAVAILABLE})
"""With a card, where one was rendered."""


class HookOutcome(msgspec.Struct, frozen=True):
    """How a call ended and what it ended with. `rendered` is the card as computed; `cards` is what leaves.
    In the same way `proposed` and `system_actions`. `repeats` is the decision whose answer this is once more. `fault`
    is the class of an exception that nobody expected.

    The parts after `step` are None where the call ended before they existed.
    """

    call: HookCall
    reason: Reason
    step: Step = Step.NONE
    assignment: Assignment | None = None
    release: ReleasePlan | None = None
    caller: Caller | None = None
    record: PatientRecord | None = None
    vector: FeatureVector | None = None
    prediction: Prediction | None = None
    decision: Decision | None = None
    rendered: Card | None = None
    refusal: Refusal | None = None
    proposed: tuple[Action, ...] = ()
    repeats: str | None = None
    fault: ClassName | None = None

    @property
    def outcome(self) -> Outcome:
        return OUTCOME_OF[self.reason]

    @property
    def preview(self) -> bool:
        """Its card is for looking at, and counts nowhere."""
        return self.assignment is not None and self.assignment.preview

    @property
    def cards(self) -> tuple[Card, ...]:
        """A card leaves only from a shown outcome, or a deferral that its rule shows, or as the notice that there is
        none, and only where visible."""
        if self.rendered is None or self.assignment is None or self.assignment.withheld is not None:
            return ()
        outcome = self.outcome
        if outcome in _SHOWS:
            return (self.rendered,)
        if outcome is Outcome.DEFERRED and self.decision is not None and self.decision.show is Show.CARD:
            return (self.rendered,)
        return ()

    @property
    def system_actions(self) -> tuple[Action, ...]:
        """They leave beside a shown score's card, or not at all (law 10)."""
        acts = self.proposed and self.outcome is Outcome.SHOWN and not self.preview and self.cards
        return self.proposed if acts else ()
