"""Until something becomes true that nobody tells: polled, for long enough that a busy machine is no failure."""

import asyncio
import time
from collections.abc import Awaitable, Callable

_SECONDS = 60.0
_PAUSE = 0.005
_NOT_YET = "the condition did not come true in time"


async def until(condition: Callable[[], object], seconds: float = _SECONDS) -> None:
    """In a loop, which goes on meanwhile; AssertionError where it does not become true."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, _NOT_YET
        await asyncio.sleep(_PAUSE)


async def becomes(asked: Callable[[], Awaitable[object]], seconds: float = _SECONDS) -> None:
    """As `until`, of what is asked for."""
    end = time.monotonic() + seconds
    while not await asked():
        assert time.monotonic() < end, _NOT_YET
        await asyncio.sleep(10 * _PAUSE)


def wait_for(condition: Callable[[], object], seconds: float = _SECONDS) -> None:
    """Without a loop: what is waited for is another thread's."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, _NOT_YET
        time.sleep(_PAUSE)
