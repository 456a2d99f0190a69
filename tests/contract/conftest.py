"""The stores that the suites of the archive run on: SQLite, and a real PostgreSQL."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.fakes.archive_rows import card_key
from tests.fakes.postgres_server import PostgresServer
from wardgate.adapters.sql.archive import SqlArchive
from wardgate.adapters.sql.postgres import Postgres, PostgresOptions
from wardgate.adapters.sql.sqlite import Sqlite, SqliteOptions
from wardgate.adapters.sql.tables import METADATA
from wardgate.domain.durable import PostgresPlace, SqlitePlace

PATIENT_SQLITE = SqliteOptions(wait=30)
PATIENT_POSTGRES = PostgresOptions(connect=30, wait=30, lock=30, limit=60)
"""A busy machine answers late; only the tests of lateness keep shorter times."""


@dataclass
class Store:
    """A store under test; `another` is a program beside those before it."""

    place: SqlitePlace | PostgresPlace
    archives: list[SqlArchive] = field(default_factory=list)

    def another(self) -> SqlArchive:
        if isinstance(self.place, SqlitePlace):
            archive = SqlArchive(Sqlite(self.place, PATIENT_SQLITE), card_key)
        else:
            archive = SqlArchive(Postgres(self.place, PATIENT_POSTGRES), card_key)
        self.archives.append(archive)
        return archive

    def close(self) -> None:
        for archive in self.archives:
            archive.close()


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    with PostgresServer() as running:
        yield running


@pytest.fixture(scope="session")
def database(postgres: PostgresServer) -> str:
    """One that tests of what stands in the tables share."""
    name = postgres.database()
    archive = SqlArchive(Postgres(postgres.place(name), PATIENT_POSTGRES), card_key)
    archive.ping()
    archive.close()
    return name


@pytest.fixture(params=["sqlite", "postgresql"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    """With its tables, empty."""
    if request.param == "sqlite":
        store = Store(SqlitePlace(str(tmp_path / "wardgate.db")))
    else:
        postgres: PostgresServer = request.getfixturevalue("postgres")
        database: str = request.getfixturevalue("database")
        with postgres.session(database) as session:
            session.execute(f"TRUNCATE {', '.join(METADATA.tables)}")
        store = Store(postgres.place(database))
    yield store
    store.close()


@pytest.fixture
def archive(store: Store) -> SqlArchive:
    return store.another()


@pytest.fixture(params=["sqlite", "postgresql"])
def bare(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    """Nothing was ever there: no folder, no table."""
    if request.param == "sqlite":
        store = Store(SqlitePlace(str(tmp_path / "var" / "wardgate.db")))
    else:
        postgres: PostgresServer = request.getfixturevalue("postgres")
        store = Store(postgres.place(postgres.emptied()))
    yield store
    store.close()
