"""The audit chain with what belongs to it: its store, its spool, its anchors."""

import asyncio
import os
import threading
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from secrets import token_hex, token_urlsafe

from wardgate.adapters.aead.anchors import AnchorSigner, NoAnchor, NoAnchorKey
from wardgate.adapters.files.anchors import anchors_in, write_anchor
from wardgate.adapters.files.pending import PendingFolder
from wardgate.adapters.logs.events import EventLog
from wardgate.adapters.prometheus.audit import AuditMeter
from wardgate.adapters.prometheus.instruments import Instruments
from wardgate.adapters.sql.chain import SqlAuditStore
from wardgate.adapters.sql.database import Database
from wardgate.adapters.sql.postgres import Postgres, PostgresOptions
from wardgate.adapters.sql.releases import SqlReleaseStore
from wardgate.adapters.sql.sqlite import Sqlite, SqliteOptions
from wardgate.adapters.sql.tokens import SqlTokenStore
from wardgate.bootstrap.durable import StoreRefused
from wardgate.bootstrap.machine import DecisionIds, SystemClock
from wardgate.control.audit import AuditTrail, AuditUnavailable, DeedSeal
from wardgate.control.tokens import TokenBook, TokenDesk, TokenSeal
from wardgate.domain.admin_tokens import SECRET_BYTES
from wardgate.domain.audit import START, Action, Deed, Kept, Link
from wardgate.domain.durable import DurablePlace, SqlitePlace
from wardgate.domain.findings import Finding
from wardgate.domain.pseudonyms import KeyRing, Purpose
from wardgate.gateway.ports import Clock
from wardgate.settings import Anchoring, Secrets

_CONNECTIONS = 2
_FOLDER = "audit"
_SALT_BYTES = 32
_ID_BYTES = 6


def audit_store_of(place: DurablePlace) -> SqlAuditStore:
    """Asks nobody yet: it opens with its first use."""
    return SqlAuditStore(database_of(place))


def token_store_of(secrets: Secrets, place: DurablePlace) -> SqlTokenStore:
    """Asks nobody yet."""
    seal = TokenSeal(KeyRing(secrets.pseudonym).keys(Purpose.STORE)) if secrets.pseudonym else None
    return SqlTokenStore(database_of(place), seal)


def release_store_of(place: DurablePlace) -> SqlReleaseStore:
    """Asks nobody yet."""
    return SqlReleaseStore(database_of(place))


def token_desk(store: SqlTokenStore, trail: AuditTrail) -> TokenDesk:
    return TokenDesk(store, trail, SystemClock.now, lambda: token_hex(_ID_BYTES), lambda: token_urlsafe(SECRET_BYTES))


def database_of(place: DurablePlace) -> Database:
    if isinstance(place, SqlitePlace):
        return Sqlite(place, SqliteOptions(readers=_CONNECTIONS))
    return Postgres(place, PostgresOptions(connections=_CONNECTIONS))


def audit_trail(secrets: Secrets, store: SqlAuditStore, told: Callable[[Kept], None] = lambda kept: None) -> AuditTrail:
    pending = PendingFolder(secrets.spool / _FOLDER)
    seal = deed_seal(secrets)
    return AuditTrail(store, pending, SystemClock.now, DecisionIds(), lambda: os.urandom(_SALT_BYTES), told, seal)


def deed_seal(secrets: Secrets) -> DeedSeal | None:
    """None: there is no key, under `insecure_demo`."""
    return DeedSeal(KeyRing(secrets.pseudonym).keys(Purpose.STORE)) if secrets.pseudonym else None


def signer_of(secrets: Secrets) -> AnchorSigner | None:
    """None: none is configured. Raises StoreRefused for what is no such key."""
    if secrets.anchor_key is None:
        return None
    try:
        return AnchorSigner(secrets.anchor_key)
    except NoAnchorKey:
        what = "audit.anchor_key names no Ed25519 private key in PEM: openssl genpkey -algorithm Ed25519 -out FILE"
        raise StoreRefused(what) from None


def newest_anchor(signer: AnchorSigner, folder: Path) -> Link | None:
    """That our own key has signed; None: there is none."""
    for path in reversed(anchors_in(folder)):
        try:
            anchor = signer.public.read(path.read_bytes())
        except (NoAnchor, OSError):  # not ours, or taken away meanwhile
            continue
        return Link(anchor.number, anchor.seal)
    return None


def anchored_by(secrets: Secrets) -> Callable[[], Mapping[int, str]]:
    """The newest anchor: what was cut off or written anew before it is seen."""

    def anchored() -> Mapping[int, str]:
        signer = signer_of(secrets)
        found = None if signer is None or secrets.anchors is None else newest_anchor(signer, secrets.anchors)
        return {} if found is None else {found.number: found.seal}

    return anchored


@dataclass(frozen=True, slots=True)
class KeeperOptions:
    look: float = 5.0
    """Seconds between two looks at the spool, where nobody says that there is something."""


class AuditKeeper:
    """A thread of its own, since a store may hang: chains what was spooled, and exports anchors. In the process that
    has the admin listener; beside it, the tokens of those who call that.

    It looks back, too: the entry that it saw last must still be there, and the same. Else somebody has cut the chain
    off or written it anew, and the next anchor would sign that."""

    def __init__(
        self,
        trail: AuditTrail,
        tokens: SqlTokenStore,
        signer: AnchorSigner | None,
        folder: Path | None,
        every: float,
        clock: Clock,
        log: EventLog,
        options: KeeperOptions | None = None,
        broken: Callable[[bool], None] = lambda broken: None,
    ) -> None:
        """`broken` hears after each look whether the chain is another one than it was."""
        self.trail, self.tokens, self._broken = trail, tokens, broken
        self.book = TokenBook(tokens, clock.now, clock.monotonic)
        self._signer, self._folder, self._every = signer, folder, every
        self._clock, self._log, self._options = clock, log, options or KeeperOptions()
        self._stop, self._state, self._due, self._anchored = threading.Event(), "up", 0.0, 0
        self._held = START
        self.beside: Callable[[], None] | None = None
        """Done after each look at the spool."""
        self._thread = threading.Thread(target=self._run, name="audit", daemon=True)

    def begin(self) -> None:
        self._thread.start()

    def end(self, seconds: float = 2.0) -> None:
        self._stop.set()
        self.trail.spooled.set()
        if self._thread.ident is not None:
            self._thread.join(seconds)

    def _run(self) -> None:
        last = False
        if self._signer is not None and self._folder is not None:
            self._held = newest_anchor(self._signer, self._folder) or START
        while not last:
            last = self._stop.is_set()  # read first: what came before the end is chained
            self.trail.spooled.clear()
            try:
                self.trail.chain_spooled()
                sound = self._is_as_it_was()
                if sound and self._signer is not None and self._due <= self._clock.monotonic():
                    self._anchor(self._signer)
                self._broken(not sound)
                self._tell("up" if sound else "rewritten")
            except AuditUnavailable:
                self._tell("down")
            except Exception as error:  # it goes on, whatever a disk or a driver does
                self._log.fault("audit", error)
            if not last:
                self._look_beside()
                self.trail.spooled.wait(self._options.look)
        self.trail.store.close()
        self.tokens.close()

    def _look_beside(self) -> None:
        try:
            if self.beside is not None:
                self.beside()
        except Exception as error:
            self._log.fault("audit", error)

    def _anchor(self, signer: AnchorSigner) -> None:
        self._due = self._clock.monotonic() + self._every
        link = self.trail.store.last()
        if link.number == self._anchored or self._folder is None or link.number == 0:
            return
        write_anchor(self._folder, link, signer.sign(link, self._clock.now()))
        self._anchored = link.number
        self._log.event("audit_anchor", entry=link.number, seal=link.seal)

    def _is_as_it_was(self) -> bool:
        last, held = self.trail.store.last(), self._held
        if held.number:
            entry = next(iter(self.trail.store.entries(held.number - 1)), None)
            if entry is None or entry.link != held:
                return False
        self._held = last if last.number >= held.number else held
        return True

    def _tell(self, state: str) -> None:
        if state != self._state:
            self._state = state
            self._log.event("audit_chain", state=state)


def audit_keeper(
    secrets: Secrets, anchoring: Anchoring | None, clock: Clock, log: EventLog, meter: Instruments
) -> AuditKeeper | None:
    """None: there is no durable store. Raises StoreRefused."""
    if secrets.durable is None:
        return None
    figures = AuditMeter(meter)

    def told(kept: Kept) -> None:
        figures.kept(kept)
        if kept is Kept.LOST:
            log.event("audit_lost")

    trail = audit_trail(secrets, audit_store_of(secrets.durable), told)
    figures.watch(trail.room, trail.aside)
    tokens, every = token_store_of(secrets, secrets.durable), 0.0 if anchoring is None else anchoring.every
    return AuditKeeper(trail, tokens, signer_of(secrets), secrets.anchors, every, clock, log, broken=figures.broken)


async def reload_by_signal(
    reload: Callable[[], Awaitable[Sequence[Finding]]], digest: Callable[[], str], audit: AuditKeeper | None
) -> None:
    """A signal has no name on it: whoever sends one is the gateway's own user, or root. `digest` is of all files that
    are gone by."""
    before = digest()
    errors = await reload()
    if audit is not None:
        after = f"refused, {len(errors)} errors" if errors else digest()
        deed = Deed(who="signal:SIGHUP", what=Action.RELOAD, subject="configuration", before=before, after=after)
        await asyncio.to_thread(audit.trail.keep, deed)
