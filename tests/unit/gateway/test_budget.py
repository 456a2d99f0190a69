"""One deadline and its parts."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wardgate.gateway.budget import Budget, BudgetOptions
from wardgate.gateway.call import milliseconds


@given(started=st.floats(0, 1e7), deadline=st.floats(0.001, 30.0))
def test_the_parts_follow_each_other_whatever_the_deadline(started: float, deadline: float) -> None:
    """Each ends after the one before it, so that nothing is cut off by what should stand in for it."""
    budget = Budget.of(started, deadline)
    assert budget.started < budget.context < budget.model < budget.work < budget.expires
    assert budget.expires == started + deadline


def test_the_parts_of_half_a_second() -> None:
    """The default deadline: reads to 350 ms, the model to 475, what stands in for it to 490."""
    budget = Budget.of(0.0, 0.5)
    assert [round(part, 6) for part in (budget.context, budget.model, budget.work)] == [0.35, 0.475, 0.49]


@pytest.mark.parametrize("wrong", [{"context": 0.0}, {"context": 0.8}, {"ladder": 0.0}, {"answer": 0.0}])
def test_a_part_without_time_is_refused(wrong: dict[str, float]) -> None:
    """Something would always be cut off."""
    with pytest.raises(ValueError, match="context"):
        BudgetOptions(**wrong)


def test_the_ladder_and_the_answer_have_time_of_their_own() -> None:
    """Regression: with no more than the answer's reserve between them, a slow model always ended the call."""
    options = BudgetOptions()
    assert options.ladder >= 0.01 and options.answer >= 0.01


@given(micros=st.integers(0, 10**9))
def test_milliseconds_are_those_of_rounding(micros: int) -> None:
    """To the microsecond, as the shortest number that says so."""
    assert milliseconds(micros / 1e6) == micros / 1000
    assert milliseconds(micros / 1e6 + 3e-7) == micros / 1000
