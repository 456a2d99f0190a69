"""The durable stores at full size: `make proof` with twenty million decisions and a million outcomes, `make check` with
a thousandth and a twentieth."""

import resource
import shutil
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from hashlib import md5
from uuid import UUID

import msgspec
import pytest
from hypothesis import settings
from sqlalchemy import create_engine, text

from tests.contract.conftest import Store
from tests.fakes.archive_rows import START, card_key, decision
from tests.fakes.postgres_server import PostgresServer
from wardgate.adapters.sql.archive import SqlArchive
from wardgate.adapters.sql.postgres import Postgres
from wardgate.adapters.sql.tables import CARDS, DECISIONS
from wardgate.domain.durable import PostgresPlace
from wardgate.records.archive import ArchiveUnavailable, Kind, OutcomeBatch, OutcomeRow, Trouble

MONTHS, MONTH = 13, 30 * 86400
PROOF = settings().max_examples > 100
"""Alone on the machine: only then do times say anything."""


@dataclass
class Scale:
    decisions: int
    outcomes: int


SCALE = Scale(20_000_000, 1_000_000) if PROOF else Scale(20_000, 50_000)


# --- outcomes -------------------------------------------------------------------------------------------------------


def outcomes(number: int, happened: int) -> Iterator[OutcomeRow]:
    for n in range(number):
        yield OutcomeRow(f"patient:abcdef12:{n * 7919 % number:040x}", "dialysis", float(n % happened == 0), START)


def _same(batch: OutcomeBatch) -> OutcomeBatch:
    return batch


def test_a_million_outcomes_take_less_than_a_minute(store: Store) -> None:
    """Then half of them are corrected, as fast, and no more memory is used than for a few."""
    archive = store.another()
    archive.add_outcomes(outcomes(20_000, 2), lambda: OutcomeBatch("warm", "warm", START))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for digest, happened, corrected in (("first", 2, 0), ("second", 1, SCALE.outcomes // 2)):
        began = time.perf_counter()
        rows, batch = outcomes(SCALE.outcomes, happened), OutcomeBatch(digest, "registry", START)
        result = archive.add_outcomes(rows, partial(_same, batch))
        took = time.perf_counter() - began
        print(f"{archive.kind}: {SCALE.outcomes:,} outcomes, {result.corrected:,} corrected, in {took:.1f} s")
        assert (result.new + result.corrected + result.unchanged, result.corrected) == (SCALE.outcomes, corrected)
        assert not PROOF or took < 60
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    print(f"memory grew by {grown / 1024:.0f} MiB")
    assert grown < 60 * 1024  # KiB; the rows would be 150 MiB and more


# --- twenty million decisions ---------------------------------------------------------------------------------------

FILL_DECISIONS = """
    INSERT INTO decisions (decision_id, at, of_id, service_id, hook_instance, release_digest, visible, record)
    SELECT id, at, NULL, 'kidney-failure', call, :digest, n % 3 = 0,
           replace(replace(replace(:record, 'THE-ID', id), 'THE-CALL', call), '"at"\\:0.5', '"at"\\:' || at)
    FROM (SELECT n, :since + (n - :first) * :step AS at, md5('d' || n)::uuid::text AS id,
                 'hook_instance:abcdef12:' || md5('h' || n) || 'abcdef12' AS call
          FROM generate_series(CAST(:first AS bigint), CAST(:last AS bigint)) AS n) AS made
"""
FILL_CARDS = """
    INSERT INTO cards (card_key, decision_id, at)
    SELECT 'card:abcdef12:' || md5('c' || decision_id) || 'abcdef12', decision_id, at
    FROM decisions WHERE visible AND at >= :since AND at < :until
"""


@pytest.fixture(scope="module")
def filled() -> Iterator[tuple[PostgresServer, PostgresPlace]]:
    """Thirteen months, evenly; tables first, indexes then, as a restored backup has them."""
    free = shutil.disk_usage(tempfile.gettempdir()).free
    assert not PROOF or free > 40 * 1024**3, "twenty million decisions need 40 GiB: name a folder with room as TMPDIR"
    tuned = (
        ("shared_buffers=1GB", "maintenance_work_mem=1GB", "wal_level=minimal", "max_wal_senders=0") if PROOF else ()
    )
    with PostgresServer(*tuned) as server:
        place = server.place(server.database())
        archive = SqlArchive(Postgres(place), card_key)
        archive.ping()
        archive.close()
        database = Postgres(place)
        database.prepare([START + month * MONTH for month in range(MONTHS + 1)])
        database.close()
        _fill(server, place.database)
        yield server, place


def _fill(server: PostgresServer, database: str) -> None:
    record = msgspec.json.encode(decision(0, at=0.5, decision_id="THE-ID", hook_instance="THE-CALL")).decode()
    engine = create_engine("postgresql+psycopg://", creator=lambda: server.connect(database))
    each = SCALE.decisions // MONTHS + 1
    began = time.perf_counter()
    indexes = [*DECISIONS.indexes, *CARDS.indexes]
    with engine.begin() as connection:  # one transaction: what was emptied in it is written without a log
        connection.execute(text("TRUNCATE decisions, cards"))
        for index in indexes:
            index.drop(connection)
        for table in (DECISIONS, CARDS):
            connection.execute(text(f"ALTER TABLE {table.name} DROP CONSTRAINT {table.name}_pkey"))
        for month in range(MONTHS):
            since, first, last = START + month * MONTH, month * each, min((month + 1) * each, SCALE.decisions) - 1
            values = {"since": since, "until": since + MONTH, "first": first, "last": last}
            step = {"step": MONTH / each, "digest": decision().release_digest, "record": record}
            connection.execute(text(FILL_DECISIONS), {**values, **step})
            connection.execute(text(FILL_CARDS), values)
        for table in (DECISIONS, CARDS):
            columns = ", ".join([column.name for column in table.primary_key])
            connection.execute(
                text(f"ALTER TABLE {table.name} ADD CONSTRAINT {table.name}_pkey PRIMARY KEY ({columns})")
            )
        for index in indexes:
            index.create(connection)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("VACUUM ANALYZE decisions, cards"))
        size = connection.execute(text(f"SELECT pg_database_size('{database}') / 1048576")).scalar_one()
    engine.dispose()
    print(f"\n{SCALE.decisions:,} decisions, {size:,} MiB, made in {time.perf_counter() - began:.0f} s")


def _md5(word: str) -> str:
    return md5(word.encode()).hexdigest()


def test_a_card_among_twenty_million_is_found_in_50_ms(filled: tuple[PostgresServer, PostgresPlace]) -> None:
    """By each of its names; the server has just started, so its own cache is empty."""
    server, place = filled
    server.stop()
    server.start()
    archive = SqlArchive(Postgres(place), card_key)
    archive.ping()
    times: dict[str, list[float]] = {"decision": [], "card": [], "call": [], "nothing": []}
    for n in range(0, SCALE.decisions, max(SCALE.decisions // 100, 3) // 3 * 3):
        id_ = str(UUID(_md5(f"d{n}")))
        asked = {
            "decision": {"decision_id": id_},
            "card": {"card_key": [f"card:abcdef12:{_md5('c' + id_)}abcdef12"]},
            "call": {"hook_instance": [f"hook_instance:abcdef12:{_md5(f'h{n}')}abcdef12"]},
            "nothing": {"card_key": [f"card:abcdef12:{_md5(f'x{n}')}abcdef12"]},
        }
        for name, names in asked.items():
            began = time.perf_counter()
            found = archive.decisions_named(**names)  # type: ignore[arg-type]
            times[name].append(1000 * (time.perf_counter() - began))
            assert [record.decision_id for record in found] == ([] if name == "nothing" else [id_])
    archive.close()
    for name, took in times.items():
        took.sort()
        worst = took[int(len(took) * 0.99)]
        print(f"by {name}: median {statistics.median(took):.1f} ms, p99 {worst:.1f} ms")
    assert not PROOF or max(took[int(len(took) * 0.99)] for took in times.values()) < 50


def test_a_purge_of_millions_holds_up_no_writer(filled: tuple[PostgresServer, PostgresPlace]) -> None:
    """Months go whole; of the last one, the rows that are old. Meanwhile a drainer writes and a person reads."""
    _, place = filled
    archive, purging = SqlArchive(Postgres(place), card_key), SqlArchive(Postgres(place), card_key)
    limit = START + 4.5 * MONTH
    expected = purging.count_before(Kind.DECISIONS, limit)
    done = threading.Event()
    removed: list[int] = []

    def purge() -> None:
        try:
            while (count := _again(lambda: purging.purge(Kind.DECISIONS, limit))) > 0:
                removed.append(count)
        finally:
            done.set()

    thread = threading.Thread(target=purge)
    began = time.perf_counter()
    thread.start()
    writes: list[float] = []
    number = 0
    while not done.is_set():
        at = time.perf_counter()
        now = START + MONTHS * MONTH
        assert archive.add_decisions([decision(number + n, at=now + number + n) for n in range(100)]) == 100
        assert archive.decisions_named(decision_id=decision(number).decision_id)
        writes.append(1000 * (time.perf_counter() - at))
        number += 100
    thread.join()
    writes.sort()
    middle, longest = statistics.median(writes), writes[-1]
    print(
        f"\n{sum(removed):,} decisions purged in {time.perf_counter() - began:.1f} s, in {len(removed)} steps; "
        f"meanwhile {len(writes)} groups written and read: median {middle:.0f} ms, longest {longest:.0f} ms"
    )
    assert sum(removed) == expected > SCALE.decisions // 4
    assert purging.count_before(Kind.DECISIONS, limit) == 0
    assert not PROOF or longest < 1500
    for one in (archive, purging):
        one.close()


def _again(work: Callable[[], int]) -> int:
    """A purge that cannot have its lock at once gives way, and comes again."""
    while True:
        try:
            return work()
        except ArchiveUnavailable as error:
            assert error.trouble is Trouble.LATE
