"""One suite for every store of release content: SQLite, and a real PostgreSQL."""

import os
import threading
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import msgspec
import pytest

from tests.contract.conftest import Store
from tests.contract.test_audit_store import database_of
from tests.fakes.audit import event, told
from tests.fakes.snapshots import CHANGE
from tests.fakes.snapshots import kept as sealed
from wardgate.adapters.sql.chain import SqlAuditStore
from wardgate.adapters.sql.releases import SqlReleaseStore
from wardgate.adapters.sql.snapshots import SqlSnapshotStore
from wardgate.adapters.sql.sqlite import Sqlite
from wardgate.adapters.sql.tables import RELEASE_CONTENTS
from wardgate.control.audit import Happened
from wardgate.control.ports import MAX_CONTENT, Content, Overtaken, ReleaseEntry, ReleaseState, StoreUnavailable
from wardgate.domain.audit import Action
from wardgate.domain.durable import SqlitePlace

NOW = 1_790_000_000.25


def content(number: int, service: str = "kidney-failure", files: dict[str, bytes] | None = None) -> Content:
    held = {"services/a.yaml": b"id: a\n", "../cards/\u00e9.yaml": bytes(range(256)) * number}
    return Content(f"sha256:{number:064x}", service, "kfre", f"1.{number}.0", held if files is None else files)


def entry(of: Content, number: int = 0) -> ReleaseEntry:
    return ReleaseEntry(of.digest, of.service, of.model, of.version, "sha256:f", NOW + number, "os:ada")


@pytest.fixture
def releases(store: Store) -> Iterator[SqlReleaseStore]:
    releases = SqlReleaseStore(database_of(store))
    yield releases
    releases.close()


def test_content_comes_back_byte_for_byte(releases: SqlReleaseStore, store: Store) -> None:
    kept = content(3)
    assert releases.put(kept, entry(kept), told()) is None
    other = SqlReleaseStore(database_of(store))
    assert other.content(kept.digest) == kept
    assert other.content("sha256:" + "f" * 64) is None
    other.close()


def test_what_is_there_stays_as_it_is(releases: SqlReleaseStore) -> None:
    kept = content(3)
    assert releases.put(kept, entry(kept), told()) is None
    forged = msgspec.structs.replace(kept, files={"services/a.yaml": b"id: b\n"})
    forger = msgspec.structs.replace(entry(kept, 9), submitted_by="os:eve")
    assert releases.put(forged, forger, told()) == entry(kept)
    assert releases.content(kept.digest) == kept
    assert releases.entries() == [entry(kept)]


def test_of_many_who_submit_at_once_one_was_first(releases: SqlReleaseStore) -> None:
    kept = content(5)
    with ThreadPoolExecutor(8) as threads:
        put = list(threads.map(lambda number: releases.put(kept, entry(kept, number), told(number)), range(8)))
    assert put.count(None) == 1 and len(releases.entries()) == 1


def test_entries_are_listed_by_service_the_oldest_first(releases: SqlReleaseStore) -> None:
    for number in (2, 1, 3):
        kept = content(number, service="sepsis" if number == 2 else "kidney-failure")
        releases.put(kept, entry(kept, number), told(number))
    assert [each.version for each in releases.entries()] == ["1.1.0", "1.2.0", "1.3.0"]
    assert [each.version for each in releases.entries("kidney-failure")] == ["1.1.0", "1.3.0"]
    assert not releases.entries("none")


def test_a_release_is_announced_taken_back_and_retired_once(releases: SqlReleaseStore) -> None:
    kept = content(1)
    releases.put(kept, entry(kept), told())

    def state() -> ReleaseState:
        return releases.entries()[0].state

    assert releases.announce(kept.digest, NOW + 60, told(1)) and state() is ReleaseState.RETIRING
    assert releases.announce(kept.digest, None, told(2)) and state() is ReleaseState.SUBMITTED
    assert releases.announce(kept.digest, NOW + 60, told(1))
    assert releases.retire(kept.digest, NOW + 61, told(3), 0) and state() is ReleaseState.RETIRED
    assert not releases.retire(kept.digest, NOW + 62, told(3), 0) and not releases.announce(kept.digest, None, told(2))
    assert releases.entries()[0] == msgspec.structs.replace(entry(kept), retires_at=NOW + 60, retired_at=NOW + 61)
    assert releases.content(kept.digest) == kept
    assert not releases.retire("sha256:none", NOW, told(), 0) and not releases.announce("sha256:none", NOW, told())


def test_what_was_decided_since_somebody_looked_keeps_a_retirement_back(
    releases: SqlReleaseStore, store: Store
) -> None:
    database = database_of(store)
    snapshots, audit, kept = SqlSnapshotStore(database), SqlAuditStore(database), content(1)
    releases.put(kept, entry(kept), told(1))
    for epoch in (1, 2):
        assert snapshots.append(sealed(epoch), CHANGE)
    for looked in (0, 1, 3):
        with pytest.raises(Overtaken):
            releases.retire(kept.digest, NOW, told(2), looked)
    assert releases.entries() == [entry(kept)] and audit.last().number == 1
    assert releases.retire(kept.digest, NOW, told(2), 2) and audit.last().number == 2
    database.close()


def test_of_a_raise_and_a_retirement_that_cross_one_is_first(store: Store) -> None:
    """Both were judged by the same state of the store, and each would undo what the other was judged by."""
    databases = [database_of(store) for _ in range(2)]
    releases, snapshots = SqlReleaseStore(databases[0]), SqlSnapshotStore(databases[1])
    chain, together, raised = SqlAuditStore(databases[1]), threading.Barrier(2), 0

    def both(number: int, digest: str, judged: int) -> list[str]:
        def retire() -> str:
            together.wait(20)
            gone = Happened(event(3 * number + 1, what=Action.RELEASE_RETIRE))
            return "retired" if releases.retire(digest, NOW, gone, raised) else "neither"

        def promote() -> str:
            together.wait(20)
            written = snapshots.append(sealed(raised + 1), CHANGE, [told(3 * number + 2)], judged)
            return "raised" if written else "neither"

        with ThreadPoolExecutor(2) as threads:
            ends = [threads.submit(retire), threads.submit(promote)]
            return [type(end.exception()).__name__ if end.exception() else end.result() for end in ends]

    for number in range(12):
        kept = content(number)
        releases.put(kept, entry(kept), told(3 * number))
        ends = both(number, kept.digest, chain.last().number)
        assert ends in (["retired", "Overtaken"], ["Overtaken", "raised"])
        raised += ends[1] == "raised"
    for database in databases:
        database.close()


def test_as_much_as_a_store_keeps_and_not_a_byte_more(releases: SqlReleaseStore) -> None:
    largest = content(7, files={"evidence/data.bin": os.urandom(MAX_CONTENT // 4) * 4})
    releases.put(largest, entry(largest), told())
    assert releases.content(largest.digest) == largest
    beyond = content(8, files={"evidence/data.bin": b"x" * (MAX_CONTENT + 1)})
    with pytest.raises(ValueError, match="more than a store keeps"):
        releases.put(beyond, entry(beyond), told())


@pytest.mark.parametrize(
    "damaged",
    [
        b"",
        b"nothing that was packed",
        zlib.compress(b"\xc1 no msgpack"),
        zlib.compress(msgspec.msgpack.encode({"a": 1})),
        zlib.compress(msgspec.msgpack.encode({"a": b"b"}))[:-6],
        zlib.compress(b"\0" * (MAX_CONTENT * 4)),
    ],
    ids=["empty", "foreign", "no-msgpack", "other-type", "cut-off", "bomb"],
)
def test_a_damaged_row_says_so(store: Store, damaged: bytes) -> None:
    releases, kept = SqlReleaseStore(database_of(store)), content(1)
    releases.put(kept, entry(kept), told())
    with releases._database.writing() as connection:
        connection.execute(RELEASE_CONTENTS.update().values(content=damaged))
    with pytest.raises(StoreUnavailable):
        releases.content(kept.digest)
    assert releases.entries() == [entry(kept)]
    releases.close()


def test_an_entry_of_another_release_is_refused(releases: SqlReleaseStore) -> None:
    with pytest.raises(ValueError, match="not that of the content"):
        releases.put(content(1), entry(content(2)), told())


def test_a_store_that_is_not_there_says_so() -> None:
    releases, kept = SqlReleaseStore(Sqlite(SqlitePlace("/dev/null/wardgate.db"))), content(1)
    for ask in (
        lambda: releases.put(kept, entry(kept), told()),
        lambda: releases.content(kept.digest),
        lambda: releases.entries(),
        lambda: releases.retire(kept.digest, NOW, told(3), 0),
        lambda: releases.announce(kept.digest, NOW, told()),
    ):
        with pytest.raises(StoreUnavailable) as unavailable:
            ask()
        assert unavailable.value.meaning
    releases.close()
