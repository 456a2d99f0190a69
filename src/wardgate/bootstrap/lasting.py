"""What outlives a reload: connections and stores, counters, the gate, proven models, and what people decided."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from wardgate.adapters.aead.fingerprints import KeyedFingerprints
from wardgate.adapters.http.client import HttpClient
from wardgate.adapters.http.fhir import HttpFhirReader
from wardgate.adapters.http.model_client import HttpModelClient
from wardgate.adapters.logs.events import EventLog
from wardgate.adapters.prometheus.authentication import AuthenticationCounters
from wardgate.adapters.prometheus.durable import DurableMeter
from wardgate.adapters.prometheus.meter import PrometheusMeter
from wardgate.adapters.prometheus.rollout import SnapshotMeter
from wardgate.adapters.prometheus.spool import SpoolMeter
from wardgate.bootstrap.audit import AuditKeeper, audit_keeper, release_store_of
from wardgate.bootstrap.clients import Clients
from wardgate.bootstrap.configured import Configured
from wardgate.bootstrap.control import ControlStores, control_stores
from wardgate.bootstrap.durable import Upkeep, durable_store
from wardgate.bootstrap.editions import Editions
from wardgate.bootstrap.machine import DecisionIds, SystemClock, TraceIds
from wardgate.bootstrap.models import Models
from wardgate.bootstrap.obeyed import Obeyed, Place
from wardgate.bootstrap.parts import (
    Faults,
    Hot,
    Tasks,
    certificates_of,
    hot_store,
    http_client,
    key_ring,
    span_sender,
)
from wardgate.bootstrap.records import desk_of
from wardgate.bootstrap.spool import Spool
from wardgate.domain.pseudonyms import KeyRing, Purpose
from wardgate.domain.record_names import RecordNames
from wardgate.gateway.feedback import FeedbackDesk
from wardgate.gateway.gather import Gatherer
from wardgate.records.desk import RecordsDesk
from wardgate.resilience.gate import Gate, Seen
from wardgate.web.tls import CertificateError, Certificates

if TYPE_CHECKING:
    from wardgate.adapters.otel.sender import SpanSender


@dataclass(frozen=True, slots=True, kw_only=True)
class Lasting:
    """What is None there is no durable store for; `audit` also in a worker, whose parent has the chain."""

    log: EventLog
    clock: SystemClock
    meter: PrometheusMeter
    faults: Faults
    tasks: Tasks
    gate: Gate
    new_id: DecisionIds
    trace_ids: TraceIds

    ring: KeyRing
    names: RecordNames
    prints: KeyedFingerprints
    certificates: tuple[Certificates | None, Certificates | None]

    http: HttpClient
    client: HttpModelClient
    models: Models
    clients: Clients
    gatherer: Gatherer
    sender: "SpanSender | None"

    hot: Hot
    spool: Spool
    feedback: FeedbackDesk
    durable: Upkeep | None
    records: RecordsDesk | None

    audit: AuditKeeper | None
    control: ControlStores | None
    obeyed: Obeyed | None
    editions: Editions | None

    async def open(self) -> None:
        """Raises StoreRefused."""
        if self.durable is not None:
            await self.durable.begin()
        if self.obeyed is not None:
            await self.obeyed.begin()

    def begin(self, tasks: asyncio.TaskGroup) -> list[asyncio.Task[None]]:
        """What runs beside the calls."""
        self.tasks.lend(tasks)
        self.spool.begin()
        runs = [self.gate.keep_time, self.spool.run, self.hot.run, None if self.sender is None else self.sender.run]
        return [tasks.create_task(run()) for run in runs if run is not None]

    def rest(self) -> None:
        self.models.rest()
        self.clients.rest()

    async def close(self) -> None:
        """After the last call: what is left of the traces is sent, for a bounded time; each store after its writers."""
        if self.sender is not None:
            await self.sender.flush()
        await self.http.close()
        if self.obeyed is not None:
            await asyncio.to_thread(self.obeyed.end)
        await self.spool.close()
        if self.durable is not None:
            await asyncio.to_thread(self.durable.end)
        if self.editions is not None:
            await asyncio.to_thread(self.editions.close)
        if self.audit is not None:
            await asyncio.to_thread(self.audit.end)

    def stores(self) -> dict[str, Mapping[str, str]]:
        """As health says it."""
        durable = {} if self.durable is None else {"durable": self.durable.health()}
        rollout = {} if self.obeyed is None else {"rollout": self.obeyed.health()}
        return {"hot": self.hot.health(), "spool": self.spool.health(), **durable, **rollout}

    async def metrics(self) -> tuple[bytes, str]:
        pieces = []
        for piece in self.meter.pieces():
            pieces.append(piece)
            await asyncio.sleep(0)
        return b"".join(pieces), self.meter.content_type

    def renew_certificates(self) -> None:
        """Their names are fixed, what stands in the files is not; it was sound a moment ago."""
        for certificates in self.certificates:
            try:
                if certificates is not None:
                    certificates.reload()
            except CertificateError as error:
                self.faults.fault("certificates", error)


def lasting_of(
    configured: Configured,
    now: Callable[[], Configured],
    obey: Callable[[], None],
    log: EventLog,
    seen: Seen | None,
    worker: int,
) -> Lasting:
    """In the loop that will serve. `now` gives what is in force later; `obey` is called there whenever something else
    is decided. Raises SpoolUnusable and StoreRefused."""
    settings, secrets = configured.settings, configured.secrets
    clock, meter, tasks, ring = SystemClock(), PrometheusMeter(log.guard), Tasks(), key_ring(configured.secrets, log)
    faults, names = Faults(log, meter), RecordNames(ring)
    durable = durable_store(secrets, names, lambda: now().settings.retention, clock, DurableMeter(meter), log)
    archive = None if durable is None else durable.archive
    # of several workers, the parent has the admin listener, and so the chain
    audit = None if worker else audit_keeper(secrets, settings.anchoring, clock, log, meter)
    spool = Spool(
        secrets.spool,
        worker,
        settings.spool_limit,
        clock.monotonic,
        SpoolMeter(meter),
        archive,
        lambda error: faults.fault("spool", error),
        log,
    )
    control, obeyed = control_stores(secrets, ring), None
    if control is not None:
        place = Place(spool.path, worker, clock.now())
        obeyed = Obeyed(
            control,
            place,
            settings.lease,
            now,
            log,
            SnapshotMeter(meter),
            faults,
            names,
            obey,
            None if audit is None else partial(audit.trail.entry, lowers=True),
        )
    hot, http = hot_store(secrets.hot, ring, clock, meter, log), http_client(settings.http_client)
    client = HttpModelClient(http, settings.model_hosts)
    shared = None if secrets.hot is None else hot.store
    reader = HttpFhirReader(http, lambda failure: meter.read_failed(failure.value))
    return Lasting(
        log=log,
        clock=clock,
        meter=meter,
        faults=faults,
        tasks=tasks,
        gate=Gate(seen=seen),
        new_id=DecisionIds(),
        trace_ids=TraceIds(),
        ring=ring,
        names=names,
        prints=KeyedFingerprints(ring.keys(Purpose.LOG)),
        certificates=certificates_of(secrets),
        http=http,
        client=client,
        models=Models(client, clock, meter, log, tasks.spawn),
        clients=Clients(http, ring, shared, clock, AuthenticationCounters(meter), faults, log),
        gatherer=Gatherer(reader, meter, clock),
        sender=span_sender(settings, secrets, http, faults, meter, log),
        hot=hot,
        spool=spool,
        feedback=FeedbackDesk(spool.sink, names, clock, meter),
        durable=durable,
        records=None if archive is None else desk_of(archive, names, now),
        audit=audit,
        control=control,
        obeyed=obeyed,
        editions=None if secrets.durable is None else Editions(release_store_of(secrets.durable), log),
    )
