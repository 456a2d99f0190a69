"""A circuit breaker: whoever keeps failing is left alone for a moment, then asked by one call at a time.

                 too many of the last calls failed, or were slow          open_for is over
        CLOSED ───────────────────────────────────────────────► OPEN ──────────────────────► HALF_OPEN
          ▲                                                       ▲     a probe failed, or was slow │ │
          │                                                       └─────────────────────────────────┘ │
          └───────────────────────── `probes` calls in a row, one at a time, went well ───────────────┘

By hand: `isolate` keeps every call away until `close`.

Judged are the calls of the last moment (`recent`), at most `calls` and at least `few` of them, as far as they are not
older than `window`. So a model that begins to hang is half of what is judged within a second or so, at any traffic from
ten calls a second on; fewer calls than `few` would be a game of dice; and the failures of this morning do not count
against this afternoon.
"""

import asyncio
import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from wardgate.resilience.stack import Handler, Layer, PolicyError, Req, Resp


class BreakerOpen(PolicyError):
    """The call was not made: those before it failed."""


class BreakerIsolated(PolicyError):
    """The call was not made: somebody has taken the other side out of use."""


class State(StrEnum):
    CLOSED = "closed"  # calls flow
    OPEN = "open"
    HALF_OPEN = "half_open"
    ISOLATED = "isolated"


class Verdict(StrEnum):
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    IGNORED = "ignored"  # says nothing about the other side


@dataclass(frozen=True, slots=True)
class BreakerOptions:
    failure_rate: float = 0.5
    """Share of the judged calls; at or above it the circuit opens."""
    slow_after: float = math.inf
    """Seconds from which a call is slow, however it ends."""
    slow_rate: float = 1.0
    """Share of the judged calls; at or above it the circuit opens. A slow answer is still one, so all must be slow."""
    minimum: int = 5
    """Calls below which nothing is judged: few enough for one backend with little traffic."""
    recent: float = 1.0
    """Seconds; calls that ended within them are judged."""
    calls: int = 100
    """The last so many at most."""
    few: int = 20
    """The last so many at least, `minimum` if that is more: older ones too, where there were not enough."""
    window: float = 30.0
    """Seconds after which a call is no longer judged."""
    open_for: float = 1.0
    """Seconds without a call, before one may try."""
    probes: int = 1
    """Tries in a row that must go well."""

    def __post_init__(self) -> None:
        shares = 0 < self.failure_rate <= 1 and 0 < self.slow_rate <= 1
        if not (shares and 1 <= self.minimum <= self.calls and self.few >= 1 and self.probes >= 1):
            raise ValueError("rates are above 0 and at most 1, 1 <= minimum <= calls, few >= 1, probes >= 1")
        if not (self.slow_after > 0 and self.recent > 0 and self.window > 0 and self.open_for > 0):
            raise ValueError("slow_after, recent, window and open_for are above 0")


class Permit:
    """The right to make one call; to be resolved when it ends. A second resolution changes nothing."""

    __slots__ = ("generation", "since")

    def __init__(self, generation: int, since: float) -> None:
        self.generation = generation
        self.since = since


_RESOLVED = -1


class Breaker:
    """The pure machine. `now` is in seconds of any clock that never runs backwards; `told` hears of each change."""

    def __init__(
        self, options: BreakerOptions | None = None, told: Callable[[State], None] = lambda state: None
    ) -> None:
        self._options = options or BreakerOptions()
        self._few = max(self._options.few, self._options.minimum)
        self._told = told
        self._state = State.CLOSED
        self._generation = 0
        """Counts the states: a permit of an earlier one changes nothing any more."""
        self._judged: deque[tuple[float, bool, bool]] = deque()
        self._failed = 0
        self._slow = 0
        self._until = 0.0
        self._probing = False
        self._passed = 0

    @property
    def state(self) -> State:
        return self._state

    def admit(self, now: float) -> Permit | None:
        """None: do not call."""
        if self._state is not State.CLOSED and not self._may_probe(now):
            return None
        return Permit(self._generation, now)

    def resolve(self, permit: Permit, verdict: Verdict, now: float) -> None:
        if permit.generation != self._generation:
            return
        permit.generation = _RESOLVED
        slow = now - permit.since >= self._options.slow_after
        if self._state is State.HALF_OPEN:
            self._probed(verdict, slow, now)
        elif verdict is not Verdict.IGNORED:
            self._judge(verdict is Verdict.FAILED, slow, now)

    def isolate(self) -> None:
        """By hand: no call until `close`."""
        self._become(State.ISOLATED)

    def close(self) -> None:
        """By hand: calls flow again, and nothing that was is held against them."""
        self._become(State.CLOSED)

    def _may_probe(self, now: float) -> bool:
        if self._state is State.OPEN and now >= self._until:
            self._become(State.HALF_OPEN)
        if self._state is not State.HALF_OPEN or self._probing:
            return False
        self._probing = True
        return True

    def _probed(self, verdict: Verdict, slow: bool, now: float) -> None:
        self._probing = False
        if verdict is Verdict.IGNORED:
            return
        if slow or verdict is Verdict.FAILED:
            self._open(now)
            return
        self._passed += 1
        if self._passed == self._options.probes:
            self._become(State.CLOSED)

    def _judge(self, failed: bool, slow: bool, now: float) -> None:
        options, judged = self._options, self._judged
        judged.append((now, failed, slow))
        self._failed += failed
        self._slow += slow
        while (
            len(judged) > options.calls
            or judged[0][0] <= now - options.window
            or (len(judged) > self._few and judged[0][0] <= now - options.recent)
        ):
            _, old_failed, old_slow = judged.popleft()
            self._failed -= old_failed
            self._slow -= old_slow
        total = len(judged)
        if not (failed or slow) or total < options.minimum:
            return  # a good call never opens the circuit
        if self._failed / total >= options.failure_rate or self._slow / total >= options.slow_rate:
            self._open(now)

    def _open(self, now: float) -> None:
        self._until = now + self._options.open_for
        self._become(State.OPEN)

    def _become(self, state: State) -> None:
        self._state = state
        self._generation += 1
        self._judged.clear()
        self._failed = self._slow = self._passed = 0
        self._probing = False
        self._told(state)


def circuit_breaker(
    breaker: Breaker,
    monotonic: Callable[[], float],
    left: Callable[[Req], float],
    judge: Callable[[Exception], Verdict],
) -> Layer[Req, Resp]:
    """`judge` says what an error means. A cancelled call says nothing, unless its time was up: then it failed, or a
    deadline shorter than the timeout would keep the circuit closed for ever."""

    def layer(inner: Handler[Req, Resp]) -> Handler[Req, Resp]:
        async def handle(request: Req) -> Resp:
            permit = breaker.admit(monotonic())
            if permit is None:
                raise BreakerIsolated if breaker.state is State.ISOLATED else BreakerOpen
            verdict = Verdict.IGNORED
            try:
                response = await inner(request)
                verdict = Verdict.SUCCEEDED
            except asyncio.CancelledError:
                if left(request) <= 0:
                    verdict = Verdict.FAILED
                raise
            except Exception as error:
                verdict = judge(error)
                raise
            finally:
                breaker.resolve(permit, verdict, monotonic())
            return response

        return handle

    return layer
