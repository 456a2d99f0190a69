"""Which mode shows more than which."""

from wardgate.domain.outcomes import Mode

RANK = {Mode.NONE: -1, Mode.OFF: 0, Mode.SHADOW: 1, Mode.SILENT: 2, Mode.CANARY: 3, Mode.ACTIVE: 4}
"""Of visibility. What is no mode of a rollout shows nothing."""


def is_lower(one: Mode, other: Mode) -> bool:
    return RANK[one] < RANK[other]


def lower(one: Mode, other: Mode) -> Mode:
    return other if RANK[other] < RANK[one] else one
