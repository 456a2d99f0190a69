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
    REFUSED = "refused"
    """A write or a claim that the store answered and did not carry out; it counts as dropped or down besides."""
    FORGED = "forged"
    """A value that this deployment did not write there; it counts as a miss besides."""


class HotState(StrEnum):
    UP = "up"
    DOWN = "down"
    NO_ACCESS = "no_access"
    """It answers, and lets us not in, or not read."""
    REFUSES_WRITES = "refuses_writes"
    """It gives what it has, and takes nothing."""


class Refusal(StrEnum):
    """Why a store does not carry out what it understood."""

    MEMORY = "memory"
    READ_ONLY = "read_only"
    """It is a replica."""
    RIGHT = "right"
    """The user has none to this."""
    DISK = "disk"
    """It is told to keep everything on a disk, and cannot."""
    REPLICAS = "replicas"
    """It is told to write only where enough replicas follow."""
    OTHER = "other"


HotTold = Callable[[HotEvent, int], None]
"""Hears what happened, and how many times."""
