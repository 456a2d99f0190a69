"""The deadline and the attempt timeout."""

import asyncio

import pytest

from wardgate.resilience.stack import stack
from wardgate.resilience.timeouts import (
    AttemptTimedOut,
    AttemptTimeoutOptions,
    DeadlineOptions,
    DeadlineReached,
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


async def test_the_deadline_cuts_the_work_off_and_keeps_its_reserve() -> None:
    """What is left minus the reserve is all that the work gets, also when that is nothing."""
    for left in (0.02, 0.0, -1.0):
        with pytest.raises(DeadlineReached):
            await deadline(_left, DeadlineOptions(reserve=0.005))(_never)(left)


async def test_the_attempt_ends_before_the_deadline_so_that_it_fails_rather_than_is_cancelled() -> None:
    """The trap: with an outer deadline shorter than the attempt's timeout, no breaker would ever see a failure."""
    handler = stack(
        [deadline(_left, DeadlineOptions(reserve=0.0)), attempt_timeout(_left, AttemptTimeoutOptions(timeout=10.0))],
        _never,
    )
    with pytest.raises(AttemptTimedOut):
        await handler(0.03)


async def test_no_attempt_is_made_when_no_time_is_left() -> None:
    """An attempt that cannot succeed costs nothing."""
    with pytest.raises(AttemptTimedOut):
        await attempt_timeout(_left, AttemptTimeoutOptions(timeout=1.0, margin=0.005))(_echo)(0.004)


async def test_a_foreign_timeout_error_passes_through() -> None:
    """A TimeoutError that the work itself raised is not taken for the layer's own."""

    async def fails(request: float) -> float:
        raise TimeoutError

    with pytest.raises(TimeoutError) as caught:
        await deadline(_left)(attempt_timeout(_left, AttemptTimeoutOptions(timeout=1.0))(fails))(5.0)
    assert type(caught.value) is TimeoutError
