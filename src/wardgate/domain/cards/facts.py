"""What one card is made from, besides its plan."""

from collections.abc import Mapping
from zoneinfo import ZoneInfo

import msgspec

from wardgate.domain.decisions.decision import Decision
from wardgate.domain.features.vector import FeatureVector
from wardgate.domain.inference.prediction import Prediction
from wardgate.domain.outcomes import Outcome, Step


class CardFacts(msgspec.Struct, frozen=True, gc=False):
    """One decided call. Given the same facts, `render` gives the same card, byte for byte (law 5).

    `computed_at` is the call's clock in epoch seconds, of a cached score that of its computation; `step_age` is then
    its age in seconds. `zone` is the client's, for the dates that a clinician reads. `ordinal` tells several cards
    of one decision apart. `visible`: whoever asked sees this card, as care and not as a preview; unless it is said,
    nobody does. `preview`: it is one, and says so at its head. `tokens` are the ids of the hook's context
    (`HookRequest.tokens`), for the resources of actions.
    """

    decision_id: str
    decision: Decision
    vector: FeatureVector
    prediction: Prediction | None
    computed_at: float
    zone: ZoneInfo
    step: Step = Step.MODEL
    step_age: float | None = None
    ordinal: int = 0
    visible: bool = False
    preview: bool = False
    tokens: Mapping[str, str] = {}

    @property
    def acts(self) -> bool:
        """Law 10: only a fresh, determined, visible result of the model carries anything that acts."""
        return (
            self.visible
            and self.step is Step.MODEL
            and self.step_age is None
            and self.prediction is not None
            and self.decision.outcome is Outcome.SHOWN
        )
