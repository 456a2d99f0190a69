"""The cheap timer ends as `asyncio.timeout` does; both are asked the same."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import pytest

from wardgate.resilience.timer import Timer

Bound = Callable[[float], AbstractAsyncContextManager[object]]


@asynccontextmanager
async def _timer(seconds: float) -> AsyncIterator[None]:
    with Timer(seconds):
        yield


BOTH = pytest.mark.parametrize("bound", [_timer, asyncio.timeout])


@BOTH
async def test_what_ends_in_time_is_untouched(bound: Bound) -> None:
    """No cancellation comes after it, and none is left behind."""
    async with bound(0.01):
        await asyncio.sleep(0)
    await asyncio.sleep(0.02)
    task = asyncio.current_task()
    assert task is not None and not task.cancelling()


@BOTH
@pytest.mark.parametrize("seconds", [0.01, 0.0, -1.0])
async def test_what_does_not_end_in_time_is_cancelled(bound: Bound, seconds: float) -> None:
    """Also where the time is up before it begins; then the task goes on as if nothing had been."""
    with pytest.raises(TimeoutError):
        async with bound(seconds):
            await asyncio.Event().wait()
    task = asyncio.current_task()
    assert task is not None and not task.cancelling()


@BOTH
@pytest.mark.parametrize("seconds", [0.0, 60.0])
async def test_another_cancellation_goes_before(bound: Bound, seconds: float) -> None:
    """A task that somebody ends is not taken for one that was slow, also where both come at once."""
    started = asyncio.Event()

    async def work() -> None:
        async with bound(seconds):
            started.set()
            await asyncio.Event().wait()

    task = asyncio.get_running_loop().create_task(work())
    await started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


@BOTH
async def test_its_own_error_passes_through(bound: Bound) -> None:
    """What the work itself raises is what its caller sees."""
    with pytest.raises(KeyError):
        async with bound(60.0):
            raise KeyError


@BOTH
async def test_the_inner_one_of_two_speaks_for_itself(bound: Bound) -> None:
    """The outer time goes on."""
    async with bound(60.0):
        with pytest.raises(TimeoutError):
            async with bound(0.01):
                await asyncio.Event().wait()
        await asyncio.sleep(0)
