"""The circuit breaker: the machine, against a slow reference and at its edges, and the layer that drives it."""

import asyncio
import math
import random
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes.clock import FakeClock
from wardgate.resilience.breaker import (
    Breaker,
    BreakerIsolated,
    BreakerOpen,
    BreakerOptions,
    Permit,
    State,
    Verdict,
    circuit_breaker,
)
from wardgate.resilience.stack import Handler, stack
from wardgate.resilience.timeouts import (
    AttemptTimedOut,
    AttemptTimeoutOptions,
    DeadlineReached,
    attempt_timeout,
    deadline,
)

SUCCEEDED, FAILED, IGNORED = Verdict.SUCCEEDED, Verdict.FAILED, Verdict.IGNORED


# The machine against a reference


class Reference:
    """The same breaker by the letter of its description: it keeps every call of its life and counts anew each time."""

    def __init__(self, options: BreakerOptions) -> None:
        self.options = options
        self.state = State.CLOSED
        self.era = 0
        self.opened = -math.inf
        self.ended: list[tuple[int, float, Verdict, bool]] = []
        self.out: set[int] = set()
        self.eras: dict[int, int] = {}

    def admit(self, number: int, now: float) -> bool:
        if self.state is State.OPEN and now - self.opened >= self.options.open_for:
            self.enter(State.HALF_OPEN)
        trying = any(self.eras[other] == self.era for other in self.out)
        if self.state in (State.OPEN, State.ISOLATED) or (self.state is State.HALF_OPEN and trying):
            return False
        self.out.add(number)
        self.eras[number] = self.era
        return True

    def resolve(self, number: int, since: float, verdict: Verdict, now: float) -> None:
        if number not in self.out:
            return
        self.out.remove(number)
        if self.eras[number] != self.era or verdict is IGNORED:
            return
        self.ended.append((self.era, now, verdict, now - since >= self.options.slow_after))
        if self.must_open(now):
            self.opened = now
            self.enter(State.OPEN)
        elif self.state is State.HALF_OPEN and len(self.of_this_era()) == self.options.probes:
            self.enter(State.CLOSED)

    def of_this_era(self) -> list[tuple[float, bool, bool]]:
        return [(at, verdict is FAILED, slow) for era, at, verdict, slow in self.ended if era == self.era]

    def must_open(self, now: float) -> bool:
        calls = self.of_this_era()
        _, failed, slow = calls[-1]
        if not failed and not slow:
            return False
        if self.state is State.HALF_OPEN:
            return True
        few = max(self.options.few, self.options.minimum)
        judged = [
            call
            for place, call in enumerate(reversed(calls[-self.options.calls :]))
            if now - call[0] < (self.options.window if place < few else min(self.options.recent, self.options.window))
        ]
        failures, slows = (sum(call[kind] for call in judged) for kind in (1, 2))
        enough = len(judged) >= self.options.minimum
        return enough and (
            failures / len(judged) >= self.options.failure_rate or slows / len(judged) >= self.options.slow_rate
        )

    def enter(self, state: State) -> None:
        self.state = state
        self.era += 1


OPTIONS = st.builds(
    lambda minimum, more, **rest: BreakerOptions(minimum=minimum, calls=minimum + more, **rest),
    minimum=st.integers(1, 4),
    more=st.integers(0, 4),
    failure_rate=st.sampled_from([0.1, 0.3, 0.5, 1.0]),
    slow_rate=st.sampled_from([0.25, 0.6, 1.0]),
    slow_after=st.sampled_from([0.5, 1.0, math.inf]),
    recent=st.sampled_from([0.5, 1.0, 2.5]),
    few=st.integers(1, 5),
    window=st.sampled_from([1.0, 2.5]),
    open_for=st.sampled_from([0.5, 1.5]),
    probes=st.integers(1, 3),
)
# Mostly ends of calls: what a call means shows when it ends. Quarters of seconds, so that limits are met exactly.
STEPS = st.lists(
    st.tuples(
        st.sampled_from([*[0.0] * 6, 0.25, 0.5, 1.0]),
        st.sampled_from([*["admit"] * 6, *["end"] * 7, "again", "isolate", "close"]),
        st.sampled_from([SUCCEEDED, FAILED, FAILED, IGNORED]),
        st.integers(0, 3),
    ),
    max_size=60,
)


@given(options=OPTIONS, steps=STEPS)
def test_the_machine_does_what_its_description_says(
    options: BreakerOptions, steps: list[tuple[float, str, Verdict, int]]
) -> None:
    """Any calls, in any order, overlapping, ending late, twice, or never: state, admissions and news are the same."""
    news: list[State] = []
    breaker, reference = Breaker(options, news.append), Reference(options)
    permits: list[Permit] = []
    out: list[int] = []
    now = 0.0
    for seconds, step, verdict, which in steps:
        now += seconds
        before = len(news), reference.era
        if step == "admit":
            permit = breaker.admit(now)
            assert (permit is not None) == reference.admit(len(permits), now)
            if permit is not None:
                assert permit.since == now
                out.append(len(permits))
                permits.append(permit)
        elif step == "isolate":
            breaker.isolate()
            reference.enter(State.ISOLATED)
        elif step == "close":
            breaker.close()
            reference.enter(State.CLOSED)
        elif permits:
            number = which % len(permits) if step == "again" or not out else out.pop(which % len(out))
            if step == "again" and number in out:
                out.remove(number)
            since = permits[number].since
            breaker.resolve(permits[number], verdict, now)
            reference.resolve(number, since, verdict, now)
        assert breaker.state == reference.state
        assert len(news) - before[0] == reference.era - before[1]
        assert not news or news[-1] is breaker.state


# The machine, by example


def _state(breaker: Breaker) -> State:
    """Read anew; a type checker would hold on to what it was."""
    return breaker.state


def _ended(breaker: Breaker, verdict: Verdict, now: float, took: float = 0.0) -> None:
    permit = breaker.admit(now - took)
    assert permit is not None
    breaker.resolve(permit, verdict, now)


def _opened(options: BreakerOptions | None = None) -> Breaker:
    breaker = Breaker(options)
    for _ in range(5):
        _ended(breaker, FAILED, 0.0)
    assert _state(breaker) is State.OPEN
    return breaker


def test_five_failures_of_a_single_backend_open_it_and_four_do_not() -> None:
    """The least that a person who opens one chart after the other would bear."""
    breaker = Breaker()
    for second in range(4):
        _ended(breaker, FAILED, float(second))
    assert _state(breaker) is State.CLOSED
    _ended(breaker, FAILED, 4.0)
    assert _state(breaker) is State.OPEN


def test_one_failure_in_three_leaves_it_closed_for_ever_one_in_two_does_not() -> None:
    """A rate, not a row: a success in between resets nothing."""
    third, half = Breaker(), Breaker()
    for number in range(300):
        _ended(third, FAILED if number % 3 == 0 else SUCCEEDED, 0.0)
    assert third.state is State.CLOSED
    for number in range(6):
        _ended(half, FAILED if number % 2 else SUCCEEDED, 0.0)
    assert half.state is State.OPEN


def test_a_rate_is_met_exactly() -> None:
    """Three of thirty are a tenth, though 0.1 * 30 is a little more than 3 as a float."""
    breaker = Breaker(BreakerOptions(failure_rate=0.1, minimum=30, calls=30))
    for number in range(30):
        _ended(breaker, FAILED if number >= 27 else SUCCEEDED, 0.0)
    assert _state(breaker) is State.OPEN


def test_yesterdays_failures_do_not_count_today() -> None:
    """What is older than the window is not judged, at its very end too."""
    breaker = Breaker()
    for _ in range(4):
        _ended(breaker, FAILED, 0.0)
    _ended(breaker, FAILED, 30.0)
    assert _state(breaker) is State.CLOSED


@pytest.mark.parametrize("rate", [10, 20, 50, 100, 1000])
@pytest.mark.parametrize(("took", "verdict", "within"), [(0.0, FAILED, 1.0), (0.2, SUCCEEDED, 2.0)])
def test_a_hanging_or_slow_backend_is_recognised_at_any_traffic(
    rate: int, took: float, verdict: Verdict, within: float
) -> None:
    """By the defaults, after good seconds: within a second after the first call that hung has timed out, within two
    where all answers come, and come late."""
    breaker = Breaker(BreakerOptions(slow_after=0.18))
    for number in range(5 * rate):
        _ended(breaker, SUCCEEDED, number / rate)
    bad = 0
    while _state(breaker) is State.CLOSED:
        _ended(breaker, verdict, 5 + bad / rate, took)
        bad += 1
    assert 10 <= bad <= within * rate


@pytest.mark.parametrize("rate", [1, 10, 100])
def test_one_failure_in_a_hundred_never_opens_it(rate: int) -> None:
    """Nor one in ten: chance does not make half of the judged calls fail."""
    dice = random.Random(rate)
    breaker = Breaker()
    for number in range(10_000):
        _ended(breaker, FAILED if dice.random() < 0.1 else SUCCEEDED, number / rate)
        assert _state(breaker) is State.CLOSED


def test_where_there_is_little_traffic_older_calls_are_judged_too() -> None:
    """As many as are needed, and no more: a failure in five seconds opens it, until a good call comes for each."""
    breaker = Breaker(BreakerOptions(few=5))
    for number in range(4):
        _ended(breaker, FAILED, 5.0 * number)
    for number in range(5):
        _ended(breaker, SUCCEEDED, 20.0 + number / 4)
    _ended(breaker, FAILED, 21.5)
    assert _state(breaker) is State.CLOSED, "one of the last six"
    breaker.close()
    for number in range(5):
        assert _state(breaker) is State.CLOSED
        _ended(breaker, FAILED, 30 + 5.0 * number)
    assert _state(breaker) is State.OPEN


def test_closed_by_hand_it_judges_anew() -> None:
    """Good calls of before do not hide that it fails now."""
    breaker = Breaker()
    for _ in range(20):
        _ended(breaker, SUCCEEDED, 0.0)
    breaker.isolate()
    breaker.close()
    for _ in range(5):
        assert _state(breaker) is State.CLOSED
        _ended(breaker, FAILED, 0.1)
    assert _state(breaker) is State.OPEN


def test_a_hanging_backend_opens_it_although_the_last_seconds_were_good() -> None:
    """Under much traffic the last hundred calls decide, not all those of the last half minute."""
    breaker = Breaker()
    for _ in range(10_000):
        _ended(breaker, SUCCEEDED, 0.0)
    for _ in range(50):
        assert _state(breaker) is State.CLOSED
        _ended(breaker, FAILED, 0.5)
    assert _state(breaker) is State.OPEN


def test_slow_answers_open_it_and_a_slow_try_keeps_it_open() -> None:
    """However they end: they are what a queue before a dying server looks like."""
    breaker = Breaker(BreakerOptions(slow_after=0.5, probes=2))
    for number in range(5):
        _ended(breaker, SUCCEEDED, number + 0.5, took=0.5)
    assert _state(breaker) is State.OPEN
    _ended(breaker, SUCCEEDED, 7.0, took=0.5)
    assert _state(breaker) is State.OPEN
    _ended(breaker, SUCCEEDED, 9.0, took=0.4)
    assert _state(breaker) is State.HALF_OPEN


def test_some_slow_answers_leave_it_closed_and_old_ones_are_forgotten() -> None:
    """Four of five are not all, and what is older than the window is not judged."""
    breaker = Breaker(BreakerOptions(slow_after=0.5))
    _ended(breaker, SUCCEEDED, 0.0)
    for _ in range(4):
        _ended(breaker, SUCCEEDED, 1.0, took=0.5)
    assert _state(breaker) is State.CLOSED
    for number in range(9):
        _ended(breaker, SUCCEEDED, 40.0, took=0.5 if number % 2 else 0.0)
    assert _state(breaker) is State.CLOSED


def test_one_tries_at_a_time_and_two_must_go_well() -> None:
    """Fifty that come when it is half open are one call to a struggling server."""
    breaker = _opened(BreakerOptions(probes=2))
    assert breaker.admit(0.999) is None
    permits = [breaker.admit(1.0) for _ in range(50)]
    assert _state(breaker) is State.HALF_OPEN and sum(permit is not None for permit in permits) == 1
    assert permits[0] is not None
    breaker.resolve(permits[0], SUCCEEDED, 1.1)
    assert _state(breaker) is State.HALF_OPEN
    _ended(breaker, SUCCEEDED, 1.2)
    assert _state(breaker) is State.CLOSED
    for _ in range(4):
        _ended(breaker, FAILED, 1.3)
    assert _state(breaker) is State.CLOSED, "what was before it opened is forgotten"


def test_a_failed_try_opens_it_for_as_long_again() -> None:
    """Counted from the end of the try."""
    breaker = _opened()
    permit = breaker.admit(1.0)
    assert permit is not None
    breaker.resolve(permit, FAILED, 1.5)
    assert _state(breaker) is State.OPEN and breaker.admit(2.4) is None and breaker.admit(2.5) is not None


def test_a_try_that_says_nothing_frees_its_place() -> None:
    """A clinician who closed the chart must not keep the circuit half open for ever."""
    breaker = _opened()
    for _ in range(3):
        _ended(breaker, IGNORED, 1.0)
    assert _state(breaker) is State.HALF_OPEN and breaker.admit(1.0) is not None


def test_a_try_that_was_overtaken_by_hand_keeps_nobody_away_later() -> None:
    """It belonged to a state that is gone, and so does its place."""
    breaker = _opened()
    assert breaker.admit(1.0) is not None
    breaker.isolate()
    breaker.close()
    for _ in range(5):
        _ended(breaker, FAILED, 2.0)
    assert breaker.admit(3.0) is not None


def test_late_results_of_an_earlier_state_change_nothing() -> None:
    """Neither do old failures open a circuit that has recovered, nor old successes close an open one."""
    breaker = Breaker()
    old = [breaker.admit(0.0) for _ in range(20)]
    for _ in range(5):
        _ended(breaker, FAILED, 0.0)
    probe = breaker.admit(1.0)
    assert probe is not None
    for permit in old[:10]:
        assert permit is not None
        breaker.resolve(permit, SUCCEEDED, 1.0)
    assert _state(breaker) is State.HALF_OPEN and breaker.admit(1.0) is None
    breaker.resolve(probe, SUCCEEDED, 1.1)
    for permit in old[10:]:
        assert permit is not None
        breaker.resolve(permit, FAILED, 1.2)
    assert _state(breaker) is State.CLOSED


def test_a_permit_counts_once() -> None:
    """Resolved twice, it changes nothing the second time."""
    breaker = Breaker()
    permit = breaker.admit(0.0)
    assert permit is not None
    for _ in range(9):
        breaker.resolve(permit, FAILED, 0.0)
    assert _state(breaker) is State.CLOSED
    breaker.close()
    for _ in range(9):
        breaker.resolve(permit, FAILED, 0.0)
    assert _state(breaker) is State.CLOSED


def test_isolated_it_stays_until_somebody_closes_it() -> None:
    """By hand, and above all that calls say."""
    breaker = Breaker()
    under_way = breaker.admit(0.0)
    assert under_way is not None
    breaker.isolate()
    breaker.resolve(under_way, SUCCEEDED, 0.1)
    assert _state(breaker) is State.ISOLATED and breaker.admit(1e9) is None
    breaker.close()
    assert _state(breaker) is State.CLOSED and breaker.admit(1e9) is not None


@pytest.mark.parametrize(
    "wrong",
    [
        {"failure_rate": 0.0},
        {"failure_rate": 1.1},
        {"slow_rate": 0.0},
        {"slow_rate": 1.1},
        {"minimum": 0},
        {"minimum": 101},
        {"few": 0},
        {"probes": 0},
        {"slow_after": 0.0},
        {"recent": 0.0},
        {"window": 0.0},
        {"open_for": 0.0},
    ],
)
def test_options_that_could_never_work_are_refused(wrong: dict[str, float]) -> None:
    """A circuit that never opens, or never closes, is a mistake of whoever wrote the file."""
    with pytest.raises(ValueError, match=" "):
        BreakerOptions(**wrong)  # type: ignore[arg-type]


def test_options_at_their_limits_are_taken() -> None:
    """The least and the most that make sense."""
    BreakerOptions(failure_rate=1.0, slow_rate=1.0, minimum=1, calls=1, few=1, probes=1)
    BreakerOptions(failure_rate=0.001, slow_rate=0.001, slow_after=0.001, recent=0.001, window=0.001, open_for=0.001)


# The layer


def _judge(error: Exception) -> Verdict:
    return FAILED if isinstance(error, ConnectionError | AttemptTimedOut) else IGNORED


def _guarded(
    breaker: Breaker, inner: Handler[float, str], clock: FakeClock, left: Callable[[float], float] | None = None
) -> Handler[float, str]:
    layer = circuit_breaker(breaker, clock.monotonic, left or (lambda request: request), _judge)
    return layer(inner)


async def _never(request: float) -> str:
    await asyncio.Event().wait()
    return ""


async def test_the_layer_refuses_while_it_is_open_and_says_which_kind_of_open() -> None:
    """Nothing is asked meanwhile; then the first that is let in tries."""
    clock, asked = FakeClock(), 0

    async def refuse(request: float) -> str:
        nonlocal asked
        asked += 1
        raise ConnectionError

    breaker = Breaker()
    ask = _guarded(breaker, refuse, clock)
    for _ in range(5):
        with pytest.raises(ConnectionError):
            await ask(1.0)
    for _ in range(5):
        with pytest.raises(BreakerOpen):
            await ask(1.0)
    assert asked == 5
    clock.advance(1.0)
    with pytest.raises(ConnectionError):
        await ask(1.0)
    breaker.isolate()
    with pytest.raises(BreakerIsolated):
        await ask(1.0)
    assert asked == 6


async def test_the_layer_counts_by_the_judge_and_by_the_clock() -> None:
    """An error that says nothing about the other side is let through uncounted; a slow answer is counted as slow."""
    clock = FakeClock()

    async def work(request: float) -> str:
        clock.advance(request)
        if request == 0:
            raise ValueError
        return "answer"

    breaker = Breaker(BreakerOptions(slow_after=0.5))
    ask = _guarded(breaker, work, clock)
    for _ in range(9):
        with pytest.raises(ValueError):
            await ask(0.0)
    assert _state(breaker) is State.CLOSED
    for _ in range(4):
        assert await ask(0.5) == "answer"
    assert _state(breaker) is State.CLOSED
    assert await ask(0.5) == "answer"
    assert _state(breaker) is State.OPEN


@pytest.mark.parametrize(("left", "state"), [(1.0, State.CLOSED), (0.001, State.CLOSED), (0.0, State.OPEN)])
async def test_a_cancelled_call_is_a_failure_only_where_its_time_was_up(left: float, state: State) -> None:
    """Who goes away says nothing about the model; who waited in vain does."""
    breaker = Breaker()
    ask = _guarded(breaker, _never, FakeClock(), lambda request: left)
    for _ in range(6 if state is State.CLOSED else 5):
        async with asyncio.TaskGroup() as group:

            async def call() -> None:
                with pytest.raises(asyncio.CancelledError):
                    await ask(0.0)

            task = group.create_task(call())
            await asyncio.sleep(0)
            task.cancel()
    assert _state(breaker) is state


@pytest.mark.parametrize(("seconds", "timeout"), [(0.02, 0.05), (0.05, 0.02)])
async def test_a_deadline_shorter_than_the_timeout_still_opens_it(seconds: float, timeout: float) -> None:
    """The trap: the outer deadline cancels, CancelledError is no Exception, and the circuit stayed closed for ever."""
    loop = asyncio.get_running_loop()
    breaker = Breaker()

    def left(request: float) -> float:
        return request - loop.time()

    ask = stack(
        [
            deadline(left),
            circuit_breaker(breaker, loop.time, left, _judge),
            attempt_timeout(lambda request: 60.0, AttemptTimeoutOptions(timeout)),  # nobody has shortened it
        ],
        _never,
    )
    for _ in range(5):
        with pytest.raises((DeadlineReached, AttemptTimedOut)):
            await ask(loop.time() + seconds)
    assert _state(breaker) is State.OPEN


async def test_a_try_whose_coroutine_is_thrown_away_frees_its_place() -> None:
    """Whatever ends a call, its permit is resolved."""
    breaker = _opened()
    clock = FakeClock()
    ask = _guarded(breaker, _never, clock)(1.0)
    ask.send(None)  # type: ignore[attr-defined]
    assert _state(breaker) is State.HALF_OPEN and breaker.admit(clock.monotonic()) is None
    ask.close()  # type: ignore[attr-defined]
    assert breaker.admit(clock.monotonic()) is not None
