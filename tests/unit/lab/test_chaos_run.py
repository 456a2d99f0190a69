"""What a run makes of the answers: every promise that is broken is a sentence, and a good run has none."""

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import msgspec
import pytest

from tests.fakes.raw_server import http_answer, raw_server
from wardgate.lab.chaos.answers import problems
from wardgate.lab.chaos.kinds.connections import Hang
from wardgate.lab.chaos.proxy import Fault, Proxy
from wardgate.lab.chaos.run import Chaos, Ending, Result, Unhealthy
from wardgate.lab.chaos.scenario import Scenario, Trial
from wardgate.lab.load.engine import Call, Generator

_CARD: dict[str, Any] = {"summary": "Risk 5 %", "indicator": "info", "source": {"label": "demo"}, "uuid": "u"}
_GOOD = json.dumps({"cards": [_CARD]}).encode()
_NONE = b'{"cards":[]}'
_SHOWN: Ending = ("shown", "threshold_met", "model")
_TIMEOUT: Ending = ("unavailable", "model_timeout", "none")

_TRIAL = Trial(
    "hang",
    "model",
    Fault(Hang()),
    ("model_timeout",),
    "first",
    "s",
    ("p",),
    True,
    "same",
    recovery=1.0,
    calls=4,
    rate=1000,
)


@dataclass
class World:
    """A gateway that answers well while there is no fault, and `under` it with these answers in turns."""

    under: Sequence[tuple[int, bytes, float, Ending | None]]
    healthy: tuple[int, bytes, float, Ending | None] = (200, _GOOD, 0.001, _SHOWN)
    counted: dict[Ending, int] = field(default_factory=dict)
    proxy: Proxy | None = None
    meets: bool = True

    def generator(self, many: Callable[[int], Sequence[bytes]], answered: Callable[[Call], None]) -> Generator:
        return cast(Generator, _Instant(self, answered))

    async def counters(self, service: str) -> Mapping[Ending, int]:
        return dict(self.counted)

    def answer(self, number: int) -> tuple[int, bytes, float]:
        assert self.proxy is not None
        faulty = self.proxy._fault is not None
        self.proxy.met += faulty and self.meets
        status, body, seconds, ending = self.under[number % len(self.under)] if faulty else self.healthy
        if ending is not None:
            self.counted[ending] = self.counted.get(ending, 0) + 1
        return status, body, seconds


@dataclass
class _Instant:
    """Calls that take no time at all, whatever time they say they took."""

    world: World
    answered: Callable[[Call], None]

    async def run(self, rate: float, count: int, first: int = 0) -> None:
        for number in range(first, first + count):
            status, body, seconds = self.world.answer(number)
            now = asyncio.get_running_loop().time()
            self.answered(Call(number, now, now, now + seconds, status, "application/json", "", body))

    def close(self) -> None:
        pass


async def _run(world: World, trial: Trial = _TRIAL) -> Result:
    scenario = Scenario((trial,), None, {}, None, False, 0.5, ("threshold_met",), 1)
    async with raw_server(http_answer("200 OK", b"")) as server, Proxy(server.url) as proxy:
        world.proxy = proxy
        chaos = Chaos(scenario, {"model": proxy}, world.generator, lambda *_: lambda _: (b"",), world.counters)
        return await chaos.run(trial)


async def test_what_is_as_it_should_be_is_not_talked_about() -> None:
    """Counts, times, the way back."""
    result = await _run(World([(200, _NONE, 0.2, _TIMEOUT)]))
    assert result.broken == [] and (result.calls, result.met, result.late, result.invalid) == (4, 4, 0, 0)
    assert result.endings == {"unavailable/model_timeout/none": 4}
    assert result.max_ms == pytest.approx(200) and result.recovered_ms is not None


@pytest.mark.parametrize(
    "answer, said",
    [
        ((200, _NONE, 0.6, _TIMEOUT), "4 answers came after 550 ms"),
        ((0, b"", 0.1, _TIMEOUT), "an answer is invalid: there was no answer"),
        ((500, b"{}", 0.1, _TIMEOUT), "an answer is invalid: status 500"),
        ((200, _GOOD.replace(b"5 %", b"91 %"), 0.1, _TIMEOUT), "a card that this patient does not have in health"),
        ((200, _NONE, 0.1, ("unavailable", "internal", "none")), "4 calls ended with internal"),
        ((200, _NONE, 0.1, ("off", "off", "none")), "no call ended with model_timeout"),
        ((200, _NONE, 0.1, None), "how the calls ended is not known"),
    ],
)
async def test_each_broken_promise_is_a_sentence(answer: tuple[int, bytes, float, Ending | None], said: str) -> None:
    """Too late, no answer, not an answer, another patient's card, another reason, not counted."""
    result = await _run(World([answer]))
    assert any(said in sentence for sentence in result.broken), result.broken


async def test_a_call_that_was_not_counted_is_missed() -> None:
    """The gateway's own count and the calls that were made agree."""
    answers = [(200, _NONE, 0.1, _TIMEOUT), (200, _NONE, 0.1, None)]
    assert "2 calls were counted, and 4 were made" in (await _run(World(answers))).broken


async def test_a_fault_that_meets_nothing_proves_nothing() -> None:
    """A gateway that is not behind the proxy answers well; of four calls it may be chance, of forty not."""
    trial = msgspec.structs.replace(_TRIAL, expect=("threshold_met",))
    healthy = (200, _GOOD, 0.001, _SHOWN)
    few = await _run(World([healthy], meets=False), trial)
    many = await _run(World([healthy], meets=False), msgspec.structs.replace(trial, calls=40))
    assert few.broken == [] and "met nothing" in " ".join(many.broken)


async def test_what_does_not_get_well_is_told() -> None:
    """Where the answers after the fault are still those under it."""

    class Stuck(World):
        def answer(self, number: int) -> tuple[int, bytes, float]:
            answer = super().answer(number)
            if self.proxy is not None and self.proxy._fault is not None:
                self.healthy = (200, _NONE, 0.001, _TIMEOUT)
            return answer

    result = await _run(Stuck([(200, _NONE, 0.1, _TIMEOUT)]), msgspec.structs.replace(_TRIAL, recovery=0.0))
    assert result.recovered_ms is None and "not well again" in " ".join(result.broken)


async def test_what_is_not_well_before_is_not_tried() -> None:
    """There is nothing to be learnt then."""
    world = World([], healthy=(200, _NONE, 0.1, _TIMEOUT))
    with pytest.raises(Unhealthy, match="s for p ends with model_timeout without a fault"):
        await _run(world, msgspec.structs.replace(_TRIAL, recovery=0.0))


@pytest.mark.parametrize(
    "change, said",
    [
        ({"summary": ""}, "summary"),
        ({"summary": "x" * 141}, "summary"),
        ({"indicator": "urgent"}, "indicator"),
        ({"source": {}}, "source"),
        ({"detail": 1}, "detail"),
        ({"suggestions": [{"label": "a"}]}, "selectionBehavior"),
        ({"suggestions": [{}], "selectionBehavior": "any"}, "label"),
        ({"links": [{"label": "a"}]}, "link"),
    ],
)
def test_a_card_that_is_none_is_seen(change: dict[str, Any], said: str) -> None:
    """One part of a good card changed."""
    assert problems(200, "application/json", _GOOD) == []
    [problem] = problems(200, "application/json; charset=utf-8", json.dumps({"cards": [_CARD | change]}).encode())
    assert said in problem


@pytest.mark.parametrize(
    "status, kind, body",
    [
        (200, "text/html", _GOOD),
        (200, "application/json", b"{"),
        (200, "application/json", b'{"cards":[NaN]}'),
        (200, "application/json", b'{"cards":[],"cards":[]}'),
        (200, "application/json", b"[]"),
        (200, "application/json", b'{"cards":[1]}'),
        (200, "application/json", json.dumps({"cards": [_CARD, _CARD]}).encode()),
        (412, "application/json", b"{}"),
        (500, "application/json", b'{"resourceType":"OperationOutcome"}'),
    ],
)
def test_an_answer_that_is_none_is_seen(status: int, kind: str, body: bytes) -> None:
    """Of another type, no JSON, no cards, two of one uuid, an error without an OperationOutcome, a 500 at all."""
    assert problems(status, kind, body)


def test_an_answer_without_a_score_is_an_answer() -> None:
    """No card, and the two errors that a well-formed call may meet."""
    assert problems(200, "application/json", _NONE) == []
    for status in (412, 503):
        assert problems(status, "application/json", b'{"resourceType":"OperationOutcome"}') == []
