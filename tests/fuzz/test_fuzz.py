"""Mutated calls and reports by the thousand, through a whole gateway in process: never a 5xx, never an echo of a
planted name, every answer valid, nothing kept, memory flat.

`--fuzz N` says how many (10,000 in `make check`, 1,000,000 in `make proof`). A failure names its seed; the same seed
is the same body.
"""

import asyncio
import gc
import json
import random
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from tests.fakes.asgi import JSON, Reply, ask
from tests.fakes.charts import patient
from tests.fakes.gateway import FakeGateway
from tests.fakes.many_hooks import SERVICE, many_hooks
from tests.fakes.markers import MARKER
from tests.fakes.model import FakeModel
from tests.fakes.mutations import call, feedback, labs, mutated, problems, vitals, ward_call
from tests.fakes.validator import problems_of_call, problems_of_feedback
from wardgate.domain.hooks import FhirAccess
from wardgate.domain.outcomes import Reason

BATCH = 500
_MIB = 1024 * 1024
_GROWTH = 48 * _MIB
"""What a run may grow by after its first fifth: what is kept in memory on purpose (10,000 records and reports) fits
into it; a few bytes a call that nobody lets go do not, in a million."""


class MutatedFhir:
    """A server that answers with charts as odd as the calls."""

    def __init__(self, chart: Callable[[random.Random], Any]) -> None:
        self.chance = random.Random(0)
        self.chart = chart

    async def read(self, access: FhirAccess, url: str, timeout: float) -> bytes | None:
        if self.chance.random() < 0.2:
            return None
        chart = self.chart(self.chance) if "/Observation" in url else problems(self.chance)
        return mutated(patient() if "/Patient/" in url else chart, self.chance)


class Fuzz:
    """One gateway, the calls of one of its services, and what it was seen to do. One call in four finds no model."""

    def __init__(
        self, gateway: FakeGateway, service: str, call: Callable[[random.Random], Any], fhir: MutatedFhir
    ) -> None:
        self.gateway = gateway
        self.path = f"/cds-services/{service}"
        self.call = call
        self.fhir = gateway.reader.delegate = fhir
        self.statuses: Counter[int] = Counter()
        self.reasons: Counter[str] = Counter()
        self.steps: Counter[str] = Counter()
        self.acted = 0
        self.warm = 0

    async def batch(self, seed: int, count: int) -> None:
        for number in range(count):
            await self.one(f"{seed}/{number}")
        meter = self.gateway.meter
        assert MARKER not in repr((meter, self.gateway.sink.newest(count), self.gateway.feedback.newest(count))), seed
        self.reasons.update(counted[5] for counted in meter.calls)
        self.steps.update(f"{counted[4]} by {counted[6]}" for counted in meter.calls)
        for kept in (meter.calls, meter.feedback, meter.adjusted, self.gateway.model.asked):
            kept.clear()

    async def one(self, seed: str) -> None:
        chance = random.Random(seed)
        self.fhir.chance = chance
        reports = chance.random() < 0.15
        self.gateway.model.broken = Reason.MODEL_TIMEOUT if chance.random() < 0.25 else None
        body = mutated(feedback(chance) if reports else self.call(chance), chance)
        path = f"{self.path}/feedback" if reports else self.path
        reply = await ask(self.gateway.edge, "POST", path, body, JSON)
        self.statuses[reply.status] += 1
        self.acted += b'"systemActions"' in reply.body
        judge = problems_of_feedback if reports else problems_of_call
        assert reply.status < 500, (seed, reply.status)
        assert judge(reply.status, reply.headers["content-type"], reply.body) == [], seed
        assert MARKER not in unquoted(reply), (seed, reply.body)
        assert self.gateway.meter.faults == [], (seed, self.gateway.meter.faults)


def unquoted(reply: Reply) -> str:
    """All that left, without what a card is meant to quote: a measurement as it stands in the chart, for whoever opened
    that chart, and in a draft order the ids of the call, which have the form of ids."""
    if reply.status != 200:
        return reply.everything()
    document = reply.json()
    for card in document.get("cards", ()):
        rows = [line.split(" | ") for line in card.get("detail", "").splitlines()]
        card["detail"] = "\n".join(" | ".join(row[:1] + row[2:] if len(row) > 2 else row) for row in rows)
        for suggestion in card.get("suggestions", ()):
            _without_ids(suggestion["actions"])
    _without_ids(document.get("systemActions", ()))
    return f"{reply.headers} {json.dumps(document, ensure_ascii=False)}"


def _without_ids(actions: Iterable[dict[str, Any]]) -> None:
    for action in actions:
        for name in ("subject", "encounter", "requester"):
            action["resource"].pop(name, None)


def resident() -> int:
    """Bytes of this process in memory, after everything that can go has gone; 0 where the system does not say."""
    gc.collect()
    statm = Path("/proc/self/statm")
    return int(statm.read_text().split()[1]) * 4096 if statm.exists() else 0


@pytest.mark.requirement("INV-2", "INV-6", "HK-2", "RSP-1", "GEN-1", "GEN-3", "SEC-17")
def test_no_body_breaks_the_gateway(tmp_path: Path, fuzzed: int) -> None:
    """Of any hook, for a card that acts: an answer that is valid, without a word of what came; nothing stays behind."""
    gateway = FakeGateway(many_hooks(tmp_path), site="hospital_a", system_actions=True)
    fuzz = Fuzz(gateway, SERVICE, call, MutatedFhir(labs))
    _run(fuzz, fuzzed - fuzzed // 4)
    assert fuzz.statuses.keys() >= {200, 400, 412}, fuzz.statuses
    assert fuzz.reasons.keys() >= {"threshold_met", "below_threshold", "population", "input_missing", "input_stale"}
    assert fuzz.acted > 0


@pytest.mark.requirement("RSP-1", "GEN-1", "GEN-3", "SEC-17")
def test_no_body_breaks_the_ward(fuzzed: int) -> None:
    """The same for the demo's ward, with its derived features and the rule that stands in for the model."""
    gateway = FakeGateway(model=FakeModel(function=lambda *values: min(0.9, values[1] / 200)))
    fuzz = Fuzz(gateway, "deterioration", ward_call, MutatedFhir(vitals))
    _run(fuzz, fuzzed // 4)
    assert fuzz.steps.keys() >= {"shown by model", "shown by rule", "deferred by none"}, fuzz.steps


def _run(fuzz: Fuzz, count: int) -> None:
    with asyncio.Runner() as runner:

        @settings(max_examples=-(-count // BATCH), phases=[Phase.generate], database=None)
        @given(seed=st.integers(min_value=0, max_value=2**63))
        def run(seed: int) -> None:
            runner.run(fuzz.batch(seed, BATCH))
            if not fuzz.warm and fuzz.statuses.total() >= count / 5:
                fuzz.warm = resident()

        run()
    total, reasons = fuzz.statuses.total(), len(fuzz.reasons)
    assert total >= count
    grown = resident() - fuzz.warm
    assert grown < _GROWTH
    print(f"\n{total:,} bodies: {dict(fuzz.statuses)}, {reasons} reasons, {fuzz.acted:,} with actions, {grown:,} bytes")
