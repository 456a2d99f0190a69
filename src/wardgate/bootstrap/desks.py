"""What people ask for over the admin listener, in the process that has it: changes, gates, approvals, releases."""

import asyncio
import threading
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

from wardgate.adapters.files.comparison import differing
from wardgate.adapters.logs.events import EventLog
from wardgate.adapters.prometheus.instruments import Instruments
from wardgate.bootstrap.approving import governed
from wardgate.bootstrap.audit import AuditKeeper, anchored_by, release_store_of, token_desk
from wardgate.bootstrap.configured import Configured
from wardgate.bootstrap.control import ControlStores
from wardgate.bootstrap.durable import archive_of
from wardgate.bootstrap.governance import GovernanceWatch
from wardgate.bootstrap.machine import DecisionIds, SystemClock
from wardgate.bootstrap.obeyed import Obeyed
from wardgate.bootstrap.proving import UNKNOWN
from wardgate.bootstrap.release_names import ReleaseNames
from wardgate.bootstrap.releases import must_be_whole, submitted_in
from wardgate.control.audit import AuditTrail, AuditUnavailable
from wardgate.control.chain_reader import ChainBroken
from wardgate.control.changes import RolloutDesk
from wardgate.control.confirmation import Effect, HotWitness, effect_of
from wardgate.control.decided import Decided
from wardgate.control.drills import DrillDesk
from wardgate.control.ports import Content, StoreUnavailable
from wardgate.control.releases import ReleaseDesk, ReleaseRefused
from wardgate.control.replicas import ReplicaDesk
from wardgate.control.tokens import TokenDesk
from wardgate.control.withdrawals import Withdrawals
from wardgate.domain.context.caller import sites_of
from wardgate.domain.durable import DurablePlace
from wardgate.domain.plans import Catalog
from wardgate.domain.record_names import RecordNames, card
from wardgate.domain.rollout.previews import pseudonyms_of
from wardgate.domain.rollout.rollouts import Rollout
from wardgate.records.impact import ImpactDesk
from wardgate.records.watch import WatchDesk
from wardgate.web.admin import AdminPorts
from wardgate.web.admin.audit import AuditPorts
from wardgate.web.admin.governing import GoverningPorts
from wardgate.web.admin.rollout_ports import RolloutPorts

Prove = Callable[[str, str], Awaitable[str | None]]
"""Of a service and a digest: why its endpoint does not prove now that it runs it; None: it does. In the loop."""

_PROOF = 10.0
"""Seconds for it."""
_GRACE = 1.0
"""Seconds beside lease and deadline after which a silent replica shows nothing."""


@dataclass(frozen=True, slots=True)
class Desks:
    """What `AdminPorts` has of them."""

    rollouts: RolloutPorts
    governing: GoverningPorts
    chain: AuditPorts
    tokens: TokenDesk
    _close: tuple[Callable[[], None], ...]

    def beside(self, ports: AdminPorts) -> AdminPorts:
        return replace(ports, rollouts=self.rollouts, governing=self.governing, chain=self.chain, tokens=self.tokens)

    def close(self) -> None:
        for close in self._close:
            close()


def desks_of(
    configured: Callable[[], Configured],
    stores: ControlStores,
    shared: bool,
    obeyed: Obeyed,
    audit: AuditKeeper,
    names: RecordNames,
    prove: Prove,
    log: EventLog,
    meter: Instruments,
    place: DurablePlace,
) -> Desks:
    """`configured` gives what is in force now; `shared`: whether the hot copy reaches others than this process. Made in
    the loop in which `prove` runs, and asked in threads."""
    loop = asyncio.get_running_loop()
    releases = release_store_of(place)
    archive = archive_of(place, lambda uuid: names.of(card(uuid)))
    trail = audit.trail
    decided = Decided(
        stores.snapshots,
        stores.hot if shared else None,
        stores.sealer,
        lambda what: log.event("snapshot_copy", state="unwritten"),
        obeyed,
        highest=lambda: max((each.highest for each in stores.replicas.all()), default=0),
    )

    def proven(service: str, digest: str) -> str | None:
        coming = asyncio.run_coroutine_threadsafe(_in_time(prove(service, digest)), loop)
        return coming.result(2 * _PROOF)

    def proves(service: str, digest: str) -> bool | None:
        trouble = proven(service, digest)
        return None if trouble == UNKNOWN else trouble is None

    def current(service: str) -> Rollout | None:
        return decided.newest().rollouts.get(service)

    whole = governed(configured, trail, releases, archive, names, proves, current)

    def put_back_within() -> float:
        try:
            return whole.reader.read().charter.policy.put_back_within
        except (AuditUnavailable, ChainBroken) as error:
            raise StoreUnavailable(error.meaning) from None

    def anchored() -> int | None:
        return max(anchored_by(configured().secrets)(), default=None)

    witness = HotWitness(stores.hot, stores.sealer.is_sound, SystemClock.monotonic) if shared else None

    def silence() -> float:
        now = configured()
        deadlines = [plan.deadline for plan in now.catalog.plans()]
        return now.settings.lease + max(deadlines, default=0.0) + _GRACE

    def effect(epoch: int) -> Effect:
        newest = decided.last_seen()
        gone = {} if newest is None else newest.forgotten
        epochs = (epoch, *gone.values())
        held = [float("inf") for _ in epochs] if witness is None else witness.holds_each(epochs)
        forgotten = dict(zip(gone, held[1:], strict=True))
        return effect_of(epoch, stores.replicas.all(), stores.replicas.now(), silence(), held[0], forgotten)

    impact = ImpactDesk(archive, SystemClock.now, lambda: _naming_sites(configured().answers))
    desk = RolloutDesk(
        decided,
        whole.gates,
        trail,
        proven,
        SystemClock.now,
        DecisionIds(),
        lambda: configured().settings.insecure_demo,
        put_back_within,
    )
    drills = DrillDesk(
        decided,
        desk,
        desk.permits,
        trail,
        proven,
        effect,
        SystemClock.now,
        SystemClock.monotonic,
        DecisionIds(),
        threading.Event().wait,
    )
    watched = WatchDesk(archive, SystemClock.now, impact.names_sites, decided.at)
    ports = RolloutPorts(
        desk,
        ReleaseNames(lambda: configured().catalog, whole.book, lambda: _sites(configured())),
        effect,
        ReplicaDesk(stores.replicas, desk.settling, desk.permits, decided.last_seen, silence),
        lambda users: pseudonyms_of(users, configured().settings.clients, names),
        impact.of,
        drills.drill,
        watched.of,
    )
    shelf = ReleaseDesk(
        releases,
        trail,
        decided,
        lambda content: _must_be_whole(configured(), content),
        SystemClock.now,
        submitted_in(whole.reader),
    )
    watch = GovernanceWatch(
        whole.desk,
        lambda: configured().catalog.policy,
        lambda: configured().settings.insecure_demo,
        meter,
        log,
    )
    withdrawals = Withdrawals(
        whole.desk,
        whole.reader,
        whole.book.facts,
        decided.newest,
        desk.settling,
        lambda: configured().settings.insecure_demo,
    )

    def beside() -> None:
        watch.look()
        for fall in withdrawals.look():
            log.event("approval_withdrawn", service_id=fall.service, mode=fall.after.mode)

    audit.beside = beside
    governing = GoverningPorts(
        whole.desk,
        withdrawals,
        whole.gates,
        shelf,
        ports.names,
        lambda: configured().catalog.policy,
        watch.health,
        differing,
    )
    chain = AuditPorts(trail, lambda: _spooled(trail), anchored, SystemClock.now)
    tokens = token_desk(audit.tokens, trail)
    return Desks(ports, governing, chain, tokens, (releases.close, archive.close))


def _must_be_whole(configured: Configured, content: Content) -> None:
    if configured.document is None:
        raise ReleaseRefused("What was kept of it cannot be compiled here.", "Ask a gateway that has its files.")
    must_be_whole(configured.document, content)


def _spooled(trail: AuditTrail) -> int:
    """Up to a thousand."""
    return len(trail.waiting(1000))


def _sites(configured: Configured) -> frozenset[str]:
    settings = configured.settings
    return sites_of([client.site for client in settings.clients], settings.attributes)


def _naming_sites(catalog: Catalog) -> frozenset[str]:
    return frozenset(plan.id for plan in catalog.plans() if plan.names_sites)


async def _in_time(proof: Awaitable[str | None]) -> str | None:
    try:
        async with asyncio.timeout(_PROOF):
            return await proof
    except TimeoutError:
        return "model_timeout"
