"""Composition root: configuration → running gateway. The only file that names concrete adapters; owns the tasks."""

import asyncio
import gc
import os
import signal
import socket
import sys
import time
import uuid
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping, Sequence
from dataclasses import dataclass

import msgspec

from wardgate.adapters.http.aiohttp_client import AiohttpClient
from wardgate.adapters.http.client import HttpClient
from wardgate.adapters.http.fhir import HttpFhirReader
from wardgate.adapters.http.model_client import HttpModelClient
from wardgate.adapters.logs.events import EventLog
from wardgate.adapters.memory.feedback import MemoryFeedbackSink
from wardgate.adapters.memory.records import MemoryRecordSink
from wardgate.adapters.prometheus.meter import PrometheusMeter
from wardgate.domain.context.caller import compile_attributes
from wardgate.domain.errors import ConfigurationError
from wardgate.domain.findings import Finding
from wardgate.domain.flags import Snapshot
from wardgate.domain.outcomes import Mode
from wardgate.domain.plans import Catalog, ReleasePlan, ServicePlan
from wardgate.gateway.feedback import FeedbackDesk
from wardgate.gateway.gather import Gatherer
from wardgate.gateway.hook_flow import HookFlow
from wardgate.gateway.probes import Proof, ProvenModel
from wardgate.gateway.stacks import HookHandler, hook_stack, model_stack
from wardgate.resilience.admission import AdmissionOptions, Gate, Seen
from wardgate.settings import Listen, Settings, refuse_fixed
from wardgate.web.admin import LOCAL, AdminPorts, admin_app
from wardgate.web.asgi import ASGIApp, Header, Receive, Scope, Send
from wardgate.web.edge import Edge, EdgeOptions
from wardgate.web.server import ListenError, require_fast_loop, serve_all, serve_sockets

Known = Sequence[tuple[ReleasePlan, ProvenModel]]

_PROVE_FIRST = 3.0
"""Seconds that new models get at a reload to prove themselves before they are asked."""


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


class FileSnapshots:
    """The rollouts as the files say, until the rollout store is built."""

    def __init__(self) -> None:
        self._snapshot = Snapshot(epoch=0, rollouts={})

    def current(self) -> Snapshot:
        return self._snapshot

    def take(self, catalog: Catalog) -> None:
        """For calls that began before, a service that is gone is off: its cards must not leave any more."""
        before = self._snapshot.rollouts
        gone = {name: msgspec.structs.replace(before[name], mode=Mode.OFF) for name in before.keys() - catalog.rollouts}
        self._snapshot = Snapshot(self._snapshot.epoch + 1, {**gone, **catalog.rollouts})


class Faults:
    """Meets `gateway.ports.FaultLog`: noted by class and place, and counted."""

    def __init__(self, log: EventLog, meter: PrometheusMeter) -> None:
        self._log = log
        self._meter = meter

    def fault(self, stage: str, error: BaseException) -> None:
        self._log.fault(stage, error)
        self._meter.fault(stage)


@dataclass(frozen=True, slots=True)
class Configured:
    """A sound configuration that can be started."""

    settings: Settings
    catalog: Catalog
    warnings: tuple[Finding, ...] = ()


Read = Callable[[], Configured]
"""Reads all files; raises ConfigurationError."""


@dataclass(frozen=True, slots=True)
class Generation:
    """What comes from one reading of the configuration. A call ends in the generation in which it began."""

    configured: Configured
    models: Mapping[str, ProvenModel]
    edge: Edge


@dataclass(frozen=True, slots=True)
class Post:
    """Where a worker stands. `seen`: see `Gate`. `obey` does what the parent asks, tells it when this worker is up, and
    sets the event once the parent is gone."""

    number: int
    listener: socket.socket
    seen: Seen
    obey: Callable[["Gateway", asyncio.Event, asyncio.Event], Coroutine[None, None, None]]


def serve(configured: Configured, read: Read, post: Post | None = None) -> int:
    """Run until SIGTERM or SIGINT, and read everything again at SIGHUP; the exit code. With a `post`, as a worker."""
    log = EventLog() if post is None else EventLog(worker=post.number)
    return run_loop(lambda: _serve(configured, read, log, post), log)


def run_loop(main: Callable[[], Coroutine[None, None, None]], log: EventLog) -> int:
    """On uvloop; the exit code."""
    try:
        require_fast_loop()
        import uvloop

        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(main())
    except ListenError as error:
        log.event("cannot_listen", what=str(error))
        return 1
    return 0


async def _serve(configured: Configured, read: Read, log: EventLog, post: Post | None) -> None:
    stop, up = asyncio.Event(), asyncio.Event()
    gateway = Gateway(configured, log, stop, read, None if post is None else post.seen)
    settings = configured.settings

    def started() -> None:
        still_the_collector()
        up.set()
        if post is None:
            gateway.tell()
            services = len(configured.catalog.services)
            log.event("listening", gateway=url_of(settings.listen), admin=url_of(settings.admin), services=services)

    try:
        async with asyncio.TaskGroup() as tasks:
            gateway.prove(tasks)
            if post is None:
                heed_signals(stop, lambda: tasks.create_task(gateway.reload()))
                await serve_all(gateway.listeners, started, stop)
            else:
                heed_signals(stop, lambda: None)  # the parent says when to reload
                obeying = tasks.create_task(post.obey(gateway, up, stop))
                await serve_sockets([(gateway, post.listener)], started, stop)
                obeying.cancel()
            gateway.rest()
    except* ListenError as group:
        raise group.exceptions[0] from None
    finally:
        await gateway.http.close()
    log.event("stopped")


def heed_signals(stop: asyncio.Event, reload: Callable[[], object]) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    loop.add_signal_handler(signal.SIGHUP, lambda: None if stop.is_set() else reload())


class Gateway:
    """Built, but not yet listening: what outlives a reload, and the generation that answers now."""

    def __init__(
        self,
        configured: Configured,
        log: EventLog,
        stopping: asyncio.Event,
        read: Read,
        seen: Seen | None = None,
    ) -> None:
        """Must be made inside the loop that will serve."""
        settings = configured.settings
        self._log, self._stopping, self._read = log, stopping, read
        self._clock, self._meter, self._records = SystemClock(), PrometheusMeter(), MemoryRecordSink()
        self._faults, self._new_id, self._gate = Faults(log, self._meter), DecisionIds(), Gate(seen=seen)
        self._desk = FeedbackDesk(MemoryFeedbackSink(), self._meter)
        self._snapshots = FileSnapshots()
        self.http = http_client(settings.http_client)
        self._client = HttpModelClient(self.http, settings.model_hosts)
        reader = HttpFhirReader(self.http, lambda failure: self._meter.read_failed(failure.value))
        self._gatherer = Gatherer(reader, self._meter, self._clock)
        self._one_reload = asyncio.Lock()
        self._tasks: asyncio.TaskGroup | None = None
        self._proving: dict[ProvenModel, asyncio.Task[None]] = {}
        self._now = self._generation(configured, ())
        self._next: Generation | None = None
        self._settle()

    @property
    def listeners(self) -> tuple[tuple[ASGIApp, str, int], ...]:
        settings = self._now.configured.settings
        ports = AdminPorts(lambda request: LOCAL, self.ready, self.services, self.metrics, self.reload)
        return (
            (self, settings.listen.host, settings.listen.port),
            (admin_app(ports), settings.admin.host, settings.admin.port),
        )

    @property
    def models(self) -> Mapping[str, ProvenModel]:
        return self._now.models

    def ready(self) -> bool:
        return not self._stopping.is_set()

    def health(self) -> dict[str, dict[str, str]]:
        return health(self._now.configured.catalog, self._now.models)

    async def services(self) -> dict[str, dict[str, str]]:
        return self.health()

    async def metrics(self) -> tuple[bytes, str]:
        return self._meter.exposition()

    def tell(self) -> None:
        """What is not active or looks wrong, and what each service shows, for the log."""
        for warning in self._now.configured.warnings:
            self._log.event("warning", file=warning.file, line=warning.line, key=warning.key, what=warning.what)
        for service, state in self.health().items():
            self._log.event("service", service=service, **state)

    def prove(self, tasks: asyncio.TaskGroup) -> None:
        """From now on each model's proof is kept fresh, by a task of its own, and the load is watched."""
        self._tasks = tasks
        self._timing = tasks.create_task(self._gate.keep_time())
        for model in self.models.values():
            self._keep_proven(model)

    def rest(self) -> None:
        for task in (self._timing, *self._proving.values()):
            task.cancel()

    async def reload(self) -> tuple[Finding, ...]:
        """Swap the whole configuration, or change nothing and say why: the errors. One at a time."""
        async with self._one_reload:
            errors = await self.prepare()
            if not errors:
                self.swap()
        return errors

    async def prepare(self) -> tuple[Finding, ...]:
        """The first half of a reload: the errors, or a generation that waits for `swap` or `drop`."""
        self.drop()
        errors: tuple[Finding, ...] = ()
        try:
            configured = await _beside_the_calls(self._read)
            refuse_fixed(self._now.configured.settings, configured.settings)
            self._next = self._generation(configured, _known(self._now))
            await _prove_first(set(self._next.models.values()) - set(self.models.values()))
        except ConfigurationError as error:
            errors = error.findings
        except Exception as error:  # whatever breaks, the old configuration answers on
            self.drop()
            self._faults.fault("reload", error)
            errors = (Finding("", 0, "", "the configuration could not be loaded", "see the fault in the log"),)
        for finding in errors:
            self._log.event("error", file=finding.file, line=finding.line, key=finding.key, what=finding.what)
        if errors:
            self._log.event("reload_refused", errors=len(errors))
        return errors

    def prepared(self) -> list[str]:
        """The digests of all that waits for `swap`."""
        return [] if self._next is None else sorted(self._next.models)

    def swap(self) -> None:
        """The second half: nothing here waits, so no call sees the half of it."""
        if self._next is None:
            return
        old, self._now, self._next = self._now, self._next, None
        self._settle()
        for model in self.models.values():
            self._keep_proven(model)
        self._retire(old, self._now)
        self.tell()
        self._log.event("reloaded", services=len(self._now.configured.catalog.services))
        gc.collect(1)  # what reading has left behind; a full collection would hold up every call

    def drop(self) -> None:
        if self._next is not None:
            dropped, self._next = self._next, None
            self._retire(dropped, self._now)

    def _settle(self) -> None:
        """What outlives the generations, told of the new one."""
        settings, catalog = self._now.configured.settings, self._now.configured.catalog
        self._snapshots.take(catalog)
        self._gate.adapt(AdmissionOptions(settings.limits.concurrency, settings.limits.queue))
        self._client.serve(settings.model_hosts, [release.endpoint for release in _releases(catalog).values()])

    def _generation(self, configured: Configured, known: Known) -> Generation:
        settings, catalog = configured.settings, configured.catalog
        models = proven_models(catalog, known, self._client, self._clock, self._meter, self._log)
        attributes = compile_attributes(settings.attributes)
        flow = HookFlow(self._snapshots, self._gatherer.gather, attributes, models, self._clock, self._meter)
        stack = hook_stack(flow, self._clock, self._meter, self._records, self._faults)

        def handler(plan: ServicePlan) -> HookHandler:
            return stack

        edge = Edge(
            catalog=lambda: catalog,
            handler=handler,
            feedback=self._desk.take,
            client=settings.clients[0],
            gate=self._gate,
            clock=self._clock,
            new_id=self._new_id,
            meter=self._meter,
            faults=self._faults,
            ready=self.ready,
            options=EdgeOptions(
                max_body=settings.limits.body,
                max_depth=settings.limits.depth,
                read_timeout=settings.limits.read,
                cds_hooks=settings.cds_hooks,
                server_timing=settings.server_timing,
                base=settings.base_path,
            ),
        )
        return Generation(configured, models, edge)

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """An ASGI application: a request is for the generation that is there when it comes."""
        return self._now.edge(scope, receive, send)

    def turn_away(self, method: bytes, target: bytes, headers: list[Header]) -> bytes | None:
        return self._now.edge.turn_away(method, target, headers)

    def _keep_proven(self, model: ProvenModel) -> None:
        if self._tasks is not None and model not in self._proving:
            self._proving[model] = self._tasks.create_task(model.run())

    def _retire(self, old: Generation, now: Generation) -> None:
        """Models that are asked no more. The calls that still go on with one have the proof that it had."""
        names = {(release.service_id, release.model, release.version) for release, _ in _known(now)}
        for release, model in _known(old):
            if model in now.models.values():
                continue
            task = self._proving.pop(model, None)
            if task is not None:
                task.cancel()
            self._client.unwatch(release.endpoint, model.reconnected)
            name = (release.service_id, release.model, release.version)
            if name not in names:
                self._meter.model_gone(*name)


def build(settings: Settings, catalog: Catalog, log: EventLog, stopping: asyncio.Event) -> Gateway:
    """One whose configuration stays as it is."""
    configured = Configured(settings, catalog)
    return Gateway(configured, log, stopping, lambda: configured)


async def _beside_the_calls(read: Read) -> Configured:
    """In a thread. It hands the interpreter over ten times as often as usual, so that no call waits long for it."""
    usual = sys.getswitchinterval()
    sys.setswitchinterval(usual / 10)
    try:
        return await asyncio.to_thread(read)
    finally:
        sys.setswitchinterval(usual)


async def _prove_first(models: Iterable[ProvenModel]) -> None:
    """New models get a moment to prove themselves before they are asked. What is not proven by then shows no score
    until it is: a change that hides something must not wait for a model that is away."""
    try:
        async with asyncio.timeout(_PROVE_FIRST), asyncio.TaskGroup() as proving:
            for model in models:
                proving.create_task(model.prove())
    except TimeoutError:
        return


def _releases(catalog: Catalog) -> dict[str, ReleasePlan]:
    """By digest."""
    return {release.digest: release for plan in catalog.plans() for release in plan.releases.values()}


def _known(generation: Generation) -> Known:
    releases = _releases(generation.configured.catalog)
    return [(release, generation.models[digest]) for digest, release in releases.items()]


def http_client(name: str) -> HttpClient:
    if name == "pyreqwest":
        from wardgate.adapters.http.pyreqwest_client import PyreqwestClient

        return PyreqwestClient()
    return AiohttpClient()


def proven_models(
    catalog: Catalog,
    known: Known,
    client: HttpModelClient,
    clock: SystemClock,
    meter: PrometheusMeter,
    log: EventLog,
) -> dict[str, ProvenModel]:
    """One for each release digest: the stack of its endpoint, behind its probes. A model that is `known`, at the same
    endpoint with the same probes, keeps its proof and the state of its layers, whatever else of the release changed."""

    def made(release: ReleasePlan) -> ProvenModel:
        return ProvenModel(
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

    def same(release: ReleasePlan) -> ProvenModel | None:
        return next((model for other, model in known if _asks_alike(release, other)), None)

    return {digest: same(release) or made(release) for digest, release in _releases(catalog).items()}


def _asks_alike(one: ReleasePlan, other: ReleasePlan) -> bool:
    names = one.service_id == other.service_id and one.model == other.model and one.version == other.version
    return names and one.endpoint == other.endpoint and one.probes == other.probes


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


def still_the_collector() -> None:
    """What was built at start lives on: the collector need not walk it, and young garbage is collected rarely.

    Cyclic collections over large parsed bodies set the p99 of a Python gateway (20 to 25 ms pauses were seen).
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)


def url_of(listen: Listen) -> str:
    return f"http://{listen.host}:{listen.port}"
