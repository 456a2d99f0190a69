"""What keeps a replica fresh, with real stores beneath: each thing that can be wrong with them hides, and says so."""

import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from uuid import uuid4

import msgspec
import pytest

from tests.fakes.clock import FakeClock
from tests.fakes.snapshots import CHANGE, OTHERS, SEALER, ceiling, replica, snapshot
from wardgate.adapters.files.local_copy import FileLocalCopy
from wardgate.adapters.memory.snapshots import MemorySnapshots
from wardgate.adapters.sql.chain import SqlAuditStore
from wardgate.adapters.sql.snapshots import SqlReplicas, SqlSnapshotStore
from wardgate.adapters.sql.sqlite import Sqlite, SqliteOptions
from wardgate.bootstrap.control import ControlStores
from wardgate.bootstrap.refresher import Refresher, RefreshOptions
from wardgate.control.audit import Happened
from wardgate.control.beginning import Beginning, Files
from wardgate.control.ports import KeptSnapshot, StoreUnavailable
from wardgate.domain.audit import Action, AuditEvent, Deed, body_of, moment
from wardgate.domain.durable import SqlitePlace
from wardgate.domain.outcomes import Mode
from wardgate.domain.rollout.hidden import Hidden
from wardgate.domain.rollout.rollouts import Rollout, Snapshot
from wardgate.gateway.visibility import Visibility

SERVICE = "kidney-failure"
OPTIONS = RefreshOptions(poll=0.02, busy=0.01, beat=0.05, fold=0.1)
LEASE = 1000.0


@dataclass
class Told:
    """What a refresher has said."""

    shown: list[tuple[int, Hidden | None]] = field(default_factory=list)
    other: list[object] = field(default_factory=list)
    faults: list[BaseException] = field(default_factory=list)

    def shows(self, epoch: int, why: Hidden | None) -> None:
        self.shown.append((epoch, why))

    def store(self, up: bool) -> None:
        self.other.append(up)

    def channel(self, up: bool) -> None:
        raise AssertionError

    def local(self, state: str) -> None:
        self.other.append(state)

    def begun(self, begun: Beginning) -> None:
        self.other.append(begun.begun + begun.taken)

    def fault(self, error: BaseException) -> None:
        self.faults.append(error)


class Site:
    """One durable store, one hot copy, and the replicas on them. `clock` is that of the lease."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.clock = folder, FakeClock()
        self.path = folder / "decided.db"
        self.hot = MemorySnapshots()
        self.shared = True
        """Whether `hot` stands for a Redis; else it is each process's own memory."""
        self.mode, self.demo, self.key, self.drained = Mode.ACTIVE, True, SEALER, 10**9
        self.running: list[Refresher] = []
        self.stores = self._stores()

    def _stores(self) -> ControlStores:
        def database() -> Sqlite:
            return Sqlite(SqlitePlace(str(self.path)), SqliteOptions(wait=5, readers=2))

        snapshots, replicas = SqlSnapshotStore(database()), SqlReplicas(database())
        own = self.key is not SEALER
        listen = (lambda news, up: None) if self.shared else None
        closing = (snapshots.close, replicas.close)
        return ControlStores(snapshots, replicas, self.hot, self.key, listen, own, closing)

    def files(self) -> Files:
        rollout = Rollout(snapshot(1).rollouts[SERVICE].champion, self.mode)
        return Files({SERVICE: rollout}, {SERVICE: frozenset(rollout.releases)}, self.demo)

    def start(self, name: str = "a", told: Told | None = None) -> tuple[Refresher, Visibility, Told]:
        ids = [name]
        visibility, told = Visibility(LEASE, self.clock.monotonic, name), told or Told()
        stores = self._stores()
        refresher = Refresher(
            visibility,
            stores,
            FileLocalCopy(self.folder / f"{name}.snapshot", stores.sealer, self.clock.monotonic),
            self.clock,
            self.clock.monotonic,
            self.files,
            lambda: replica(ids[-1]),
            lambda epoch: min(epoch, self.drained),
            told,
            lambda: None,
            self.entry,
            OPTIONS,
            lambda: ids.append(f"{name}{len(ids)}"),
        )
        self.hot.news = refresher.look
        refresher.begin()
        self.running.append(refresher)
        return refresher, visibility, told

    def entry(self, deed: Deed) -> Happened:
        said = {name: getattr(deed, name) for name in Deed.__struct_fields__}
        return Happened(AuditEvent(**said, id=str(uuid4()), at=moment(self.clock.now())))

    def chained(self) -> list[tuple[object, object, object]]:
        """Who, what and subject of what stands on the chain."""
        chain = SqlAuditStore(Sqlite(SqlitePlace(str(self.path))))
        bodies = [body_of(entry) for entry in chain.entries()]
        chain.close()
        return [(body["who"], body["what"], body["subject"]) for body in bodies]

    def stop(self) -> None:
        while self.running:
            self.running.pop().end()

    def newest(self) -> KeptSnapshot:
        kept = self.stores.snapshots.newest()
        assert kept is not None
        return kept

    def drained_at(self) -> list[int]:
        return [each.drained for each in self.stores.replicas.all()]

    def append(self, made: Snapshot) -> None:
        assert self.stores.snapshots.append(SEALER.seal(made), CHANGE)

    def tamper(self, statement: str, *values: object) -> None:
        """By somebody with the right to."""
        connection = sqlite3.connect(self.path, timeout=10)
        connection.executescript(
            "DROP TRIGGER IF EXISTS snapshots_no_delete; DROP TRIGGER IF EXISTS snapshots_no_update"
        )
        with connection:
            connection.execute(statement, values)
        connection.close()

    def away(self) -> None:
        """The durable store goes."""
        for suffix in ("", "-wal", "-shm"):
            path = Path(f"{self.path}{suffix}")
            if path.exists():
                path.rename(f"{path}.away")
        self.path.mkdir()

    def back(self) -> None:
        self.path.rmdir()
        for suffix in ("", "-wal", "-shm"):
            if Path(f"{self.path}{suffix}.away").exists():
                Path(f"{self.path}{suffix}.away").rename(f"{self.path}{suffix}")


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    made = Site(tmp_path)
    yield made
    made.stop()
    made.stores.close()


def until(condition: Callable[[], bool]) -> None:
    for _ in range(3000):
        with suppress(StoreUnavailable):
            if condition():
                return
        time.sleep(0.005)
    raise AssertionError("the condition did not come true in time")


def test_replicas_that_start_at_once_begin_once(site: Site) -> None:
    begun = [site.start(name) for name in "abcd"]
    for refresher, visibility, _ in begun:
        assert refresher.wait(20)
        until(lambda v=visibility: not v.current().hidden)  # type: ignore[misc]
        assert visibility.current().epoch == 1
        assert visibility.current().rollouts[SERVICE].mode is Mode.ACTIVE
    assert [epoch for epoch, _ in site.stores.snapshots.history()] == [1]
    until(lambda: [each.id for each in site.stores.replicas.all()] == list("abcd"))
    salts = {visibility.current().rollouts[SERVICE].salt for _, visibility, _ in begun}
    assert len(salts) == 1 and len(salts.pop()) == 32
    site.stop()
    assert list(site.stores.replicas.all()) == []
    assert not [fault for _, _, told in begun for fault in told.faults]


def test_a_change_is_obeyed_saved_and_acknowledged_in_this_order(site: Site) -> None:
    _, visibility, _ = site.start()
    until(lambda: not visibility.current().hidden)
    site.drained = 1  # a call of the first snapshot goes on
    site.append(snapshot(2, Mode.SILENT))
    until(lambda: visibility.current() == snapshot(2, Mode.SILENT))
    until(lambda: site.stores.replicas.all()[0].epoch == 2)
    assert site.drained_at() == [1]
    site.drained = 10**9
    until(lambda: site.drained_at() == [2])
    seen = FileLocalCopy(site.folder / "a.snapshot", SEALER, site.clock.monotonic).load()
    assert seen is not None and seen.snapshot == snapshot(2, Mode.SILENT)


def test_what_cannot_be_saved_is_not_acknowledged(site: Site) -> None:
    """A restart would go by what was before."""
    (site.folder / "a.snapshot.new").mkdir()
    _, visibility, told = site.start()
    until(lambda: not visibility.current().hidden)
    until(lambda: site.drained_at() == [0])
    assert told.other.count("unwritten") == 1
    (site.folder / "a.snapshot.new").rmdir()
    until(lambda: site.drained_at() == [1])


def test_the_copy_is_healed_and_what_hides_meanwhile_is_told(site: Site) -> None:
    _, visibility, told = site.start()
    until(lambda: not visibility.current().hidden and site.hot.get() == site.newest())
    site.append(snapshot(2))
    turn = count()
    until(lambda: site.hot.get() == site.newest() and visibility.hot_highest == 2)
    for forged, why in (
        (OTHERS.seal(snapshot(1)), Hidden.HOT_FORGED),
        (None, Hidden.HOT_FLUSHED),
        (SEALER.seal(snapshot(1)), Hidden.HOT_REPLAYED),
    ):

        def told_of(forged: KeptSnapshot | None = forged, why: Hidden = why) -> bool:
            """Again and again, since it may be mended before anybody has looked."""
            if forged is not None and why is Hidden.HOT_FORGED:
                site.hot._kept = msgspec.structs.replace(forged, document=forged.document + bytes([next(turn) % 256]))
            else:
                site.hot._kept = forged
            site.clock.advance(1)
            return why in [each[1] for each in told.shown]

        until(told_of)
        site.clock.advance(1)
        until(lambda: site.hot.get() == site.newest() and not visibility.current().hidden)
        until(lambda: visibility.hot_highest == 2)  # it was seen, so that the next one is another


class SlowTold(Told):
    """Says that it hides only after it has said that it shows, if that is let through."""

    def __init__(self) -> None:
        super().__init__()
        self.let_through, self.begun_to_hide = threading.Event(), False

    def shows(self, epoch: int, why: Hidden | None) -> None:
        if why is Hidden.HOT_REPLAYED:
            self.begun_to_hide = True
            self.let_through.wait(0.3)
        super().shows(epoch, why)
        if why is None:
            self.let_through.set()


def test_what_was_seen_last_is_told_last(site: Site) -> None:
    """By whichever thread: a replica that showed again was said to hide, in the log and the metric, until something
    else changed."""
    _, visibility, told = site.start(told=SlowTold())
    until(lambda: not visibility.current().hidden and site.hot.get() == site.newest())
    site.append(snapshot(2))
    until(lambda: visibility.hot_highest == 2 and told.shown[-1] == (2, None))
    assert isinstance(told, SlowTold)
    told.let_through.clear()

    def told_of() -> bool:
        """Again and again, since it may be mended before anybody has looked."""
        if not told.begun_to_hide:
            site.hot._kept = SEALER.seal(snapshot(1))
            site.clock.advance(1)
        return Hidden.HOT_REPLAYED in [why for _, why in told.shown]

    until(told_of)
    site.clock.advance(1)
    until(lambda: not visibility.current().hidden)
    until(lambda: told.shown[-1] == (2, None))


class HangingCopy(MemorySnapshots):
    """Gives no answer while `answers` is not set; `asked` once somebody has waited for one."""

    def __init__(self) -> None:
        super().__init__()
        self.answers, self.asked = threading.Event(), threading.Event()
        self.answers.set()

    def get(self) -> KeptSnapshot | None:
        if not self.answers.is_set():
            self.asked.set()
            self.answers.wait(20)
        return super().get()


def test_a_hot_copy_that_hangs_makes_nobody_late_for_the_durable_store(site: Site) -> None:
    """A kill reaches whoever looks there, and is acknowledged, however long Redis takes."""
    site.hot = hot = HangingCopy()
    _, visibility, told = site.start()
    until(lambda: not visibility.current().hidden and site.hot.get() == site.newest())
    hot.answers.clear()
    try:
        assert hot.asked.wait(20)
        for epoch in (2, 3):
            site.append(snapshot(epoch))
            until(lambda epoch=epoch: site.drained_at() == [epoch])  # type: ignore[misc]
            assert visibility.current() == snapshot(epoch)
            assert not hot.answers.is_set()
    finally:
        hot.answers.set()
    until(lambda: site.hot.get() == site.newest())
    assert told.faults == []


def test_a_forgery_in_the_durable_store_hides_until_it_is_mended(site: Site) -> None:
    _, visibility, told = site.start()
    until(lambda: not visibility.current().hidden)
    whole = site.newest()
    site.tamper("UPDATE snapshots SET document = ?", whole.document.replace(b'"active"', b'"silent"'))
    until(lambda: told.shown[-1] == (1, Hidden.FORGED))
    site.tamper("UPDATE snapshots SET document = ?", whole.document)
    until(lambda: told.shown[-1] == (1, None))
    assert not visibility.current().hidden


@pytest.mark.parametrize("kept", [1, 0], ids=["older", "emptied"])
def test_a_store_that_was_put_back_hides_over_a_restart_until_a_person_confirms(site: Site, kept: int) -> None:
    _, visibility, told = site.start()
    until(lambda: not visibility.current().hidden)
    begun = SEALER.open(site.newest())
    site.append(snapshot(2))
    until(lambda: visibility.current().epoch == 2)
    until(lambda: site.drained_at() == [2])
    site.tamper("DELETE FROM snapshots WHERE epoch > ?", kept)
    until(lambda: told.shown[-1][1] is Hidden.REWOUND)
    until(lambda: site.stores.replicas.all()[0].hidden == "rewound")
    assert site.stores.replicas.all()[0].highest == 2
    site.stop()
    _, visibility, told = site.start()
    until(lambda: told.shown[-1][1] is Hidden.REWOUND)
    assert len(site.stores.snapshots.history()) == kept, "nobody begins anew by himself"
    confirmed = msgspec.structs.replace(begun, epoch=3, confirmed=3)
    site.append(confirmed)
    until(lambda: visibility.current() == confirmed)


def test_a_store_that_was_put_back_and_has_come_past_what_a_replica_saw_hides_it_all_the_same(site: Site) -> None:
    """It was away while the others went on: the epochs alone say nothing, but what it saw is not in that history."""
    _, visibility, told = site.start()
    until(lambda: not visibility.current().hidden)
    site.append(snapshot(2))
    site.append(snapshot(3, Mode.SILENT))
    until(lambda: site.drained_at() == [3])
    site.stop()
    site.hot = MemorySnapshots()
    site.tamper("DELETE FROM snapshots WHERE epoch > 1")
    for epoch in range(2, 6):
        site.append(snapshot(epoch, Mode.ACTIVE))
    _, visibility, told = site.start()
    until(lambda: told.shown[-1][1] is Hidden.REWOUND)
    site.append(snapshot(6))
    time.sleep(0.1)
    assert visibility.current().hidden
    site.append(snapshot(7, confirmed=7))
    until(lambda: visibility.current().epoch >= 7 and not visibility.current().hidden)


def test_who_never_saw_what_others_did_begins_nothing_on_a_store_that_was_put_back(site: Site) -> None:
    """Nor folds a ceiling into it: each would be an epoch on the way past what the others saw."""
    site.stores.replicas.beat(replica("b", 9, highest=9))
    _, visibility, told = site.start()
    until(lambda: told.shown[-1][1] is Hidden.REWOUND)
    assert list(site.stores.snapshots.history()) == []
    site.append(snapshot(2))
    site.hot.lower(SEALER.seal_ceiling(ceiling(1)), ceiling(1).id)
    site.clock.advance(1)
    until(lambda: len(visibility.side) == 1)
    time.sleep(0.1)
    assert site.newest().epoch == 2
    site.append(snapshot(10, confirmed=10))
    until(lambda: not visibility.current().hidden and site.newest().epoch > 10)


def test_a_restart_without_the_store_shows_what_it_saw_for_what_is_left_of_the_lease(site: Site) -> None:
    _, visibility, _ = site.start()
    until(lambda: not visibility.current().hidden)
    until(lambda: site.drained_at() == [1])
    site.stop()
    site.hot = MemorySnapshots()
    site.away()
    site.clock.advance(LEASE / 2)
    refresher, visibility, told = site.start()
    assert refresher.wait(20)
    assert visibility.current().epoch == 1 and not visibility.current().hidden
    assert False in told.other
    site.clock.advance(LEASE / 2)
    assert visibility.current().hidden
    until(lambda: told.shown[-1] == (1, Hidden.LEASE))
    site.back()
    until(lambda: not visibility.current().hidden)


@pytest.mark.parametrize("shared", [True, False], ids=["redis", "memory"])
def test_only_a_copy_that_others_write_to_keeps_the_lease(site: Site, shared: bool) -> None:
    """What a process remembers itself is no word of what others have decided in a durable store that it cannot read."""
    site.shared = shared
    _, visibility, told = site.start()
    until(lambda: not visibility.current().hidden)
    until(lambda: site.hot.get() is not None)
    site.away()
    until(lambda: False in told.other)
    site.clock.advance(LEASE + 1)
    if shared:
        until(lambda: not visibility.current().hidden)
    else:
        until(lambda: told.shown[-1] == (1, Hidden.LEASE))
        time.sleep(0.1)
        assert visibility.current().hidden


def test_a_ceiling_that_was_set_without_any_store_goes_to_the_hot_copy_once_that_is_back(site: Site) -> None:
    """The durable store is still away: the others are fresh by the hot copy, and would show again without it."""
    refresher, visibility, told = site.start()
    until(lambda: not visibility.current().hidden)
    site.away()
    until(lambda: False in told.other)
    refresher.lower([SEALER.seal_ceiling(ceiling(1))])
    until(lambda: [SEALER.open_ceiling(each).id for each in site.hot.lowered()] == [ceiling(1).id])
    _, other, _ = site.start("b")
    until(lambda: [each.id for each in other.side] == [ceiling(1).id])


def test_without_a_file_of_its_own_and_without_the_store_nothing_is_shown(site: Site) -> None:
    site.away()
    site.hot.put(SEALER.seal(snapshot(7)))
    refresher, visibility, told = site.start()
    assert refresher.wait(20)
    time.sleep(0.1)
    assert visibility.current().hidden and told.shown == [(0, Hidden.STARTING)]
    site.hot._kept = None
    site.back()
    until(lambda: not visibility.current().hidden)
    assert visibility.current().epoch == 1


def test_a_damaged_file_is_told_and_hides_until_the_store_was_read(site: Site) -> None:
    (site.folder / "a.snapshot").write_bytes(b"\x93garbage")
    site.away()
    refresher, visibility, told = site.start()
    assert refresher.wait(20)
    assert "damaged" in told.other and visibility.current().hidden
    site.back()
    until(lambda: not visibility.current().hidden)


def test_a_ceiling_holds_without_the_store_and_over_a_restart_and_is_folded_in_later(site: Site) -> None:
    _, visibility, _ = site.start()
    until(lambda: not visibility.current().hidden)
    site.away()
    site.hot.lower(SEALER.seal_ceiling(ceiling(1, set_by="operator-1")), ceiling(1).id)
    until(lambda: len(visibility.current().ceilings) == 1)
    file = FileLocalCopy(site.folder / "a.snapshot", SEALER, site.clock.monotonic)
    until(lambda: (seen := file.load()) is not None and len(seen.ceilings) == 1)
    site.stop()
    site.hot = MemorySnapshots()
    _, visibility, _ = site.start()
    assert [each.id for each in visibility.current().ceilings] == [ceiling(1).id]
    site.clock.advance(1)
    site.back()
    until(lambda: site.newest().epoch == 2)
    assert SEALER.open(site.newest()).ceilings == (ceiling(1, set_by="operator-1"),)
    assert site.stores.snapshots.history()[0][1].by == "operator-1"
    assert site.chained() == [
        ("files", Action.ROLLOUT_CHANGE, SERVICE),
        ("operator-1", Action.KILL, f"service:{SERVICE}"),
    ]
    until(lambda: list(site.hot.lowered()) == [])


def test_a_ceiling_is_on_the_disk_before_a_store_that_hangs_has_answered(site: Site) -> None:
    """A gateway that was killed -9 some seconds after it had told somebody of a kill switch once came back without."""
    refresher, visibility, _ = site.start()
    until(lambda: not visibility.current().hidden)
    hung = sqlite3.connect(site.path, isolation_level=None)
    hung.execute("BEGIN EXCLUSIVE")  # for longer than the patience of this test, and of whoever waits for the store
    try:
        refresher.lower([SEALER.seal_ceiling(ceiling(5))])
        for _ in range(200):
            seen = FileLocalCopy(site.folder / "a.snapshot", SEALER, site.clock.monotonic).load()
            if seen is not None and seen.ceilings == (ceiling(5),):
                break
            time.sleep(0.005)
        else:
            raise AssertionError("a restart would not know of it")
    finally:
        hung.close()


def test_one_that_was_forgotten_hides_until_it_has_registered_anew(site: Site) -> None:
    """With the state that it has read by then; it hears of it from the hot copy alone while the store is away."""
    site.start("b")
    _, visibility, told = site.start("a")
    until(lambda: not visibility.current().hidden and site.drained_at() == [1, 1])  # both have taken up their files
    forgot = SEALER.seal(snapshot(2, Mode.SILENT, forgotten={"a": 2}))
    site.away()
    site.hot.put(forgot)
    until(lambda: told.shown[-1] == (2, Hidden.FORGOTTEN))
    site.clock.advance(1)
    time.sleep(3 * OPTIONS.poll)
    assert visibility.current().hidden
    site.back()
    site.append(snapshot(2, Mode.SILENT, forgotten={"a": 2}))
    until(lambda: not visibility.current().hidden)
    assert [each.id for each in site.stores.replicas.all()] == ["a1", "b"]
    assert visibility.current().rollouts[SERVICE].mode is Mode.SILENT
    site.append(snapshot(3, Mode.ACTIVE, forgotten={"a": 2}))
    until(lambda: site.drained_at() == [3, 3])
    assert not visibility.current().hidden and [each.id for each in site.stores.replicas.all()] == ["a1", "b"]


def test_a_forged_ceiling_hides_until_the_store_was_read(site: Site) -> None:
    _, visibility, told = site.start()
    until(lambda: not visibility.current().hidden)
    site.clock.advance(1)
    site.hot.lower(OTHERS.seal_ceiling(ceiling(1)), "forged")
    until(lambda: Hidden.HOT_FORGED in [each[1] for each in told.shown])
    site.clock.advance(1)
    until(lambda: not visibility.current().hidden)
    assert visibility.current().ceilings == ()


def test_edited_files_are_taken_up_once_the_store_is_there(site: Site) -> None:
    refresher, visibility, _ = site.start()
    until(lambda: not visibility.current().hidden)
    site.away()
    site.mode = Mode.SILENT
    refresher.files_changed()
    time.sleep(0.05)
    assert visibility.current().rollouts[SERVICE].mode is Mode.ACTIVE
    site.back()
    until(lambda: visibility.current().rollouts[SERVICE].mode is Mode.SILENT)
    assert visibility.current().epoch == 2


def test_an_edit_while_the_files_are_taken_up_is_taken_up_too(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Regression: whoever had read the files of before took theirs for the edited ones."""
    read = site.files

    def edited_meanwhile() -> Files:
        files = read()
        if site.mode is Mode.ACTIVE:
            site.mode = Mode.SILENT
            until(lambda: bool(site.running))
            site.running[0].files_changed()
        return files

    monkeypatch.setattr(site, "files", edited_meanwhile)
    _, visibility, _ = site.start()
    until(lambda: not visibility.current().hidden and visibility.current().rollouts[SERVICE].mode is Mode.SILENT)


def test_an_edit_that_lowers_a_mode_waits_for_no_store(site: Site) -> None:
    """A ceiling stands for it, for all replicas, until the store has it; and then no more."""
    refresher, visibility, told = site.start()
    until(lambda: not visibility.current().hidden)
    site.away()
    site.mode = Mode.SILENT
    with pytest.raises(StoreUnavailable):
        refresher.take_up(site.files())
    assert [(each.mode, each.name) for each in visibility.current().in_force()] == [(Mode.SILENT, SERVICE)]
    assert len(site.hot.lowered()) == 1
    site.back()
    until(lambda: SEALER.open(site.newest()).rollouts[SERVICE].mode is Mode.SILENT)
    until(lambda: visibility.current().epoch == 2 and visibility.side == ())
    assert visibility.current().in_force() == () and not told.faults
    site.away()
    site.mode = Mode.ACTIVE
    with pytest.raises(StoreUnavailable):
        refresher.take_up(site.files())
    assert visibility.current().in_force() == ()
    site.back()


def test_a_key_that_was_drawn_for_one_start_begins_anew(site: Site) -> None:
    """The demo: nobody can read what the key before it has sealed."""
    site.append(snapshot(4))
    site.key = OTHERS
    _, visibility, told = site.start()
    until(lambda: not visibility.current().hidden)
    assert visibility.current().epoch == 5 and "damaged" not in told.other


def test_what_another_process_has_decided_is_heard(site: Site) -> None:
    """Without any store: from a parent."""
    refresher, visibility, _ = site.start()
    until(lambda: not visibility.current().hidden)
    refresher.hear(OTHERS.seal(snapshot(2)))
    assert visibility.current().epoch == 1
    refresher.hear(SEALER.seal(snapshot(2, Mode.SILENT)))
    assert visibility.current() == snapshot(2, Mode.SILENT)
    refresher.lower([SEALER.seal_ceiling(ceiling(1))])
    assert msgspec.structs.replace(visibility.current(), ceilings=()) == snapshot(2, Mode.SILENT)
    assert visibility.current().ceilings == (ceiling(1),)
