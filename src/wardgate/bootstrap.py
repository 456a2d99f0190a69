"""Composition root: configuration → running gateway. The only file that names concrete adapters; owns the tasks."""

import asyncio
import gc
import os
import signal
import socket
import sys
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping, Sequence
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
from wardgate.domain.errors import ConfigurationError
from wardgate.domain.findings import Finding
from wardgate.domain.hot import StorePlace
from wardgate.domain.plans import Catalog, ReleasePlan, ServicePlan
from wardgate.domain.pseudonyms import SECRET_BYTES, KeyRing, Pseudonyms, Purpose
from wardgate.gateway.feedback import FeedbackDesk
from wardgate.gateway.gather import Gatherer
from wardgate.gateway.generations import FileSnapshots
from wardgate.gateway.hook_flow import HookFlow
from wardgate.gateway.hot import HotCache
from wardgate.gateway.notices import Notices
from wardgate.gateway.ports import HotStore, Snapshots
from wardgate.gateway.probes import ProvenModel
from wardgate.gateway.proof import Proof
from wardgate.gateway.recall import Recall
from wardgate.gateway.shadow import Shadow
from wardgate.gateway.stacks import HookHandler, ModelPolicies, ReleaseName, hook_stack, model_stack
from wardgate.resilience.admission import AdmissionOptions, Gate, Seen
from wardgate.resilience.breaker import State
from wardgate.settings import Listen, Secrets, Settings, refuse_fixed
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
        drawn = self._bytes[self._used : self._used + 16].hex()
        self._used += 16
        variant = "89ab"[int(drawn[16], 16) & 3]
        return f"{drawn[:8]}-{drawn[8:12]}-4{drawn[13:16]}-{variant}{drawn[17:20]}-{drawn[20:]}"


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
class Configured:
    """A sound configuration that can be started."""

    settings: Settings
    secrets: Secrets
    catalog: Catalog
    warnings: tuple[Finding, ...] = ()


Read = Callable[[], Configured]
"""Reads all files; raises ConfigurationError."""


@dataclass(frozen=True, slots=True)
class Generation:
    """What comes from one reading of the configuration. A call ends in the generation in which it began."""

    configured: Configured
    snapshots: FileSnapshots
    models: Mapping[str, ProvenModel]
    shadow: Shadow
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
            if post is not None:  # while it waits, the others answer
                await _prove_first(set(gateway.models.values()))
            gateway.begin(tasks)
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
        self._ring = key_ring(configured.secrets, log)
        self._hot = hot_store(configured.secrets.hot, self._ring, self._clock, self._meter, log)
        self.http = http_client(settings.http_client)
        self._client = HttpModelClient(self.http, settings.model_hosts)
        reader = HttpFhirReader(self.http, lambda failure: self._meter.read_failed(failure.value))
        self._gatherer = Gatherer(reader, self._meter, self._clock)
        self._one_reload = asyncio.Lock()
        self.tasks = Tasks()
        self._tasks: asyncio.TaskGroup | None = None
        self._beside: list[asyncio.Task[None]] = []
        self._shows: dict[ProvenModel, Callable[[], None]] = {}
        self._proving: dict[ProvenModel, asyncio.Task[None]] = {}
        self._shadowing: asyncio.Task[None] | None = None
        self._now = self._generation(configured, FileSnapshots(configured.catalog), ())
        self._next: Generation | None = None
        self._settle()

    @property
    def listeners(self) -> tuple[tuple[ASGIApp, str, int], ...]:
        settings = self._now.configured.settings
        ports = AdminPorts(lambda request: LOCAL, self.ready, self.services, self.stores, self.metrics, self.reload)
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

    async def stores(self) -> dict[str, Mapping[str, str]]:
        return {"hot": self._hot.health()}

    async def metrics(self) -> tuple[bytes, str]:
        return self._meter.exposition()

    def tell(self) -> None:
        """What is not active or looks wrong, and what each service shows, for the log."""
        for warning in self._now.configured.warnings:
            self._log.event("warning", file=warning.file, line=warning.line, key=warning.key, what=warning.what)
        for service, state in self.health().items():
            self._log.event("service", service=service, **state)

    def begin(self, tasks: asyncio.TaskGroup) -> None:
        """What runs beside the calls: the watch on the load, the hot store, shadow, a task for each model's proof."""
        self._tasks = tasks
        self.tasks.lend(tasks)
        self._beside = [tasks.create_task(self._gate.keep_time())]
        if self._hot.run is not None:
            self._beside.append(tasks.create_task(self._hot.run()))
        self._run_beside(self._now)

    def rest(self) -> None:
        shadowing = [] if self._shadowing is None else [self._shadowing]
        for task in (*self._beside, *shadowing, *self._proving.values()):
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
            following = self._now.snapshots.following(configured.catalog)
            self._next = self._generation(configured, following, _known(self._now))
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
        old.snapshots.give_way(self._now.snapshots)
        self._settle()
        self._run_beside(self._now)
        self._retire(old, self._now)
        self.tell()
        self._log.event("reloaded", services=len(self._now.configured.catalog.services))
        gc.collect(1)  # what reading has left behind; a full collection would hold up every call

    def drop(self) -> None:
        if self._next is not None:
            dropped, self._next = self._next, None
            self._retire(dropped, self._now)
            self._show()

    def _settle(self) -> None:
        """What outlives the generations, told of the new one."""
        settings, catalog = self._now.configured.settings, self._now.configured.catalog
        self._gate.adapt(AdmissionOptions(settings.limits.concurrency, settings.limits.queue))
        self._client.serve(settings.model_hosts, [release.endpoint for release in _releases(catalog).values()])

    def _generation(self, configured: Configured, snapshots: FileSnapshots, known: Known) -> Generation:
        settings, catalog = configured.settings, configured.catalog
        clock, meter, records, faults, gatherer = self._clock, self._meter, self._records, self._faults, self._gatherer
        models = self._proven_models(catalog, known)
        attributes = compile_attributes(settings.attributes)
        recall = recall_of(self._hot.store, self._ring, snapshots, faults)
        flow = HookFlow(snapshots, gatherer.gather, attributes, models, clock, meter, recall)
        shadow = Shadow(
            flow, gatherer.given, attributes, snapshots, records, clock, meter, faults, lambda: self._gate.pressed
        )
        notices = Notices(snapshots, attributes, recall)
        stack = hook_stack(flow, clock, meter, records, faults, recall, notices, shadow)

        def handler(plan: ServicePlan) -> HookHandler:
            return stack

        edge = Edge(
            catalog=lambda: catalog,
            handler=handler,
            feedback=self._desk.take,
            client=settings.clients[0],
            gate=self._gate,
            clock=clock,
            new_id=self._new_id,
            meter=meter,
            faults=faults,
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
        return Generation(configured, snapshots, models, shadow, edge)

    def _proven_models(self, catalog: Catalog, known: Known) -> dict[str, ProvenModel]:
        """One for each release digest: the stack of its endpoint, behind its probes. A model that is `known`, at the
        same endpoint with the same probes, keeps its proof and the state of its layers, whatever else of the release
        changed."""

        def same(release: ReleasePlan) -> ProvenModel | None:
            return next((model for other, model in known if _asks_alike(release, other)), None)

        return {digest: same(release) or self._made(release) for digest, release in _releases(catalog).items()}

    def _made(self, release: ReleasePlan) -> ProvenModel:
        client, clock, meter = self._client, self._clock, self._meter
        policies = model_policies(release, meter, self._log)
        model = ProvenModel(
            release.model,
            release.version,
            release.endpoint,
            release.probes,
            client,
            model_stack(client, policies, clock, self.tasks.spawn),
            clock,
            meter,
            told=_proof_news(release, meter, self._log),
        )
        self._shows[model] = partial(_show, release, model, policies, meter)
        return model

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """An ASGI application: a request is for the generation that is there when it comes."""
        return self._now.edge(scope, receive, send)

    def turn_away(self, method: bytes, target: bytes, headers: list[Header]) -> bytes | None:
        return self._now.edge.turn_away(method, target, headers)

    def _show(self) -> None:
        """The gauges are those of the models that are asked now, not of those that wait for a swap."""
        for model in self.models.values():
            self._shows[model]()

    def _run_beside(self, generation: Generation) -> None:
        self._show()
        if self._tasks is None:
            return
        for model in generation.models.values():
            if model not in self._proving:
                self._proving[model] = self._tasks.create_task(model.run())
        if self._shadowing is not None:
            self._shadowing.cancel()  # what it had not begun is shed: shadow is the first to be
        self._shadowing = self._tasks.create_task(generation.shadow.run())

    def _retire(self, old: Generation, now: Generation) -> None:
        """Models that are asked no more. The calls that still go on with one have the proof that it had."""
        names = {(release.service_id, release.model, release.version) for release, _ in _known(now)}
        for release, model in _known(old):
            if model in now.models.values():
                continue
            task = self._proving.pop(model, None)
            if task is not None:
                task.cancel()
            del self._shows[model]
            name = (release.service_id, release.model, release.version)
            if name not in names:
                self._meter.model_gone(*name)


def build(settings: Settings, secrets: Secrets, catalog: Catalog, log: EventLog, stopping: asyncio.Event) -> Gateway:
    """One whose configuration stays as it is."""
    configured = Configured(settings, secrets, catalog)
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


def _asks_alike(one: ReleasePlan, other: ReleasePlan) -> bool:
    names = one.service_id == other.service_id and one.model == other.model and one.version == other.version
    return names and one.endpoint == other.endpoint and one.probes == other.probes


def model_policies(release: ReleasePlan, meter: PrometheusMeter, log: EventLog) -> ModelPolicies:
    name = ReleaseName(release.service_id, release.model, release.version)

    def told(state: State) -> None:
        log.event("breaker", service=name.service_id, model=name.model, version=name.version, state=state.value)

    return ModelPolicies(release.endpoint, name, meter, told)


def _show(release: ReleasePlan, model: ProvenModel, policies: ModelPolicies, meter: PrometheusMeter) -> None:
    """Watched by the meter from now on."""
    name = (release.service_id, release.model, release.version)
    states = {state.value: partial(_is, policies, state) for state in State}
    meter.watch_policies(*name, lambda: policies.bulkhead.in_use, states)
    meter.proven(*name, model.proof is Proof.PASSED)


def _is(policies: ModelPolicies, state: State) -> bool:
    return policies.breaker.state is state


def _proof_news(release: ReleasePlan, meter: PrometheusMeter, log: EventLog) -> Callable[[Proof], None]:
    """Whoever is on call reads when a model lost its proof, and when it had it again."""

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
