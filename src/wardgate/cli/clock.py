"""The clock that a command reads."""

import time
from datetime import UTC, datetime


def now() -> float:
    """Epoch seconds."""
    return time.time()  # noqa: TID251 - a command reads the clock


def today() -> str:
    """As 2027-05-01, UTC's."""
    return datetime.fromtimestamp(now(), UTC).date().isoformat()
