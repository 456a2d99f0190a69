"""One suite for every store of what people decide at run time: SQLite, and a real PostgreSQL."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from random import Random

import msgspec
import pytest
from hypothesis import settings

from tests.contract.conftest import PATIENT_POSTGRES, PATIENT_SQLITE, Store
from tests.fakes.approving import MIRA, SERVICE
from tests.fakes.audit import NOW, event, told
from tests.fakes.raised import ADA, Stage
from tests.fakes.snapshots import CHANGE, SEALER, everything, kept, replica, snapshot
from wardgate.adapters.sql.chain import SqlAuditStore
from wardgate.adapters.sql.database import Database
from wardgate.adapters.sql.postgres import Postgres
from wardgate.adapters.sql.snapshots import SqlReplicas, SqlSnapshotStore
from wardgate.adapters.sql.sqlite import Sqlite
from wardgate.control.askers import ChangeRefused
from wardgate.control.audit import Happened
from wardgate.control.ports import Overtaken, StoreUnavailable
from wardgate.domain.audit import Action, Result, body_of
from wardgate.domain.durable import PostgresPlace, SqlitePlace
from wardgate.domain.outcomes import Mode
from wardgate.domain.rollout.rollouts import Cohort


def database_of(store: Store) -> Database:
    place = store.place
    return Sqlite(place, PATIENT_SQLITE) if isinstance(place, SqlitePlace) else Postgres(place, PATIENT_POSTGRES)


@pytest.fixture
def snapshots(store: Store) -> Iterator[SqlSnapshotStore]:
    opened = SqlSnapshotStore(database_of(store))
    yield opened
    opened.close()


@pytest.fixture
def replicas(store: Store) -> Iterator[SqlReplicas]:
    opened = SqlReplicas(database_of(store))
    yield opened
    opened.close()


def test_an_empty_store_has_nothing(snapshots: SqlSnapshotStore) -> None:
    assert snapshots.newest() is None and snapshots.at(1) is None
    assert list(snapshots.history()) == []


def test_what_was_appended_stands_as_it_was(snapshots: SqlSnapshotStore) -> None:
    sealed = SEALER.seal(everything(1))
    assert snapshots.append(sealed, CHANGE)
    assert snapshots.append(kept(2), CHANGE)
    assert snapshots.newest() == kept(2)
    assert snapshots.at(1) == sealed and SEALER.open(sealed) == everything(1)
    assert snapshots.at(3) is None


def test_an_epoch_is_written_once_and_none_before_it(snapshots: SqlSnapshotStore) -> None:
    assert snapshots.append(kept(5), CHANGE)
    for late in (5, 4, 1):
        assert not snapshots.append(SEALER.seal(snapshot(late, lifted=frozenset({"x"}))), CHANGE)
    assert snapshots.newest() == kept(5) and snapshots.at(4) is None
    assert snapshots.append(kept(9), CHANGE)  # a person has confirmed: beyond what any replica has seen


def test_the_history_has_the_newest_first(snapshots: SqlSnapshotStore) -> None:
    others = msgspec.structs.replace(CHANGE, subject="deterioration", reason="", ticket="")
    for epoch in range(1, 8):
        snapshots.append(kept(epoch), others if epoch == 3 else CHANGE)
    assert [epoch for epoch, _ in snapshots.history()] == [7, 6, 5, 4, 3, 2, 1]
    assert list(snapshots.history(limit=2)) == [(7, CHANGE), (6, CHANGE)]
    assert list(snapshots.history("deterioration")) == [(3, others)]
    assert list(snapshots.history("'; DROP TABLE snapshots; --")) == []


def test_of_eight_writers_one_is_first_at_each_epoch(store: Store) -> None:
    """Each with connections of its own; whoever comes second reads again, and goes on from there."""
    writers, each = 8, 6
    stores = [SqlSnapshotStore(database_of(store)) for _ in range(writers)]
    together = threading.Barrier(writers)

    def append(number: int) -> list[int]:
        made: list[int] = []
        together.wait()
        while len(made) < each:
            newest = stores[number].newest()
            epoch = 1 if newest is None else newest.epoch + 1
            change = msgspec.structs.replace(CHANGE, by=f"operator-{number}")
            if stores[number].append(kept(epoch), change):
                made.append(epoch)
        return made

    with ThreadPoolExecutor(writers) as pool:
        won = list(pool.map(append, range(writers)))
    assert sorted(epoch for epochs in won for epoch in epochs) == list(range(1, writers * each + 1))
    by = {epoch: change.by for epoch, change in stores[0].history(limit=1000)}
    assert by == {epoch: f"operator-{number}" for number, epochs in enumerate(won) for epoch in epochs}
    for one in stores:
        one.close()


def test_nothing_is_written_on_what_was_judged_before_it_was_withdrawn(
    store: Store, snapshots: SqlSnapshotStore
) -> None:
    database = database_of(store)
    audit = SqlAuditStore(database)
    audit.append([Happened(event(1, what=Action.RELEASE_APPROVE))], NOW)
    judged = audit.last().number
    audit.append([Happened(event(2)), Happened(event(3, what=Action.RELEASE_WITHDRAW))], NOW)
    with pytest.raises(Overtaken):
        snapshots.append(kept(1), CHANGE, [told(4)], judged)
    assert snapshots.newest() is None and audit.last().number == 3
    audit.append([Happened(event(5)), Happened(event(6, what=Action.RELEASE_WITHDRAW, result=Result.DENIED))], NOW)
    assert snapshots.append(kept(1), CHANGE, [told(4)], 3)
    assert snapshots.newest() == kept(1) and audit.last().number == 6
    database.close()


def test_a_raise_and_a_withdrawal_at_once_stand_in_an_order_that_holds(store: Store, tmp_path: Path) -> None:
    """The whole desk: what is withdrawn before the raise on the chain has kept it back."""
    audit = SqlAuditStore(database_of(store))
    stage = Stage(tmp_path, lambda path: database_of(store), audit)
    stage.snapshots.hooks = [stage.withdraw]
    with pytest.raises(ChangeRefused):
        stage.promote()
    together = threading.Barrier(2)

    def promote() -> None:
        together.wait(20)
        with suppress(ChangeRefused):
            stage.promote()

    def withdraw() -> None:
        together.wait(20)
        stage.withdraw()

    for _ in range(8):
        stage.desk.change(ADA, SERVICE, {"mode": Mode.SILENT, "cohort": Cohort()})
        stage.approving.rollout = stage.rollout
        stage.approving.approve(MIRA)
        begun = audit.last().number
        with ThreadPoolExecutor(2) as threads:
            for end in [threads.submit(promote), threads.submit(withdraw)]:
                end.result()
        said = [each["what"] for each in map(body_of, audit.entries(begun)) if each["result"] == "done"]
        assert said in (["rollout.change", "release.withdraw"], ["release.withdraw"])
        assert (stage.rollout.mode is Mode.CANARY) is ("rollout.change" in said)
    stage.close()


@pytest.mark.parametrize("statement", ["UPDATE snapshots SET by = 'nobody'", "DELETE FROM snapshots"])
def test_the_store_itself_refuses_to_change_a_snapshot(
    store: Store, snapshots: SqlSnapshotStore, statement: str
) -> None:
    """Also to whoever has a console open at it."""
    snapshots.append(kept(1), CHANGE)
    database = database_of(store)
    database.open()
    with pytest.raises(Exception) as refused, database.writing() as connection:
        connection.exec_driver_sql(statement.replace("SET by", 'SET "by"'))
    assert refused.typename in ("ArchiveUnavailable", "RecordRefused")
    database.close()
    assert list(snapshots.history()) == [(1, CHANGE)]


def test_a_store_that_is_not_there_says_so(store: Store) -> None:
    if isinstance(store.place, SqlitePlace):
        database: Database = Sqlite(SqlitePlace("/dev/null/wardgate.db"))
    else:
        database = Postgres(PostgresPlace(host="127.0.0.1", port=1, database="none", user="none"))
    with pytest.raises(StoreUnavailable) as unavailable:
        SqlSnapshotStore(database).append(kept(1), CHANGE)
    assert "operator" not in str(unavailable.value) + unavailable.value.meaning
    for ask in (SqlSnapshotStore(database).newest, SqlReplicas(database).all, SqlReplicas(database).now):
        with pytest.raises(StoreUnavailable):
            ask()
    with pytest.raises(StoreUnavailable):
        SqlReplicas(database).beat(replica("a"))
    database.close()


# --- replicas ---------------------------------------------------------------------------------------------------------


def test_a_replica_is_there_from_its_first_beat_until_it_leaves(replicas: SqlReplicas) -> None:
    assert list(replicas.all()) == []
    replicas.beat(replica("b", 3))
    replicas.beat(replica("a", 4, hidden="lease", highest=9, releases=("sha256:1", "sha256:2")))
    first, second = replicas.all()
    assert [first.id, second.id] == ["a", "b"]
    assert first == replica("a", 4, hidden="lease", highest=9, releases=("sha256:1", "sha256:2"), seen=first.seen)
    replicas.beat(replica("b", 5))
    assert [each.epoch for each in replicas.all()] == [4, 5]
    replicas.leave("a")
    replicas.leave("nobody")
    assert [each.id for each in replicas.all()] == ["b"]


def test_a_beat_is_timed_by_the_store(replicas: SqlReplicas) -> None:
    """A replica whose clock is wrong cannot seem alive, or dead."""
    before = replicas.now()
    replicas.beat(replica("a", seen=5.0))
    (seen,) = [each.seen for each in replicas.all()]
    time.sleep(0.01)
    after = replicas.now()
    assert before <= seen < after < before + 60
    assert abs(time.time() - after) < 5  # noqa: TID251 - the server's clock is this machine's


def test_who_was_not_heard_of_for_a_week_is_forgotten(store: Store, replicas: SqlReplicas) -> None:
    replicas.beat(replica("gone"))
    replicas.beat(replica("back"))
    database = database_of(store)
    database.open()
    with database.writing() as connection:
        connection.exec_driver_sql("UPDATE replicas SET seen = seen - 604801 WHERE id = 'gone'")
        connection.exec_driver_sql("UPDATE replicas SET seen = seen - 604700 WHERE id = 'back'")
    database.close()
    replicas.beat(replica("a"))
    assert [each.id for each in replicas.all()] == ["a", "back"]


def test_replicas_that_beat_at_once_do_not_lose_each_other(store: Store) -> None:
    stores = [SqlReplicas(database_of(store)) for _ in range(6)]

    def beat(number: int) -> None:
        for epoch in range(1, 9):
            stores[number].beat(replica(str(number), epoch))

    with ThreadPoolExecutor(len(stores)) as pool:
        list(pool.map(beat, range(len(stores))))
    assert [(each.id, each.epoch) for each in stores[0].all()] == [(str(number), 8) for number in range(6)]
    for one in stores:
        one.close()


# --- kill -9 ----------------------------------------------------------------------------------------------------------

WRITING = """
import sys
from tests.fakes.snapshots import CHANGE, kept
from wardgate.adapters.sql.postgres import Postgres
from wardgate.adapters.sql.snapshots import SqlSnapshotStore
from wardgate.adapters.sql.sqlite import Sqlite
from wardgate.domain.durable import PostgresPlace, SqlitePlace

place = eval(sys.argv[1])
snapshots = SqlSnapshotStore(Sqlite(place) if isinstance(place, SqlitePlace) else Postgres(place))
newest = snapshots.newest()
epoch = 1 if newest is None else newest.epoch + 1
while True:
    assert snapshots.append(kept(epoch), CHANGE)
    print(epoch, flush=True)
    epoch += 1
"""


def test_killed_while_it_appends_it_loses_nothing_that_was_acknowledged(store: Store) -> None:
    """Again and again, at any moment; whatever stands is whole, and the next process goes on from there."""
    writes, lives = (2000, 20) if settings.default is settings.get_profile("proof") else (200, 2)
    rng, acknowledged = Random(7), 0
    place = repr(store.place)
    if isinstance(store.place, PostgresPlace):
        place = place.replace(", port=", f", password={store.place.password!r}, port=", 1)
    for life in range(lives):
        upto = acknowledged + writes // lives + rng.randrange(writes // lives // 4)
        with subprocess.Popen([sys.executable, "-c", WRITING, place], stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            for line in process.stdout:
                if line.endswith("\n"):
                    acknowledged = int(line)
                if acknowledged >= upto and process.poll() is None:
                    os.kill(process.pid, signal.SIGKILL)
        assert process.returncode == -signal.SIGKILL, life
    snapshots = SqlSnapshotStore(database_of(store))
    newest = snapshots.newest()
    assert newest is not None and acknowledged <= newest.epoch <= acknowledged + 1
    assert [epoch for epoch, _ in snapshots.history(limit=100_000)] == list(range(newest.epoch, 0, -1))
    for epoch in range(1, newest.epoch + 1):
        found = snapshots.at(epoch)
        assert found is not None and SEALER.open(found) == snapshot(epoch)
    snapshots.close()
