"""This replica's own: the local file that it goes by after a restart, and its beat, by which everybody sees what it
has acknowledged."""

import threading
from collections.abc import Callable

import msgspec

from wardgate.bootstrap.control import ControlStores
from wardgate.bootstrap.refreshing.heard import Heard
from wardgate.control.ports import LocalCopy, Replica, StoreUnavailable
from wardgate.domain.rollout.rollouts import Ceiling, Snapshot


class OwnReplica:
    def __init__(
        self,
        stores: ControlStores,
        heard: Heard,
        local: LocalCopy | None,
        stands: Callable[[], Replica] | None,
        renew: Callable[[], object],
        drained: Callable[[int], int],
        monotonic: Callable[[], float],
        told: Callable[[str], None],
        every: float,
    ) -> None:
        """`stands` (this replica but for its epochs) is asked from a thread, and `renew` draws another id for it.
        Without `stands` and `local` this is no replica, and looks on. `told` hears of a local file that is `damaged`
        or `unwritten`. `every`: seconds between two beats, where nothing has changed."""
        self._stores, self._heard, self._visibility = stores, heard, heard.visibility
        self._local, self._stands, self._renew = local, stands, renew
        self._drained, self._monotonic, self._told, self._every = drained, monotonic, told, every
        self._saving = threading.Lock()
        self._saved: tuple[Snapshot, tuple[Ceiling, ...], float] | None = None
        self._local_up = True
        self._beaten: tuple[Replica, float] | None = None

    def read_local(self) -> None:
        if self._local is None:
            return
        try:
            seen = self._local.load()
        except (ValueError, OSError):
            self._told("damaged")
            return
        if seen is not None:
            with self._heard.feeding:
                self._visibility.begin(seen.snapshot, seen.ceilings, seen.age)
            self._heard.publish()

    def save(self) -> None:
        with self._saving:
            self._save_alone()

    def _save_alone(self) -> None:
        with self._heard.feeding:
            newest, side, fresh = self._visibility.newest, self._visibility.side, self._visibility.fresh
        if newest is None or self._local is None:
            return
        if self._saved is not None and self._saved[0] is newest and self._saved[1] == side:
            if fresh - self._saved[2] < self._visibility.lease / 10:
                return
        try:
            self._local.save(self._stores.sealer.seal(newest), side, fresh)
        except OSError:
            if self._local_up:
                self._told("unwritten")
            self._saved, self._local_up = None, False
            return
        self._saved, self._local_up = (newest, side, fresh), True

    def beat(self) -> None:
        if self._stands is None:
            return
        now, stands, epoch = self._monotonic(), self._stands(), self._visibility.current().epoch
        newest, before = self._visibility.newest, stands.id
        if newest is not None and before in newest.forgotten:
            self._renew()
            stands = self._stands()
        saved = 0 if self._saved is None else self._saved[0].epoch
        why = self._visibility.why(now)
        replica = msgspec.structs.replace(
            stands,
            epoch=epoch,
            drained=min(self._drained(epoch), saved),
            hidden="" if why is None else why.value,
            highest=self._visibility.highest,
        )
        if self._beaten is not None and self._beaten[0] == replica and now - self._beaten[1] < self._every:
            return
        try:
            self._stores.replicas.beat(replica)
            if stands.id != before:
                self._stores.replicas.leave(before)
        except StoreUnavailable:
            return
        self._beaten = (replica, now)
        with self._heard.feeding:
            self._visibility.registered(stands.id)
        self._heard.publish()

    def leave(self) -> None:
        try:
            if self._stands is not None:
                self._stores.replicas.leave(self._stands().id)
        except Exception:  # it will be silent for long enough
            return
