"""`wardgate serve --workers N`: a parent that answers no calls. It holds the EHR's port open, keeps N workers alive,
and owns the admin listener.

Each worker is a replica in a process of its own. One that dies is replaced, after a pause that grows while that goes
on; the calls that it was working on are lost, which a log line and a metric say, and those that waited on the port are
taken by the others. One whose loop stands still is ended, and replaced likewise. A reload happens in all of them or in
none; so a worker that comes up with other files than those of the others, edited and not reloaded, does not stay.
"""

import asyncio
import contextlib
import signal
from collections.abc import Coroutine, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from wardgate.adapters.logs.events import EventLog
from wardgate.adapters.prometheus.workers import WorkerMeter
from wardgate.bootstrap.audit import audit_keeper, reload_by_signal
from wardgate.bootstrap.configured import Configured
from wardgate.bootstrap.control import control_stores
from wardgate.bootstrap.desks import Desks, desks_of
from wardgate.bootstrap.health import tell_services
from wardgate.bootstrap.machine import SystemClock
from wardgate.bootstrap.obeyed import Obeyed
from wardgate.bootstrap.parts import certificates_of, draw_secret
from wardgate.bootstrap.proving import UNKNOWN
from wardgate.bootstrap.records import open_desk
from wardgate.bootstrap.serving import heed_signals, run_loop, still_the_collector, url_of
from wardgate.cli.agreement import agreed, circuits_of, errors_of
from wardgate.cli.channel import Gone
from wardgate.cli.configured import read
from wardgate.cli.pushing import PushingCopy
from wardgate.cli.worker import BEAT, with_secret
from wardgate.cli.worker_process import PATIENCE, Worker, pause
from wardgate.control.snapshots import Sealer
from wardgate.domain.errors import ConfigurationError
from wardgate.domain.findings import Finding
from wardgate.domain.guard import configured_names
from wardgate.domain.pseudonyms import KeyRing
from wardgate.domain.record_names import RecordNames
from wardgate.web.admin import AdminPorts, Circuit, admin_app, by_token
from wardgate.web.server import bind, serve_sockets

_PREPARE = 60.0
_PROVED = 0.05
"""Seconds between two questions whether an endpoint is proven."""
_END = 15.0
"""Seconds that workers get to drain."""
_SOUND = 30.0
"""Seconds after which a worker counts as sound, so that the next pause is short again."""
_STILL = 10
"""Beats that a worker may leave out, counted by our own, so that a pause of the whole machine ends nobody."""


class Parent:
    def __init__(self, config: Path, configured: Configured, number: int, log: EventLog) -> None:
        self._config, self._configured, self._log, self._meter = config, configured, log, WorkerMeter()
        self._stop, self._loop = asyncio.Event(), asyncio.get_running_loop()
        self._one_reload = asyncio.Lock()
        self._isolated: frozenset[tuple[str, str]] = frozenset()
        self._failed = False
        self._sealer: Sealer | None = None
        settings = configured.settings
        self._listener = bind(settings.listen.host, settings.listen.port)
        self._listener.set_inheritable(True)
        self._admin = bind(settings.admin.host, settings.admin.port)
        self._digest = configured.catalog.digest
        """Of the files that answer."""
        self._certificates = certificates_of(configured.secrets)[1]
        self._know()
        secret = b"" if configured.secrets.pseudonym else draw_secret(log)
        self._desk = None
        if configured.secrets.durable is not None:
            self._desk = open_desk(with_secret(secret, configured), lambda: self._configured)
        self._audit = audit_keeper(configured.secrets, settings.anchoring, SystemClock(), log, self._meter)
        self._obeyed, self._desks = self._control_plane(with_secret(secret, configured))
        self._workers = [Worker(place + 1, config, self._listener, secret) for place in range(number)]

    def _control_plane(self, configured: Configured) -> tuple[Obeyed | None, Desks | None]:
        ring = KeyRing(configured.secrets.pseudonym)
        stores = control_stores(configured.secrets, ring)
        if stores is None or self._audit is None or configured.secrets.durable is None:
            return None, None
        stores = replace(
            stores, hot=PushingCopy(stores.hot, self._push), own_key=not self._configured.secrets.pseudonym
        )
        lease, names, self._sealer = configured.settings.lease, RecordNames(ring), stores.sealer
        obeyed = Obeyed(
            stores,
            None,
            lease,
            lambda: self._configured,
            self._log,
            None,
            self._log,
            names,
            lambda: None,
            partial(self._audit.trail.entry, lowers=True),
        )
        desks = desks_of(
            lambda: self._configured,
            stores,
            True,
            obeyed,
            self._audit,
            names,
            self.prove,
            self._log,
            self._meter,
            configured.secrets.durable,
        )
        return obeyed, desks

    def _push(self, message: Any) -> None:
        """To the workers that are up; from any thread. The others read it when they start."""
        coming = self._ask_all(message)
        try:
            asyncio.run_coroutine_threadsafe(coming, self._loop)
        except RuntimeError:  # it has ended
            coming.close()

    async def run(self) -> bool:
        """Until SIGTERM or SIGINT; False: no worker ever stood."""
        ports = AdminPorts(
            by_token(
                None if self._audit is None else self._audit.book, lambda: self._configured.settings.insecure_demo
            ),
            self.ready,
            self.services,
            self.stores,
            self.metrics,
            self.reload,
            self.circuits,
            self.isolate,
            self._desk,
            None if self._audit is None else self._audit.trail,
        )
        ports = ports if self._desks is None else self._desks.beside(ports)
        admin = admin_app(ports, self._configured.settings.telemetry.prometheus)
        if self._obeyed is not None:
            await self._obeyed.begin()
        if self._audit is not None:
            self._audit.begin()
        async with asyncio.TaskGroup() as tasks:
            heed_signals(self._stop, tasks, self._reload_by_signal)
            keeping = [tasks.create_task(self._keep(worker)) for worker in self._workers]
            beside = [tasks.create_task(self._tell()), *(tasks.create_task(self._watch(w)) for w in self._workers)]
            tls = None if self._certificates is None else self._certificates.context
            await serve_sockets([(admin, self._admin)], still_the_collector, self._stop, tls=[tls])
            for task in beside:
                task.cancel()
            self._listener.close()  # the workers have it still, until the last of them has ended
            await self._end(keeping)
        if self._obeyed is not None:
            await asyncio.to_thread(self._obeyed.end)
        if self._desks is not None:
            await asyncio.to_thread(self._desks.close)
        if self._audit is not None:
            await asyncio.to_thread(self._audit.end)
        self._log.event("stopped")
        return not self._failed

    async def prove(self, service: str, digest: str) -> str | None:
        """By one of the workers, which begins it and is asked again: a proof takes seconds, and what is lowered
        meanwhile goes over the same channel."""
        for worker in self._workers:
            with contextlib.suppress(Gone):
                await worker.ask({"prove": [service, digest]})
                while True:
                    said = await worker.ask({"proved": [service, digest]})
                    if said is not None:
                        return None if said == "" else str(said)
                    await asyncio.sleep(_PROVED)
        return UNKNOWN

    def ready(self) -> bool:
        return not self._stop.is_set() and any(worker.up.is_set() for worker in self._workers)

    async def services(self) -> dict[str, dict[str, Any]]:
        """Those of the first worker, with the worst proof; `workers` where they do not say the same."""
        said = await self._ask_all("services")
        return agreed({number: state for number, state in said.items() if state is not None})

    async def stores(self) -> dict[str, dict[str, str]]:
        """As the worker sees them that sees them worst."""
        said = [stores for stores in (await self._ask_all("stores")).values() if stores is not None]
        names = dict.fromkeys(name for stores in said for name in stores)
        return {name: min((each[name] for each in said), key=lambda store: store["state"] == "up") for name in names}

    async def metrics(self) -> tuple[bytes, str]:
        self._meter.up(sum(worker.up.is_set() for worker in self._workers))
        said = await self._ask_all("metrics")
        return self._meter.exposition({number: text for number, text in said.items() if text is not None})

    async def reload(self) -> tuple[Finding, ...]:
        """In all workers or in none."""
        async with self._one_reload:
            said = await self._ask_all("prepare", _PREPARE)
            errors = errors_of(list(said.values()))
            if not errors:
                self._digest = next(answer["digest"] for answer in said.values())
                for worker in self._workers:
                    if worker.up.is_set() and worker.number not in said:  # it came up meanwhile, with the files before
                        worker.stop(signal.SIGTERM)
            if errors:
                await self._ask_all("drop")
            else:
                await self._swap()
        for finding in errors:
            self._log.finding("error", finding)
        self._log.event("reload_refused" if errors else "reloaded", errors=len(errors))
        return errors

    async def _reload_by_signal(self) -> None:
        await reload_by_signal(self.reload, lambda: self._digest, self._audit)

    async def _swap(self) -> None:
        """The workers go by new files: the desk and the log, which are here, do so too; and what the files say of
        rollouts is taken up here, for all of them."""
        taken_up = None
        with contextlib.suppress(ConfigurationError):
            configured = await asyncio.to_thread(read, self._config)
            if configured.catalog.digest == self._digest:  # else changed once more: the next reload brings it
                self._configured = configured
                self._know()
                if self._obeyed is not None:
                    taken_up = await self._obeyed.take_up(configured)
        await self._ask_all({"swap": msgspec.to_builtins(taken_up)})
        if self._obeyed is not None:
            self._obeyed.files_changed(taken_up)
        if self._certificates is not None:
            self._certificates.reload()  # all workers have found it sound

    def _know(self) -> None:
        settings = self._configured.settings
        self._log.guard.know(configured_names(self._configured.catalog, settings.clients, settings.attributes))

    async def circuits(self) -> dict[tuple[str, str], Circuit]:
        return circuits_of(await self._ask_all("circuits"))

    async def isolate(self, service: str, release: str, away: bool) -> Circuit | None:
        """In all replicas, and to stay. While the store is away, in the workers alone: one that does not answer is
        replaced, and its successor begins with what is asked here."""
        circuit = (service, release)
        if circuit not in await self.circuits():
            return None
        newest = None if self._obeyed is None else self._obeyed.newest()
        by_hand = away and (newest is None or circuit not in newest.isolated)
        self._isolated = self._isolated | {circuit} if by_hand else self._isolated - {circuit}
        self._log.guard.know({"service_id": frozenset({service}), "model_version": frozenset({release})})
        self._log.event("circuit", service_id=service, model_version=release, isolated=away)
        return circuits_of(await self._ask_all({"isolated": self._told_isolated()})).get(circuit)

    def _told_isolated(self) -> list[list[str]]:
        return [list(circuit) for circuit in sorted(self._isolated)]

    def _told_lowered(self) -> list[bytes]:
        if self._obeyed is None or self._sealer is None:
            return []
        return [self._sealer.seal_ceiling(ceiling) for ceiling in self._obeyed.side()]

    async def _ask_all(self, what: Any, seconds: float = PATIENCE) -> dict[int, Any]:
        """By number: what those said that are up. None: one that did not answer."""

        async def ask(worker: Worker) -> Any:
            try:
                return await worker.ask(what, seconds)
            except Gone:
                return None

        up = [worker for worker in self._workers if worker.up.is_set()]
        return dict(zip([worker.number for worker in up], await _all([ask(worker) for worker in up]), strict=True))

    def _fits(self, digest: str) -> bool:
        """Where nobody else answers, the files count as they are, as at a start."""
        if digest != self._digest and any(worker.up.is_set() for worker in self._workers):
            return False
        self._digest = digest
        return True

    async def _watch(self, worker: Worker) -> None:
        """One that stands still answers no call, keeps those that it has, and would not hear a SIGTERM."""
        before = still = 0
        while True:
            await asyncio.sleep(BEAT)
            beats = worker.beats()
            still = still + 1 if worker.up.is_set() and beats == before else 0
            before = beats
            if still == _STILL:
                self._log.event("worker_still", worker=worker.number)
                worker.stop(signal.SIGKILL)

    async def _keep(self, worker: Worker) -> None:
        """A process in this place, until we stop."""
        loop, deaths = asyncio.get_running_loop(), 0
        while not self._stop.is_set():
            began = loop.time()
            code = await worker.live(self._told_isolated, self._told_lowered, self._fits)
            if self._stop.is_set():
                return
            if worker.differs:
                self._log.event("worker_differs", worker=worker.number)
            else:
                calls = worker.calls()
                self._meter.lost(calls)
                self._log.event("worker_lost", worker=worker.number, code=code, calls_lost=calls)
            if not worker.stood and code in (1, 2):  # it told why, and will again
                self._failed = True
                self._stop.set()
                return
            deaths = 1 if loop.time() - began > _SOUND else deaths + 1
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause(deaths)):
                    await self._stop.wait()

    async def _tell(self) -> None:
        """What the log says once all workers stand."""
        for worker in self._workers:
            await worker.up.wait()
        settings = self._configured.settings
        for warning in self._configured.warnings:
            self._log.finding("warning", warning)
        tell_services(self._log, await self.services())
        self._log.event(
            "listening",
            gateway=url_of(settings.listen),
            admin=url_of(settings.admin),
            services=len(self._configured.catalog.services),
            workers=len(self._workers),
        )

    async def _end(self, keeping: Sequence[asyncio.Task[None]]) -> None:
        for number in (signal.SIGTERM, signal.SIGKILL):
            for worker in self._workers:
                worker.stop(number)
            if not (await asyncio.wait(keeping, timeout=_END))[1]:
                return


async def _all(asked: Sequence[Coroutine[None, None, Any]]) -> list[Any]:
    async with asyncio.TaskGroup() as tasks:
        running = [tasks.create_task(each) for each in asked]
    return [task.result() for task in running]


def run(config: Path, configured: Configured, number: int) -> int:
    log = EventLog()
    stood = True

    async def main() -> None:
        nonlocal stood
        stood = await Parent(config, configured, number, log).run()

    code = run_loop(main, log)
    return code if code or stood else 1
