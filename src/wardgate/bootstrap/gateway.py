"""From a configuration to a gateway that answers, and from one configuration to the next."""

import asyncio
import gc
import sys
from collections.abc import Awaitable, Mapping
from dataclasses import dataclass, replace
from ssl import SSLContext

from wardgate.adapters.aead.fingerprints import KeyedFingerprints
from wardgate.adapters.http.fhir import HttpFhirReader
from wardgate.adapters.http.model_client import HttpModelClient
from wardgate.adapters.logs.events import EventLog
from wardgate.adapters.prometheus.authentication import AuthenticationCounters
from wardgate.adapters.prometheus.durable import DurableMeter
from wardgate.adapters.prometheus.meter import PrometheusMeter
from wardgate.adapters.prometheus.rollout import SnapshotMeter
from wardgate.adapters.prometheus.spool import SpoolMeter
from wardgate.bootstrap.audit import audit_keeper, release_store_of, reload_by_signal
from wardgate.bootstrap.clients import Clients
from wardgate.bootstrap.configured import Configured, Read
from wardgate.bootstrap.control import control_stores
from wardgate.bootstrap.decided import Decided, Place, rollouts_of
from wardgate.bootstrap.desks import Desks, desks_of
from wardgate.bootstrap.durable import durable_store
from wardgate.bootstrap.editions import Editions, Fitted
from wardgate.bootstrap.health import health, tell_services
from wardgate.bootstrap.models import Known, Models, known_of, prove_first, releases_of
from wardgate.bootstrap.parts import (
    DecisionIds,
    Faults,
    SystemClock,
    Tasks,
    TraceIds,
    certificates_of,
    hot_store,
    http_client,
    key_ring,
    recall_of,
    sleepless,
    span_sender,
)
from wardgate.bootstrap.proving import Proving
from wardgate.bootstrap.records import desk_of
from wardgate.bootstrap.spool import Spool
from wardgate.control.ports import KeptSnapshot
from wardgate.domain.context.caller import compile_attributes
from wardgate.domain.errors import ConfigurationError
from wardgate.domain.findings import Finding
from wardgate.domain.guard import configured_names
from wardgate.domain.plans import Catalog, ServicePlan
from wardgate.domain.pseudonyms import Purpose
from wardgate.domain.record_names import RecordNames
from wardgate.gateway.feedback import FeedbackDesk
from wardgate.gateway.gather import Gatherer
from wardgate.gateway.generations import FileSnapshots, GenerationSnapshots
from wardgate.gateway.hook_flow import HookFlow
from wardgate.gateway.in_vain import in_vain
from wardgate.gateway.notices import Notices
from wardgate.gateway.probes import ProvenModel
from wardgate.gateway.recording import Recorder
from wardgate.gateway.shadow import Shadow
from wardgate.gateway.stacks import HookHandler, hook_stack
from wardgate.gateway.tracing import Tracing, TracingOptions
from wardgate.resilience.admission import AdmissionOptions
from wardgate.resilience.gate import Gate, Seen
from wardgate.settings import Secrets, Settings, refuse_fixed
from wardgate.web.admin import AdminPorts, Circuit, admin_app, by_token
from wardgate.web.asgi import ASGIApp, Header, Receive, Scope, Send
from wardgate.web.edge import Edge, EdgeOptions
from wardgate.web.tls import CertificateError

_LOOK_AGAIN = 5.0
"""Seconds until a release that was decided on and was not found is looked for again."""


@dataclass(frozen=True, slots=True)
class Generation:
    """What comes from one reading of the configuration. A call ends in the generation in which it began."""

    fitted: Fitted
    snapshots: GenerationSnapshots
    models: Mapping[str, ProvenModel]
    shadow: Shadow
    edge: Edge

    @property
    def configured(self) -> Configured:
        return self.fitted.configured

    @property
    def known(self) -> Known:
        return known_of(self.configured.answers, self.models)


class Gateway:
    """Built, but not yet listening: what outlives a reload, and the generation that answers now."""

    def __init__(
        self,
        configured: Configured,
        log: EventLog,
        stopping: asyncio.Event,
        read: Read,
        seen: Seen | None = None,
        worker: int = 0,
    ) -> None:
        """Must be made inside the loop that will serve, and closed. Raises SpoolUnusable."""
        settings = configured.settings
        self._log, self._stopping, self._read = log, stopping, read
        self._guard = log.guard
        self._clock, self._meter = SystemClock(), PrometheusMeter(self._guard)
        self._faults, self._new_id, self._gate = Faults(log, self._meter), DecisionIds(), Gate(seen=seen)
        self._ring = key_ring(configured.secrets, log)
        self._names, self._prints = RecordNames(self._ring), KeyedFingerprints(self._ring.keys(Purpose.LOG))
        self._durable = durable_store(
            configured.secrets,
            self._names,
            lambda: self._now.configured.settings.retention,
            self._clock,
            DurableMeter(self._meter),
            log,
        )
        archive = None if self._durable is None else self._durable.archive
        self._records = None if archive is None else desk_of(archive, self._names, lambda: self._now.configured)
        # of several workers, the parent has the admin listener, and so the chain
        secrets = configured.secrets
        self._audit = None if worker else audit_keeper(secrets, settings.anchoring, self._clock, log, self._meter)
        self._spool = Spool(
            configured.secrets.spool,
            worker,
            settings.spool_limit,
            self._clock.monotonic,
            SpoolMeter(self._meter),
            archive,
            lambda error: self._faults.fault("spool", error),
            log,
        )
        self._editions: Editions | None = None
        if configured.secrets.durable is not None:
            self._editions = Editions(release_store_of(configured.secrets.durable), log)
        stores = control_stores(configured.secrets, self._ring)
        self._decided: Decided | None = None
        if stores is not None:
            place = Place(self._spool.path, worker, self._clock.now())
            self._decided = Decided(
                stores,
                place,
                settings.lease,
                lambda: self._now.configured,
                log,
                SnapshotMeter(self._meter),
                self._faults,
                self._names,
                self._obey,
                None if self._audit is None else self._audit.trail.keep,
            )
        self._desk = FeedbackDesk(self._spool.sink, self._names, self._clock, self._meter)
        self._hot = hot_store(configured.secrets.hot, self._ring, self._clock, self._meter, log)
        self.http = http_client(settings.http_client)
        self._sender = span_sender(settings, configured.secrets, self.http, self._faults, self._meter, log)
        self._client = HttpModelClient(self.http, settings.model_hosts)
        shared = None if configured.secrets.hot is None else self._hot.store
        counters = AuthenticationCounters(self._meter)
        self._clients = Clients(self.http, self._ring, shared, self._clock, counters, self._faults, log)
        reader = HttpFhirReader(self.http, lambda failure: self._meter.read_failed(failure.value))
        self._gatherer = Gatherer(reader, self._meter, self._clock)
        self._certificates = certificates_of(configured.secrets)
        self._trace_ids = TraceIds()
        self._one_reload = asyncio.Lock()
        self.tasks = Tasks()
        self._tasks: asyncio.TaskGroup | None = None
        self._beside: list[asyncio.Task[None]] = []
        self._models = Models(self._client, self._clock, self._meter, log, self.tasks.spawn)
        self._desks: Desks | None = None
        self._by_hand: frozenset[tuple[str, str]] = frozenset()
        self._shadowing: asyncio.Task[None] | None = None
        self._unfitted = asyncio.Event()
        self._now = self._generation(Fitted(configured), self._snapshots(configured, None), ())
        self._next: Generation | None = None
        self.prove = Proving(lambda: self._now.configured, self._models, lambda: self.models)
        if stores is not None and self._decided is not None and self._audit is not None and secrets.durable is not None:
            self._desks = desks_of(
                lambda: self._now.configured,
                stores,
                stores.listen is not None,
                self._decided,
                self._audit,
                self._names,
                self.prove,
                log,
                secrets.durable,
            )
        self._settle()
        self._meter.runs(settings.environment)
        self._watch()

    def _watch(self) -> None:
        """What the meter asks for at each scrape."""
        machine = self._gate.machine
        self._meter.watch_process(
            busy=lambda: machine.busy,
            waiting=lambda: machine.waiting,
            places=lambda: machine.options.concurrency,
            snapshot_age=self._snapshot_age,
            snapshot_epoch=lambda: self._now.snapshots.current().epoch,
        )

    def _snapshot_age(self) -> float:
        if self._decided is None:
            return self._clock.monotonic() - self._settled
        return max(0.0, sleepless() - self._decided.visibility.fresh)

    @property
    def listeners(self) -> tuple[tuple[ASGIApp, str, int], ...]:
        settings = self._now.configured.settings
        ports = AdminPorts(
            by_token(
                None if self._audit is None else self._audit.book,
                lambda: self._now.configured.settings.insecure_demo,
            ),
            self.ready,
            self.services,
            self.stores,
            self.metrics,
            self.reload,
            self.circuits,
            self.isolate,
            self._records,
            None if self._audit is None else self._audit.trail,
            **({} if self._desks is None else self._desks.ports()),
        )
        admin = admin_app(ports, settings.telemetry.prometheus)
        return (
            (self, settings.listen.host, settings.listen.port),
            (admin, settings.admin.host, settings.admin.port),
        )

    @property
    def tls(self) -> tuple[SSLContext | None, ...]:
        """In the order of the listeners."""
        return tuple([None if one is None else one.context for one in self._certificates])

    @property
    def models(self) -> Mapping[str, ProvenModel]:
        return self._now.models

    def ready(self) -> bool:
        return not self._stopping.is_set()

    def health(self) -> dict[str, dict[str, str]]:
        now = self._now
        waiting = {each.service_id: each for each in now.fitted.waiting}
        return health(now.configured.answers, now.snapshots.current(), now.models, waiting, self._clock.now())

    async def services(self) -> dict[str, dict[str, str]]:
        return self.health()

    async def stores(self) -> dict[str, Mapping[str, str]]:
        durable = {} if self._durable is None else {"durable": self._durable.health()}
        decided = {} if self._decided is None else {"rollout": self._decided.health()}
        return {"hot": self._hot.health(), "spool": self._spool.health(), **durable, **decided}

    async def metrics(self) -> tuple[bytes, str]:
        pieces = []
        for piece in self._meter.pieces():
            pieces.append(piece)
            await asyncio.sleep(0)
        return b"".join(pieces), self._meter.content_type

    async def circuits(self) -> dict[tuple[str, str], Circuit]:
        return {name: Circuit(state) for name, state in self.circuit_states().items()}

    async def isolate(self, service: str, release: str, away: bool) -> Circuit | None:
        circuit = (service, release)
        if circuit not in self.circuit_states():
            return None
        stands = self._decided is not None and await self._decided.isolate(circuit, away)
        if stands or not away:
            self.keep_away(self._by_hand - {circuit})
        else:  # the store is away, or there is none: this process alone, until it ends
            self.keep_away(self._by_hand | {circuit})
        return Circuit(self.circuit_states()[circuit])

    def hear(self, kept: KeptSnapshot) -> None:
        """What was decided, from somebody who has written it."""
        if self._decided is not None:
            self._decided.refresher.hear(kept)

    def lower(self, sealed: bytes) -> None:
        """A ceiling, from somebody whose stores may be away."""
        if self._decided is not None:
            self._decided.refresher.lower([sealed])

    def keep_away(self, circuits: frozenset[tuple[str, str]]) -> None:
        """From now on no call reaches these (service, release), nor those of the snapshot, whatever is reloaded; all
        others may be asked."""
        self._by_hand = circuits
        self._obey()

    def _obey(self) -> None:
        """What is decided is another."""
        self._models.isolate(self._by_hand | self._now.snapshots.current().isolated)
        if self._decided is not None:
            self._decided.tell(self._now.configured.answers)
            self._unfitted.set()

    def circuit_states(self) -> dict[tuple[str, str], str]:
        return self._models.circuits(self.models.values())

    def tell(self) -> None:
        """What is not active or looks wrong, and what each service shows, for the log."""
        for warning in self._now.configured.warnings:
            self._log.finding("warning", warning)
        tell_services(self._log, self.health())

    async def open(self) -> None:
        """Raises StoreRefused."""
        if self._durable is not None:
            await self._durable.begin()
        if self._decided is not None:
            await self._decided.begin()
        await self.fit()
        if self._audit is not None:
            self._audit.begin()

    def begin(self, tasks: asyncio.TaskGroup) -> None:
        """What runs beside the calls: the watch on the load, the hot store, shadow, a task for each model's proof."""
        self._tasks = tasks
        self.tasks.lend(tasks)
        self._spool.begin()
        self._beside = [tasks.create_task(self._gate.keep_time())]
        if self._sender is not None:
            self._beside.append(tasks.create_task(self._sender.run()))
        if self._hot.run is not None:
            self._beside.append(tasks.create_task(self._hot.run()))
        if self._editions is not None:
            self._beside.append(tasks.create_task(self._keep_fitted()))
        self._run_beside(self._now)

    def rest(self) -> None:
        shadowing = [] if self._shadowing is None else [self._shadowing]
        for task in (*self._beside, *shadowing):
            task.cancel()
        self._models.rest()
        self._clients.rest()

    async def close(self) -> None:
        """After the last call: what is left of the traces is sent, for a bounded time."""
        if self._sender is not None:
            await self._sender.flush()
        await self.http.close()
        if self._decided is not None:
            await asyncio.to_thread(self._decided.end)
        await self._spool.close()
        if self._durable is not None:
            await asyncio.to_thread(self._durable.end)
        if self._desks is not None:
            await asyncio.to_thread(self._desks.close)
        if self._editions is not None:
            await asyncio.to_thread(self._editions.close)
        if self._audit is not None:
            await asyncio.to_thread(self._audit.end)

    async def reload(self) -> tuple[Finding, ...]:
        """Swap the whole configuration, or change nothing and say why: the errors. One at a time."""
        async with self._one_reload:
            errors = await self.prepare()
            if not errors:
                self.swap(await self._taken_up())
        return errors

    async def reload_by_signal(self) -> None:
        await reload_by_signal(self.reload, lambda: self.digest, self._audit)

    async def _taken_up(self) -> KeptSnapshot | None:
        """What the files say that wait for `swap`."""
        if self._decided is None or self._next is None:
            return None
        return await self._decided.take_up(self._next.configured)

    async def prepare(self) -> tuple[Finding, ...]:
        """The first half of a reload: the errors, or a generation that waits for `swap` or `drop`."""
        self.drop()
        errors: tuple[Finding, ...] = ()
        try:
            configured = await _beside_the_calls(self._read)
            refuse_fixed(self._now.configured.settings, configured.settings)
            fitted = await self._fitted(configured, strictly=True)
            following = self._snapshots(fitted.configured, self._now.snapshots)
            self._next = self._generation(fitted, following, self._now.known)
            self._now.snapshots.expect(following)
            await self._clients.fetch_first(configured.settings.registered)
            await prove_first(set(self._next.models.values()) - set(self.models.values()))
        except ConfigurationError as error:
            errors = error.findings
        except Exception as error:  # whatever breaks, the old configuration answers on
            self.drop()
            self._faults.fault("reload", error)
            errors = (Finding("", 0, "", "the configuration could not be loaded", "see the fault in the log"),)
        for finding in errors:
            self._log.finding("error", finding)
        if errors:
            self._log.event("reload_refused", errors=len(errors))
        return errors

    @property
    def digest(self) -> str:
        """Of all files of the configuration that answers now."""
        return self._now.configured.catalog.digest

    def prepared(self) -> str:
        """That of what waits for `swap`; empty where nothing does."""
        return "" if self._next is None else self._next.configured.catalog.digest

    def swap(self, taken_up: KeptSnapshot | None = None) -> None:
        """The second half: nothing here waits, so no call sees the half of it. `taken_up`: what was decided by it."""
        if self._next is None:
            return
        following, self._next = self._next, None
        self._follow(following)
        if self._decided is not None:
            self._decided.files_changed(taken_up)
        self._renew_certificates()
        self.tell()
        self._log.event("reloaded", services=len(self._now.configured.catalog.services))
        gc.collect(1)  # what reading has left behind; a full collection would hold up every call

    def _follow(self, following: Generation) -> None:
        old, self._now = self._now, following
        old.snapshots.give_way(following.snapshots)
        self._settle()
        self._run_beside(following)
        self._models.retire(old.known, following.known)
        self._unfitted.set()

    # --- what people decided on, and no file gives

    async def fit(self) -> None:
        """The same files, with the releases beside them that people decided on by now."""
        async with self._one_reload:
            before = self._now
            if self._next is not None:  # what follows is fitted
                return
            fitted = await self._fitted(before.configured)
            if fitted.configured.answers is before.configured.answers:
                if self._now is before:
                    self._now = replace(before, fitted=fitted)
                return
            following = self._generation(fitted, self._snapshots(fitted.configured, before.snapshots), before.known)
            before.snapshots.expect(following.snapshots)
            if self._tasks is not None:
                await prove_first(set(following.models.values()) - set(before.models.values()))
            if self._now is before and self._next is None:
                self._follow(following)
                tell_services(self._log, self.health())
            else:  # a reload came in between
                self._models.retire(following.known, self._now.known)
                self._unfitted.set()

    async def _fitted(self, configured: Configured, strictly: bool = False) -> Fitted:
        """`strictly`: raises ConfigurationError for a release file that was edited under its version."""
        editions, decided = self._editions, self._decided
        if editions is None or decided is None:
            return Fitted(configured)
        await asyncio.to_thread(editions.look)
        edited = editions.edited(configured.catalog)
        if strictly and edited:
            raise ConfigurationError(edited)
        rollouts = decided.following(configured)
        if rollouts is None:  # nothing is shown until it is known what is decided
            return Fitted(configured)
        return await asyncio.to_thread(editions.fitted, configured, rollouts, edited)

    async def _keep_fitted(self) -> None:
        """Whenever other releases are decided on; and while something lacks, since somebody may submit it."""
        fitted: tuple[Mapping[str, tuple[str, ...]], int] = {}, 0
        while True:
            try:
                async with asyncio.timeout(_LOOK_AGAIN if self._now.fitted.incomplete else None):
                    await self._unfitted.wait()
            except TimeoutError:
                pass
            self._unfitted.clear()
            try:
                named = {} if self._decided is None else self._decided.named()
                if (named, id(self._now.configured)) != fitted or self._now.fitted.incomplete:
                    await self.fit()
                    fitted = named, id(self._now.configured)
            except Exception as error:  # what answers goes on
                self._faults.fault("releases", error)
                await asyncio.sleep(_LOOK_AGAIN)

    def _renew_certificates(self) -> None:
        """Their names are fixed, what stands in the files is not; it was sound a moment ago."""
        for certificates in self._certificates:
            try:
                if certificates is not None:
                    certificates.reload()
            except CertificateError as error:
                self._faults.fault("certificates", error)

    def drop(self) -> None:
        if self._next is not None:
            dropped, self._next = self._next, None
            self._now.snapshots.expect(None)
            self._models.retire(dropped.known, self._now.known)
            self._models.show(self.models.values())

    def _settle(self) -> None:
        """What outlives the generations, told of the new one."""
        settings, catalog = self._now.configured.settings, self._now.configured.answers
        self._settled = self._clock.monotonic()
        self._gate.adapt(AdmissionOptions(settings.limits.concurrency, settings.limits.queue))
        self._client.serve(settings.model_hosts, [release.endpoint for release in releases_of(catalog).values()])

    def _generation(self, fitted: Fitted, snapshots: GenerationSnapshots, known: Known) -> Generation:
        configured = fitted.configured
        settings, catalog = configured.settings, configured.answers
        self._guard.know(configured_names(catalog, settings.clients, settings.attributes))
        clock, meter, records, faults = self._clock, self._meter, self._spool.sink, self._faults
        gatherer = self._gatherer
        models = self._models.of(catalog, known)
        attributes = compile_attributes(settings.attributes)
        recall = recall_of(self._hot.store, self._ring, snapshots, lambda digest: models[digest].trouble, faults)
        flow = HookFlow(snapshots, gatherer.gather, attributes, models, clock, meter, recall, self._names)
        custody = None if self._durable is None else self._durable.custody
        shown = None if custody is None else custody.note
        recorder = Recorder(self._names, self._prints, clock, settings.environment, catalog.digest or None, shown)
        shadow = Shadow(
            flow,
            gatherer.given,
            attributes,
            snapshots,
            recorder,
            records,
            clock,
            meter,
            faults,
            lambda: self._gate.pressed,
        )
        notices = Notices(snapshots, attributes, recall, self._names)
        tracing = self._tracing(settings.telemetry.keep)
        in_flight = None if self._decided is None else self._decided.in_flight
        stack = hook_stack(flow, clock, meter, recorder, records, faults, recall, notices, shadow, tracing, in_flight)

        def handler(plan: ServicePlan) -> HookHandler:
            return stack

        edge = Edge(
            catalog=lambda: catalog,
            handler=handler,
            feedback=self._desk.take,
            callers=self._clients.of(settings, configured.secrets),
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
                origin=settings.origin,
            ),
            tracing=tracing,
            in_vain=lambda plan, coming: in_vain(plan, snapshots.current(), models, coming),
        )
        return Generation(fitted, snapshots, models, shadow, edge)

    def _snapshots(self, configured: Configured, before: GenerationSnapshots | None) -> GenerationSnapshots:
        """For a generation that may follow the one before."""
        if self._decided is not None:
            return self._decided.of(configured.answers)
        rollouts = rollouts_of(configured, self._names)
        return before.following(rollouts) if isinstance(before, FileSnapshots) else FileSnapshots(rollouts)

    def _tracing(self, keep: float) -> Tracing | None:
        if self._sender is None:
            return None
        later, lost, options = asyncio.get_running_loop().call_soon, self._guard.lost, TracingOptions(keep=keep)
        return Tracing(self._sender, self._clock, self._faults, self._trace_ids, later, lost, options)

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """An ASGI application: a request is for the generation that is there when it comes."""
        return self._now.edge(scope, receive, send)

    def turn_away(self, method: bytes, target: bytes, headers: list[Header]) -> bytes | None:
        return self._now.edge.turn_away(method, target, headers)

    def _run_beside(self, generation: Generation) -> None:
        self._models.show(generation.models.values())
        if self._tasks is None:
            return
        self._models.run(generation.models.values(), self._tasks)
        self._clients.run(generation.configured.settings.registered, self._tasks)
        if self._shadowing is not None:
            self._shadowing.cancel()  # what it had not begun is shed: shadow is the first to be
        self._shadowing = self._tasks.create_task(generation.shadow.run())


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
