"""One fault after another: calls at a steady rate, what became of them, and how long it took to be well again."""

import asyncio
import re
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence

import msgspec

from wardgate.lab.chaos.answers import problems, summaries
from wardgate.lab.chaos.proxy import Proxy
from wardgate.lab.chaos.scenario import Scenario, Trial
from wardgate.lab.load.engine import Call, Generator
from wardgate.lab.load.histogram import Histogram

TOLERANCE = 0.05
"""Seconds over the deadline that an answer may take (law 1)."""
_PULSE = 0.005
_SHOWN_PROBLEMS = 3
_SURELY = 10  # expected meetings above which not a single one is no chance any more
_PAUSE = 0.05  # seconds between two calls that look whether it is well again
_OUTCOME = re.compile(r'outcome;desc="([a-z_]+)/([a-z_]+)"')

Ending = tuple[str, str, str]
"""Outcome, reason, step."""
Bodies = Callable[[str, str, bool | tuple[str, ...]], Callable[[int], Sequence[bytes]]]
"""Of a service, a patient and the prefetch that is sent: the HTTP request of call number n."""
Counters = Callable[[str], Awaitable[Mapping[Ending, int] | None]]
"""How many calls of a service have ended in which way, by the gateway's own count; None: it does not tell."""


class Result(msgspec.Struct, frozen=True):
    """Of one fault. Times in milliseconds; `recovered_ms` None: not within the time that it had. `late`: beyond
    deadline + 50 ms. `broken`: what was not as it has to be, in sentences."""

    name: str
    target: str
    calls: int
    met: int
    endings: dict[str, int]
    p50_ms: float
    p99_ms: float
    max_ms: float
    late: int
    invalid: int
    recovered_ms: float | None
    broken: list[str]


class Unhealthy(Exception):
    """There is nothing to be learnt of faults where it does not work without them."""


class Chaos:
    def __init__(
        self,
        scenario: Scenario,
        proxies: Mapping[str, Proxy],
        generator: Callable[[Callable[[int], Sequence[bytes]], Callable[[Call], None]], Generator],
        bodies: Bodies,
        counters: Counters,
    ) -> None:
        self._scenario = scenario
        self._proxies = proxies
        self._generator = generator
        self._bodies = bodies
        self._counters = counters
        self._healthy: dict[tuple[str, str], set[str]] = {}

    async def run(self, trial: Trial) -> Result:
        """Raises Unhealthy where calls do not succeed before the fault begins."""
        await self._learn(trial)
        proxy = self._proxies[trial.target]
        pulse = _Pulse()
        async with asyncio.TaskGroup() as group:
            beating = group.create_task(pulse.run())
            before = await self._counters(trial.service)
            proxy.begin(trial.fault)
            try:
                calls = await self._ask(trial, trial.calls, trial.rate)
                await self._meet(trial, proxy)
            finally:
                met = proxy.met
                proxy.end()
            ended = asyncio.get_running_loop().time()
            endings = _difference(before, await self._counters(trial.service)) or _by_header(calls)
            recovered = await self._recover(trial, ended)
            beating.cancel()
        return self._judge(trial, calls, met, endings, recovered, pulse)

    async def _meet(self, trial: Trial, proxy: Proxy) -> None:
        """A gateway that lost its connection before the first call may keep away for longer than all calls take: the
        fault stays until it has looked again."""
        loop = asyncio.get_running_loop()
        until = loop.time() + (trial.recovery if trial.fault.share * trial.calls > _SURELY else 0.0)
        while not proxy.met and loop.time() < until:  # noqa: ASYNC110 - the proxy counts, in its own callbacks
            await asyncio.sleep(_PAUSE)

    async def _learn(self, trial: Trial) -> None:
        """What each patient's card is in health."""
        for number, patient in enumerate(trial.patients):
            if (trial.service, patient) in self._healthy:
                continue
            until = asyncio.get_running_loop().time() + trial.recovery
            while True:
                call, ending = await self._one(trial, number, prefetch=True)
                if ending in self._scenario.healthy and not problems(call.status, call.content_type, call.body):
                    self._healthy[trial.service, patient] = set(summaries(call.body))
                    break
                if call.done > until:
                    raise Unhealthy(f"{trial.service} for {patient} ends with {ending or call.status} without a fault")
                await asyncio.sleep(_PAUSE)

    async def _recover(self, trial: Trial, ended: float) -> float | None:
        """Seconds from the end of the fault until an answer that is as good as before."""
        number = 0
        while True:
            call, ending = await self._one(trial, number, prefetch=trial.prefetch)
            if call.status == 200 and ending in self._scenario.healthy:
                return call.done - ended
            if call.done - ended > trial.recovery:
                return None
            number += 1
            await asyncio.sleep(_PAUSE)

    async def _one(self, trial: Trial, number: int, prefetch: bool | tuple[str, ...]) -> tuple[Call, str]:
        """One call, and the reason with which it ended; "" where it is not known."""
        before = await self._counters(trial.service)
        patient = trial.patients[number % len(trial.patients)]
        calls: list[Call] = []
        generator = self._generator(self._bodies(trial.service, patient, prefetch), calls.append)
        try:
            await generator.run(rate=1, count=1, first=number)
        finally:
            generator.close()
        found = _by_header(calls) or _difference(before, await self._counters(trial.service))
        reasons = [reason for _, reason, _ in found]
        return calls[0], reasons[0] if len(reasons) == 1 else ""

    async def _ask(self, trial: Trial, count: int, rate: float) -> list[Call]:
        pieces = [self._bodies(trial.service, patient, trial.prefetch) for patient in trial.patients]
        calls: list[Call] = []
        generator = self._generator(lambda number: pieces[number % len(pieces)](number), calls.append)
        try:
            await generator.run(rate, count)
        finally:
            generator.close()
        return calls

    def _judge(
        self,
        trial: Trial,
        calls: Sequence[Call],
        met: int,
        endings: Mapping[Ending, int],
        recovered: float | None,
        pulse: "_Pulse",
    ) -> Result:
        times = Histogram()
        for call in calls:
            times.add(call.done - call.sent)
        limit = self._scenario.deadline + TOLERANCE
        late = [call for call in calls if call.done - call.sent - pulse.lost(call.sent, call.done) > limit]
        wrong = [found for call in calls if (found := self._problems(trial, call))]
        broken = [f"{len(late)} answers came after {limit * 1000:.0f} ms"] if late else []
        broken += [f"an answer is invalid: {found[0]}" for found in wrong[:_SHOWN_PROBLEMS]]
        broken += _unexpected(trial, endings)
        if not met and trial.fault.share * trial.calls > _SURELY:
            broken.append("the fault met nothing: the gateway did not turn to it")
        if recovered is None:
            broken.append(f"it was not well again {trial.recovery:g} s after the fault had ended")
        return Result(
            trial.name,
            trial.target,
            len(calls),
            met,
            {"/".join(filter(None, ending)): count for ending, count in endings.items()},
            times.quantile(0.5) * 1000,
            times.quantile(0.99) * 1000,
            times.largest * 1000,
            len(late),
            len(wrong),
            None if recovered is None else recovered * 1000,
            broken,
        )

    def _problems(self, trial: Trial, call: Call) -> list[str]:
        found = problems(call.status, call.content_type, call.body)
        if found or call.status != 200 or trial.cards == "any":
            return found
        healthy = self._healthy[trial.service, trial.patients[call.number % len(trial.patients)]]
        return [] if healthy.issuperset(summaries(call.body)) else ["a card that this patient does not have in health"]


def _unexpected(trial: Trial, endings: Mapping[Ending, int]) -> list[str]:
    reasons: Counter[str] = Counter()
    for (_, reason, _), count in endings.items():
        reasons[reason] += count
    found = [f"{count} calls ended with {reason}" for reason, count in reasons.items() if reason not in trial.expect]
    if not endings:
        return ["how the calls ended is not known: name the admin listener, or set telemetry.server_timing"]
    if trial.seen == "first" and trial.expect[0] not in reasons:
        found.append(f"no call ended with {trial.expect[0]}")
    counted = sum(reasons.values())
    if counted != trial.calls:
        found.append(f"{counted} calls were counted, and {trial.calls} were made")
    return found


def _difference(before: Mapping[Ending, int] | None, after: Mapping[Ending, int] | None) -> dict[Ending, int]:
    if before is None or after is None:
        return {}
    return {ending: count - before.get(ending, 0) for ending, count in after.items() if count > before.get(ending, 0)}


def _by_header(calls: Sequence[Call]) -> dict[Ending, int]:
    """As the answers themselves say it; calls that do not say anything are not in it."""
    found: Counter[Ending] = Counter()
    for call in calls:
        named = _OUTCOME.search(call.timing)
        if named is not None:
            found[named[1], named[2], ""] += 1
    return dict(found)


class _Pulse:
    """Notes when this process itself stood still: what an answer waited for that is no fault of the gateway."""

    def __init__(self) -> None:
        self._stalls: list[tuple[float, float]] = []

    async def run(self) -> None:
        clock = asyncio.get_running_loop().time
        while True:
            begin = clock()
            await asyncio.sleep(_PULSE)
            if clock() > begin + 2 * _PULSE:
                self._stalls.append((begin + _PULSE, clock()))

    def lost(self, begin: float, end: float) -> float:
        """Seconds between two times in which nothing could be done here."""
        return sum(max(0.0, min(end, to) - max(begin, since)) for since, to in self._stalls)
