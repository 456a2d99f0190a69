"""What became of a patient after a decision: the rule of a service by which an outcome is joined to it.

    decision ├──────────── within ────────────┤
             │  first one that happened: 1     │ known until here not to have: 0      else: not known yet

What happened before the decision was no outcome of it, so such a patient counts for nothing. The rule is outside of the
release digest: it decides how a release is judged, and nothing that is shown.
"""

from collections.abc import Sequence
from enum import StrEnum

import msgspec


class Take(StrEnum):
    FIRST = "first"  # the value of the first one in the window
    ANY = "any"  # 1 where there is one in the window, whatever its value


class FollowUp(msgspec.Struct, frozen=True):
    label: str
    within: float  # seconds after the decision
    take: Take = Take.FIRST


class Happened(msgspec.Struct, frozen=True):
    """`value` 0: it did not happen until `at`; any other: it did, at `at` (epoch seconds)."""

    value: float
    at: float


def outcome_of(rule: FollowUp, decided_at: float, happened: Sequence[Happened]) -> float | None:
    """The outcome of one decision; None where it is not known, or not known yet."""
    until = decided_at + rule.within
    free_until = decided_at
    first: Happened | None = None
    for each in happened:
        if each.value == 0:
            free_until = max(free_until, each.at)
        elif each.at < decided_at:
            return None
        elif each.at <= until and (first is None or (each.at, each.value) < (first.at, first.value)):
            first = each
    if first is not None:
        return first.value if rule.take is Take.FIRST else 1.0
    return 0.0 if free_until >= until or _later(happened, until) else None


def _later(happened: Sequence[Happened], until: float) -> bool:
    """One that happened after the window did not happen in it."""
    return any(each.value != 0 and each.at > until for each in happened)
