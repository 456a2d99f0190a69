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
"""

import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol
from uuid import uuid4

import msgspec

from wardgate.bootstrap.control import ControlStores, draw_salt
from wardgate.control.audit import Happened
from wardgate.control.beginning import Beginning, Files, beginning
from wardgate.control.decided import told as _said
from wardgate.control.ports import OLDER, Change, KeptSnapshot, LocalCopy, Replica, StoreUnavailable
from wardgate.control.snapshots import Unsound
from wardgate.control.transitions import subject_of
from wardgate.domain.audit import LONGEST, Action, Deed
from wardgate.domain.rollout.ceilings import lifted_long_ago, unfolded, with_ceilings
from wardgate.domain.rollout.hidden import Hidden
from wardgate.domain.rollout.modes import is_lower
from wardgate.domain.rollout.rollouts import Ceiling, Scope, Snapshot
from wardgate.gateway.ports import Clock
from wardgate.gateway.visibility import FORGED, Forged, Visibility

_TRIES = 20
FILES = "files"
"""Who made a change that came from an edited file."""


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
        self._renew = renew
        self._entry = entry
        self._visibility, self._stores, self._local = visibility, stores, local
        self._clock, self._monotonic, self._files, self._stands = clock, monotonic, files, stands
        self._drained, self._told, self._changed = drained, told, changed
        self._options = options or RefreshOptions()
        self._lock, self._stop = threading.Lock(), threading.Event()
        self._hot_news, self._durable_news, self._copy_news = threading.Event(), threading.Event(), threading.Event()
        self._looked, self._local_news = threading.Event(), threading.Event()
        self._saving, self._telling = threading.Lock(), threading.Lock()
        self._standing: tuple[KeptSnapshot, Snapshot] | None = None
        """What the durable store says, until the hot copy was held against it."""
        self._files_due, self._anew, self._edits = files is not None, True, 0
        self._opened: tuple[KeptSnapshot | None, Snapshot | Forged | None] = (None, None)
        self._known_forged: frozenset[bytes] = frozenset()
        self._published: tuple[Snapshot, Hidden | None] | None = None
        self._saved: tuple[Snapshot, tuple[Ceiling, ...], float] | None = None
        self._side_since: dict[str, float] = {}
        self._stand_in: frozenset[str] = frozenset()
        """Ceilings that stand for what the files say, until that is taken up."""
        self._never_lifted: tuple[int, frozenset[str]] = (0, frozenset())
        """Of ceilings beside the snapshots: those that no snapshot from this epoch back says are lifted."""
        self._beaten: tuple[Replica, float] | None = None
        self._up = self._local_up = True
        work: tuple[tuple[str, Callable[[], None], threading.Event, Callable[[], float | None]], ...] = (
            ("hot", self._look_at_hot, self._hot_news, lambda: self._options.poll),
            ("durable", self._look_at_durable, self._durable_news, self._pause),
            ("copy", self._heal, self._copy_news, lambda: None),
            ("local", self._save, self._local_news, lambda: None),
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
            self._read_local()
        for thread in self._threads:
            thread.start()

    def wait(self, seconds: float) -> bool:
        """Until the durable store was looked at for the first time, whether it answered or not."""
        return self._looked.wait(seconds)

    def look(self) -> None:
        """There is news. Never waits; from any thread."""
        self._hot_news.set()
        self._durable_news.set()

    def hear(self, kept: KeptSnapshot) -> None:
        """A snapshot that somebody else of this deployment has read or written. Nothing where it is not sound."""
        read = self._open(kept)
        if isinstance(read, Snapshot):
            with self._lock:
                self._visibility.told(read)
            self._publish()
            self.look()

    def lower(self, sealed: Sequence[bytes]) -> None:
        """Ceilings, by whatever way."""
        self._lower(sealed)
        self._publish()
        self.look()

    def end(self) -> None:
        """In order: nobody has to wait for this replica any longer."""
        self._stop.set()
        self.look()
        self._copy_news.set()
        self._local_news.set()
        for thread in self._threads[:4]:  # the one that listens waits for a word, and ends with the process
            if thread.ident is not None:
                thread.join(self._options.end)
        self._stores.close()

    def files_changed(self) -> None:
        """What they say is taken up as soon as the durable store answers."""
        self._edits += 1
        self._files_due = self._files is not None
        self._durable_news.set()

    def take_up(self, files: Files) -> KeptSnapshot | None:
        """What edited files say, before they are gone by; None: nothing of it changes what is decided. Raises
        StoreUnavailable; then it is done once the store is back, and what lowers a mode has a ceiling until then."""
        self._edits += 1
        self._files_due = self._files is not None
        try:
            return self._take_up(files)
        except StoreUnavailable:
            self._lower_by(files)
            raise

    def _take_up(self, files: Files) -> KeptSnapshot | None:
        for _ in range(_TRIES):
            seen = self._stores.seen()
            kept = self._stores.snapshots.newest()
            read = None if kept is None else self._open(kept)
            if isinstance(read, Forged):
                raise StoreUnavailable("what stands there was not written by this deployment")
            if seen > (0 if read is None else read.epoch):
                raise StoreUnavailable(OLDER)
            begun = beginning(read, files, draw_salt)
            if begun.snapshot is None or (appended := self._append(begun, read)) is not None:
                self._told.begun(begun)
                self._files_due = False
                return None if begun.snapshot is None else appended
        raise StoreUnavailable("others change what is decided all the time")

    def _lower_by(self, files: Files) -> None:
        """An edit that takes something out of sight waits for no store (law 3)."""
        newest = self._visibility.newest
        after = None if newest is None else beginning(newest, files, draw_salt)
        if newest is None or after is None or after.snapshot is None:
            return
        for service in after.taken:
            mode = after.snapshot.rollouts[service].mode
            if not is_lower(mode, newest.rollouts[service].mode):
                continue
            ceiling = Ceiling(str(uuid4()), Scope.SERVICE, service, mode, self._clock.now(), FILES, "file_edited")
            self._stand_in |= {ceiling.id}
            sealed = self._stores.sealer.seal_ceiling(ceiling)
            self.lower([sealed])
            with suppress(StoreUnavailable):  # who reads it again finds that it does not have it
                self._stores.hot.lower(sealed, ceiling.id)

    # --- the threads

    def _run(self, work: Callable[[], None], news: threading.Event, pause: Callable[[], float | None]) -> None:
        while not self._stop.is_set():
            news.clear()
            try:
                work()
                self._publish()
            except Exception as error:  # it goes on, whatever a driver does; what is not fresh hides
                self._told.fault(error)
            if news is self._durable_news:
                self._looked.set()
            news.wait(pause())
        if news is self._durable_news:
            self._leave()

    def _listen(self) -> None:
        assert self._stores.listen is not None
        said: list[bool] = []

        def up(now: bool) -> None:
            if said[-1:] != [now] and not self._stop.is_set():
                said[:] = [now]
                self._told.channel(now)

        try:
            self._stores.listen(self._hot_news.set, up)
        except Exception as error:
            self._told.fault(error)

    def _pause(self) -> float:
        epoch = self._visibility.current().epoch
        return self._options.poll if self._drained(epoch) >= epoch else self._options.busy

    # --- the hot copy

    def _look_at_hot(self) -> None:
        began, highest, before = self._monotonic(), self._visibility.hot_highest, self._visibility.highest
        try:
            kept, sealed = self._stores.hot.get(), self._stores.hot.lowered()
            self._lower(sealed)
            self._lower_again(sealed)
        except StoreUnavailable:
            return
        read = None if kept is None else self._open(kept)
        with self._lock:
            if self._stores.listen is None:  # this process's own memory: it says nothing of what others have decided
                if isinstance(read, Snapshot):
                    self._visibility.told(read)
            elif not isinstance(read, Forged):
                self._visibility.hot(read, began, highest)
            elif kept is not None and self._is_new_forgery(kept.document):
                self._visibility.hot(FORGED, began, highest)
        why = self._visibility.why(self._monotonic())
        if self._visibility.highest != before or why in (
            Hidden.HOT_FORGED,
            Hidden.HOT_FLUSHED,
            Hidden.HOT_REPLAYED,
        ):
            self._durable_news.set()

    def _lower(self, sealed: Sequence[bytes]) -> None:
        opened = [(each, self._open_ceiling(each)) for each in sealed]
        with self._lock:
            if any([self._is_new_forgery(each) for each, ceiling in opened if ceiling is None]):
                self._visibility.forged_ceiling()
            self._visibility.lower([ceiling for _, ceiling in opened if ceiling is not None])
            now = self._monotonic()
            known = self._side_since.keys()
            self._side_since = {c.id: self._side_since.get(c.id, now) for c in self._visibility.side}
            if self._side_since.keys() - known:
                self._local_news.set()

    def _lower_again(self, sealed: Sequence[bytes]) -> None:
        """A ceiling that was set while the hot copy was away: with that back, and the durable store not, others would
        be fresh by it and never hear of this one."""
        if self._stores.listen is None:
            return
        there = {ceiling.id for ceiling in map(self._open_ceiling, sealed) if ceiling is not None}
        for ceiling in self._visibility.side:
            if ceiling.id not in there:
                self._stores.hot.lower(self._stores.sealer.seal_ceiling(ceiling), ceiling.id)

    def _open_ceiling(self, sealed: bytes) -> Ceiling | None:
        try:
            return self._stores.sealer.open_ceiling(sealed)
        except Unsound:
            return None

    def _is_new_forgery(self, content: bytes) -> bool:
        """Each hides once: the durable store, read after that, says what counts."""
        if content in self._known_forged:
            return False
        self._known_forged = frozenset([*list(self._known_forged)[-100:], content])
        return True

    # --- the durable store

    def _look_at_durable(self) -> None:
        with self._lock:
            began, highest, mine = self._monotonic(), self._visibility.highest, self._visibility.newest
        try:
            kept = self._stores.snapshots.newest()
            read = None if kept is None else self._open(kept)
            follows = self._follows(read, mine)
            if self._files_due and follows:
                highest = max(highest, self._stores.seen())
            if self._files_due and follows and self._may_begin(read, highest):
                kept = self._begin(kept, read)
                read = None if kept is None else self._open(kept)
        except StoreUnavailable:
            self._tell_store(False)
            self._save()
            return
        self._tell_store(True)
        with self._lock:
            self._visibility.durable(read, began, highest, follows)
        self._publish()
        if kept is not None and isinstance(read, Snapshot) and self._visibility.newest == read:
            known = self._drop_lifted(read)
            self._standing = kept, read
            self._copy_news.set()
            if known:
                self._fold(read)
        self._save()
        self._beat()

    def _follows(self, read: Snapshot | Forged | None, mine: Snapshot | None) -> bool:
        """A store that was put back may have come past what this replica saw: then it does not have that."""
        if mine is None or not isinstance(read, Snapshot) or read.epoch <= mine.epoch or read.confirmed > mine.epoch:
            return True
        kept = self._stores.snapshots.at(mine.epoch)
        return kept is not None and self._open(kept) == mine

    def _may_begin(self, read: Snapshot | Forged | None, highest: int) -> bool:
        if isinstance(read, Forged):
            return self._stores.own_key and self._anew
        return highest == 0 if read is None else read.epoch >= highest

    def _begin(self, kept: KeptSnapshot | None, read: Snapshot | Forged | None) -> KeptSnapshot | None:
        """The files' part. What a key that is gone has sealed is begun anew."""
        assert self._files is not None
        for _ in range(_TRIES):
            edits = self._edits
            before = None if isinstance(read, Forged) else read
            begun = beginning(before, self._files(), draw_salt)
            if begun.snapshot is None:
                break
            if before is None and kept is not None:
                begun = Beginning(msgspec.structs.replace(begun.snapshot, epoch=kept.epoch + 1), begun.begun)
            appended = self._append(begun, before)
            if appended is not None:
                kept = appended
                break
            kept = self._stores.snapshots.newest()
            read = None if kept is None else self._open(kept)
            if isinstance(read, Forged) and not self._stores.own_key:
                return kept
        else:
            return kept  # others change it all the time: the next look begins
        self._files_due = self._anew = False
        if self._edits != edits:  # another edit came meanwhile
            self._files_due = True
        self._told.begun(begun)
        return kept

    def _append(self, begun: Beginning, before: Snapshot | None) -> KeptSnapshot | None:
        """None: somebody else was first."""
        assert begun.snapshot is not None
        services = begun.changed
        subject = services[0] if len(services) == 1 else "services"
        change = Change(self._clock.now(), FILES, Action.ROLLOUT_CHANGE.value, subject)
        lifted = begun.snapshot.lifted | self._stand_in
        kept = self._stores.sealer.seal(msgspec.structs.replace(begun.snapshot, lifted=lifted))
        deeds = [
            Deed(
                who=FILES,
                what=Action.ROLLOUT_CHANGE,
                subject=service,
                before=_said(None if before is None else before.rollouts.get(service))[:LONGEST] or None,
                after=_said(begun.snapshot.rollouts[service])[:LONGEST],
                reason="insecure_demo_ended" if service in begun.lowered else "",
            )
            for service in services
        ]
        if not self._stores.snapshots.append(kept, change, self._told_of(deeds)):
            return None
        self._stand_in = frozenset()
        self._put(kept)
        return kept

    def _drop_lifted(self, read: Snapshot) -> bool:
        """Of ceilings that the snapshot does not know, what was lifted long before it. False: not known yet."""
        before, asked = self._never_lifted
        asked = asked if before == read.lifted_before else frozenset()
        new = {ceiling.id for ceiling in self._visibility.side} - asked
        if new and read.lifted_before:
            try:
                found = lifted_long_ago(read, new, self._at)
            except StoreUnavailable:
                return False
            self._never_lifted = (read.lifted_before, asked | new - found)
            with self._lock:
                self._visibility.lifted(found)
            self._publish()
        return True

    def _at(self, epoch: int) -> Snapshot | None:
        kept = self._stores.snapshots.at(epoch)
        read = None if kept is None else self._open(kept)
        return read if isinstance(read, Snapshot) else None

    def _heal(self) -> None:
        """The hot copy is a copy: where it is gone, older or not ours, it is made again."""
        due, self._standing = self._standing, None
        if due is None:
            return
        kept, read = due
        try:
            standing = self._stores.hot.get()
            if standing is None or standing.epoch < kept.epoch or isinstance(self._open(standing), Forged):
                self._stores.hot.put(kept)
            opened = [self._open_ceiling(each) for each in self._stores.hot.lowered()]
            held = {ceiling.id for ceiling in opened if ceiling is not None}
            known = read.lifted | self._visibility.over | {ceiling.id for ceiling in read.ceilings}
            self._stores.hot.forget(sorted(held & known))
        except StoreUnavailable:
            return

    def _fold(self, read: Snapshot) -> None:
        """Ceilings that were set while this store was away: from here on it holds them."""
        long_ago = self._monotonic() - self._options.fold
        due = [c for c in self._visibility.side if self._side_since.get(c.id, 0.0) <= long_ago]
        added = unfolded(read, due)
        if not added or self._entry is None:
            return
        after = msgspec.structs.replace(with_ceilings(read, added), epoch=read.epoch + 1)
        subject = subject_of(added[0].scope, added[0].name)
        change = Change(self._clock.now(), added[0].set_by or FILES, Action.KILL.value, subject)
        kept = self._stores.sealer.seal(after)
        deeds = [
            Deed(
                who=ceiling.set_by or FILES,
                what=Action.KILL,
                subject=subject_of(ceiling.scope, ceiling.name),
                after=f"at most {ceiling.mode.value}, taken over into the durable store",
                reason=ceiling.reason,
            )
            for ceiling in added
        ]
        try:
            if self._stores.seen() > read.epoch:
                return  # somebody was first, or the store is older than it was: a person's to confirm
            if self._stores.snapshots.append(kept, change, self._told_of(deeds)):
                self._put(kept)
                self._durable_news.set()
        except StoreUnavailable:
            return

    def _told_of(self, deeds: Sequence[Deed]) -> list[Happened]:
        if self._entry is None:
            return []
        told = []
        for deed in deeds:
            try:
                told.append(self._entry(deed))
            except ValueError:  # a name that the chain does not take: that it happened still stands there
                told.append(self._entry(msgspec.structs.replace(deed, subject="unnamed", before=None, after=None)))
        return told

    def _put(self, kept: KeptSnapshot) -> None:
        try:
            self._stores.hot.put(kept)
        except StoreUnavailable:
            return  # whoever reads the durable store next puts it there

    # --- this replica

    def _read_local(self) -> None:
        if self._local is None:
            return
        try:
            seen = self._local.load()
        except (ValueError, OSError):
            self._told.local("damaged")
            return
        if seen is not None:
            with self._lock:
                self._visibility.begin(seen.snapshot, seen.ceilings, seen.age)
            self._publish()

    def _save(self) -> None:
        with self._saving:
            self._save_alone()

    def _save_alone(self) -> None:
        with self._lock:
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
                self._told.local("unwritten")
            self._saved, self._local_up = None, False
            return
        self._saved, self._local_up = (newest, side, fresh), True

    def _beat(self) -> None:
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
        if self._beaten is not None and self._beaten[0] == replica and now - self._beaten[1] < self._options.beat:
            return
        try:
            self._stores.replicas.beat(replica)
            if stands.id != before:
                self._stores.replicas.leave(before)
        except StoreUnavailable:
            return
        self._beaten = (replica, now)
        with self._lock:
            self._visibility.registered(stands.id)
        self._publish()

    def _leave(self) -> None:
        try:
            if self._stands is not None:
                self._stores.replicas.leave(self._stands().id)
        except Exception:  # it will be silent for long enough
            return

    def _open(self, kept: KeptSnapshot) -> Snapshot | Forged:
        """What was opened last is not opened again."""
        last, opened = self._opened
        if last == kept and opened is not None:
            return opened
        try:
            read: Snapshot | Forged = self._stores.sealer.open(kept)
        except Unsound:
            read = FORGED
        self._opened = (kept, read)
        return read

    def _tell_store(self, up: bool) -> None:
        if up != self._up:
            self._up = up
            self._told.store(up)

    def _publish(self) -> None:
        with self._telling:  # else what one thread saw first might be told last, and stand
            with self._lock:
                now = (self._visibility.current(), self._visibility.why(self._monotonic()))
                before, self._published = self._published, now
            if before is None or before[0] is not now[0]:
                self._changed()
            if before is None or before[1] is not now[1] or before[0].epoch != now[0].epoch:
                self._told.shows(now[0].epoch, now[1])
