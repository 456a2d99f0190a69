"""`wardgate serve --workers N`: a parent that answers no calls. It holds the EHR's port open, keeps N workers alive,
and owns the admin listener.

Each worker is a replica in a process of its own. One that dies is replaced, after a pause that grows while that goes
on; the calls that it was working on are lost, which a log line and a metric say, and those that waited on the port are
taken by the others. One whose loop stands still is ended, and replaced likewise. A reload happens in all of them or in
none; so a worker that comes up with other files than those of the others, edited and not reloaded, does not stay.
"""

import asyncio
import contextlib
import mmap
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import replace
from pathlib import Path
from typing import IO, Any

import msgspec

from wardgate import bootstrap
from wardgate.adapters.logs.events import EventLog
from wardgate.adapters.prometheus.workers import WorkerMeter
from wardgate.bootstrap import Configured
from wardgate.bootstrap.audit import audit_keeper, reload_by_signal
from wardgate.bootstrap.control import control_stores
from wardgate.bootstrap.decided import Decided
from wardgate.bootstrap.desks import Desks, desks_of
from wardgate.bootstrap.parts import SystemClock
from wardgate.bootstrap.proving import UNKNOWN
from wardgate.bootstrap.records import open_desk
from wardgate.cli.channel import Channel, Gone, send_secret
from wardgate.cli.configured import read
from wardgate.cli.pushing import PushingCopy
from wardgate.cli.worker import BEAT, PAGE, with_secret
from wardgate.control.ports import KeptSnapshot
from wardgate.control.snapshots import Sealer
from wardgate.domain.errors import ConfigurationError
from wardgate.domain.findings import Finding
from wardgate.domain.guard import configured_names
from wardgate.domain.pseudonyms import KeyRing
from wardgate.domain.record_names import RecordNames
from wardgate.web.admin import AdminPorts, Circuit, admin_app, by_token
from wardgate.web.server import bind, serve_sockets

_PATIENCE = 5.0
"""Seconds for an answer of a worker; more for one that reads its files."""
_PREPARE = 60.0
_PROVED = 0.05
"""Seconds between two questions whether an endpoint is proven."""
_END = 15.0
"""Seconds that workers get to drain."""
_SOUND = 30.0
"""Seconds after which a worker counts as sound, so that the next pause is short again."""
_STILL = 10
"""Beats that a worker may leave out, counted by our own, so that a pause of the whole machine ends nobody."""
_WORST = ("passed", "probe_pending", "probe_failed")


def pause(deaths: int) -> float:
    """Seconds until a worker that died for the nth time in a row is replaced."""
    return min(0.1 * (1 << min(deaths - 1, 10)), 10.0)


class Worker:
    """One place of the N, and the process that holds it now."""

    def __init__(self, number: int, config: Path, listener: socket.socket, secret: bytes) -> None:
        self.number = number
        self._config, self._listener, self._secret = config, listener, secret
        self._file: IO[bytes] = tempfile.TemporaryFile()
        self._file.truncate(PAGE)
        self._seen = memoryview(mmap.mmap(self._file.fileno(), PAGE)).cast("q")
        self.channel: Channel | None = None
        self.process: asyncio.subprocess.Process | None = None
        self.up = asyncio.Event()
        self.stood = False
        """Whether it was ever up."""
        self.differs = False
        """Whether the process that ended last had not read what the others have."""

    async def live(
        self,
        isolated: Callable[[], list[list[str]]],
        lowered: Callable[[], list[bytes]],
        fits: Callable[[str], bool],
    ) -> int:
        """From its start to its end; the exit code, below 0 that of the signal that ended it. `isolated`: the circuits
        that are out of use now, in JSON's terms; `lowered`: ceilings, sealed, that no store may have yet. `fits`:
        whether a worker with files of this digest may stand."""
        ours, theirs = socket.socketpair()
        send_secret(ours, self._secret)
        self._seen[0] = 0
        self.differs = False
        begun = isolated()
        passed = [self._listener.fileno(), theirs.fileno(), self._file.fileno()]
        arguments = [str(self._config), str(self.number), *map(str, passed), msgspec.json.encode(begun).decode()]
        try:
            self.process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "wardgate.cli.worker",
                *arguments,
                stdin=subprocess.DEVNULL,
                pass_fds=passed,
                start_new_session=True,  # a Ctrl-C is the parent's, which then stops its workers in order
            )
        finally:
            theirs.close()
        self.channel = await Channel.over(ours)
        try:
            with contextlib.suppress(Gone):
                said = await self.channel.hear()
                self.differs = not fits(said["up"])
                if self.differs:
                    self.stop(signal.SIGTERM)
                else:
                    while begun != isolated():  # changed by hand while it started
                        begun = isolated()
                        await self.channel.ask({"isolated": begun}, _PATIENCE)
                    told: set[bytes] = set()
                    while left := [sealed for sealed in lowered() if sealed not in told]:
                        await self.channel.ask({"lower": msgspec.to_builtins(left[0])}, _PATIENCE)
                        told.add(left[0])
                    self.stood = True
                    self.up.set()
            return await self.process.wait()
        finally:
            self.up.clear()
            self.channel.close()

    def calls(self) -> int:
        """Under way now, or when it ended."""
        return int(self._seen[0])

    def beats(self) -> int:
        """How often its loop has come round."""
        return int(self._seen[1])

    def stop(self, number: int) -> None:
        with contextlib.suppress(ProcessLookupError):
            if self.process is not None and self.process.returncode is None:
                self.process.send_signal(number)

    async def ask(self, what: Any, seconds: float = _PATIENCE) -> Any:
        """Raises Gone; a worker that does not answer its parent is stopped, and replaced."""
        if self.channel is None or not self.up.is_set():
            raise Gone
        try:
            return await self.channel.ask(what, seconds)
        except Gone:
            self.stop(signal.SIGTERM)
            raise


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
        self._certificates = bootstrap.certificates_of(configured.secrets)[1]
        self._know()
        secret = b"" if configured.secrets.pseudonym else bootstrap.draw_secret(log)
        self._desk = None
        if configured.secrets.durable is not None:
            self._desk = open_desk(with_secret(secret, configured), lambda: self._configured)
        self._audit = audit_keeper(configured.secrets, settings.anchoring, SystemClock(), log, self._meter)
        self._decided, self._desks = self._decided_by(with_secret(secret, configured))
        self._workers = [Worker(place + 1, config, self._listener, secret) for place in range(number)]

    def _decided_by(self, configured: Configured) -> tuple[Decided | None, Desks | None]:
        ring = KeyRing(configured.secrets.pseudonym)
        stores = control_stores(configured.secrets, ring)
        if stores is None or self._audit is None or configured.secrets.durable is None:
            return None, None
        stores = replace(
            stores,
            hot=PushingCopy(stores.hot, self._push),
            own_key=not self._configured.secrets.pseudonym,
        )
        lease, names, self._sealer = configured.settings.lease, RecordNames(ring), stores.sealer
        decided = Decided(
            stores,
            None,
            lease,
            lambda: self._configured,
            self._log,
            None,
            self._log,
            names,
            lambda: None,
            self._audit.trail.keep,
        )
        desks = desks_of(
            lambda: self._configured,
            stores,
            True,
            decided,
            self._audit,
            names,
            self.prove,
            self._log,
            configured.secrets.durable,
        )
        return decided, desks

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
            **({} if self._desks is None else self._desks.ports()),
        )
        admin = admin_app(ports, self._configured.settings.telemetry.prometheus)
        if self._decided is not None:
            await self._decided.begin()
        if self._audit is not None:
            self._audit.begin()
        async with asyncio.TaskGroup() as tasks:
            bootstrap.heed_signals(self._stop, tasks, self._reload_by_signal)
            keeping = [tasks.create_task(self._keep(worker)) for worker in self._workers]
            beside = [tasks.create_task(self._tell()), *(tasks.create_task(self._watch(w)) for w in self._workers)]
            tls = None if self._certificates is None else self._certificates.context
            await serve_sockets([(admin, self._admin)], bootstrap.still_the_collector, self._stop, tls=[tls])
            for task in beside:
                task.cancel()
            self._listener.close()  # the workers have it still, until the last of them has ended
            await self._end(keeping)
        if self._decided is not None:
            await asyncio.to_thread(self._decided.end)
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
            errors = _errors(list(said.values()))
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
                if self._decided is not None:
                    taken_up = await self._decided.take_up(configured)
        await self._ask_all({"swap": msgspec.to_builtins(taken_up)})
        if self._decided is not None:
            self._decided.files_changed(taken_up)
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
        decided = False if self._decided is None else await self._decided.isolated(circuit, away)
        if isinstance(decided, KeptSnapshot):
            await self._ask_all({"snapshot": msgspec.to_builtins(decided)})
        by_hand = away and decided is False
        self._isolated = self._isolated | {circuit} if by_hand else self._isolated - {circuit}
        self._log.guard.know({"service_id": frozenset({service}), "model_version": frozenset({release})})
        self._log.event("circuit", service_id=service, model_version=release, isolated=away)
        return circuits_of(await self._ask_all({"isolated": self._told_isolated()})).get(circuit)

    def _told_isolated(self) -> list[list[str]]:
        return [list(circuit) for circuit in sorted(self._isolated)]

    def _told_lowered(self) -> list[bytes]:
        if self._decided is None or self._sealer is None:
            return []
        return [self._sealer.seal_ceiling(ceiling) for ceiling in self._decided.visibility.side]

    async def _ask_all(self, what: Any, seconds: float = _PATIENCE) -> dict[int, Any]:
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
        bootstrap.tell_services(self._log, await self.services())
        self._log.event(
            "listening",
            gateway=bootstrap.url_of(settings.listen),
            admin=bootstrap.url_of(settings.admin),
            services=len(self._configured.catalog.services),
            workers=len(self._workers),
        )

    async def _end(self, keeping: Sequence[asyncio.Task[None]]) -> None:
        for number in (signal.SIGTERM, signal.SIGKILL):
            for worker in self._workers:
                worker.stop(number)
            if not (await asyncio.wait(keeping, timeout=_END))[1]:
                return


def agreed(said: dict[int, dict[str, dict[str, Any]]]) -> dict[str, dict[str, Any]]:
    """One state for each service, of the first worker that has it."""
    services: dict[str, dict[str, Any]] = {}
    for service in dict.fromkeys(name for states in said.values() for name in states):
        states = {number: each[service] for number, each in said.items() if service in each}
        first = next(iter(states.values()))
        services[service] = {**first, "proof": max((state["proof"] for state in states.values()), key=_WORST.index)}
        if len(states) < len(said) or any(state != first for state in states.values()):
            services[service]["workers"] = {str(number): state for number, state in states.items()}
    return services


def circuits_of(said: dict[int, list[list[str]] | None]) -> dict[tuple[str, str], Circuit]:
    """What each worker says of each circuit that one of them has."""
    found: dict[tuple[str, str], dict[str, str]] = {}
    for service, release, _ in (each for states in said.values() for each in states or ()):
        found[service, release] = {str(number): "no_answer" for number in said}
    for number, states in said.items():
        for service, release, state in states or ():
            found[service, release][str(number)] = state
    return {
        circuit: Circuit(next(iter(states.values())) if len(set(states.values())) == 1 else "mixed", states)
        for circuit, states in found.items()
    }


def _errors(said: list[dict[str, Any] | None]) -> tuple[Finding, ...]:
    """Of all workers, each once; also where they have not read the same."""
    told = [answer for answer in said if answer is not None]
    errors = [msgspec.convert(error, Finding) for answer in told for error in answer["errors"]]
    if not errors and (len(told) < len(said) or not told or any(a["digest"] != told[0]["digest"] for a in told)):
        what, remedy = "the workers have not read the same", "reload again once all of them are up and no file changes"
        errors = [Finding("", 0, "", what, remedy)]
    return tuple(dict.fromkeys(errors))


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

    code = bootstrap.run_loop(main, log)
    return code if code or stood else 1
