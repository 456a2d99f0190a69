"""Tasks that a test owns, as bootstrap's task group owns them in a gateway."""

import asyncio
from collections.abc import Coroutine
from typing import Any


class Tasks:
    """Meets `resilience.coalesce.Spawn`; `running` are those that have not ended yet."""

    def __init__(self) -> None:
        self.running: set[asyncio.Task[None]] = set()

    def __call__(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work)
        self.running.add(task)
        task.add_done_callback(self.running.discard)
        return task
