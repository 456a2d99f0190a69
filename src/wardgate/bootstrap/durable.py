"""The durable store with what belongs to it: whether it is there, and its upkeep."""

import asyncio
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from wardgate.adapters.aead.custodian import NoCustodianKey, Sealer
from wardgate.adapters.logs.events import EventLog
from wardgate.adapters.prometheus.durable import DurableMeter
from wardgate.adapters.sql.archive import SqlArchive
from wardgate.adapters.sql.sqlite import Sqlite
from wardgate.domain.durable import DurablePlace, SqlitePlace
from wardgate.domain.record_names import RecordNames, card
from wardgate.gateway.ports import Clock
from wardgate.records.archive import Archive, ArchiveUnavailable, Kind, Trouble
from wardgate.records.custody import Custody
from wardgate.records.retention import purge
from wardgate.settings import Secrets


class StoreRefused(Exception):
    """The durable store is there, and must not be used: a person has to see to it. Says why, and how."""


def archive_of(place: DurablePlace, card_key: Callable[[str], str]) -> SqlArchive:
    """Asks nobody yet: it opens with its first use."""
    if isinstance(place, SqlitePlace):
        return SqlArchive(Sqlite(place), card_key)
    from wardgate.adapters.sql.postgres import Postgres  # only where it is used: its driver takes a while to import

    return SqlArchive(Postgres(place), card_key)


@dataclass(frozen=True, slots=True)
class UpkeepOptions:
    first: float = 5.0
    """Seconds that a start waits for the store."""
    look: float = 5.0
    """Seconds between two looks at whether the store is there."""
    purge: float = 3600.0
    """Seconds between two purges; the first comes a look after the start."""
    again: float = 300.0
    """Seconds until a purge that could not have a table comes again."""
    drift: float = 86400.0
    """Seconds that the wall clock may go astray from the monotonic one since the start; beyond, nothing is purged: a
    clock that jumped ahead would make everything old."""
    breath: float = 0.2
    """Seconds between two batches of a purge, for everybody else."""


class Upkeep:
    """A thread of its own, since a store may hang: looks after the store, tells when it goes and comes, and purges."""

    def __init__(
        self,
        archive: SqlArchive,
        custody: Custody | None,
        retention: Callable[[], Mapping[Kind, float]],
        clock: Clock,
        meter: DurableMeter,
        log: EventLog,
        options: UpkeepOptions | None = None,
    ) -> None:
        self.archive: Archive = archive
        self.custody = custody
        self._store, self._retention, self._clock = archive, retention, clock
        self._meter, self._log, self._options = meter, log, options or UpkeepOptions()
        self._stop, self._looked = threading.Event(), threading.Event()
        self._state, self._due = "", 0.0
        self._began = clock.now() - clock.monotonic()
        self._astray = False
        self._refused: Trouble | None = None
        self._thread = threading.Thread(target=self._run, name="durable-store", daemon=True)

    async def begin(self) -> None:
        """A store that is down holds up no start for long; one that is another's ends it. Raises StoreRefused."""
        self._thread.start()
        await asyncio.to_thread(self._looked.wait, self._options.first)
        if self._refused is not None:
            raise StoreRefused(self._refused.meaning)
        if self.custody is not None:
            self.custody.begin()

    def end(self, seconds: float = 2.0) -> None:
        """Waits for its thread, since a driver that is at work while the interpreter ends may crash it; and not for
        long: what hangs ends with the process, and undoes itself."""
        if self.custody is not None:
            self.custody.end()
        self._stop.set()
        if self._thread.ident is not None:
            self._thread.join(seconds)

    def health(self) -> Mapping[str, str]:
        """`state` is up, or why it is not; `opening` until the first look has ended."""
        return {"kind": self._store.kind, "state": self._state or "opening"}

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                self._store.ping()
                self._tell("up")
                if self._looked.is_set() and self._due <= self._clock.monotonic():
                    self._purge()
            except ArchiveUnavailable as error:
                self._refused = error.trouble if error.lasting else None
                self._tell(error.trouble.value)
            except Exception as error:  # upkeep goes on, whatever a driver does
                self._log.fault("durable_store", error)
            self._looked.set()
            self._stop.wait(self._options.look)
        self._store.close()

    def _tell(self, state: str) -> None:
        if state != self._state:
            self._state = state
            self._meter.up(state == "up")
            self._log.event("durable_store", kind=self._store.kind, state=state)

    def _purge(self) -> None:
        astray = abs(self._clock.now() - self._clock.monotonic() - self._began) > self._options.drift
        if astray and not self._astray:
            self._log.event("purge_held")
        self._astray = astray
        if astray:
            self._due = self._clock.monotonic() + self._options.again
            return
        self._due = self._clock.monotonic() + self._options.purge
        removed: dict[Kind, int] = {}

        def count(kind: Kind, rows: int) -> None:
            removed[kind] = removed.get(kind, 0) + rows
            self._meter.purged(kind, rows)

        try:
            purge(
                self._store,
                self._retention(),
                self._clock.now(),
                count,
                lambda: not self._stop.wait(self._options.breath),
            )
        except ArchiveUnavailable as error:
            if error.trouble is not Trouble.LATE:
                raise
            self._due = self._clock.monotonic() + self._options.again  # a backup reads: the store is well
        finally:
            for kind, rows in removed.items():
                self._log.event("purged", kind=kind.value, rows=rows)


def durable_store(
    secrets: Secrets,
    names: RecordNames,
    retention: Callable[[], Mapping[Kind, float]],
    clock: Clock,
    meter: DurableMeter,
    log: EventLog,
) -> Upkeep | None:
    """None: records are not kept. Raises StoreRefused for what is no custodian's key."""
    if secrets.durable is None:
        return None
    archive = archive_of(secrets.durable, lambda uuid: names.of(card(uuid)))
    custody = None
    if secrets.custodian is not None:
        try:
            custody = Custody(archive, Sealer(secrets.custodian), clock.now, meter.identities_lost)
        except NoCustodianKey:
            what = "custody.public_key names no X25519 public key in PEM: openssl pkey -in PRIVATE -pubout"
            raise StoreRefused(what) from None
    return Upkeep(archive, custody, retention, clock, meter, log)
