"""The deadline and the attempt timeout."""

import asyncio

import pytest

from wardgate.resilience.stack import stack
from wardgate.resilience.timeouts import (
    AttemptTimedOut,
    AttemptTimeoutOptions,
    DeadlineReached,
    NoTimeLeft,
    attempt_timeout,
    deadline,
)


async def _echo(request: float) -> float:
    return request


async def _never(request: float) -> float:
    await asyncio.Event().wait()
    return request


def _left(request: float) -> float:
    return request


async def test_work_within_the_time_is_untouched() -> None:
    """Both layers let a quick answer through."""
    handler = stack([deadline(_left), attempt_timeout(_left, AttemptTimeoutOptions(timeout=1.0))], _echo)
    assert await handler(5.0) == 5.0


async def test_the_deadline_cuts_the_work_off() -> None:
    """What is left is all that the work gets, also when that is nothing."""
    for left in (0.02, 0.0, -1.0):
        with pytest.raises(DeadlineReached):
            await deadline(_left)(_never)(left)


async def test_an_attempt_may_take_the_smaller_of_its_own_time_and_what_is_left() -> None:
    """min(configured, time left): the other one is far too long for a test."""
    for timeout, left in ((60.0, 0.01), (0.01, 60.0)):
        with pytest.raises(AttemptTimedOut):
            await attempt_timeout(_left, AttemptTimeoutOptions(timeout))(_never)(left)


async def test_no_attempt_is_made_when_no_time_is_left() -> None:
    """An attempt that cannot succeed costs nothing, and is nobody's failure."""
    for left in (0.0, -0.1):
        with pytest.raises(NoTimeLeft):
            await attempt_timeout(_left, AttemptTimeoutOptions(timeout=1.0))(_echo)(left)


async def test_a_foreign_timeout_error_passes_through() -> None:
    """A TimeoutError that the work itself raised is not taken for the layer's own."""

    async def fails(request: float) -> float:
        raise TimeoutError

    with pytest.raises(TimeoutError) as caught:
        await deadline(_left)(attempt_timeout(_left, AttemptTimeoutOptions(timeout=1.0))(fails))(5.0)
    assert type(caught.value) is TimeoutError


async def test_who_was_cut_off_can_go_on() -> None:
    """The cancellation was the layer's own, and ends with it: nothing of it is left in the task."""
    task = asyncio.current_task()
    assert task is not None
    for handler in (deadline(_left)(_never), attempt_timeout(_left, AttemptTimeoutOptions(60.0))(_never)):
        with pytest.raises((DeadlineReached, AttemptTimedOut)):
            await handler(0.001)
        assert task.cancelling() == 0
    async with asyncio.timeout(5.0):
        await asyncio.sleep(0)


async def test_whose_time_ends_first_says_so() -> None:
    """Of two deadlines, one in the other, and also where both end at once: then it is the outer one's."""
    tiny = 1e-9
    for outer, inner, who in (
        (60.0, tiny, AttemptTimedOut),
        (tiny, 60.0, DeadlineReached),
        (tiny, tiny, DeadlineReached),
    ):
        with pytest.raises(who):
            await deadline(_left)(attempt_timeout(_left, AttemptTimeoutOptions(inner))(_never))(outer)


async def test_a_cancellation_from_outside_is_one_whatever_the_time_says() -> None:
    """Also at the very moment at which the time is up: whoever is told to end does not go on."""

    async def bounded(left: float) -> None:
        await deadline(_left)(_never)(left)

    for left in (60.0, 0.0):
        async with asyncio.TaskGroup() as group:
            work = group.create_task(bounded(left))
            await asyncio.sleep(0)
            work.cancel()
        assert work.cancelled()


async def test_an_answer_that_comes_with_the_end_of_the_time_is_taken() -> None:
    """Where the work has its answer all the same, nothing is made of the time that is over."""

    async def stubborn(request: float) -> float:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            return request
        raise AssertionError

    assert await deadline(_left)(stubborn)(0.001) == 0.001
    task = asyncio.current_task()
    assert task is not None and task.cancelling() == 0
