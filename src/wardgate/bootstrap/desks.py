"""What people ask for over the admin listener, in the process that has it: changes, gates, approvals, releases."""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from wardgate.adapters.logs.events import EventLog
from wardgate.bootstrap.approving import ReleaseBook, anchored_by, governed
from wardgate.bootstrap.audit import AuditKeeper, release_store_of, token_desk
from wardgate.bootstrap.configured import Configured
from wardgate.bootstrap.control import ControlStores
from wardgate.bootstrap.decided import Decided as Own
from wardgate.bootstrap.durable import archive_of
from wardgate.bootstrap.parts import DecisionIds, SystemClock
from wardgate.bootstrap.proving import UNKNOWN
from wardgate.bootstrap.releases import must_be_whole
from wardgate.control.audit import AuditTrail, AuditUnavailable
from wardgate.control.chain_reader import ChainBroken
from wardgate.control.changes import RolloutDesk
from wardgate.control.confirmation import Effect, HotWitness, effect_of
from wardgate.control.decided import Decided
from wardgate.control.decisions import StoredDecisions
from wardgate.control.drills import DrillDesk
from wardgate.control.patience import Patience
from wardgate.control.ports import Content, KeptSnapshot, Replica, StoreUnavailable
from wardgate.control.releases import ReleaseDesk, ReleaseRefused
from wardgate.control.tokens import TokenDesk
from wardgate.domain.durable import DurablePlace
from wardgate.domain.plans import Catalog
from wardgate.domain.record_names import RecordNames, card
from wardgate.domain.rollout.previews import pseudonyms_of
from wardgate.domain.rollout.rollouts import Ceiling, Rollout, Snapshot
from wardgate.records.impact import ImpactDesk
from wardgate.records.watch import WatchDesk
from wardgate.web.admin.audit import AuditPorts
from wardgate.web.admin.governing import GoverningPorts
from wardgate.web.admin.rollout import RolloutPorts

Prove = Callable[[str, str], Awaitable[str | None]]
"""Of a service and a digest: why its endpoint does not prove now that it runs it; None: it does. In the loop."""

_PROOF = 10.0
"""Seconds for it."""
_GRACE = 1.0
"""Seconds beside lease and deadline after which a silent replica shows nothing."""
_NAMES = 0.3
"""Seconds for a release's name that only the store knows."""


class Here:
    """Meets `control.decided.Here`, for the process that is a replica, or looks on for its workers."""

    def __init__(self, own: Own) -> None:
        self._refresher, self._visibility = own.refresher, own.visibility

    def hear(self, kept: KeptSnapshot) -> None:
        self._refresher.hear(kept)

    def lower(self, sealed: bytes) -> None:
        self._refresher.lower([sealed])

    def newest(self) -> Snapshot | None:
        return self._visibility.newest

    def side(self) -> tuple[Ceiling, ...]:
        return self._visibility.side


class Names:
    """Meets `web.admin.rollout.ReleaseNames`: releases of the files, and those that were submitted. What a digest is
    called never changes, so it is asked for once; a store that is away takes nobody's time."""

    _FEWEST = 6

    def __init__(self, files: Callable[[], Catalog], book: ReleaseBook) -> None:
        self._files, self._book, self._patience = files, book, Patience(4)
        self._lock = threading.Lock()
        self._kept: dict[tuple[str, str], str] = {}

    def services(self) -> Sequence[str]:
        return sorted(self._files().services)

    def digest(self, service: str, name: str) -> str | None:
        known = self._own(service)
        if name not in known:  # a digest, or a version that only the store may know
            self._ask(service)
            known = {**{digest: version for (of, digest), version in self._all().items() if of == service}, **known}
        if name in known:
            return name
        named = [digest for digest, version in known.items() if version == name]
        if len(named) > 1:  # an edit has the version of what it edits: the files' own is meant
            named = [digest for digest in named if digest in self._own(service)] or named
        digits = name.removeprefix("sha256:")
        if not named and len(digits) >= self._FEWEST:
            named = [digest for digest in known if digest.removeprefix("sha256:").startswith(digits)]
        return named[0] if len(named) == 1 else None

    def version(self, service: str, digest: str) -> str | None:
        found = self._own(service).get(digest) or self._all().get((service, digest))
        if found is None:
            self._ask(service)
            found = self._all().get((service, digest))
        return found

    def _own(self, service: str) -> dict[str, str]:
        plans = self._files().services.get(service, {}).values()
        return {digest: release.version for plan in plans for digest, release in plan.releases.items()}

    def _all(self) -> Mapping[tuple[str, str], str]:
        with self._lock:
            return dict(self._kept)

    def _ask(self, service: str) -> None:
        try:
            known = self._patience.ask(lambda: self._book.known(service), _NAMES)
        except StoreUnavailable:
            return
        with self._lock:
            self._kept.update({(service, each.digest): each.version for each in known})


@dataclass(frozen=True, slots=True)
class Desks:
    """What `AdminPorts` has of them."""

    rollouts: RolloutPorts
    governing: GoverningPorts
    chain: AuditPorts
    tokens: TokenDesk
    _close: tuple[Callable[[], None], ...]

    def ports(self) -> dict[str, Any]:
        """Of `AdminPorts`, by name."""
        return {
            "rollouts": self.rollouts,
            "governing": self.governing,
            "chain": self.chain,
            "tokens": self.tokens,
        }

    def close(self) -> None:
        for close in self._close:
            close()


def desks_of(
    configured: Callable[[], Configured],
    stores: ControlStores,
    shared: bool,
    own: Own,
    audit: AuditKeeper,
    names: RecordNames,
    prove: Prove,
    log: EventLog,
    place: DurablePlace,
) -> Desks:
    """`configured` gives what is in force now; `shared`: whether the hot copy reaches others than this process. Made in
    the loop in which `prove` runs, and asked in threads."""
    loop = asyncio.get_running_loop()
    releases = release_store_of(place)
    archive = archive_of(place, lambda uuid: names.of(card(uuid)))
    trail, here = audit.trail, Here(own)
    decided = Decided(
        stores.snapshots,
        stores.hot if shared else None,
        stores.sealer,
        lambda what: log.event("snapshot_copy", state="unwritten"),
        here,
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

    def effect(epoch: int) -> Effect:
        now = configured()
        deadlines = [plan.deadline for plan in now.catalog.plans()]
        silence = now.settings.lease + max(deadlines, default=0.0) + _GRACE
        held = float("inf") if witness is None else witness.holds(epoch)
        return effect_of(epoch, stores.replicas.all(), stores.replicas.now(), silence, held)

    def replicas() -> Sequence[Replica]:
        return stores.replicas.all()

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
        Names(lambda: configured().catalog, whole.book),
        effect,
        replicas,
        lambda users: pseudonyms_of(users, configured().settings.clients, names),
        impact.of,
        drills.drill,
        watched.of,
    )
    shelf = ReleaseDesk(
        releases,
        trail,
        StoredDecisions(stores.snapshots, stores.sealer, {}),
        lambda content: _must_be_whole(configured(), content),
        SystemClock.now,
    )
    governing = GoverningPorts(whole.desk, whole.gates, shelf, ports.names, lambda: configured().catalog.policy)
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


def _naming_sites(catalog: Catalog) -> frozenset[str]:
    return frozenset(plan.id for plan in catalog.plans() if plan.names_sites)


async def _in_time(proof: Awaitable[str | None]) -> str | None:
    try:
        async with asyncio.timeout(_PROOF):
            return await proof
    except TimeoutError:
        return "model_timeout"
