"""What a hot store tells of itself, as names from a closed list."""

from collections.abc import Callable
from enum import StrEnum


class HotEvent(StrEnum):
    HIT = "hit"
    MISS = "miss"
    DOWN = "down"
    """A read or a claim that got no answer: the call went on without."""
    DROPPED = "dropped"
    """A write that did not take place."""
    EVICTED = "evicted"
    """Of the store in process: a value that went for a newer one before its time."""
    FORGED = "forged"
    """A value that this deployment did not write there; it counts as a miss besides."""


HotTold = Callable[[HotEvent, int], None]
"""Hears what happened, and how many times."""
