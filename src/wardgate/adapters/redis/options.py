"""How long a hot store in Redis is waited for, and how much may wait for it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RedisHotOptions:
    wait: float = 0.010
    """Seconds that a call waits at most, for the exchange that is under way before its own included."""
    pause: float = 1.0
    """Seconds between two attempts to reach a store that is down."""
    connect: float = 1.0
    """Seconds for connecting, logging in and a first reply; nobody waits for them."""
    write: float = 1.0
    """Seconds for a batch of writes; nobody waits for them."""
    waiting: int = 10_000
    """Writes that may wait; the oldest is dropped for a newer one."""
    waiting_bytes: int = 16 * 1024**2
    """Bytes of their values together."""
    max_value: int = 64 * 1024
    """Bytes of one value; a larger one is neither written nor taken."""
    batch: int = 64
    """Writes in one batch."""
    gather: float = 0.005
    """Seconds that a write waits for others to go with: a round trip costs the same for twenty as for one."""
