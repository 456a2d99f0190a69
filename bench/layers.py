"""What the layers of the two stacks cost a call: `python -m bench.layers`. µs of CPU of this process, on uvloop.

Every variant answers the same calls through the same edge and the same spine, with records and metrics; only the layers
around them differ. The model is a function in this process, and Redis, where it is installed, runs on another core, so
that nothing else is measured. Variants take turns, and the cheapest of many windows counts: a neighbour can only add.
"""

import asyncio
import gc
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from itertools import count
from pathlib import Path
from typing import NamedTuple
from zoneinfo import ZoneInfo

import uvloop

from bench.kfre import risk, terms
from bench.load import one_card
from bench.profile import ask
from bench.request import Sample, now, samples
from bench.servers import LOAD_CORE, SERVER_CORE, free_port, write_config
from tests.fakes.records import FakeRecordSink
from tests.fakes.redis_server import RedisServer
from wardgate.adapters.aead.fingerprints import KeyedFingerprints
from wardgate.adapters.files.catalog import load
from wardgate.adapters.logs.events import EventLog
from wardgate.adapters.memory.hot import MemoryHotStore
from wardgate.adapters.prometheus.meter import PrometheusMeter
from wardgate.adapters.redis.hot import RedisHotStore
from wardgate.adapters.redis.seals import Seals
from wardgate.bootstrap.machine import DecisionIds, SystemClock
from wardgate.bootstrap.parts import Faults, Tasks, recall_of
from wardgate.domain.clients import Client
from wardgate.domain.feedback import Feedback
from wardgate.domain.hooks import FhirAccess
from wardgate.domain.inference.endpoint import Endpoint, ModelReply, Readiness
from wardgate.domain.inference.prediction import ModelInputs
from wardgate.domain.plans import Catalog, ReleasePlan
from wardgate.domain.pseudonyms import KeyRing, Purpose
from wardgate.domain.record_names import RecordNames
from wardgate.gateway.authentication import OneClient
from wardgate.gateway.gather import Gatherer
from wardgate.gateway.generations import FileSnapshots
from wardgate.gateway.hook_flow import HookFlow
from wardgate.gateway.layers import record, telemetry
from wardgate.gateway.notices import Notices
from wardgate.gateway.ports import HotStore
from wardgate.gateway.probes import ProvenModel
from wardgate.gateway.recording import Recorder
from wardgate.gateway.shadow import Shadow
from wardgate.gateway.stacks import HookHandler, ModelHandler, ModelPolicies, ReleaseName, hook_stack, model_stack
from wardgate.gateway.telemetry import Telemetry
from wardgate.resilience.admission import Claim
from wardgate.resilience.gate import Gate
from wardgate.resilience.stack import stack
from wardgate.web.edge import Edge

_CALLS = 1000  # of a window
_WINDOWS = 15
KEPT = """
fallback: [{cached: {max_age: 12h}}, none]
suppress: {same: [patient, user, release, band], for: 24h}
"""


class Price(NamedTuple):
    """The cheapest window; `bare` is that of the same calls without the layers."""

    name: str
    together: int
    micros: float
    bare: float


class _Model:
    """Meets `gateway.ports.ModelClient`: the equation, a turn of the loop later."""

    async def infer(
        self,
        endpoint: Endpoint,
        inputs: ModelInputs,
        timeout: float,
        oldest: int = 0,
        traceparent: str | None = None,
    ) -> ModelReply:
        await asyncio.sleep(0)
        age, male, egfr, uacr = inputs.values
        parts = terms(age, male, egfr, uacr)
        return ModelReply(risk(parts), parts, {}, 1)

    async def ready(self, endpoint: Endpoint) -> Readiness:
        return Readiness(True, 1)

    def renew(self, endpoint: Endpoint) -> int | None:
        return 1


class _NoFhir:
    """Meets `gateway.ports.FhirReader`: every call brings its prefetch."""

    async def read(self, access: FhirAccess, url: str, timeout: float) -> bytes | None:
        return None


async def _nobody(reports: Sequence[Feedback]) -> None:
    """Takes no feedback: none comes."""


class _OpenGate(Gate):
    """Lets everybody in and counts nobody."""

    def turns_away(self, claim: Claim) -> bool:
        return False

    async def enter(self, claim: Claim) -> bool:
        return True

    def leave(self) -> None:
        return


class Parts:
    """What all variants are made of."""

    def __init__(self, catalog: Catalog, tasks: Tasks) -> None:
        self.catalog, self.tasks = catalog, tasks
        self.clock, self.meter, self.sink = SystemClock(), PrometheusMeter(), FakeRecordSink()
        self.faults = Faults(EventLog(), self.meter)
        self.ring = KeyRing([b"a key of the benchmark, thirty-two bytes"])
        prints = KeyedFingerprints(self.ring.keys(Purpose.LOG))
        self.names = RecordNames(self.ring)
        self.recorder = Recorder(self.names, prints, self.clock, "test", catalog.digest)
        self.snapshots = FileSnapshots(catalog.rollouts)
        self.gatherer = Gatherer(_NoFhir(), self.meter, self.clock)
        self.model = _Model()

    async def edge(self, store: HotStore, layered: bool) -> Edge:
        """With all layers, or with nothing but records and metrics around the spine and the model."""
        clock, meter, snapshots = self.clock, self.meter, self.snapshots
        ask_model = self._stacked if layered else self._asked
        models = {release.digest: await self._proven(release, ask_model(release)) for release in self._releases()}
        recall = recall_of(store, self.ring, snapshots, lambda digest: models[digest].trouble, self.faults)
        flow = HookFlow(snapshots, self.gatherer.gather, {}, models, clock, meter, recall, self.names)
        layers = [
            telemetry(Telemetry(clock, meter), self.faults),
            record(self.recorder, self.sink, clock, self.faults),
        ]
        handler: HookHandler = stack(layers, flow)
        if layered:
            shadow = Shadow(
                flow, self.gatherer.given, {}, snapshots, self.recorder, self.sink, clock, meter, self.faults
            )
            notices = Notices(snapshots, {}, recall, self.names)
            handler = hook_stack(flow, clock, meter, self.recorder, self.sink, self.faults, recall, notices, shadow)
        servers = frozenset({"https://ehr.example.org/fhir/r4"})
        return Edge(
            catalog=lambda: self.catalog,
            handler=lambda plan: handler,
            feedback=_nobody,
            callers=OneClient(Client("bench-ehr", servers, (), "bench", ZoneInfo("UTC"))),
            gate=Gate() if layered else _OpenGate(),
            clock=clock,
            new_id=DecisionIds(),
            meter=meter,
            faults=self.faults,
            ready=lambda: True,
        )

    def _releases(self) -> list[ReleasePlan]:
        return [release for plan in self.catalog.plans() for release in plan.releases.values()]

    def _stacked(self, release: ReleasePlan) -> ModelHandler:
        name = ReleaseName(release.service_id, release.model, release.version)
        policies = ModelPolicies(release.endpoint, name, self.meter)
        return model_stack(self.model, policies, self.clock, self.tasks.spawn)

    def _asked(self, release: ReleasePlan) -> ModelHandler:
        return lambda request: self.model.infer(request.endpoint, request.inputs, 0.2)

    async def _proven(self, release: ReleasePlan, handler: ModelHandler) -> ProvenModel:
        endpoint, probes = release.endpoint, release.probes
        model = ProvenModel(
            release.model, release.version, endpoint, probes, self.model, handler, self.clock, self.meter
        )
        await model.prove()
        return model


class Load:
    """Every call is of an encounter of its own, so that none is a repeat and all that can be kept of one is kept."""

    def __init__(self, calls: Sequence[Sample]) -> None:
        self._calls = calls
        self._numbers = count()

    async def window(self, edge: Edge, together: int, calls: int = _CALLS) -> float:
        """µs of CPU a call. AssertionError where one gets another answer than a card."""

        async def one_after_another() -> None:
            for _ in range(calls // together):
                number = next(self._numbers)
                body = self._calls[number % len(self._calls)].body(number)
                answer = await ask(edge, body.replace(b'"enc-', b'"enc-%d-' % number, 1))
                assert one_card(*answer), answer

        before = time.process_time()
        await asyncio.gather(*[one_after_another() for _ in range(together)])
        return (time.process_time() - before) / (calls // together * together) * 1e6


async def measure(parts: Parts, stores: Sequence[tuple[str, HotStore]], calls: Load, together: int) -> list[Price]:
    """Each store with all layers, beside none."""
    edges = [await parts.edge(stores[0][1], layered=False)]
    edges += [await parts.edge(store, layered=True) for _, store in stores]
    for edge in edges:
        await calls.window(edge, together)
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)  # as the gateway sets it when it serves
    windows = [[await calls.window(edge, together) for edge in edges] for _ in range(_WINDOWS)]
    bare, *layered = [min(of_one) for of_one in zip(*windows, strict=True)]
    return [Price(name, together, cost, bare) for (name, _), cost in zip(stores, layered, strict=True)]


async def _run(configs: Sequence[tuple[str, Path]], redis: RedisServer | None, say: Callable[[str], None]) -> None:
    calls = Load(samples(now()))
    async with asyncio.TaskGroup() as group:
        for what, config in configs:
            tasks = Tasks()
            tasks.lend(group)
            parts = Parts(load(config).catalog, tasks)
            stores: list[tuple[str, HotStore]] = [("memory", MemoryHotStore(time.monotonic, parts.meter.hot_event))]
            running: list[asyncio.Task[None]] = []
            if redis is not None:
                seals = Seals(parts.ring.keys(Purpose.STORE))
                store = RedisHotStore(redis.place, seals, parts.clock.now, parts.meter.hot_event)
                running.append(group.create_task(store.run()))
                while not store.up:  # noqa: ASYNC110 - the store tells health, not an event
                    await asyncio.sleep(0.01)
                stores.append(("redis", store))
            for together in (16, 1):
                for price in await measure(parts, stores, calls, together):
                    say(
                        f"{price.micros - price.bare:6.1f}  {price.name:6}  {price.together:2} at a time  {what}"
                        f"  ({price.micros:.0f} with, {price.bare:.0f} without)"
                    )
            for task in running:
                task.cancel()


def config_of(folder: Path, more: str, model: str = "127.0.0.1:9") -> Path:
    """A machine that stands still for a moment ends no call here."""
    config = write_config(folder, free_port(), model, "aiohttp")
    service = config.parent / "services" / "kidney-failure.yaml"
    service.write_text(service.read_text().replace("deadline: 500ms", "deadline: 10s") + more)
    release = config.parent / "models" / "kidney-failure" / "releases" / "1.0.0.yaml"
    release.write_text(release.read_text().replace("timeout: 200ms", "timeout: 5s"))
    return config


def main() -> None:
    with ExitStack() as undo:
        folder = Path(undo.enter_context(tempfile.TemporaryDirectory(prefix="wardgate-bench-")))
        configs = [
            ("answers kept", config_of(folder / "answers", "")),
            ("answers, scores and marks kept", config_of(folder / "all", KEPT)),
        ]
        redis = None
        if shutil.which("redis-server") is not None:
            os.sched_setaffinity(0, {LOAD_CORE})  # Redis inherits it
            redis = undo.enter_context(RedisServer())
        os.sched_setaffinity(0, {SERVER_CORE})
        print("what all layers cost a call, µs of CPU (goals: 30 with the store in memory, 150 with Redis)")
        uvloop.run(_run(configs, redis, lambda line: print(line, flush=True)))


if __name__ == "__main__":
    main()
