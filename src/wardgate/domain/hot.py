"""The hot store's own words: where a shared one is, and what each tells of itself."""

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum


@dataclass(frozen=True, slots=True)
class StorePlace:
    """Where a shared store is, and as whom to come. `ca`, `certificate` and `key` are files, for TLS alone."""

    host: str
    port: int = 6379
    database: int = 0
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    tls: bool = False
    ca: str | None = None
    certificate: str | None = None
    key: str | None = None


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
