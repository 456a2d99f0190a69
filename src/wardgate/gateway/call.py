"""A hook request on its way through the gateway: with its id, its clock and its time budget."""

from dataclasses import dataclass, field

from wardgate.domain.hooks import HookRequest
from wardgate.domain.plans import ServicePlan
from wardgate.gateway.budget import Budget


@dataclass(frozen=True, slots=True)
class HookCall:
    """`now` is the wall clock of the call in epoch seconds, the only "now" that anything computed uses.

    `budget` says how long each part of it may take. `stages` collects the end of each stage as (name, monotonic
    seconds), for records and telemetry; nothing decides by it.
    """

    request: HookRequest
    plan: ServicePlan
    decision_id: str
    now: float
    budget: Budget
    stages: list[tuple[str, float]] = field(default_factory=list, compare=False, repr=False)

    @property
    def started(self) -> float:
        return self.budget.started

    def stages_ms(self) -> dict[str, float]:
        """Milliseconds that each stage took, in their order; the names are the spine's own."""
        durations: dict[str, float] = {}
        before = self.started
        for name, ended in self.stages:
            durations[name] = round((ended - before) * 1000, 3)
            before = ended
        return durations
