"""One deadline for a call, and how its time is divided.

    started ─ reads of missing prefetch ─► context ─ attempts at the model ─► model ─ ladder ─► work ─ answer ─► expires

Each part ends at its own moment whatever the others took, and hands on what it did not use. The model's part ends
before the work does, so that a hanging model fails as a model, is counted as one, and something can stand in for it.
"""

from dataclasses import dataclass

import msgspec


@dataclass(frozen=True, slots=True)
class BudgetOptions:
    context: float = 0.7
    """Share of the deadline at whose end reads of missing prefetch are cut off, so that the model gets its turn."""
    ladder: float = 0.015
    """Seconds kept back for what stands in for the model, and for the card; at most 15 % of the deadline."""
    answer: float = 0.010
    """Seconds kept back for recording and writing the answer; at most 10 % of the deadline."""

    def __post_init__(self) -> None:
        if not (0 < self.context <= 0.75 and self.ladder > 0 and self.answer > 0):
            raise ValueError("0 < context <= 0.75, ladder and answer above 0")


_DEFAULT = BudgetOptions()


class Budget(msgspec.Struct, frozen=True):
    """Moments of the monotonic clock, in seconds; never one before the one that it follows."""

    started: float
    context: float
    """When reads end."""
    model: float
    """When attempts at the model end."""
    work: float
    """When everything that still works on the call is cancelled."""
    expires: float
    """The deadline."""

    @classmethod
    def of(cls, started: float, deadline: float, options: BudgetOptions = _DEFAULT) -> "Budget":
        expires = started + deadline
        work = expires - min(options.answer, 0.1 * deadline)
        return cls(
            started,
            started + options.context * deadline,
            work - min(options.ladder, 0.15 * deadline),
            work,
            expires,
        )
