"""Composition root: configuration → running gateway. The only file that names concrete adapters; owns the tasks."""

import asyncio
import gc
import os
import signal
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from wardgate.adapters.aead.answers import SealedAnswers
from wardgate.adapters.http.aiohttp_client import AiohttpClient
from wardgate.adapters.http.client import HttpClient
from wardgate.adapters.http.fhir import HttpFhirReader
from wardgate.adapters.http.model_client import HttpModelClient
from wardgate.adapters.logs.events import EventLog
from wardgate.adapters.memory.feedback import MemoryFeedbackSink
from wardgate.adapters.memory.hot import MemoryHotStore
from wardgate.adapters.memory.records import MemoryRecordSink
from wardgate.adapters.prometheus.meter import PrometheusMeter
from wardgate.domain.context.caller import compile_attributes
from wardgate.domain.findings import Finding
from wardgate.domain.flags import Snapshot
from wardgate.domain.hot import StorePlace
from wardgate.domain.plans import Catalog, ReleasePlan, ServicePlan
from wardgate.domain.pseudonyms import SECRET_BYTES, KeyRing, Pseudonyms, Purpose
from wardgate.gateway.feedback import FeedbackDesk
from wardgate.gateway.gather import Gatherer
from wardgate.gateway.hook_flow import HookFlow
from wardgate.gateway.hot import HotCache
from wardgate.gateway.notices import Notices
from wardgate.gateway.ports import HotStore, Snapshots
from wardgate.gateway.probes import Proof, ProvenModel
from wardgate.gateway.recall import Recall
from wardgate.gateway.shadow import Shadow
from wardgate.gateway.stacks import HookHandler, ModelPolicies, ReleaseName, hook_stack, model_stack
from wardgate.resilience.breaker import State
from wardgate.resilience.coalesce import Spawn
from wardgate.settings import Listen, Secrets, Settings
from wardgate.web.admin import LOCAL, AdminPorts, admin_app
from wardgate.web.asgi import ASGIApp
from wardgate.web.edge import Edge, EdgeOptions
from wardgate.web.server import ListenError, require_fast_loop, serve_all


class SystemClock:
    """Meets `gateway.ports.Clock`; the only place where the machine's clocks are read."""

    now = staticmethod(time.time)  # noqa: TID251 - this is the Clock
    monotonic = staticmethod(time.monotonic)


class DecisionIds:
    """Random UUIDs (RFC 9562, version 4), their bytes drawn from the system in batches: a draw is a system call."""

    _BATCH = 256

    def __init__(self) -> None:
        self._bytes = b""
        self._used = 0

    def __call__(self) -> str:
        if self._used == len(self._bytes):
            self._bytes, self._used = os.urandom(16 * self._BATCH), 0
        drawn = self._bytes[self._used : self._used + 16].hex()
        self._used += 16
        variant = "89ab"[int(drawn[16], 16) & 3]
        return f"{drawn[:8]}-{drawn[8:12]}-4{drawn[13:16]}-{variant}{drawn[17:20]}-{drawn[20:]}"


class FixedSnapshots:
    """The rollouts as the files begin them, until the rollout store is built."""

    def __init__(self, catalog: Catalog) -> None:
        self._snapshot = Snapshot(epoch=1, rollouts=catalog.rollouts)

    def current(self) -> Snapshot:
        return self._snapshot


class Faults:
    """Meets `gateway.ports.FaultLog`: noted by class and place, and counted."""

    def __init__(self, log: EventLog, meter: PrometheusMeter) -> None:
        self._log = log
        self._meter = meter

    def fault(self, stage: str, error: BaseException) -> None:
        self._log.fault(stage, error)
        self._meter.fault(stage)


@dataclass(frozen=True, slots=True)
class Hot:
    """The hot store with what belongs to it: `run` until cancelled, where it has anything to run; what health says."""

    store: HotStore
    run: Callable[[], Coroutine[Any, Any, None]] | None
    health: Callable[[], Mapping[str, str]]


class Tasks:
    """The task group that owns what a call starts and others may share; lent before the first call comes."""

    def __init__(self) -> None:
        self._group: asyncio.TaskGroup | None = None

    def lend(self, group: asyncio.TaskGroup) -> None:
        self._group = group

    def spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        assert self._group is not None
        return self._group.create_task(work)


@dataclass(frozen=True, slots=True)
class Gateway:
    """A gateway that is built but not yet listening."""

    listeners: tuple[tuple[ASGIApp, str, int], ...]
    models: Mapping[str, ProvenModel]
    http: HttpClient
    hot: Hot
    shadow: Shadow
    tasks: Tasks


def serve(settings: Settings, secrets: Secrets, catalog: Catalog, warnings: Sequence[Finding]) -> int:
    """Run until SIGTERM or SIGINT; the exit code."""
    log = EventLog()
    for warning in warnings:
        log.event("warning", file=warning.file, line=warning.line, key=warning.key, what=warning.what)
    try:
        require_fast_loop()
        import uvloop

        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(_serve(settings, secrets, catalog, log))
    except ListenError as error:
        log.event("cannot_listen", what=str(error))
        return 1
    return 0


async def _serve(settings: Settings, secrets: Secrets, catalog: Catalog, log: EventLog) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    gateway = build(settings, secrets, catalog, log, stop)

    def started() -> None:
        _still_the_collector()
        for service, state in health(catalog, gateway.models).items():
            log.event("service", service=service, **state)
        log.event(
            "listening", gateway=_url(settings.listen), admin=_url(settings.admin), services=len(catalog.services)
        )

    try:
        async with asyncio.TaskGroup() as tasks:
            gateway.tasks.lend(tasks)
            beside = [tasks.create_task(model.run()) for model in gateway.models.values()]
            if gateway.hot.run is not None:
                beside.append(tasks.create_task(gateway.hot.run()))
            beside.append(tasks.create_task(gateway.shadow.run()))
            await serve_all(gateway.listeners, started, stop)
            for task in beside:
                task.cancel()
    except* ListenError as group:
        raise group.exceptions[0] from None
    log.event("stopped")


def build(settings: Settings, secrets: Secrets, catalog: Catalog, log: EventLog, stopping: asyncio.Event) -> Gateway:
    """Must run inside the loop that will serve."""
    clock, meter, records, tasks = SystemClock(), PrometheusMeter(), MemoryRecordSink(), Tasks()
    faults = Faults(log, meter)
    ring = key_ring(secrets, log)
    hot = hot_store(secrets.hot, ring, clock, meter, log)
    http = http_client(settings.http_client)
    models = proven_models(catalog, HttpModelClient(http, settings.model_hosts), clock, meter, log, tasks.spawn)
    gatherer = Gatherer(HttpFhirReader(http, lambda failure: meter.read_failed(failure.value)), meter, clock)
    snapshots, attributes = FixedSnapshots(catalog), compile_attributes(settings.attributes)
    recall = recall_of(hot.store, ring, snapshots, faults)
    flow = HookFlow(snapshots, gatherer.gather, attributes, models, clock, meter, recall)
    shadow = Shadow(flow, gatherer.given, attributes, snapshots, records, clock, meter, faults)
    notices = Notices(snapshots, attributes, recall)
    stack = hook_stack(flow, clock, meter, records, faults, recall, notices, shadow)

    def handler(plan: ServicePlan) -> HookHandler:
        return stack

    def ready() -> bool:
        return not stopping.is_set()

    edge = Edge(
        catalog=lambda: catalog,
        handler=handler,
        feedback=FeedbackDesk(MemoryFeedbackSink(), meter).take,
        client=settings.clients[0],
        clock=clock,
        new_id=DecisionIds(),
        meter=meter,
        faults=faults,
        ready=ready,
        options=EdgeOptions(
            max_body=settings.limits.body,
            max_depth=settings.limits.depth,
            read_timeout=settings.limits.read,
            cds_hooks=settings.cds_hooks,
            server_timing=settings.server_timing,
            base=settings.base_path,
        ),
    )
    admin = admin_app(
        AdminPorts(
            principal=lambda request: LOCAL,
            ready=ready,
            services=lambda: health(catalog, models),
            stores=lambda: {"hot": hot.health()},
            metrics=meter.exposition,
        )
    )
    return Gateway(
        (
            (edge, settings.listen.host, settings.listen.port),
            (admin, settings.admin.host, settings.admin.port),
        ),
        models,
        http,
        hot,
        shadow,
        tasks,
    )


def recall_of(store: HotStore, ring: KeyRing, snapshots: Snapshots, faults: Faults) -> Recall:
    """What it keeps of a call is worked out when the answer has been written: by the loop's next turn."""
    return Recall(
        HotCache(store, Pseudonyms(ring, Purpose.CACHE)),
        ring.keys(Purpose.CACHE)[0].secret,
        SealedAnswers(ring.keys(Purpose.ANSWER)),
        snapshots,
        faults,
        asyncio.get_running_loop().call_soon,
    )


def key_ring(secrets: Secrets, log: EventLog) -> KeyRing:
    """Where no secret is named, which only insecure_demo lets pass, one is drawn for this process."""
    if secrets.pseudonym:
        return KeyRing(secrets.pseudonym)
    what = "no pseudonym_key: one is drawn at random for this process, so nobody else finds what it stores"
    log.event("warning", key="pseudonym_key", what=what)
    return KeyRing([os.urandom(SECRET_BYTES)])


def hot_store(
    place: StorePlace | None, ring: KeyRing, clock: SystemClock, meter: PrometheusMeter, log: EventLog
) -> Hot:
    if place is None:
        meter.hot_up(True)
        return Hot(MemoryHotStore(clock.monotonic, meter.hot_event), None, lambda: {"kind": "memory", "state": "up"})
    from wardgate.adapters.redis.hot import RedisHotStore  # only where it is used: a third of a second to import
    from wardgate.adapters.redis.seals import Seals

    def news(up: bool) -> None:
        meter.hot_up(up)
        log.event("hot_store", state="up" if up else "down")

    store = RedisHotStore(place, Seals(ring.keys(Purpose.STORE)), clock.now, meter.hot_event, news)
    return Hot(store, store.run, lambda: {"kind": "redis", "state": "up" if store.up else "down"})


def http_client(name: str) -> HttpClient:
    if name == "pyreqwest":
        from wardgate.adapters.http.pyreqwest_client import PyreqwestClient

        return PyreqwestClient()
    return AiohttpClient()


def proven_models(
    catalog: Catalog, client: HttpModelClient, clock: SystemClock, meter: PrometheusMeter, log: EventLog, spawn: Spawn
) -> dict[str, ProvenModel]:
    """One for each release digest: the stack of its endpoint, behind its probes."""
    releases = {release.digest: release for plan in catalog.plans() for release in plan.releases.values()}
    return {
        digest: ProvenModel(
            release.model,
            release.version,
            release.endpoint,
            release.probes,
            client,
            model_stack(client, model_policies(release, meter, log), clock, spawn),
            clock,
            meter,
            watch=client.watch,
            told=_proof_news(release, meter, log),
        )
        for digest, release in releases.items()
    }


def model_policies(release: ReleasePlan, meter: PrometheusMeter, log: EventLog) -> ModelPolicies:
    """Watched by the meter from now on."""
    name = ReleaseName(release.service_id, release.model, release.version)

    def told(state: State) -> None:
        log.event("breaker", service=name.service_id, model=name.model, version=name.version, state=state.value)

    policies = ModelPolicies(release.endpoint, name, meter, told)
    states = {state.value: partial(_is, policies, state) for state in State}
    meter.watch_policies(name.service_id, name.model, name.version, lambda: policies.bulkhead.in_use, states)
    return policies


def _is(policies: ModelPolicies, state: State) -> bool:
    return policies.breaker.state is state


def _proof_news(release: ReleasePlan, meter: PrometheusMeter, log: EventLog) -> Callable[[Proof], None]:
    """Whoever is on call reads when a model lost its proof, and when it had it again."""
    meter.proven(release.service_id, release.model, release.version, False)

    def told(proof: Proof) -> None:
        meter.proven(release.service_id, release.model, release.version, proof is Proof.PASSED)
        log.event("proof", service=release.service_id, model=release.model, version=release.version, proof=proof.value)

    return told


def health(catalog: Catalog, models: Mapping[str, ProvenModel]) -> dict[str, dict[str, str]]:
    """What the admin listener says of each service: mode, champion, digest, proof."""
    state: dict[str, dict[str, str]] = {}
    for plan in catalog.plans():
        rollout = catalog.rollouts[plan.id]
        release = plan.releases[rollout.champion]
        state[plan.id] = {
            "mode": rollout.mode.value,
            "model": release.model,
            "champion": release.version,
            "digest": release.digest,
            "proof": models[release.digest].proof.value,
        }
    return state


def _still_the_collector() -> None:
    """What was built at start lives on: the collector need not walk it, and young garbage is collected rarely.

    Cyclic collections over large parsed bodies set the p99 of a Python gateway (20 to 25 ms pauses were seen).
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)


def _url(listen: Listen) -> str:
    return f"http://{listen.host}:{listen.port}"
