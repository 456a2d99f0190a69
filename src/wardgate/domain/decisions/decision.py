"""What was decided, and by what."""

import msgspec

from wardgate.domain.decisions.rules import Band, Show
from wardgate.domain.outcomes import OUTCOME_OF, Outcome, Reason, Step
from wardgate.domain.scores import Points


class Fallback(msgspec.Struct, frozen=True):
    """Which rung of the ladder answered instead of the model, and why the model could not.

    `rule` is the name of the rule's file, with its `points`. Of a cached score `computed_at` is when the model gave it
    (epoch seconds), and `unchecked` are its inputs that could not be read in this call.
    """

    step: Step
    reason: Reason
    rule: str | None = None
    points: Points | None = None
    computed_at: float | None = None
    unchecked: tuple[str, ...] = ()


class Decision(msgspec.Struct, frozen=True):
    """`features` name what the reason is about (the missing ones, those that a rule reads); `question` is the
    exclusion, or the number of the `defer` rule counted from 1, that decided. `fallback` None: not by the ladder."""

    reason: Reason
    show: Show = Show.NONE
    score: float | None = None
    threshold: float | None = None
    band: Band | None = None
    features: tuple[str, ...] = ()
    question: str | None = None
    fallback: Fallback | None = None

    @property
    def outcome(self) -> Outcome:
        return OUTCOME_OF[self.reason]
