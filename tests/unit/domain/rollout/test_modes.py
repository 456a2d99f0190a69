"""The order of modes, of which everything that lowers or raises goes by."""

from itertools import pairwise, product

import pytest

from wardgate.domain.outcomes import Mode
from wardgate.domain.rollout.modes import is_lower, lower

ORDER = [Mode.NONE, Mode.OFF, Mode.SHADOW, Mode.SILENT, Mode.CANARY, Mode.ACTIVE]


@pytest.mark.parametrize(("one", "next_"), list(pairwise(ORDER)))
def test_each_shows_more_than_the_one_before(one: Mode, next_: Mode) -> None:
    assert is_lower(one, next_) and not is_lower(next_, one) and not is_lower(one, one)
    assert lower(one, next_) is lower(next_, one) is one


def test_every_mode_has_its_place() -> None:
    assert set(ORDER) == set(Mode)
    assert all(lower(one, other) in (one, other) for one, other in product(Mode, Mode))
