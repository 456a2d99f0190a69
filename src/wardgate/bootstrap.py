"""Composition root: configuration → running gateway. The only file that names concrete adapters; owns the tasks."""

import asyncio
import gc
import os
import signal
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from wardgate.adapters.http.aiohttp_client import AiohttpClient
from wardgate.adapters.http.client import HttpClient
from wardgate.adapters.http.fhir import HttpFhirReader
from wardgate.adapters.http.model_client import HttpModelClient
from wardgate.adapters.logs.events import EventLog
from wardgate.adapters.memory.feedback import MemoryFeedbackSink
from wardgate.adapters.memory.records import MemoryRecordSink
from wardgate.adapters.prometheus.meter import PrometheusMeter
from wardgate.domain.context.caller import compile_attributes
from wardgate.domain.findings import Finding
from wardgate.domain.flags import Snapshot
from wardgate.domain.plans import Catalog, ReleasePlan, ServicePlan
from wardgate.gateway.feedback import FeedbackDesk
from wardgate.gateway.gather import Gatherer
from wardgate.gateway.hook_flow import HookFlow
from wardgate.gateway.probes import Proof, ProvenModel
from wardgate.gateway.stacks import HookHandler, hook_stack, model_stack
from wardgate.resilience.admission import AdmissionOptions, Gate
from wardgate.settings import Listen, Settings
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
        drawn = self._bytes[self._used : self._used + 16]
        self._used += 16
        return str(uuid.UUID(bytes=drawn, version=4))


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
class Gateway:
    """A gateway that is built but not yet listening."""

    listeners: tuple[tuple[ASGIApp, str, int], ...]
    models: Mapping[str, ProvenModel]
    http: HttpClient


def serve(settings: Settings, catalog: Catalog, warnings: Sequence[Finding]) -> int:
    """Run until SIGTERM or SIGINT; the exit code."""
    log = EventLog()
    for warning in warnings:
        log.event("warning", file=warning.file, line=warning.line, key=warning.key, what=warning.what)
    try:
        require_fast_loop()
        import uvloop

        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(_serve(settings, catalog, log))
    except ListenError as error:
        log.event("cannot_listen", what=str(error))
        return 1
    return 0


async def _serve(settings: Settings, catalog: Catalog, log: EventLog) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    gateway = build(settings, catalog, log, stop)

    def started() -> None:
        _still_the_collector()
        for service, state in health(catalog, gateway.models).items():
            log.event("service", service=service, **state)
        log.event(
            "listening", gateway=_url(settings.listen), admin=_url(settings.admin), services=len(catalog.services)
        )

    try:
        async with asyncio.TaskGroup() as tasks:
            probing = [tasks.create_task(model.run()) for model in gateway.models.values()]
            await serve_all(gateway.listeners, started, stop)
            for task in probing:
                task.cancel()
    except* ListenError as group:
        raise group.exceptions[0] from None
    finally:
        await gateway.http.close()
    log.event("stopped")


def build(settings: Settings, catalog: Catalog, log: EventLog, stopping: asyncio.Event) -> Gateway:
    """Must run inside the loop that will serve."""
    clock, meter, records = SystemClock(), PrometheusMeter(), MemoryRecordSink()
    faults = Faults(log, meter)
    http = http_client(settings.http_client)
    models = proven_models(catalog, HttpModelClient(http, settings.model_hosts), clock, meter, log)
    gatherer = Gatherer(HttpFhirReader(http, lambda failure: meter.read_failed(failure.value)), meter, clock)
    flow = HookFlow(
        FixedSnapshots(catalog), gatherer.gather, compile_attributes(settings.attributes), models, clock, meter
    )
    stack = hook_stack(flow, clock, meter, records, faults)

    def handler(plan: ServicePlan) -> HookHandler:
        return stack

    def ready() -> bool:
        return not stopping.is_set()

    edge = Edge(
        catalog=lambda: catalog,
        handler=handler,
        feedback=FeedbackDesk(MemoryFeedbackSink(), meter).take,
        client=settings.clients[0],
        gate=Gate(AdmissionOptions(settings.limits.concurrency, settings.limits.queue)),
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
    admin = admin_app(AdminPorts(lambda request: LOCAL, ready, lambda: health(catalog, models), meter.exposition))
    return Gateway(
        (
            (edge, settings.listen.host, settings.listen.port),
            (admin, settings.admin.host, settings.admin.port),
        ),
        models,
        http,
    )


def http_client(name: str) -> HttpClient:
    if name == "pyreqwest":
        from wardgate.adapters.http.pyreqwest_client import PyreqwestClient

        return PyreqwestClient()
    return AiohttpClient()


def proven_models(
    catalog: Catalog, client: HttpModelClient, clock: SystemClock, meter: PrometheusMeter, log: EventLog
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
            model_stack(client, release.endpoint, clock),
            clock,
            meter,
            watch=client.watch,
            told=_proof_news(release, meter, log),
        )
        for digest, release in releases.items()
    }


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
