"""From a configuration to a gateway that answers, and from one configuration to the next.

lasting      what outlives a reload
generation   what one reading of the files makes: edge, stacks, models
reload       prepare (beside the calls, all or nothing) ─► swap (nothing waits in between), or drop
fit          the same files once more, with the releases that people decided on beside them
"""

import asyncio
import gc
import sys
from collections.abc import Awaitable, Mapping
from dataclasses import replace
from ssl import SSLContext

from wardgate.adapters.logs.events import EventLog
from wardgate.bootstrap.audit import reload_by_signal
from wardgate.bootstrap.circuits import Circuits
from wardgate.bootstrap.configured import Configured, Read
from wardgate.bootstrap.desks import Desks, desks_of
from wardgate.bootstrap.editions import Fitted
from wardgate.bootstrap.generation import Generation, generation_of
from wardgate.bootstrap.health import health, tell_services
from wardgate.bootstrap.lasting import lasting_of
from wardgate.bootstrap.machine import sleepless
from wardgate.bootstrap.models import Known, prove_first, releases_of
from wardgate.bootstrap.proving import Proving
from wardgate.control.ports import KeptSnapshot
from wardgate.domain.errors import ConfigurationError
from wardgate.domain.findings import Finding
from wardgate.domain.plans import Catalog
from wardgate.gateway.probes import ProvenModel
from wardgate.resilience.admission import AdmissionOptions
from wardgate.resilience.gate import Seen
from wardgate.settings import Secrets, Settings, refuse_fixed
from wardgate.web.admin import AdminPorts, admin_app, by_token
from wardgate.web.asgi import ASGIApp, Header, Receive, Scope, Send

_LOOK_AGAIN = 5.0
"""Seconds until a release that was decided on and was not found is looked for again."""


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
        """Must be made inside the loop that will serve, and closed. Raises SpoolUnusable and StoreRefused."""
        self._log, self._stopping, self._read = log, stopping, read
        self.lasting = lasting_of(configured, lambda: self._now.configured, self._obey, log, seen, worker)
        self._one_reload, self._unfitted = asyncio.Lock(), asyncio.Event()
        self._group: asyncio.TaskGroup | None = None
        self._beside: list[asyncio.Task[None]] = []
        self._shadowing: asyncio.Task[None] | None = None
        self._next: Generation | None = None
        self._now = self._generation(Fitted(configured), None, ())
        self.circuits = Circuits(
            self.lasting.models, lambda: self.models.values(), lambda: self._now.snapshots.current()
        )
        self.prove = Proving(lambda: self._now.configured, self.lasting.models, lambda: self.models)
        self._desks = self._desks_of(configured)
        self._settle()
        self.lasting.meter.runs(configured.settings.environment)
        self._watch()

    def _desks_of(self, configured: Configured) -> Desks | None:
        """Where the admin listener is: the control plane's."""
        lasting, place = self.lasting, configured.secrets.durable
        if lasting.control is None or lasting.obeyed is None or lasting.audit is None or place is None:
            return None
        return desks_of(
            lambda: self._now.configured,
            lasting.control,
            lasting.control.listen is not None,
            lasting.obeyed,
            lasting.audit,
            lasting.names,
            self.prove,
            self._log,
            lasting.meter,
            place,
        )

    def _watch(self) -> None:
        """What the meter asks for at each scrape."""
        machine = self.lasting.gate.machine
        self.lasting.meter.watch_process(
            busy=lambda: machine.busy,
            waiting=lambda: machine.waiting,
            places=lambda: machine.options.concurrency,
            snapshot_age=self._snapshot_age,
            snapshot_epoch=lambda: self._now.snapshots.current().epoch,
        )

    def _snapshot_age(self) -> float:
        if self.lasting.obeyed is None:
            return self.lasting.clock.monotonic() - self._settled
        return max(0.0, sleepless() - self.lasting.obeyed.visibility.fresh)

    @property
    def listeners(self) -> tuple[tuple[ASGIApp, str, int], ...]:
        settings = self._now.configured.settings
        ports = AdminPorts(
            by_token(
                None if self.lasting.audit is None else self.lasting.audit.book,
                lambda: self._now.configured.settings.insecure_demo,
            ),
            self.ready,
            self.services,
            self.stores,
            self.metrics,
            self.reload,
            self.circuits.all,
            self.circuits.isolate,
            self.lasting.records,
            None if self.lasting.audit is None else self.lasting.audit.trail,
        )
        ports = ports if self._desks is None else self._desks.beside(ports)
        admin = admin_app(ports, settings.telemetry.prometheus)
        return (
            (self, settings.listen.host, settings.listen.port),
            (admin, settings.admin.host, settings.admin.port),
        )

    @property
    def tls(self) -> tuple[SSLContext | None, ...]:
        """In the order of the listeners."""
        return tuple([None if one is None else one.context for one in self.lasting.certificates])

    @property
    def models(self) -> Mapping[str, ProvenModel]:
        return self._now.models

    def ready(self) -> bool:
        return not self._stopping.is_set()

    def health(self) -> dict[str, dict[str, str]]:
        now = self._now
        waiting = {each.service_id: each for each in now.fitted.waiting}
        return health(now.configured.answers, now.snapshots.current(), now.models, waiting, self.lasting.clock.now())

    async def services(self) -> dict[str, dict[str, str]]:
        return self.health()

    async def stores(self) -> dict[str, Mapping[str, str]]:
        return self.lasting.stores()

    async def metrics(self) -> tuple[bytes, str]:
        return await self.lasting.metrics()

    def hear(self, kept: KeptSnapshot) -> None:
        """What was decided, from somebody who has written it."""
        if self.lasting.obeyed is not None:
            self.lasting.obeyed.hear(kept)

    def lower(self, sealed: bytes) -> None:
        """A ceiling, from somebody whose stores may be away."""
        if self.lasting.obeyed is not None:
            self.lasting.obeyed.lower(sealed)

    def _obey(self) -> None:
        """What is decided is another."""
        self.circuits.obey()
        if self.lasting.obeyed is not None:
            self.lasting.obeyed.tell(self._now.configured.answers)
            self._unfitted.set()

    def tell(self) -> None:
        """What is not active or looks wrong, and what each service shows, for the log."""
        for warning in self._now.configured.warnings:
            self._log.finding("warning", warning)
        tell_services(self._log, self.health())

    async def open(self) -> None:
        """Raises StoreRefused."""
        await self.lasting.open()
        await self.fit()
        if self.lasting.audit is not None:
            self.lasting.audit.begin()

    def begin(self, tasks: asyncio.TaskGroup) -> None:
        """What runs beside the calls: the watch on the load, the hot store, shadow, a task for each model's proof."""
        self._group = tasks
        self._beside = self.lasting.begin(tasks)
        if self.lasting.editions is not None:
            self._beside.append(tasks.create_task(self._keep_fitted()))
        self._run_beside(self._now)

    def rest(self) -> None:
        self._group = None  # a reload that is under way begins nothing any more
        shadowing = [] if self._shadowing is None else [self._shadowing]
        for task in (*self._beside, *shadowing):
            task.cancel()
        self.lasting.rest()

    async def close(self) -> None:
        """After the last call."""
        if self._desks is not None:
            await asyncio.to_thread(self._desks.close)
        await self.lasting.close()

    async def reload(self) -> tuple[Finding, ...]:
        """Swap the whole configuration, or change nothing and say why: the errors. One at a time."""
        async with self._one_reload:
            errors = await self.prepare()
            if not errors:
                self.swap(await self._taken_up())
        return errors

    async def reload_by_signal(self) -> None:
        await reload_by_signal(self.reload, lambda: self.digest, self.lasting.audit)

    async def _taken_up(self) -> KeptSnapshot | None:
        """What the files say that wait for `swap`."""
        if self.lasting.obeyed is None or self._next is None:
            return None
        return await self.lasting.obeyed.take_up(self._next.configured)

    async def prepare(self) -> tuple[Finding, ...]:
        """The first half of a reload: the errors, or a generation that waits for `swap` or `drop`."""
        self.drop()
        errors: tuple[Finding, ...] = ()
        try:
            configured = await _beside_the_calls(self._read)
            refuse_fixed(self._now.configured.settings, configured.settings)
            fitted = await self._fitted(configured, strictly=True)
            self._next = self._generation(fitted, self._now, self._now.known)
            self._now.snapshots.expect(self._next.snapshots)
            await self.lasting.clients.fetch_first(configured.settings.registered)
            await prove_first(set(self._next.models.values()) - set(self.models.values()))
        except ConfigurationError as error:
            errors = error.findings
        except Exception as error:  # whatever breaks, the old configuration answers on
            self.drop()
            self.lasting.faults.fault("reload", error)
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
        if self.lasting.obeyed is not None:
            self.lasting.obeyed.files_changed(taken_up)
        self.lasting.renew_certificates()
        self.tell()
        self._log.event("reloaded", services=len(self._now.configured.catalog.services))
        gc.collect(1)  # what reading has left behind; a full collection would hold up every call

    def _follow(self, following: Generation) -> None:
        old, self._now = self._now, following
        old.snapshots.give_way(following.snapshots)
        self._settle()
        self._run_beside(following)
        self.lasting.models.retire(old.known, following.known)
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
            following = self._generation(fitted, before, before.known)
            before.snapshots.expect(following.snapshots)
            if self._group is not None:
                await prove_first(set(following.models.values()) - set(before.models.values()))
            if self._now is before and self._next is None:
                self._follow(following)
                tell_services(self._log, self.health())
            else:  # a reload came in between
                self.lasting.models.retire(following.known, self._now.known)
                self._unfitted.set()

    async def _fitted(self, configured: Configured, strictly: bool = False) -> Fitted:
        """`strictly`: raises ConfigurationError for a release file that was edited under its version."""
        editions, obeyed = self.lasting.editions, self.lasting.obeyed
        if editions is None or obeyed is None:
            return Fitted(configured)
        await asyncio.to_thread(editions.look)
        edited = editions.edited(configured.catalog)
        if strictly and edited:
            raise ConfigurationError(edited)
        rollouts = obeyed.following(configured)
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
                named = {} if self.lasting.obeyed is None else self.lasting.obeyed.named()
                if (named, id(self._now.configured)) != fitted or self._now.fitted.incomplete:
                    await self.fit()
                    fitted = named, id(self._now.configured)
            except Exception as error:  # what answers goes on
                self.lasting.faults.fault("releases", error)
                await asyncio.sleep(_LOOK_AGAIN)

    def drop(self) -> None:
        if self._next is not None:
            dropped, self._next = self._next, None
            self._now.snapshots.expect(None)
            self.lasting.models.retire(dropped.known, self._now.known)
            self.lasting.models.show(self.models.values())

    def _settle(self) -> None:
        """What outlives the generations, told of the new one."""
        settings, catalog = self._now.configured.settings, self._now.configured.answers
        self._settled = self.lasting.clock.monotonic()
        self.lasting.gate.adapt(AdmissionOptions(settings.limits.concurrency, settings.limits.queue))
        self.lasting.client.serve(settings.model_hosts, [release.endpoint for release in releases_of(catalog).values()])

    def _generation(self, fitted: Fitted, before: Generation | None, known: Known) -> Generation:
        return generation_of(self.lasting, fitted, before, known, self.ready)

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """An ASGI application: a request is for the generation that is there when it comes."""
        return self._now.edge(scope, receive, send)

    def turn_away(self, method: bytes, target: bytes, headers: list[Header]) -> bytes | None:
        return self._now.edge.turn_away(method, target, headers)

    def _run_beside(self, generation: Generation) -> None:
        self.lasting.models.show(generation.models.values())
        if self._group is None:
            return
        self.lasting.models.run(generation.models.values(), self._group)
        self.lasting.clients.run(generation.configured.settings.registered, self._group)
        if self._shadowing is not None:
            self._shadowing.cancel()  # what it had not begun is shed: shadow is the first to be
        self._shadowing = self._group.create_task(generation.shadow.run())


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
