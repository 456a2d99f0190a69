"""What keeps a replica's visibility fresh, in threads beside the loop, since every store may hang.

    hot       at each word on the channel, and every `poll`: the hot copy and the ceilings in it
    durable   after each news of the hot copy, and every `poll`: the newest snapshot; and what follows from it, in
              this order: the files' part, ceilings folded, the local file, the beat
    copy      after each reading of the durable store: the hot copy healed. Apart, since one that hangs must not make
              this replica late for what the durable store says
    local     at each ceiling that is heard of: the local file, before anybody reads a store that may hang; a replica
              that dies meanwhile goes by it after its restart
    channel   waits for words (Redis alone)

A change is obeyed before it is written down here, and told of (the beat) only after that: what this replica has
acknowledged, it goes by after a restart too.

What each thread does stands in `refreshing`: `heard` (what all of them feed), `hot_copy`, `edited_files` and
`side_ceilings` (both by `snapshot_writer`), `own_replica`.
"""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from wardgate.bootstrap.control import ControlStores
from wardgate.bootstrap.refreshing.edited_files import EditedFiles
from wardgate.bootstrap.refreshing.heard import Heard
from wardgate.bootstrap.refreshing.hot_copy import HotCopyKeeper
from wardgate.bootstrap.refreshing.own_replica import OwnReplica
from wardgate.bootstrap.refreshing.side_ceilings import SideCeilings
from wardgate.bootstrap.refreshing.snapshot_writer import SnapshotWriter
from wardgate.control.audit import Happened
from wardgate.control.beginning import Beginning, Files
from wardgate.control.ports import KeptSnapshot, LocalCopy, Replica, StoreUnavailable
from wardgate.domain.audit import Deed
from wardgate.domain.rollout.hidden import Hidden
from wardgate.domain.rollout.rollouts import Snapshot
from wardgate.gateway.ports import Clock
from wardgate.gateway.visibility import Forged, Visibility


@dataclass(frozen=True, slots=True)
class RefreshOptions:
    poll: float = 0.5
    """Seconds between two looks, where nobody says that there is news."""
    busy: float = 0.05
    """Seconds between two looks while calls of an older snapshot go on."""
    beat: float = 1.0
    """Seconds between two beats, where nothing has changed."""
    fold: float = 5.0
    """Seconds that a ceiling beside the snapshots is left to whoever set it, before any replica folds it into one."""
    end: float = 3.0


class Told(Protocol):
    """What a refresher says of itself; all from its threads."""

    def shows(self, epoch: int, why: Hidden | None) -> None: ...

    def store(self, up: bool) -> None: ...

    def channel(self, up: bool) -> None: ...

    def local(self, state: str) -> None:
        """`damaged`: it was not believed; `unwritten`: nothing is acknowledged until it is written."""
        ...

    def begun(self, begun: Beginning) -> None: ...

    def fault(self, error: BaseException) -> None: ...


class Refresher:
    def __init__(
        self,
        visibility: Visibility,
        stores: ControlStores,
        local: LocalCopy | None,
        clock: Clock,
        monotonic: Callable[[], float],
        files: Callable[[], Files] | None,
        stands: Callable[[], Replica] | None,
        drained: Callable[[int], int],
        told: Told,
        changed: Callable[[], None],
        entry: Callable[[Deed], Happened] | None,
        options: RefreshOptions | None = None,
        renew: Callable[[], object] = lambda: None,
    ) -> None:
        """`files` and `stands` (this replica but for its epochs) are asked from a thread; `changed` is called from one
        whenever `visibility.current()` is another. Without `files`, another process sees to what they say; without
        `stands` and `local` this is no replica, and looks on. `entry` makes what the audit chain is told of what is
        decided here; without it nothing is told. `renew` draws another id for `stands`."""
        self._visibility, self._stores, self._drained = visibility, stores, drained
        self._monotonic, self._told, self._options = monotonic, told, options or RefreshOptions()
        self._heard = Heard(visibility, stores.sealer, monotonic, changed, told.shows)
        self._news, writer = self._heard.news, SnapshotWriter(stores, entry)
        self._hot = HotCopyKeeper(stores, self._heard, monotonic)
        self._files = EditedFiles(files, stores, self._heard, writer, clock, told.begun)
        self._side = SideCeilings(stores, self._heard, writer, clock, self._options.fold)
        self._own = OwnReplica(
            stores, self._heard, local, stands, renew, drained, monotonic, told.local, self._options.beat
        )
        self._stop, self._looked, self._up = threading.Event(), threading.Event(), True
        work: tuple[tuple[str, Callable[[], None], threading.Event, Callable[[], float | None]], ...] = (
            ("hot", self._hot.look, self._news.hot, lambda: self._options.poll),
            ("durable", self._look_at_durable, self._news.durable, self._pause),
            ("copy", self._hot.heal, self._news.copy, lambda: None),
            ("local", self._own.save, self._news.local, lambda: None),
        )
        self._threads = [
            threading.Thread(target=self._run, args=(do, news, pause), name=f"rollout-{name}", daemon=True)
            for name, do, news, pause in work
        ]
        if stores.listen is not None:
            self._threads.append(threading.Thread(target=self._listen, name="rollout-channel", daemon=True))

    def begin(self) -> None:
        """Reads the local file, and starts to look."""
        if not self._stores.own_key:
            self._own.read_local()
        for thread in self._threads:
            thread.start()

    def wait(self, seconds: float) -> bool:
        """Until the durable store was looked at for the first time, whether it answered or not."""
        return self._looked.wait(seconds)

    def look(self) -> None:
        """There is news. Never waits; from any thread."""
        self._news.look()

    def hear(self, kept: KeptSnapshot) -> None:
        """A snapshot that somebody else of this deployment has read or written. Nothing where it is not sound."""
        self._heard.hear(kept)

    def lower(self, sealed: Sequence[bytes]) -> None:
        """Ceilings, by whatever way."""
        self._heard.lower(sealed)

    def end(self) -> None:
        """In order: nobody has to wait for this replica any longer."""
        self._stop.set()
        self.look()
        self._news.copy.set()
        self._news.local.set()
        for thread in self._threads[:4]:  # the one that listens waits for a word, and ends with the process
            if thread.ident is not None:
                thread.join(self._options.end)
        self._stores.close()

    def files_changed(self) -> None:
        """What they say is taken up as soon as the durable store answers."""
        self._files.changed()
        self._news.durable.set()

    def take_up(self, files: Files) -> KeptSnapshot | None:
        """What edited files say, before they are gone by; None: nothing of it changes what is decided. Raises
        StoreUnavailable; then it is done once the store is back, and what lowers a mode has a ceiling until then."""
        return self._files.take_up(files)

    def _run(self, work: Callable[[], None], news: threading.Event, pause: Callable[[], float | None]) -> None:
        while not self._stop.is_set():
            news.clear()
            try:
                work()
                self._heard.publish()
            except Exception as error:  # it goes on, whatever a driver does; what is not fresh hides
                self._told.fault(error)
            if news is self._news.durable:
                self._looked.set()
            news.wait(pause())
        if news is self._news.durable:
            self._own.leave()

    def _listen(self) -> None:
        assert self._stores.listen is not None
        said: list[bool] = []

        def up(now: bool) -> None:
            if said[-1:] != [now] and not self._stop.is_set():
                said[:] = [now]
                self._told.channel(now)

        try:
            self._stores.listen(self._news.hot.set, up)
        except Exception as error:
            self._told.fault(error)

    def _pause(self) -> float:
        epoch = self._visibility.current().epoch
        return self._options.poll if self._drained(epoch) >= epoch else self._options.busy

    def _look_at_durable(self) -> None:
        with self._heard.feeding:
            began, highest, mine = self._monotonic(), self._visibility.highest, self._visibility.newest
        try:
            kept = self._stores.snapshots.newest()
            read = None if kept is None else self._heard.open(kept)
            follows = self._follows(read, mine)
            if self._files.due and follows:
                highest = max(highest, self._stores.seen())
                kept = self._files.begin(kept, read, highest)
                read = None if kept is None else self._heard.open(kept)
        except StoreUnavailable:
            self._tell_store(False)
            self._own.save()
            return
        self._tell_store(True)
        with self._heard.feeding:
            self._visibility.durable(read, began, highest, follows)
        self._heard.publish()
        if kept is not None and isinstance(read, Snapshot) and self._visibility.newest == read:
            known = self._side.drop_lifted(read)
            self._hot.stands(kept, read)
            if known:
                self._side.fold(read)
        self._own.save()
        self._own.beat()

    def _follows(self, read: Snapshot | Forged | None, mine: Snapshot | None) -> bool:
        """A store that was put back may have come past what this replica saw: then it does not have that."""
        if mine is None or not isinstance(read, Snapshot) or read.epoch <= mine.epoch or read.confirmed > mine.epoch:
            return True
        kept = self._stores.snapshots.at(mine.epoch)
        return kept is not None and self._heard.open(kept) == mine

    def _tell_store(self, up: bool) -> None:
        if up != self._up:
            self._up = up
            self._told.store(up)
