"""What a spool tells of itself: names for metrics and health, from closed lists."""

from collections.abc import Callable
from enum import StrEnum


class SpoolEvent(StrEnum):
    LATE = "late"
    """Records that were not acknowledged in time, so that their card was withheld."""
    LOST = "lost"
    """Entries that the spool did not take; no card left with them."""
    DELIVERED = "delivered"
    """Entries that the store has."""
    REWRITTEN = "rewritten"
    """Entries that were written once more, since a flush failed that they were not on the disk before."""
    QUARANTINED = "quarantined"
    """Entries that the store refuses, set aside."""
    DROPPED = "dropped"
    """Refused entries for which the quarantine had no room."""
    UNREADABLE = "unreadable"
    """Segments that the disk does not give back, set aside."""
    DAMAGED = "damaged"
    """Places of a segment that are no entry, though entries follow: bytes have changed."""
    TORN = "torn"
    """Segments whose last entry is not whole: the process or the machine ended while it was written."""


SpoolTold = Callable[[SpoolEvent, int], None]


class SpoolState(StrEnum):
    UP = "up"
    FULL = "full"
    """The limit is reached, or the disk nearly full."""
    STUCK = "stuck"
    """The disk takes its time, or does not answer at all."""
    FAILED = "failed"
    """The last write was refused, or the last flush."""
