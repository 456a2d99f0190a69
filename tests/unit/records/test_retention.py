"""Purging kind by kind, a little at a time."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.archive_rows import FOREVER, START, decision, report
from wardgate.adapters.sql.archive import SqlArchive
from wardgate.adapters.sql.sqlite import Sqlite
from wardgate.domain.durable import SqlitePlace
from wardgate.records.archive import AccessEntry, Kind
from wardgate.records.retention import expired, purge

KEPT = {Kind.DECISIONS: 50.0, Kind.FEEDBACK: 1000.0, Kind.ACCESS: 10.0}
NOW = START + 100


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[SqlArchive]:
    archive = SqlArchive(Sqlite(SqlitePlace(str(tmp_path / "wardgate.db"))), str)
    archive.add_decisions([decision(n) for n in range(100)])
    archive.add_feedback([report(0)])
    archive.note_access(AccessEntry(START, "auditor", "trace", "x"))
    yield archive
    archive.close()


def test_each_kind_goes_when_its_time_is_over(archive: SqlArchive) -> None:
    """What a dry run says is what goes; kinds that are not named stay."""
    told = expired(archive, KEPT, NOW)
    assert told == {Kind.DECISIONS: 50, Kind.FEEDBACK: 0, Kind.ACCESS: 1}
    removed: list[tuple[Kind, int]] = []
    purge(archive, KEPT, NOW, lambda kind, count: removed.append((kind, count)))
    assert removed == [(Kind.DECISIONS, 50), (Kind.ACCESS, 1)]
    assert expired(archive, KEPT, NOW) == dict.fromkeys(KEPT, 0)
    assert list(archive.decisions(0, FOREVER)) == [decision(n) for n in range(50, 100)]


def test_a_purge_stops_between_two_batches(archive: SqlArchive) -> None:
    """The process ends: what was not removed goes another time."""
    purge(archive, KEPT, NOW, lambda kind, count: None, lambda: False)
    assert expired(archive, KEPT, NOW)[Kind.DECISIONS] == 50
