"""What follows the event loop: places, how soon they are handed on, and who begins in a turn."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wardgate.resilience.pace import Brake, BrakeOptions, Pace, Turnover


@given(
    st.integers(1, 500),
    st.lists(st.tuples(st.floats(0, 1), st.integers(0, 500)), max_size=60),
)
def test_the_brake_keeps_its_bounds(concurrency: int, looks: list[tuple[float, int]]) -> None:
    """Never more places than are allowed, never fewer than the least; down only while the loop is late."""
    brake, before = Brake(), concurrency
    for lag, busy in looks:
        places = brake.places(lag, busy, concurrency)
        assert min(concurrency, brake.options.least) <= places <= concurrency
        assert places <= before if lag > brake.options.lag else places >= before
        before = places
    for _ in range(48):
        before = brake.places(0.0, 0, concurrency)
    assert before == concurrency, "half a second without lag, and all places are back"


def test_a_late_loop_takes_places_from_those_in_use() -> None:
    """What nobody uses is no load."""
    brake = Brake(BrakeOptions(least=1))
    assert brake.places(0.1, 100, 256) == 80
    assert brake.places(0.1, 90, 256) == 80, "what was taken away is still in use"
    assert brake.places(0.1, 80, 256) == 64
    assert brake.places(0.0, 64, 256) == 69


@given(st.integers(1, 5), st.lists(st.one_of(st.just("turn"), st.floats(0, 0.01)), max_size=80))
def test_so_many_begin_in_a_turn_in_the_order_in_which_they_came(a_turn: int, steps: list[str | float]) -> None:
    """Never more, none while an earlier one waits, and as many as may whenever somebody waits."""
    pace, now, came, in_turn = Pace(a_turn), 0.0, 0, 0
    begun: list[int] = []
    waiting: list[tuple[int, float]] = []
    for step in steps:
        if step == "turn":
            before = len(begun)
            pace.turn()
            in_turn = len(begun) - before
            assert in_turn == min(a_turn, len(waiting)) == pace.begun
            del waiting[:in_turn]
        else:
            now += float(step)
            came += 1
            if pace.begins():
                begun.append(came)
                in_turn += 1
            else:
                pace.wait(now, lambda number=came: begun.append(number))  # type: ignore[misc]
                waiting.append((came, now))
                assert in_turn == a_turn
        assert in_turn <= a_turn
        assert pace.lag(now) == (now - waiting[0][1] if waiting else 0.0)
    assert begun == list(range(1, len(begun) + 1))


@given(st.integers(1, 5), st.integers(0, 5), st.integers(0, 3))
def test_the_second_half_of_a_turn_is_not_for_whoever_has_no_patience(a_turn: int, begun: int, coming: int) -> None:
    """Nor any turn while others wait for theirs."""
    pace = Pace(a_turn)
    for _ in range(begun):
        if not pace.begins():
            pace.wait(0.0, lambda: None)
    assert pace.pressed(coming) == (begun > a_turn or 2 * (begun + coming) >= a_turn)
    pace.turn()
    assert pace.pressed(coming) == (2 * (max(0, begun - a_turn) + coming) >= a_turn)


@given(st.integers(1, 256), st.floats(0.001, 1.0), st.floats(0.005, 0.05))
def test_places_are_handed_on_as_fast_as_they_are_left(busy: int, held: float, every: float) -> None:
    """So many in use, each held so long, looked at so often: by Little's law one becomes free each held / busy."""
    turnover, carried = Turnover(), 0.0
    for _ in range(int(1 / every)):
        carried += busy * every / held
        turnover.look(every, busy, int(carried), 0, 0)
        carried -= int(carried)
    if busy / held > 100:  # ten in the time of its memory
        assert turnover.each(busy) == pytest.approx(held / busy, rel=0.25)
    assert turnover.each(0) == 0.0


def test_what_was_long_ago_says_nothing_of_now() -> None:
    """A burst after a quiet night is not judged by the last call of the evening; nor by that nobody has left yet."""
    turnover = Turnover()
    turnover.look(0.01, 200, 0, 0, 0)
    assert turnover.each(200) == 0.0
    turnover.look(0.01, 1, 3, 0, 0)
    assert turnover.each(1) > 0.5
    for _ in range(100):
        turnover.look(0.01, 0, 0, 0, 0)
    assert turnover.each(200) == 0.0


def test_what_happened_a_moment_ago_still_counts() -> None:
    """A tenth of a second after the last one was turned away there is no overload; a second after the last of a lower
    rank was let in, the highest alone is what there is too much of."""
    turnover = Turnover()
    assert not turnover.shared and not turnover.sheds
    turnover.look(0.01, 8, 1, 1, 1)
    for _ in range(9):
        turnover.look(0.01, 8, 1, 0, 0)
        assert turnover.shared and turnover.sheds
    turnover.look(0.02, 8, 1, 0, 0)
    for _ in range(88):
        assert turnover.shared and not turnover.sheds
        turnover.look(0.01, 8, 1, 0, 0)
    turnover.look(0.02, 8, 1, 0, 0)
    assert not turnover.shared


@given(st.floats(0.03, 10.0), st.integers(0, 20))
def test_a_halt_says_nothing_of_how_soon_places_are_handed_on(halt: float, left: int) -> None:
    """Somebody else had the processor. Regression: after 100 ms of it a place each 0.7 ms was taken for one each 3 ms,
    and after a second for one each 20: the highest rank was turned away though those below it were there."""
    turnover = Turnover()
    for _ in range(100):
        turnover.look(0.01, 16, 14, 1, 1)
    turnover.look(halt, 16, left, 0, 0)
    assert turnover.each(16) < 1.5 * 0.01 / 14
    assert turnover.shared and turnover.sheds, "nobody could be let in, or turned away, meanwhile"


def test_a_processor_that_became_slow_is_no_halt() -> None:
    """Late looks in which as much happened as takes that long count as they are."""
    turnover = Turnover()
    for number in range(40):
        turnover.look(0.01 if number < 20 else 0.05, 16, 10, 1, 1)
    assert turnover.each(16) == pytest.approx(0.005, rel=0.3)
