"""What people have decided, as this process goes by it: kept fresh, told of, and acknowledged."""

import asyncio
import re
import socket
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from wardgate.adapters.files.local_copy import FileLocalCopy
from wardgate.adapters.logs.events import EventLog
from wardgate.adapters.prometheus.rollout import SnapshotMeter
from wardgate.bootstrap.configured import Configured
from wardgate.bootstrap.control import ControlStores, draw_replica_id
from wardgate.bootstrap.machine import SystemClock, sleepless
from wardgate.bootstrap.models import releases_of
from wardgate.bootstrap.refresher import Refresher
from wardgate.control.audit import Happened
from wardgate.control.beginning import Beginning, Files, beginning
from wardgate.control.ports import KeptSnapshot, Replica, StoreUnavailable
from wardgate.domain.audit import Deed
from wardgate.domain.plans import Catalog
from wardgate.domain.record_names import RecordNames
from wardgate.domain.rollout.hidden import Hidden
from wardgate.domain.rollout.previews import with_previews
from wardgate.domain.rollout.rollouts import Ceiling, Rollout, Snapshot
from wardgate.gateway.generations import CatalogSnapshots, known_releases, missing
from wardgate.gateway.in_flight import InFlight
from wardgate.gateway.ports import FaultLog
from wardgate.gateway.visibility import Visibility

_FIRST = 5.0
"""Seconds that a start waits for the durable store."""
_ID_FILE = "replica"
_ID = re.compile(r"[0-9a-f]{16}")


def files_of(configured: Configured, names: RecordNames) -> Files:
    rollouts = rollouts_of(configured, names)
    return Files(rollouts, known_releases(configured.catalog), configured.settings.insecure_demo)


def rollouts_of(configured: Configured, names: RecordNames) -> Mapping[str, Rollout]:
    """By the files."""
    catalog, clients = configured.catalog, configured.settings.clients
    return with_previews(catalog.rollouts, catalog.previews, clients, names)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a replica is: its own folder, its number among the workers (0: alone), when it began."""

    folder: Path
    worker: int
    began: float


class Obeyed:
    """For one loop. Meets `control.decided.Here`. `changed` is called in the loop, whenever what is decided is another.
    A worker leaves it to its parent to take up what the files say; the parent, which has no place, is no replica."""

    def __init__(
        self,
        stores: ControlStores,
        place: Place | None,
        lease: float,
        configured: Callable[[], Configured],
        log: EventLog,
        meter: SnapshotMeter | None,
        faults: FaultLog,
        names: RecordNames,
        changed: Callable[[], None],
        entry: Callable[[Deed], Happened] | None = None,
    ) -> None:
        self._stores, self._configured, self._log, self._names = stores, configured, log, names
        self._loop, self._told_changed = asyncio.get_running_loop(), changed
        self._folder = None if place is None else place.folder
        self._id = "" if place is None else _replica_id(place.folder)
        self.visibility = Visibility(lease, sleepless, self._id)
        self.in_flight = InFlight(self.visibility)
        self._told = _Told(log, meter, faults)
        local = replica = files = None
        if place is not None:
            replica = Replica(self._id, _name(place.worker), place.began, 0.0, 0, 0, "", ())
            local = FileLocalCopy(place.folder / "snapshot", stores.sealer, sleepless)
        if place is None or not place.worker:
            files = partial(self._files, configured)
        self._missing: tuple[str, ...] = ()
        self.refresher = Refresher(
            self.visibility,
            stores,
            local,
            SystemClock(),
            sleepless,
            files,
            None if replica is None else partial(self._stands, replica),
            self.in_flight.drained,
            self._told,
            self._changed,
            entry,
            renew=self._renew,
        )

    def of(self, configured: Configured) -> CatalogSnapshots:
        return CatalogSnapshots(self.visibility, configured.answers, configured.settings.insecure_demo)

    async def begin(self) -> None:
        """A store that is down holds up no start for long."""
        self.refresher.begin()
        await asyncio.to_thread(self.refresher.wait, _FIRST)

    def end(self) -> None:
        self.refresher.end()

    async def take_up(self, configured: Configured) -> KeptSnapshot | None:
        """What its files say, before it answers; None: nothing new, or only once the store is back."""
        try:
            return await asyncio.to_thread(self.refresher.take_up, files_of(configured, self._names))
        except StoreUnavailable:
            return None

    def hear(self, kept: KeptSnapshot) -> None:
        """What was decided, from somebody who has written it."""
        self.refresher.hear(kept)

    def lower(self, sealed: bytes) -> None:
        """A ceiling, from somebody whose stores may be away."""
        self.refresher.lower([sealed])

    def newest(self) -> Snapshot | None:
        return self.visibility.newest

    def side(self) -> tuple[Ceiling, ...]:
        return self.visibility.side

    def named(self) -> Mapping[str, tuple[str, ...]]:
        """By service, the releases that were decided on."""
        newest = self.visibility.newest
        return {} if newest is None else {name: rollout.releases for name, rollout in newest.rollouts.items()}

    def following(self, configured: Configured) -> Mapping[str, Rollout] | None:
        """What will be decided once these files are taken up; None: nobody knows what is decided now."""
        newest = self.visibility.newest
        if newest is None:
            return None
        after = beginning(newest, files_of(configured, self._names), str).snapshot
        return (after or newest).rollouts

    def files_changed(self, taken_up: KeptSnapshot | None) -> None:
        """They are those that answer now. What was not taken up is, once the store is back."""
        if taken_up is not None:
            self.hear(taken_up)
        self.refresher.files_changed()

    def tell(self, catalog: Catalog) -> None:
        """Of the services that nobody sees, since no file gives the release that was decided for them."""
        newest = self.visibility.newest
        now = () if newest is None else missing(newest, catalog)
        for service in now:
            if service not in self._missing:
                self._log.event("release_missing", service_id=service)
        self._missing = now

    def health(self) -> Mapping[str, str]:
        why = self.visibility.why(sleepless())
        return {
            "kind": "snapshot",
            "state": "up" if why is None else why.value,
            "epoch": str(self.visibility.current().epoch),
            "store": "up" if self._told.store_up else "down",
            **({"missing": ", ".join(self._missing)} if self._missing else {}),
            **({"waiting": ", ".join(self._told.waiting)} if self._told.waiting else {}),
        }

    def _changed(self) -> None:
        try:
            self._loop.call_soon_threadsafe(self._told_changed)
        except RuntimeError:  # the loop has ended
            return

    def _files(self, configured: Callable[[], Configured]) -> Files:
        return files_of(configured(), self._names)

    def _renew(self) -> None:
        """It was forgotten: what comes back is another one."""
        assert self._folder is not None
        self._id = _new_replica_id(self._folder)

    def _stands(self, one: Replica) -> Replica:
        configured = self._configured()
        releases = tuple(sorted(releases_of(configured.answers)))
        return Replica(self._id, one.name, one.began, 0.0, 0, 0, configured.catalog.digest, releases)


class _Told:
    """The log and the meter, from the refresher's threads."""

    def __init__(self, log: EventLog, meter: SnapshotMeter | None, faults: FaultLog) -> None:
        """Without a meter, the replicas of this process's children say what they hear and show."""
        self._log, self._meter, self._faults = log, meter, faults
        self._hidden: Hidden | None = Hidden.STARTING
        self._epoch = 0
        self.waiting: tuple[str, ...] = ()
        self.store_up = True
        if meter is not None:
            meter.store_up(True)

    def shows(self, epoch: int, why: Hidden | None) -> None:
        if self._meter is None:
            return
        self._meter.hides(why)
        if why is not None and why is not self._hidden:
            self._log.event("snapshot", epoch=epoch, standing="hidden", hidden=why)
        elif why is None and (self._hidden is not None or epoch != self._epoch):
            self._log.event("snapshot", epoch=epoch, standing="shown")
        self._hidden, self._epoch = why, epoch

    def store(self, up: bool) -> None:
        self.store_up = up
        if self._meter is not None:
            self._meter.store_up(up)
        self._log.event("snapshot_store", state="up" if up else "down")

    def channel(self, up: bool) -> None:
        if self._meter is None:
            return
        self._meter.channel_up(up)
        self._log.event("snapshot_channel", state="up" if up else "down")

    def local(self, state: str) -> None:
        self._log.event("local_copy", standing=state)

    def begun(self, begun: Beginning) -> None:
        waiting = [service for service in begun.waiting if service not in self.waiting]
        self.waiting = begun.waiting
        for standing, services in (("taken", begun.taken), ("waiting", waiting), ("lowered", begun.lowered)):
            for service in services:
                self._log.event("rollout_file", service_id=service, standing=standing)

    def fault(self, error: BaseException) -> None:
        self._faults.fault("rollout", error)


def _replica_id(folder: Path) -> str:
    """The same after a restart, so that the process takes the place of the one before it. Where it cannot be kept, the
    one before is silent for long enough."""
    try:
        kept = (folder / _ID_FILE).read_text(encoding="ascii").strip()
    except (OSError, UnicodeError):
        kept = ""
    return kept if _ID.fullmatch(kept) else _new_replica_id(folder)


def _new_replica_id(folder: Path) -> str:
    drawn = draw_replica_id()
    with suppress(OSError):
        (folder / _ID_FILE).write_text(f"{drawn}\n", encoding="ascii")
    return drawn


def _name(worker: int) -> str:
    """For people: the host, and the worker."""
    host = re.sub(r"[^A-Za-z0-9._-]", "_", socket.gethostname())[:64] or "host"
    return f"{host}/{worker}" if worker else host
