"""The rule that joins an outcome to a decision."""

import pytest

from wardgate.domain.follow_up import FollowUp, Happened, Take, outcome_of

DAY = 86_400.0
YEAR = 365 * DAY
FIRST, ANY = FollowUp("dialysis", YEAR), FollowUp("dialysis", YEAR, Take.ANY)


@pytest.mark.parametrize(
    ("happened", "outcome"),
    [
        ([], None),
        ([Happened(1, 30 * DAY)], 1.0),
        ([Happened(1, YEAR)], 1.0),
        ([Happened(1, YEAR + 1)], 0.0),
        ([Happened(1, -DAY)], None),
        ([Happened(1, -DAY), Happened(1, DAY)], None),
        ([Happened(0, 30 * DAY)], None),
        ([Happened(0, YEAR)], 0.0),
        ([Happened(0, -DAY)], None),
        ([Happened(0, YEAR), Happened(1, 30 * DAY)], 1.0),
        ([Happened(3, 30 * DAY), Happened(2, 20 * DAY)], 2.0),
    ],
)
def test_the_first_one_in_the_window_counts(happened: list[Happened], outcome: float | None) -> None:
    """Before the decision it is no outcome of it; what is not known to the window's end is not known."""
    assert outcome_of(FIRST, 0.0, happened) == outcome


def test_any_asks_only_whether() -> None:
    """A value counts as one event."""
    assert outcome_of(ANY, 0.0, [Happened(3, 30 * DAY)]) == 1.0
    assert outcome_of(ANY, 0.0, [Happened(0, YEAR)]) == 0.0
