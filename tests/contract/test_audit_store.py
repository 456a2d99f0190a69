"""One suite for every store of the audit chain: SQLite, and a real PostgreSQL."""

import os
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from random import Random

import pytest
from hypothesis import settings

from tests.contract.conftest import PATIENT_POSTGRES, PATIENT_SQLITE, Store
from tests.fakes.audit import NOW, event, told
from wardgate.adapters.sql.chain import SqlAuditStore
from wardgate.adapters.sql.database import Database
from wardgate.adapters.sql.postgres import Postgres
from wardgate.adapters.sql.sqlite import Sqlite
from wardgate.control.audit import AuditUnavailable, Happened, Remark, Wanted
from wardgate.domain.audit import START, Link, SealedEntry, body_of, moment, remark_hash
from wardgate.domain.audit_verification import Verdict, Verifier
from wardgate.domain.durable import PostgresPlace, SqlitePlace


def database_of(store: Store) -> Database:
    place = store.place
    return Sqlite(place, PATIENT_SQLITE) if isinstance(place, SqlitePlace) else Postgres(place, PATIENT_POSTGRES)


@pytest.fixture
def chain(store: Store) -> Iterator[SqlAuditStore]:
    opened = SqlAuditStore(database_of(store))
    yield opened
    opened.close()


def happened(*numbers: int) -> list[Happened]:
    return [Happened(event(number)) for number in numbers]


def judged(entries: Iterator[SealedEntry]) -> Verdict:
    verifier = Verifier()
    for entry in entries:
        verifier.take(entry.line)
    return verifier.verdict()


def test_an_empty_chain_has_its_beginning(chain: SqlAuditStore) -> None:
    assert chain.last() == START
    assert list(chain.entries()) == [] == chain.append([], NOW)


def test_entries_are_chained_in_order(chain: SqlAuditStore) -> None:
    first = chain.append(happened(1, 2), NOW)
    second = chain.append(happened(3), NOW + 1)
    entries = list(chain.entries())
    assert [entry.link for entry in entries] == [*first, *second]
    assert [entry.number for entry in entries] == [1, 2, 3] and chain.last() == second[0]
    assert judged(chain.entries()).sound
    said = body_of(entries[2])
    assert said["who"] == event(3).who and said["from"] == "closed" and said["to"] == "isolated"
    assert said["sealed"] == moment(NOW + 1) and said["previous"] == entries[1].seal


def test_what_is_chained_twice_stands_once(chain: SqlAuditStore) -> None:
    """A process that died between chaining and forgetting does it again."""
    (first,) = chain.append(happened(1), NOW)
    again = chain.append(happened(1, 2, 2, 1), NOW + 5)
    assert again[0] == again[3] == first and again[1] == again[2]
    assert [entry.number for entry in chain.entries()] == [1, 2]


def test_all_or_none(chain: SqlAuditStore) -> None:
    with pytest.raises(ValueError):
        chain.append([*happened(1), Happened(event(2, who="Mary Miller"))], NOW)
    assert chain.last() == START


def test_pages_join(chain: SqlAuditStore) -> None:
    """More than one page of the store, from the beginning and from within."""
    chain.append(happened(*range(1, 2102)), NOW)
    assert judged(chain.entries()).entries == 2101
    assert [entry.number for entry in chain.entries(after=1099)] == list(range(1100, 2102))


def test_a_search_gives_what_has_all_that_is_named(chain: SqlAuditStore) -> None:
    chain.append([*happened(1, 2, 3, 4), Happened(event(5, subject="deterioration"))], NOW)

    def numbers(**named: str) -> list[int]:
        return [entry.number for entry in chain.search(Wanted(**named))]

    assert numbers() == [1, 2, 3, 4, 5]
    assert numbers(who="operator-1") == [1, 4]
    assert numbers(subject="deterioration") == [5]
    assert numbers(what="circuit.close") == [2, 4]
    assert numbers(ticket="OPS-3") == [3]
    assert numbers(since=moment(NOW + 2), until=moment(NOW + 4)) == [2, 3]
    assert numbers(who="operator-1", what="circuit.close") == [4]
    assert numbers(subject="'; DROP TABLE audit_chain; --") == []


def test_a_remark_can_be_erased_and_the_chain_stays_sound(chain: SqlAuditStore) -> None:
    salt, text = b"s" * 32, "She asked for it; caf\u00e9 \U0001f9a0\n'; --"
    hashed = remark_hash(salt, text)
    chain.append([Happened(event(1, remark=hashed), Remark(salt, text)), *happened(2)], NOW)
    assert chain.remark(event(1).id) == Remark(salt, text)
    assert body_of(next(chain.entries()))["remark"] == hashed
    assert chain.erase_remark(event(1).id, told(3)) and not chain.erase_remark(event(1).id, told(4))
    assert [body_of(entry)["id"] for entry in chain.entries()] == [event(number).id for number in (1, 2, 3)]
    assert chain.remark(event(1).id) is None
    assert judged(chain.entries()).sound


def test_rows_have_what_no_seal_covers(chain: SqlAuditStore) -> None:
    """More than a page of them; one has a remark, until it is erased, also from what can be cleaned at once."""
    salt, text = b"s" * 32, "She asked for it"
    remarked = Happened(event(1, remark=remark_hash(salt, text)), Remark(salt, text))
    chain.append([remarked, *happened(*range(2, 1202))], NOW)
    rows = list(chain.rows())
    assert [row.entry for row in rows] == list(chain.entries())
    said = [event(number) for number in range(1, 1202)]
    assert [(row.id, row.at, row.who, row.subject) for row in rows] == [
        (each.id, each.at, each.who, each.subject) for each in said
    ]
    assert [row.remark for row in rows] == [(salt, text)] + [None] * 1200
    assert chain.erase_remark(event(1).id, Happened(event(2000))) and chain.forget()
    assert {row.remark for row in chain.rows()} == {None}


def test_replicas_that_write_at_once_do_not_fork_the_chain(store: Store) -> None:
    """Each a program of its own with its own connections; all begin together."""
    writers, each = 4, 12
    stores = [SqlAuditStore(database_of(store)) for _ in range(writers)]
    together = threading.Barrier(writers)

    def chained(number: int, one: int) -> Link:
        """Asked again where the others held the store for too long, as whoever acts would."""
        for _ in range(20):
            try:
                return stores[number].append(happened(one), NOW)[0]
            except AuditUnavailable:
                continue
        raise AssertionError("the others never let go")

    def write(number: int) -> list[Link]:
        together.wait()
        first = 1 + number * each
        return [chained(number, one) for one in range(first, first + each)]

    with ThreadPoolExecutor(writers) as pool:
        links = [link for given in pool.map(write, range(writers)) for link in given]
    entries = list(stores[0].entries())
    assert judged(iter(entries)).sound and len(entries) == writers * each
    assert sorted(link.number for link in links) == [entry.number for entry in entries]
    assert {(link.number, link.seal) for link in links} == {(entry.number, entry.seal) for entry in entries}
    writers_in_order = [body_of(entry)["id"] for entry in entries]
    assert len(set(writers_in_order)) == writers * each
    for one in stores:
        one.close()


@pytest.mark.parametrize("statement", ["UPDATE audit_chain SET who = 'nobody'", "DELETE FROM audit_chain"])
def test_the_store_itself_refuses_to_change_an_entry(store: Store, chain: SqlAuditStore, statement: str) -> None:
    """Also to whoever has a console open at it."""
    chain.append(happened(1), NOW)
    database = database_of(store)
    with pytest.raises(Exception) as refused, database.writing() as connection:
        connection.exec_driver_sql(statement)
    assert "append-only" in str(refused.value) or refused.typename in ("ArchiveUnavailable", "RecordRefused")
    database.close()
    assert judged(chain.entries()).entries == 1


def test_what_a_hand_changed_in_the_store_is_located(store: Store, chain: SqlAuditStore) -> None:
    """With the triggers out of the way, as the owner of the tables can have them."""
    chain.append(happened(*range(1, 8)), NOW)
    forge(store, 4)
    found = judged(chain.entries()).found
    assert [(each.fault.value, each.first, each.last) for each in found] == [("altered", 4, 4)]


def forge(store: Store, number: int) -> None:
    change = f"UPDATE audit_chain SET entry = replace(entry, 'operator', 'nobody') WHERE number = {number}"
    if isinstance(store.place, SqlitePlace):
        connection = sqlite3.connect(store.place.path)
        connection.executescript(f"DROP TRIGGER audit_chain_no_update; {change};")
        connection.close()
        return
    off = "ALTER TABLE audit_chain DISABLE TRIGGER audit_chain_append_only"
    on = "ALTER TABLE audit_chain ENABLE TRIGGER audit_chain_append_only"
    database = Postgres(store.place)
    with database.writing() as session:
        for statement in (off, change, on):
            session.exec_driver_sql(statement)
    database.close()


def test_a_store_that_is_not_there_says_so(store: Store) -> None:
    """And nothing of what was to be chained."""
    if isinstance(store.place, SqlitePlace):
        chain = SqlAuditStore(Sqlite(SqlitePlace("/dev/null/wardgate.db")))
    else:
        chain = SqlAuditStore(Postgres(PostgresPlace(host="127.0.0.1", port=1, database="none", user="none")))
    with pytest.raises(AuditUnavailable) as unavailable:
        chain.append(happened(1), NOW)
    assert "operator" not in str(unavailable.value) + unavailable.value.meaning
    with pytest.raises(AuditUnavailable):
        list(chain.entries())
    chain.close()


# --- kill -9 ---------------------------------------------------------------------------------------------------------

WRITING = """
import sys
from tests.fakes.audit import NOW, event, told
from wardgate.adapters.sql.chain import SqlAuditStore
from wardgate.adapters.sql.postgres import Postgres
from wardgate.adapters.sql.sqlite import Sqlite
from wardgate.control.audit import Happened
from wardgate.domain.durable import PostgresPlace, SqlitePlace

place, first = eval(sys.argv[1]), int(sys.argv[2])
chain = SqlAuditStore(Sqlite(place) if isinstance(place, SqlitePlace) else Postgres(place))
for number in range(first, first + 100_000):
    (link,) = chain.append([Happened(event(number))], NOW)
    print(number, link.number, link.seal, flush=True)
"""


def test_killed_while_it_writes_it_loses_nothing_that_was_acknowledged(store: Store) -> None:
    """Again and again, at any moment; 10,000 writes in all, a tenth of them in CI. The next process goes on with the
    same chain."""
    writes, lives = (10_000, 20) if settings.default is settings.get_profile("proof") else (1000, 3)
    rng, number = Random(7), 1
    acknowledged: dict[int, str] = {}
    for life in range(lives):
        upto = len(acknowledged) + writes // lives + rng.randrange(writes // lives // 4)
        place = repr(store.place)
        if isinstance(store.place, PostgresPlace):
            place = place.replace(", port=", f", password={store.place.password!r}, port=", 1)
        command = [sys.executable, "-c", WRITING, place, str(number)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            for line in process.stdout:
                if line.endswith("\n"):
                    made, at, seal = line.split()
                    acknowledged[int(at)] = seal
                    number = int(made) + 1
                if len(acknowledged) == upto and process.poll() is None:
                    os.kill(process.pid, signal.SIGKILL)
        assert process.returncode == -signal.SIGKILL, life
        number += 1  # one more may stand there that nobody was told of
    chain = SqlAuditStore(database_of(store))
    standing = {entry.number: entry.seal for entry in chain.entries()}
    assert len(acknowledged) >= writes
    assert acknowledged.items() <= standing.items()
    assert judged(chain.entries()).sound
    assert len(standing) - len(acknowledged) <= lives
    chain.close()
