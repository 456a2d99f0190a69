"""Threads for what blocks. Whoever takes something out of sight waits for nobody: not for those who look at it while a
store hangs, and who fill the threads that all others share."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")

_KNOWN = ThreadPoolExecutor(8, "callers")
_CHANGES = ThreadPoolExecutor(16, "changes")


async def knowing(ask: Callable[[], T]) -> T:
    """For finding out who calls, which is bounded in time."""
    return await asyncio.get_running_loop().run_in_executor(_KNOWN, ask)


async def changing(ask: Callable[[], T]) -> T:
    return await asyncio.get_running_loop().run_in_executor(_CHANGES, ask)
