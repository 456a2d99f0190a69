"""What may befall a durable store, and what whoever asks it is told: within bounds, and nothing half done."""

import os
import signal
import sqlite3
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Engine, event

from tests.contract.conftest import PATIENT_POSTGRES, Store
from tests.fakes.archive_rows import FOREVER, START, card_key, decision
from tests.fakes.certificates import self_signed
from tests.fakes.postgres_server import PostgresServer
from wardgate.adapters.sql.archive import SqlArchive
from wardgate.adapters.sql.postgres import Postgres, PostgresOptions
from wardgate.adapters.sql.schema import HEAD
from wardgate.adapters.sql.sqlite import Sqlite, SqliteOptions
from wardgate.adapters.sql.tables import METADATA, VERSION_TABLE
from wardgate.domain.durable import PostgresPlace, SqlitePlace
from wardgate.records.archive import ArchiveUnavailable, Kind, OutcomeBatch, OutcomeRow, Trouble

PATIENT = replace(PATIENT_POSTGRES, again=0.0)
IMPATIENT = replace(PATIENT, lock=0.3)
"""Of locks."""
HASTY = PostgresOptions(connect=2, wait=1.0, lock=0.3, limit=1.0, bulk_limit=1.5, again=0.0)
DAY = 86400


def trouble(work: Callable[[], object]) -> Trouble:
    with pytest.raises(ArchiveUnavailable) as unavailable:
        work()
    return unavailable.value.trouble


def tables(store: Store, statement: Any) -> None:
    """Somebody else's hand in the store."""
    if isinstance(store.place, SqlitePlace):
        connection = sqlite3.connect(store.place.path)
        with connection:
            connection.execute(statement)
        connection.close()
    else:
        database = Postgres(store.place)
        with database.writing() as session:
            session.exec_driver_sql(statement)
        database.close()


# --- versions -------------------------------------------------------------------------------------------------------


def test_a_store_of_a_later_version_is_left_alone(bare: Store) -> None:
    """It says that only another version may use it; when that has been put back, all is there."""
    bare.another().add_decisions([decision(0)])
    tables(bare, f"UPDATE {VERSION_TABLE} SET version_num = '9999'")
    archive = bare.another()
    assert trouble(lambda: archive.add_decisions([decision(1)])) is Trouble.NEWER
    assert trouble(lambda: list(archive.decisions(0, FOREVER))) is Trouble.NEWER
    tables(bare, f"UPDATE {VERSION_TABLE} SET version_num = '{HEAD}'")
    assert list(archive.decisions(0, FOREVER)) == [decision(0)]


def test_tables_of_somebody_else_are_left_alone(bare: Store) -> None:
    if isinstance(bare.place, SqlitePlace):
        os.mkdir(os.path.dirname(bare.place.path))
    tables(bare, "CREATE TABLE decisions (id integer)")
    assert trouble(bare.another().ping) is Trouble.FOREIGN
    tables(bare, "DROP TABLE decisions")
    bare.another().ping()


def test_a_table_that_was_taken_away_is_told(bare: Store) -> None:
    archive = bare.another()
    archive.add_decisions([decision(0)])
    tables(bare, "DROP TABLE cards")
    assert trouble(lambda: archive.add_decisions([decision(1)])) is Trouble.FOREIGN
    assert [record.decision_id for record in archive.decisions(0, FOREVER)] == [decision(0).decision_id]


MIGRATING = """
import os, signal, sys
from sqlalchemy import Engine, event
from wardgate.adapters.sql.archive import SqlArchive
from wardgate.adapters.sql.postgres import Postgres
from wardgate.adapters.sql.sqlite import Sqlite
from wardgate.domain.durable import PostgresPlace, SqlitePlace

@event.listens_for(Engine, "before_cursor_execute")
def die(connection, cursor, statement, *rest):
    if sys.argv[1] in statement:
        os.kill(os.getpid(), signal.SIGKILL)

place = eval(sys.argv[2])
database = Sqlite(place) if isinstance(place, SqlitePlace) else Postgres(place)
SqlArchive(database, str).ping()
"""


@pytest.mark.parametrize("at", ["CREATE TABLE custody"])
def test_a_migration_that_dies_in_the_middle_leaves_nothing(bare: Store, at: str) -> None:
    """Killed, not warned. The next start begins anew."""
    place = repr(bare.place)
    if isinstance(bare.place, PostgresPlace):
        place = place.replace(", port=", f", password={bare.place.password!r}, port=", 1)
    ended = subprocess.run([sys.executable, "-c", MIGRATING, at, place], timeout=60, check=False)
    assert ended.returncode == -signal.SIGKILL
    archive = bare.another()
    assert archive.add_decisions([decision(0)]) == 1
    assert list(archive.decisions(0, FOREVER)) == [decision(0)]


def test_the_migrations_make_the_tables_that_are_used(bare: Store) -> None:
    """Alembic's own comparison finds nothing to do; of PostgreSQL's partitions, it need not know."""
    bare.another().ping()
    place = bare.place
    database = Sqlite(place) if isinstance(place, SqlitePlace) else Postgres(place)
    if isinstance(database, Sqlite):
        database.open()

    def ours(_: object, name: str | None, kind: str, reflected: bool, __: object) -> bool:
        return not (kind == "table" and reflected and name not in METADATA.tables)

    with database.reading() as connection:
        options = {"version_table": VERSION_TABLE, "include_object": ours, "compare_type": True}
        assert compare_metadata(MigrationContext.configure(connection, opts=options), METADATA) == []
    database.close()


# --- SQLite ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "var" / "wardgate.db"


@contextmanager
def sqlite_archive(file: Path, wait: float = 0.3) -> Iterator[SqlArchive]:
    archive = SqlArchive(Sqlite(SqlitePlace(str(file)), SqliteOptions(wait=wait)), card_key)
    try:
        yield archive
    finally:
        archive.close()


def test_nobody_else_may_read_the_file(file: Path) -> None:
    """Nor those that SQLite puts beside it, nor look into the folder."""
    with sqlite_archive(file) as archive:
        archive.add_decisions([decision(0)])
        beside = sorted(file.parent.iterdir())
        assert [path.name for path in beside] == ["wardgate.db", "wardgate.db-shm", "wardgate.db-wal"]
        assert {stat.S_IMODE(path.stat().st_mode) for path in beside} == {0o600}
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700


@pytest.mark.parametrize("content", [b"no database at all" * 100, b"SQLite format 3\0" + b"\xff" * 4096])
def test_a_file_that_is_no_store_is_left_as_it_is(file: Path, content: bytes) -> None:
    file.parent.mkdir()
    file.write_bytes(content)
    with sqlite_archive(file) as archive:
        assert trouble(archive.ping) is Trouble.FOREIGN
        assert file.read_bytes() == content
        file.unlink()
        archive.ping()


def test_a_file_of_another_program_is_left_alone(file: Path) -> None:
    """Also where its tables have other names than ours."""
    file.parent.mkdir()
    connection = sqlite3.connect(file)
    connection.execute("CREATE TABLE patients (name text)")
    connection.close()
    with sqlite_archive(file) as archive:
        assert trouble(archive.ping) is Trouble.FOREIGN
    connection = sqlite3.connect(file)
    assert connection.execute("SELECT name FROM sqlite_master").fetchall() == [("patients",)]
    connection.close()


def test_a_place_that_cannot_be_written_to_is_told(tmp_path: Path) -> None:
    """A folder in the file's place, a file in the folder's."""
    (tmp_path / "file").write_bytes(b"")
    for place in (tmp_path, tmp_path / "file" / "wardgate.db"):
        with sqlite_archive(place) as archive:
            assert trouble(archive.ping) is Trouble.DENIED


def test_all_may_open_a_new_store_at_the_same_time(tmp_path: Path) -> None:
    """As the workers of one gateway do. SQLite sends one of two away at once who turn on its log together, however
    long they would wait: of forty openings by four, three failed."""
    for number in range(40):
        stores = [Sqlite(SqlitePlace(path=str(tmp_path / f"{number}.db"))) for _ in range(4)]
        together = threading.Barrier(4)

        def opened(store: Sqlite, together: threading.Barrier = together) -> None:
            together.wait(30)
            store.open()

        with ThreadPoolExecutor(4) as pool:
            list(pool.map(opened, stores))
        for store in stores:
            store.close()


def test_a_lock_that_stays_is_waited_for_so_long_and_no_longer(file: Path) -> None:
    """Readers go on meanwhile."""
    with sqlite_archive(file) as archive:
        archive.add_decisions([decision(0)])
        other = sqlite3.connect(file, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        began = time.monotonic()
        assert trouble(lambda: archive.add_decisions([decision(1)])) is Trouble.LATE
        assert time.monotonic() - began < 10
        assert list(archive.decisions(0, FOREVER)) == [decision(0)]
        other.close()
        assert archive.add_decisions([decision(1)]) == 1


def test_a_full_disk_is_told_and_loses_nothing(file: Path) -> None:
    """What had been added is there, and a purge makes room."""

    def limit(connection: Any, _: object) -> None:
        connection.execute("PRAGMA max_page_count = 100").fetchall()

    event.listen(Engine, "connect", limit)
    try:
        with sqlite_archive(file) as archive:
            added = 0
            with pytest.raises(ArchiveUnavailable) as full:
                while True:
                    added += archive.add_decisions([decision(added + n) for n in range(50)])
            assert full.value.trouble is Trouble.FULL
            assert 0 < added < 1000
            assert list(archive.decisions(0, FOREVER)) == [decision(n) for n in range(added)]
            assert archive.purge(Kind.DECISIONS, FOREVER) == added
            assert archive.add_decisions([decision(n) for n in range(50)]) == 50
    finally:
        event.remove(Engine, "connect", limit)


def test_a_file_that_was_taken_away_is_not_written_to_any_longer(file: Path) -> None:
    """Nobody would ever see that. The next call makes another."""
    with sqlite_archive(file) as archive:
        archive.add_decisions([decision(0)])
        for path in list(file.parent.iterdir()):
            path.unlink()
        assert trouble(lambda: archive.add_decisions([decision(1)])) is Trouble.DOWN
        assert archive.add_decisions([decision(1)]) == 1
        assert list(archive.decisions(0, FOREVER)) == [decision(1)]


def test_several_parts_of_a_process_share_the_file_and_others_may_come_and_go(file: Path) -> None:
    """Another process that closes the store must not take the write-ahead log away from under this one, whoever in here
    has opened the same file meanwhile: what was written afterwards would be in no file that anybody can open."""
    count = (
        "import sqlite3, sys; store = sqlite3.connect(sys.argv[1]);"
        "print(*store.execute('select count(*) from decisions').fetchone()); store.close()"
    )

    def seen_by_another() -> int:
        asked = [sys.executable, "-c", count, str(file)]
        return int(subprocess.run(asked, capture_output=True, text=True, check=True).stdout)

    one = SqlArchive(Sqlite(SqlitePlace(str(file))), card_key)
    one.add_decisions([decision(1)])
    other = Sqlite(SqlitePlace(str(file)))
    other.open()
    assert seen_by_another() == 1
    one.add_decisions([decision(2)])
    assert seen_by_another() == 2
    other.close()
    one.add_decisions([decision(3)])
    assert seen_by_another() == 3
    one.close()
    assert seen_by_another() == 3


def test_what_is_purged_is_overwritten(file: Path) -> None:
    """No page of the file, and no page of the log beside it once that has been folded in, shows it any longer."""
    marker = "site-that-was-purged"
    with sqlite_archive(file) as archive:
        archive.add_decisions([decision(n, site_id=marker) for n in range(50)])
        archive.purge(Kind.DECISIONS, FOREVER)
    assert marker.encode() not in b"".join([path.read_bytes() for path in file.parent.iterdir()])


COUNTING = """
import sqlite3, sys

connection = sqlite3.connect(sys.argv[1])
print(connection.execute("SELECT count(*) FROM decisions").fetchone()[0])
connection.close()
"""


def test_a_command_that_ends_takes_nothing_from_a_process_that_goes_on(file: Path) -> None:
    """A gateway has several connections to the file. Opening one of them once dropped the locks of the others, so a
    command that ended removed the log that they went on writing to, and what they had acknowledged was lost."""
    with sqlite_archive(file) as archive:
        archive.add_decisions([decision(0)])
        with sqlite_archive(file) as another:
            assert list(another.decisions(0, FOREVER)) == [decision(0)]
        with sqlite_archive(file) as another:
            another.add_decisions([decision(1)])
            subprocess.run([sys.executable, "-c", COUNTING, str(file)], check=True, capture_output=True, timeout=60)
            archive.add_decisions([decision(2)])
            counted = subprocess.run([sys.executable, "-c", COUNTING, str(file)], capture_output=True, timeout=60)
            assert counted.stdout == b"3\n"


WRITING = """
import sys
from tests.fakes.archive_rows import decision
from wardgate.adapters.sql.archive import SqlArchive
from wardgate.adapters.sql.sqlite import Sqlite
from wardgate.domain.durable import SqlitePlace

archive = SqlArchive(Sqlite(SqlitePlace(sys.argv[1])), str)
for start in range(0, 1000000, 7):
    archive.add_decisions([decision(n) for n in range(start, start + 7)])
    print(start + 7, flush=True)
"""


def test_a_writer_that_is_killed_loses_nothing_that_it_was_told_is_there(file: Path) -> None:
    """And no batch is there by half."""
    writer = subprocess.Popen([sys.executable, "-c", WRITING, str(file)], stdout=subprocess.PIPE, text=True)
    assert writer.stdout is not None
    told = [int(writer.stdout.readline()) for _ in range(30)][-1]
    writer.kill()
    told = max([told, *[int(line) for line in writer.stdout.read().split()]])
    writer.wait(10)
    writer.stdout.close()
    with sqlite_archive(file) as archive:
        there = len(list(archive.decisions(0, FOREVER)))
    assert there >= told and there % 7 == 0


# --- PostgreSQL -----------------------------------------------------------------------------------------------------


@pytest.fixture
def place(postgres: PostgresServer) -> PostgresPlace:
    return postgres.place(postgres.emptied())


@contextmanager
def postgres_archive(place: PostgresPlace, options: PostgresOptions = PATIENT) -> Iterator[SqlArchive]:
    archive = SqlArchive(Postgres(place, options), card_key)
    try:
        yield archive
    finally:
        archive.close()


def answer(work: Callable[[], Any]) -> Any:
    """That of a hasty archive, which on a busy machine may be too hasty at first."""
    for _ in range(20):
        with suppress(ArchiveUnavailable):
            return work()
    return work()


def test_a_server_that_died_is_told_at_once_and_found_again(postgres: PostgresServer, place: PostgresPlace) -> None:
    """Connections of before the crash fail nobody."""
    with postgres_archive(place) as archive:
        archive.add_decisions([decision(0)])
        postgres.kill()
        try:
            began = time.monotonic()
            for _ in range(3):
                assert trouble(lambda: archive.add_decisions([decision(1)])) is Trouble.DOWN
            assert time.monotonic() - began < 10
        finally:
            postgres.start()
        assert archive.add_decisions([decision(1)]) == 1
        postgres.kill()
        postgres.start()
        assert list(archive.decisions(0, FOREVER)) == [decision(0), decision(1)]


def test_a_server_that_is_down_at_the_start_is_found_later(postgres: PostgresServer, place: PostgresPlace) -> None:
    postgres.kill()
    with postgres_archive(place) as archive:
        try:
            assert trouble(archive.ping) is Trouble.DOWN
        finally:
            postgres.start()
        assert archive.add_decisions([decision(0)]) == 1


def test_a_server_that_hangs_costs_a_bounded_time(postgres: PostgresServer, place: PostgresPlace) -> None:
    """Over a connection that stood, over a new one, and for many at once."""
    with postgres_archive(place, HASTY) as archive, ThreadPoolExecutor(12) as pool:
        answer(lambda: archive.add_decisions([decision(0)]))
        postgres.hang()
        try:
            for count in (1, 12):
                began = time.monotonic()
                asked = [pool.submit(trouble, archive.ping) for _ in range(count)]
                assert {future.result() for future in asked} == {Trouble.LATE}
                assert time.monotonic() - began < 4 * (HASTY.connect + HASTY.wait)
        finally:
            postgres.wake()
        assert answer(lambda: list(archive.decisions(0, FOREVER))) == [decision(0)]


def test_a_server_that_hangs_in_the_middle_has_its_connection_cut(
    postgres: PostgresServer, place: PostgresPlace
) -> None:
    """Of the batch, nothing is there."""

    def rows() -> Iterator[OutcomeRow]:
        for number in range(40_000):
            if number == 15_000:
                postgres.hang()
            yield OutcomeRow(f"p{number}", "dialysis", 1.0, 5.0)

    with postgres_archive(place, HASTY) as archive:
        answer(archive.ping)
        try:
            began = time.monotonic()
            assert trouble(lambda: archive.add_outcomes(rows(), lambda: OutcomeBatch("d1", "x", 1.0))) is Trouble.LATE
            assert time.monotonic() - began < 30
        finally:
            postgres.wake()
        assert answer(lambda: archive.outcomes_of(["p1"])) == []


def test_a_lock_on_the_tables_is_waited_for_so_long_and_no_longer(
    postgres: PostgresServer, place: PostgresPlace
) -> None:
    with postgres_archive(place, IMPATIENT) as archive:
        archive.add_decisions([decision(0)])
        with postgres.session(place.database) as session:
            session.execute("BEGIN; LOCK TABLE decisions IN ACCESS EXCLUSIVE MODE")
            began = time.monotonic()
            assert trouble(lambda: archive.add_decisions([decision(1)])) is Trouble.LATE
            assert trouble(lambda: archive.decisions_named(decision_id="x")) is Trouble.LATE
            assert time.monotonic() - began < 10
        assert archive.add_decisions([decision(1)]) == 1


def test_connections_that_an_administrator_ends_are_replaced(postgres: PostgresServer, place: PostgresPlace) -> None:
    with postgres_archive(place) as archive:
        archive.add_decisions([decision(0)])
        postgres.run(
            "postgres", "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'wardgate'"
        )
        time.sleep(0.1)
        assert archive.add_decisions([decision(1)]) == 1


@pytest.mark.parametrize(
    "change",
    [{"password": "wrong"}, {"user": "nobody"}, {"database": "nothing"}],
    ids=lambda change: next(iter(change)),
)
def test_a_login_that_is_refused_is_told_apart(place: PostgresPlace, change: dict[str, Any]) -> None:
    """And does not look like a server that is down; the password is in no text."""
    with postgres_archive(replace(place, **change)) as archive:
        with pytest.raises(ArchiveUnavailable) as unavailable:
            archive.ping()
        assert unavailable.value.trouble is Trouble.DENIED
    assert "gateway-word" not in repr(place)


def test_a_server_is_known_by_its_certificate(postgres: PostgresServer, place: PostgresPlace, tmp_path: Path) -> None:
    """Signed by whom we trust, and for the name that we asked for; anybody else is not spoken to."""
    trusted = replace(place, host="localhost", sslmode="verify-full", ca=str(postgres.certificate))
    with postgres_archive(trusted) as archive:
        assert archive.add_decisions([decision(0)]) == 1
    stranger = self_signed(tmp_path, 2)
    for wrong in (replace(trusted, host="127.0.0.1"), replace(trusted, ca=str(stranger))):
        with postgres_archive(wrong) as archive:
            assert trouble(archive.ping) in (Trouble.DOWN, Trouble.DENIED)


def test_a_right_that_was_taken_away_is_told(postgres: PostgresServer, place: PostgresPlace) -> None:
    with postgres_archive(place) as archive:
        archive.ping()
        with postgres.session(place.database) as session:
            session.execute("ALTER TABLE decisions OWNER TO admin")
        assert trouble(lambda: archive.add_decisions([decision(0)])) is Trouble.DENIED


# --- partitions -----------------------------------------------------------------------------------------------------


def partitions_of(postgres: PostgresServer, place: PostgresPlace) -> dict[str, int]:
    counts = postgres.run(place.database, "SELECT tableoid::regclass::text, count(*) FROM decisions GROUP BY 1")
    return dict(counts)


def test_decisions_lie_by_month(postgres: PostgresServer, place: PostgresPlace) -> None:
    """UTC, with the following month made ahead."""
    with postgres_archive(place) as archive:
        archive.add_decisions([decision(0), decision(1, at=START + 60 * DAY)])
    assert partitions_of(postgres, place) == {"decisions_m2026_09": 1, "decisions_m2026_11": 1}
    made = postgres.run(place.database, "SELECT relname FROM pg_class WHERE relname ~ '^cards_m' AND relkind = 'r'")
    assert sorted(name for (name,) in made) == ["cards_m2026_09", "cards_m2026_10", "cards_m2026_11", "cards_m2026_12"]


def test_what_came_before_its_partition_is_moved_into_it(postgres: PostgresServer, place: PostgresPlace) -> None:
    """It came while the tables were locked: it lay in the default partition, and was found there."""
    with postgres_archive(place, IMPATIENT) as archive, postgres.session(place.database) as session:
        archive.ping()
        session.execute("BEGIN; LOCK TABLE decisions IN SHARE UPDATE EXCLUSIVE MODE")
        assert archive.add_decisions([decision(0)]) == 1
        assert archive.decisions_named(decision_id=decision(0).decision_id) == [decision(0)]
        session.execute("COMMIT")
        assert partitions_of(postgres, place) == {"decisions_rest": 1}
        archive.add_decisions([decision(1)])
        assert partitions_of(postgres, place) == {"decisions_m2026_09": 2}
        assert list(archive.decisions(0, FOREVER)) == [decision(0), decision(1)]


def test_a_store_that_was_put_back_gets_its_partitions(postgres: PostgresServer, place: PostgresPlace) -> None:
    """From a backup that had none of them, beneath a gateway that goes on."""
    with postgres_archive(place) as archive:
        archive.add_decisions([decision(0)])
        postgres.run(place.database, "DROP SCHEMA public CASCADE; CREATE SCHEMA public AUTHORIZATION gateway")
        with pytest.raises(ArchiveUnavailable):
            archive.add_decisions([decision(1)])
        archive.add_decisions([decision(1)])
        assert partitions_of(postgres, place) == {"decisions_m2026_09": 1}


def test_a_month_that_is_over_is_dropped_whole(postgres: PostgresServer, place: PostgresPlace) -> None:
    """The month that is not yet over goes row by row; what comes late for a dropped one has its place again."""
    with postgres_archive(place) as archive:
        old = [decision(n, at=START + n * DAY) for n in range(40)]
        archive.add_decisions(old)
        limit = START + 20 * DAY  # 11 October
        removed = []
        while count := archive.purge(Kind.DECISIONS, limit, 3):
            removed.append(count)
        assert removed == [10, 3, 3, 3, 1]
        assert list(archive.decisions(0, FOREVER)) == old[20:]
        assert archive.add_decisions([decision(0)]) == 1
        assert archive.purge(Kind.DECISIONS, limit) == 1


def test_a_purge_that_cannot_have_the_table_gives_up_soon(postgres: PostgresServer, place: PostgresPlace) -> None:
    """A long backup reads: the purge comes again later, and holds up no writer until then."""
    with postgres_archive(place, IMPATIENT) as archive, postgres.session(place.database) as session:
        archive.add_decisions([decision(0), decision(1, at=START + 60 * DAY)])
        session.execute("BEGIN; LOCK TABLE decisions IN ACCESS SHARE MODE")
        began = time.monotonic()
        assert trouble(lambda: archive.purge(Kind.DECISIONS, START + 40 * DAY)) is Trouble.LATE
        assert time.monotonic() - began < 10
        assert archive.add_decisions([decision(2)]) == 1
        session.execute("COMMIT")
        assert archive.purge(Kind.DECISIONS, START + 40 * DAY) == 2
