"""Why a replica shows nothing."""

from enum import StrEnum


class Hidden(StrEnum):
    STARTING = "starting"
    """It has not read what is decided yet, and has no sound file of its own."""
    LEASE = "lease"
    """It could not read what is decided for longer than `snapshot.lease`."""
    REWOUND = "rewound"
    """The durable store is older than it was: a backup was put back, or it is another one."""
    FORGED = "forged"
    """What stands in the durable store was not written by this deployment, or cannot be read by this version."""
    FORGOTTEN = "forgotten"
    """Somebody said that it is gone: no change waits for it. It shows again once it has registered anew."""
    HOT_FORGED = "hot_forged"
    HOT_REPLAYED = "hot_replayed"
    HOT_FLUSHED = "hot_flushed"
    """A lowering that stood in the hot copy alone may be gone with it."""
