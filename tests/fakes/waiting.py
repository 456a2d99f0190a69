"""Until something becomes true that nobody tells: polled, for long enough that a busy machine is no failure."""

import asyncio
import time
from collections.abc import Callable

_SECONDS = 20.0
_PAUSE = 0.005
_NOT_YET = "the condition did not come true in time"


async def until(condition: Callable[[], object], seconds: float = _SECONDS) -> None:
    """In a loop, which goes on meanwhile; AssertionError where it does not become true."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, _NOT_YET
        await asyncio.sleep(_PAUSE)


def wait_for(condition: Callable[[], object], seconds: float = _SECONDS) -> None:
    """Without a loop: what is waited for is another thread's."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, _NOT_YET
        time.sleep(_PAUSE)
