"""What was decided, and by what."""

import msgspec

from wardgate.domain.decisions.rules import Band, Show
from wardgate.domain.outcomes import OUTCOME_OF, Outcome, Reason


class Decision(msgspec.Struct, frozen=True):
    """`features` name what the reason is about (the missing ones, those that a rule reads); `question` is the
    exclusion, or the number of the `defer` rule counted from 1, that decided."""

    reason: Reason
    show: Show = Show.NONE
    score: float | None = None
    threshold: float | None = None
    band: Band | None = None
    features: tuple[str, ...] = ()
    question: str | None = None

    @property
    def outcome(self) -> Outcome:
        return OUTCOME_OF[self.reason]
