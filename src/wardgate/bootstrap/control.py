"""The stores of what people decide, for whoever changes it and for whoever obeys it."""

import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from secrets import token_hex

import msgspec

from wardgate.adapters.memory.snapshots import MemorySnapshots
from wardgate.adapters.sql.database import Database
from wardgate.adapters.sql.postgres import Postgres, PostgresOptions
from wardgate.adapters.sql.snapshots import SqlReplicas, SqlSnapshotStore
from wardgate.adapters.sql.sqlite import Sqlite, SqliteOptions
from wardgate.control.ports import OLDER, Change, HotCopy, KeptSnapshot, StoreUnavailable
from wardgate.control.snapshots import Sealer, Unsound
from wardgate.domain.durable import DurablePlace, SqlitePlace
from wardgate.domain.pseudonyms import KeyRing, Purpose
from wardgate.domain.rollout.rollouts import Snapshot
from wardgate.settings import Secrets

_SALT_BYTES = 16
_TRIES = 20
_SQLITE = SqliteOptions(wait=2.0, readers=2)
_POSTGRES = PostgresOptions(connect=2, wait=2.0, lock=1.0, limit=2.0, connections=2)
"""A store that takes longer is one that does not answer: everybody here asks again soon."""

Listen = Callable[[Callable[[], None], Callable[[bool], None]], None]


@dataclass(frozen=True, slots=True)
class ControlStores:
    """All thread-safe, blocking and bounded in time; `listen` blocks until `close`, and hears of what is put into the
    hot copy. None: the hot copy is this process's own."""

    snapshots: SqlSnapshotStore
    replicas: SqlReplicas
    hot: HotCopy
    sealer: Sealer
    listen: Listen | None
    own_key: bool
    """Whether the key was drawn for this start, so that nobody can read what was sealed before it."""
    closing: tuple[Callable[[], None], ...] = ()

    def change(self, make: Callable[[Snapshot], Snapshot], change: Change) -> KeptSnapshot | None:
        """The newest snapshot as `make` makes it, of the next epoch; None: that is the same. The durable store has it,
        and the hot copy where that answers. Raises StoreUnavailable."""
        for _ in range(_TRIES):
            seen, kept = self.seen(), self.snapshots.newest()
            if kept is None:
                raise StoreUnavailable("nothing was decided yet: the store is empty")
            if seen > kept.epoch:
                raise StoreUnavailable(OLDER)
            before = self._opened(kept)
            after = make(before)
            if after == before:
                return None
            made = self.sealer.seal(msgspec.structs.replace(after, epoch=before.epoch + 1))
            if self.snapshots.append(made, change):
                with suppress(StoreUnavailable):  # replicas read the durable one all the same
                    self.hot.put(made)
                return made
        raise StoreUnavailable("others change what is decided all the time")

    def seen(self) -> int:
        """The highest epoch that any replica, or the hot copy, has. A durable store that has less, asked after this,
        was put back from a backup. Raises StoreUnavailable."""
        highest = max((replica.highest for replica in self.replicas.all()), default=0)
        try:
            kept = self.hot.get()
        except StoreUnavailable:
            return highest
        return max(highest, kept.epoch) if kept is not None and self.sealer.is_sound(kept) else highest

    def _opened(self, kept: KeptSnapshot) -> Snapshot:
        try:
            return self.sealer.open(kept)
        except Unsound:
            raise StoreUnavailable("what stands there was not written by this deployment") from None

    def close(self) -> None:
        for close in self.closing:
            close()


def control_stores(secrets: Secrets, ring: KeyRing) -> ControlStores | None:
    """None: there is no durable store, so the files decide. Asks nobody yet."""
    if secrets.durable is None:
        return None
    sealer = Sealer(ring.keys(Purpose.STORE))
    snapshots, replicas = SqlSnapshotStore(_database(secrets.durable)), SqlReplicas(_database(secrets.durable))
    own_key = not secrets.pseudonym
    if secrets.hot is None:
        hot = MemorySnapshots()
        return ControlStores(snapshots, replicas, hot, sealer, None, own_key, (snapshots.close, replicas.close))
    from wardgate.adapters.redis.snapshots import RedisSnapshots  # only where it is used: a third of a second to import

    redis = RedisSnapshots(secrets.hot, sealer.is_sound)
    closed = (redis.close, snapshots.close, replicas.close)
    return ControlStores(snapshots, replicas, redis, sealer, redis.listen, own_key, closed)


def draw_salt() -> str:
    return token_hex(_SALT_BYTES)


def draw_replica_id() -> str:
    return os.urandom(8).hex()


def _database(place: DurablePlace) -> Database:
    return Sqlite(place, _SQLITE) if isinstance(place, SqlitePlace) else Postgres(place, _POSTGRES)
