"""The durable store looked after: seen, told of, and purged, in a thread of its own."""

import asyncio
import io
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from alembic.script import ScriptDirectory
from prometheus_client import generate_latest

from tests.fakes.archive_rows import FOREVER, START, decision
from tests.fakes.clock import FakeClock
from tests.fakes.waiting import until
from wardgate.adapters.logs.events import EventLog
from wardgate.adapters.prometheus.durable import DurableMeter
from wardgate.adapters.prometheus.meter import PrometheusMeter
from wardgate.adapters.sql import schema
from wardgate.adapters.sql.archive import SqlArchive
from wardgate.adapters.sql.sqlite import Sqlite, SqliteOptions
from wardgate.adapters.sql.tables import VERSION_TABLE
from wardgate.bootstrap.durable import StoreRefused, Upkeep, UpkeepOptions
from wardgate.domain.durable import SqlitePlace
from wardgate.records.archive import Kind

QUICK = UpkeepOptions(first=30.0, look=0.02, purge=3600.0, again=60.0, breath=0.0)


class Scene:
    def __init__(self, folder: Path) -> None:
        self.file, self.clock, self.meter = (
            folder / "var" / "wardgate.db",
            FakeClock(START + 100),
            PrometheusMeter(),
        )
        self.written, self.retention = io.StringIO(), {Kind.DECISIONS: 50.0}
        self.archive = SqlArchive(Sqlite(SqlitePlace(str(self.file)), SqliteOptions(wait=0.2)), str)
        self.upkeep = Upkeep(
            self.archive,
            None,
            lambda: self.retention,
            self.clock,
            DurableMeter(self.meter),
            EventLog(self.written),
            QUICK,
        )

    @property
    def events(self) -> list[dict[str, object]]:
        return [msgspec.json.decode(line) for line in self.written.getvalue().splitlines()]

    @property
    def metrics(self) -> str:
        return generate_latest(self.meter.registry).decode()

    def there(self) -> int:
        return len(list(self.archive.decisions(0, FOREVER)))


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    scene = Scene(tmp_path)
    yield scene
    scene.upkeep.end()
    scene.archive.close()


async def test_what_is_old_goes_now_and_every_hour(scene: Scene) -> None:
    """By the retention that holds then; counted and logged."""
    scene.archive.add_decisions([decision(n) for n in range(100)])
    await scene.upkeep.begin()
    assert scene.upkeep.health() == {"kind": "sqlite", "state": "up"}
    await until(lambda: scene.there() == 50)
    scene.retention = {Kind.DECISIONS: 20.0}
    scene.clock.advance(10)
    await asyncio.sleep(0.2)
    assert scene.there() == 50
    scene.clock.advance(3600)
    await until(lambda: scene.there() == 0)
    await until(lambda: len(scene.events) == 3)
    assert scene.events == [
        {"event": "durable_store", "kind": "sqlite", "state": "up"},
        {"event": "purged", "kind": "decisions", "rows": 50},
        {"event": "purged", "kind": "decisions", "rows": 50},
    ]
    assert 'wardgate_purged_total{kind="decisions"} 100.0' in scene.metrics


async def test_a_store_that_goes_and_comes_is_told_once_each(scene: Scene) -> None:
    """It does not hold up the start; what is wrong is said in one word."""
    scene.file.parent.write_bytes(b"")
    await scene.upkeep.begin()
    assert scene.upkeep.health() == {"kind": "sqlite", "state": "denied"}
    assert "wardgate_durable_store_up 0.0" in scene.metrics
    scene.file.parent.unlink()
    await until(lambda: scene.upkeep.health()["state"] == "up")
    assert "wardgate_durable_store_up 1.0" in scene.metrics
    assert [event["state"] for event in scene.events] == ["denied", "up"]


async def test_a_clock_that_jumps_makes_nothing_old(scene: Scene) -> None:
    """Nothing is purged until it is right again, which is told once; a summer's hour and a slow clock are no jump."""
    scene.archive.add_decisions([decision(n) for n in range(100)])
    await scene.upkeep.begin()
    await until(lambda: scene.there() == 50)
    scene.clock.jump(10 * 365 * 86400)
    scene.clock.advance(3600)
    await until(lambda: scene.events[-1] == {"event": "purge_held"})
    scene.clock.advance(60)
    await asyncio.sleep(0.2)
    assert scene.there() == 50 and len([event for event in scene.events if event["event"] == "purge_held"]) == 1
    scene.clock.jump(-10 * 365 * 86400 + 3600)
    scene.clock.advance(60)
    await until(lambda: scene.there() == 0)


async def test_the_version_that_needs_nothing_is_the_newest() -> None:
    scripts = ScriptDirectory(str(Path(schema.__file__).parent / "migrations"))
    assert scripts.get_heads() == [schema.HEAD]


async def test_a_purge_that_is_held_up_comes_again(scene: Scene) -> None:
    """Somebody else's transaction: the store is well meanwhile."""
    scene.archive.add_decisions([decision(0)])
    other = sqlite3.connect(scene.file, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    await scene.upkeep.begin()
    await asyncio.sleep(0.6)
    assert scene.upkeep.health()["state"] == "up" and scene.there() == 1
    other.close()
    scene.clock.advance(60)
    await until(lambda: scene.there() == 0)


async def test_a_store_of_a_later_version_ends_the_start(scene: Scene) -> None:
    """With a sentence that says what to do."""
    scene.archive.ping()
    scene.archive.close()
    other = sqlite3.connect(scene.file)
    with other:
        other.execute(f"UPDATE {VERSION_TABLE} SET version_num = '9999'")
    other.close()
    strict = Scene(scene.file.parent.parent)
    with pytest.raises(StoreRefused, match="use that version, or another store"):
        await strict.upkeep.begin()
    strict.upkeep.end()
    strict.archive.close()
