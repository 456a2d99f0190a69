"""An event loop whose time is made of the work that is done in it: overload without a clock and without noise.

`work` is a piece of the processor's time: nothing else happens meanwhile, as in a real loop. While nothing is ready,
time leaps to the next timer.
"""

import asyncio
import selectors
from collections.abc import Coroutine


class _Leap(selectors.SelectSelector):
    now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            raise RuntimeError("everybody waits, and nothing will happen any more")
        self.now += max(timeout, 0.0)
        return []


class VirtualLoop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self._leap = _Leap()
        super().__init__(self._leap)

    def time(self) -> float:
        return self._leap.now

    def work(self, seconds: float) -> None:
        self._leap.now += seconds


def run(loop: VirtualLoop, main: Coroutine[None, None, None]) -> None:
    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        runner.run(main)
