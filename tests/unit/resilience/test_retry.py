"""One more try: when, how often, and never as a storm."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wardgate.resilience.breaker import BreakerIsolated, BreakerOpen
from wardgate.resilience.retry import RetryBudget, RetryOptions, retry
from wardgate.resilience.stack import Handler


@given(
    share=st.integers(0, 100).map(lambda percent: percent / 100),
    burst=st.integers(1, 5),
    wanted=st.lists(st.booleans(), max_size=300),
)
def test_the_budget_is_never_exceeded_and_always_given(share: float, burst: int, wanted: list[bool]) -> None:
    """Of any calls that follow each other at most their share is repeated, beyond what was saved up before; and a retry
    is refused only where less than one is saved."""
    budget = RetryBudget(RetryOptions(share=share, burst=burst))
    saved = burst * 100 if share else 0
    for wants in wanted:
        budget.called()
        saved = min(burst * 100, saved + round(share * 100)) if share else 0
        if wants:
            assert budget.take() == (saved >= 100)
            saved -= 100 if saved >= 100 else 0


def test_ten_tenths_are_one() -> None:
    """They are not as floats."""
    budget = RetryBudget(RetryOptions(share=0.1, burst=1))
    assert budget.take() and not budget.take()
    for _ in range(9):
        budget.called()
    assert not budget.take()
    budget.called()
    assert budget.take()


def test_the_defaults_are_those_of_the_page() -> None:
    """A tenth, three saved up, ten milliseconds; nothing at all may be the least."""
    assert RetryOptions() == RetryOptions(share=0.1, burst=3, least=0.01)
    assert RetryOptions(least=0.0).least == 0.0 and RetryBudget().take()


@pytest.mark.parametrize("wrong", [{"share": -0.1}, {"share": 1.1}, {"burst": 0}, {"least": -0.1}])
def test_options_that_could_never_work_are_refused(wrong: dict[str, float]) -> None:
    """They would mean nothing."""
    with pytest.raises(ValueError, match="share"):
        RetryOptions(**wrong)  # type: ignore[arg-type]


class Host:
    """Answers with each of `endings` in turn: an error is raised."""

    def __init__(self, *endings: "Exception | str") -> None:
        self.endings = list(endings)
        self.asked = 0
        self.retried = 0

    async def __call__(self, request: float) -> str:
        self.asked += 1
        ending = self.endings.pop(0)
        if isinstance(ending, Exception):
            raise ending
        return ending

    def tell(self) -> None:
        self.retried += 1

    def stack(self, share: float = 0.1) -> Handler[float, str]:
        options = RetryOptions(share=share)
        return retry(
            RetryBudget(options), options, lambda request: request, lambda e: isinstance(e, ConnectionError), self.tell
        )(self)


async def test_a_connection_that_broke_is_tried_once_more() -> None:
    """And the second answer is the answer."""
    for left in (1.0, 0.010):
        host = Host(ConnectionError(), "answer")
        assert await host.stack()(left) == "answer"
        assert (host.asked, host.retried) == (2, 1)


async def test_twice_is_enough() -> None:
    """The second failure is the end."""
    host = Host(ConnectionError("first"), ConnectionError("second"), "answer")
    with pytest.raises(ConnectionError, match="second"):
        await host.stack()(1.0)
    assert host.asked == 2


@pytest.mark.parametrize(
    ("error", "seconds", "share"),
    [(ValueError(), 1.0, 0.1), (ConnectionError(), 0.009, 0.1), (ConnectionError(), 1.0, 0.0)],
)
async def test_it_is_not_tried_where_that_would_not_help(error: Exception, seconds: float, share: float) -> None:
    """Another kind of failure, no time, no budget."""
    host = Host(error, "answer")
    with pytest.raises(type(error)):
        await host.stack(share)(seconds)
    assert (host.asked, host.retried) == (1, 0)


@pytest.mark.parametrize("refusal", [BreakerOpen(), BreakerIsolated()])
async def test_where_the_breaker_refuses_the_second_try_the_first_error_stays(refusal: Exception) -> None:
    """`model_unreachable` says more to whoever is on call than `breaker_open`."""
    host = Host(ConnectionError("first"), refusal)
    with pytest.raises(ConnectionError, match="first"):
        await host.stack()(1.0)


async def test_a_dead_host_gets_a_tenth_more_calls_at_most() -> None:
    """And what was saved up."""
    host = Host(*[ConnectionError() for _ in range(3000)])
    ask = host.stack()
    for _ in range(1000):
        with pytest.raises(ConnectionError):
            await ask(1.0)
    assert host.retried == host.asked - 1000 == 102
