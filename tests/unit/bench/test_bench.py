"""The benchmark is fair: every server answers the same calls with the right card, and wrong answers are seen."""

import asyncio
import os
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from bench import FLOOR_SHA256
from bench.kfre import risk, terms
from bench.layers import KEPT, Load, Parts, config_of
from bench.load import Target, closed_loop, hook_calls, one_card, open_loop
from bench.measure import Line, OpenLine
from bench.report import floor_digest, goals
from bench.request import Sample, now, samples
from bench.servers import AIOHTTP, FHIR, FLOOR, NAIVE, PYREQWEST, VARIANTS, Variant, gateway, stub
from bench.startup import Startup
from wardgate.adapters.files.catalog import load
from wardgate.adapters.memory.hot import MemoryHotStore
from wardgate.bootstrap.parts import Tasks

_INFER = b'{"inputs":[{"shape":[1,4],"data":[70,1,30,300]}]}'
_ASK = b"POST /infer HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n%b" % (len(_INFER), _INFER)

pytestmark = pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="the benchmark needs Linux")


@pytest.fixture
def calls() -> list[Sample]:
    return samples(now(), count=4)


def test_the_equation_is_the_published_one() -> None:
    """Tangri 2016, non-North-American, two years: the probe of the design's example release."""
    assert risk(terms(70, 1, 30, 300)) == pytest.approx(0.04732493, abs=1e-8)


def test_requests_are_as_large_as_the_published_one_and_repeat(calls: list[Sample]) -> None:
    """About 34 KB each, the same from the same seed, a patient and a hookInstance of its own for each."""
    again = samples(datetime(2026, 3, 1, 12, tzinfo=UTC), count=4)
    assert again == samples(datetime(2026, 3, 1, 12, tzinfo=UTC), count=4)
    decoded = [msgspec.json.decode(sample.body(number)) for number, sample in enumerate(calls)]
    assert all(33_000 < len(sample.body(1)) < 34_500 for sample in calls)
    assert len({call["context"]["patientId"] for call in decoded}) == len(calls)
    assert len({call["hookInstance"] for call in decoded}) == len(calls)
    assert {key: len(decoded[0]["prefetch"][key]["entry"]) for key in ("labs", "problems", "medications")} == {
        "labs": 30,
        "problems": 4,
        "medications": 3,
    }


def test_the_floor_is_the_pinned_one() -> None:
    """Ratios to another floor are other ratios: a change of its source is a change of the pin."""
    assert floor_digest() == FLOOR_SHA256


@pytest.mark.parametrize("variant", VARIANTS, ids=lambda variant: variant.name)
def test_every_server_answers_with_the_right_card(variant: Variant, calls: list[Sample], tmp_path: Path) -> None:
    """One card a call with that patient's risk (`gateway` checks each), and the same under a little load."""
    with stub(0, tmp_path) as model, gateway(variant, model, tmp_path, calls) as (server, port):
        before = server.cpu()
        run = closed_loop(hook_calls(port, calls), concurrency=4, seconds=0.1)
        assert run.calls >= 4
        assert run.wrong == 0
        assert server.cpu() > before


def test_wrong_answers_are_counted(tmp_path: Path) -> None:
    """A model's reply is no card: every call is counted as wrong."""
    with stub(0, tmp_path) as model:
        run = closed_loop(Target(model, lambda _: (_ASK,), one_card), concurrency=2, seconds=0.05)
    assert run.wrong == run.calls > 0


def test_open_loop_counts_from_the_due_time(tmp_path: Path) -> None:
    """No answer of a model that takes 20 ms is faster than that, and all calls that were due are counted."""
    with stub(0.02, tmp_path) as model:
        run = open_loop(Target(model, lambda _: (_ASK,), lambda *_: True), rate=200, seconds=0.5)
    assert run.latencies[0] >= 0.02
    assert 60 < run.calls < 140


def test_goals_are_read_from_the_figures() -> None:
    """Ratios at 16 connections and added milliseconds meet or miss the design's limits."""
    ratios = {FLOOR: 1.0, PYREQWEST: 1.5, AIOHTTP: 2.5, NAIVE: 16.0, FHIR: 80.0}
    closed = [Line(variant.name, 16, 0, ratio, 0, 0, 0, 1, 0) for variant, ratio in ratios.items()]
    opened = [OpenLine(AIOHTTP.name, 21.0, 24.0, 1.0, 4.0, 0.3, 1, 0)]
    met = {goal.what: goal.met for goal in goals(closed, opened, Startup(1.0, 2.0))}
    assert list(met.values()) == [True, False, True, False, False, True, True, False, True, False]


@pytest.mark.parametrize("more", ["", KEPT])
async def test_with_the_layers_and_without_every_call_gets_its_card(
    calls: list[Sample], tmp_path: Path, more: str
) -> None:
    """Only so is the difference their price: all is kept in the one case, and nothing in the other."""
    async with asyncio.TaskGroup() as group:
        tasks = Tasks()
        tasks.lend(group)
        parts = Parts(load(config_of(tmp_path, more)).catalog, tasks)
        for layered in (True, False):
            store = MemoryHotStore(parts.clock.monotonic, parts.meter.hot_event)
            await Load(calls).window(await parts.edge(store, layered), together=2, calls=8)
            assert len(store) == (8 * (3 if more else 1) if layered else 0)
