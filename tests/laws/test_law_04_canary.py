"""Law 4. No PHI leaves the request: a whole gateway as a process, with real stores, every way, mode and fault, and the
search for what was planted in all that it says, keeps and sends. And the same with a gateway that leaks."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import redis
from hypothesis import settings

from tests.fakes.config_tree import sound_config
from tests.fakes.postgres_server import PASSWORD as POSTGRES_PASSWORD
from tests.fakes.postgres_server import USER, PostgresServer
from tests.fakes.redis_server import ADMIN, PASSWORD, RedisServer
from tests.fakes.redis_server import USER as REDIS_USER
from wardgate.cli.canary.house import Plan
from wardgate.cli.canary.run import FAULTS, Around, Extent, Found, run
from wardgate.lab.canary.sweep import Sweep

ROOT = Path(__file__).resolve().parents[2]
DEMO = ROOT / "config" / "demo" / "wardgate.yaml"
PROOF = settings().max_examples >= 1000
FEW = ("status", "half_body", "wrong_patient", "refused")
QUICK = Extent(40, (), (), commands=False)
SOME = Extent(100_000) if PROOF else Extent(60, FEW)
"""In the proof every fault of `wardgate chaos`, and 100,000 calls."""
OUTCOME = ("rollout:", "outcome: {label: kidney_failure, within: 730d, take: first}\nrollout:")


@dataclass(frozen=True)
class Stores(Around):
    """A Redis and a PostgreSQL, and how all that is in them is searched."""

    redis: RedisServer
    postgres: PostgresServer
    database: str

    def plan(self, module: str = "wardgate") -> Plan:
        hot = f"redis://{REDIS_USER}:${{TEST_REDIS}}@127.0.0.1:{self.redis.port}/0"
        durable = f"postgresql://{USER}:${{TEST_POSTGRES}}@127.0.0.1:{self.postgres.port}/{self.database}"
        environment = {"TEST_REDIS": PASSWORD, "TEST_POSTGRES": POSTGRES_PASSWORD, "PYTHONPATH": str(ROOT)}
        return Plan(module, {"hot": hot, "durable": durable}, environment)

    async def disturb(self, calls: Callable[[], Awaitable[None]]) -> None:
        """Each of them hangs, and goes, and comes back, while calls come in: drivers like to say what they were at."""
        for server in (self.redis, self.postgres):
            server.hang()
            await calls()
            server.wake()
            await asyncio.to_thread(server.kill)
            await calls()
            await asyncio.to_thread(server.start)
            await calls()

    def search(self, sweep: Sweep) -> None:
        self._search_redis(sweep)
        self._search_postgres(sweep)

    def _search_redis(self, sweep: Sweep) -> None:
        """Keys and values, as they are and as DUMP writes them; then the file on the disk."""
        client: Any = redis.Redis(port=self.redis.port, password=ADMIN)
        for key in client.scan_iter(count=500):
            sweep.hear("Redis", key + b" " + (client.get(key) or b"") + (client.dump(key) or b""))
        client.config_set("rdbcompression", "no")
        client.save()
        client.close()
        sweep.folder("Redis", Path(self.redis._folder.name))

    def _search_postgres(self, sweep: Sweep) -> None:
        """The files of the database and the log of its changes; and each row as text, where a file holds it packed."""
        self.postgres.run("postgres", "CHECKPOINT")
        ((oid,),) = self.postgres.run("postgres", f"SELECT oid FROM pg_database WHERE datname = '{self.database}'")
        data = self.postgres._folder / "data"
        for folder in (data / "base" / str(oid), data / "pg_wal"):
            sweep.folder("PostgreSQL", folder)
        tables = self.postgres.run(self.database, "SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        with self.postgres.session(self.database) as session, session.cursor() as cursor:
            for (table,) in tables:
                with cursor.copy(f'COPY (SELECT * FROM "{table}") TO STDOUT') as rows:
                    for row in rows:
                        sweep.hear("PostgreSQL", bytes(row))


@pytest.fixture(scope="module")
def servers() -> Iterator[tuple[RedisServer, PostgresServer]]:
    """What one run leaves there is no leak of the next: each has marks of its own."""
    with RedisServer() as hot, PostgresServer("wal_compression=off", "min_wal_size=32MB") as postgres:
        yield hot, postgres


@pytest.fixture(scope="module")
def stores(servers: tuple[RedisServer, PostgresServer]) -> Callable[[], Stores]:
    return lambda: Stores(*servers, servers[1].database())


def driven(config: Path, extent: Extent, plan: Plan, at: Stores | None = None) -> Found:
    return asyncio.run(run(config, extent, plan, at))


def test_nothing_of_a_patient_is_anywhere(stores: Callable[[], Stores]) -> None:
    """With Redis and PostgreSQL, the demo's two services, each way, mode and fault."""
    at = stores()
    found = driven(DEMO, SOME, at.plan(), at)
    assert [leak for sink in found.sinks.values() for leak in sink.leaks] == []
    assert found.cards > 20 and found.marks > 10_000 and found.answered[200] >= SOME.calls
    assert {200, 400, 404, 405, 408, 412, 413, 415, 503} <= set(found.answered)
    loud = {name for name, sink in found.sinks.items() if sink.searched > 500}
    assert loud >= {"Redis", "PostgreSQL", "spool", "standard error", "metrics", "traces on the wire"}
    assert loud >= {"the model's wire", "error bodies", "heads of answers", "admin answers", "commands about records"}


def test_nor_with_the_stores_of_a_single_process(tmp_path: Path) -> None:
    """SQLite, as bytes of its file and its log, and the store in memory."""
    config = sound_config(tmp_path, service=OUTCOME)
    found = driven(config, QUICK, Plan())
    assert [leak for sink in found.sinks.values() for leak in sink.leaks] == []
    assert found.cards > 5 and found.sinks["durable store"].searched > 20_000


LEAKS = {
    "standard output": "stdout",
    "standard error": "stderr",
    "processes": "process",
    "temporary files": "temporary",
    "file names": "name",
    "metrics": "metrics",
    "traces on the wire": "traces",
    "heads of answers": "head",
    "error bodies": "error",
    "admin answers": "admin",
    "the model's wire": "model",
    "spool": "record",
    "Redis": "redis",
    "PostgreSQL": "record",
    "commands about records": "record",
}
"""By sink: what `tests/fakes/leaky_gateway.py` calls its leak there."""


@pytest.fixture(scope="module")
def leaked(stores: Callable[[], Stores]) -> Found:
    """What is found of a gateway that leaks into every sink."""
    at = stores()
    return driven(DEMO, replace(QUICK, commands=True), at.plan("tests.fakes.leaky_gateway"), at)


@pytest.mark.parametrize("sink", LEAKS)
def test_a_leak_is_found_in_each_sink(leaked: Found, sink: str) -> None:
    assert any(f"v-{LEAKS[sink]}" in leak.around.lower() for leak in leaked.sinks[sink].leaks)


def test_a_leak_is_found_in_sqlite(tmp_path: Path) -> None:
    plan = Plan("tests.fakes.leaky_gateway", {}, {"PYTHONPATH": str(ROOT)})
    found = driven(sound_config(tmp_path, service=OUTCOME), replace(QUICK, calls=5), plan)
    assert any("v-record" in leak.around for leak in found.sinks["durable store"].leaks)


def test_every_sink_has_its_leak_above(leaked: Found) -> None:
    """A new sink needs one too."""
    assert set(leaked.sinks) == set(LEAKS)


def test_every_fault_of_chaos_is_among_those_that_are_driven() -> None:
    assert set(FEW) <= set(FAULTS) and len(FAULTS) > 40
