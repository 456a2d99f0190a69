"""What a kill -9 leaves: what the durable store says was done, and what the audit chain says was done, are the same."""

import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import settings
from sqlalchemy import select

from tests.contract.conftest import Store
from tests.contract.test_audit_store import database_of, judged
from tests.fakes.crashing import DEEDS
from wardgate.adapters.files.pending import PendingFolder
from wardgate.adapters.sql.chain import SqlAuditStore
from wardgate.adapters.sql.releases import SqlReleaseStore
from wardgate.adapters.sql.snapshots import SqlSnapshotStore
from wardgate.adapters.sql.tables import AUDIT_REMARKS
from wardgate.adapters.sql.tokens import SqlTokenStore
from wardgate.domain.audit import Action, body_of
from wardgate.domain.durable import PostgresPlace

STEPS = range(1, 20) if settings.default is settings.get_profile("proof") else (2, 4)
"""Of a deed: its first write, its second, its commit, what comes after. In check, between the writes and after all."""
ROLLOUT = {
    Action.ROLLOUT_CHANGE,
    Action.KILL,
    Action.KILL_LIFT,
    Action.CIRCUIT_ISOLATE,
    Action.SNAPSHOT_CONFIRM,
}


@dataclass(frozen=True)
class Left:
    """After all lives: by what and of which life, what the tables have and what the chain has."""

    done: Counter[tuple[str, str]]
    told: Counter[tuple[str, str]]


@pytest.fixture
def left(store: Store, tmp_path: Path) -> Iterator[Left]:
    place = repr(store.place)
    if isinstance(store.place, PostgresPlace):
        place = place.replace(", port=", f", password={store.place.password!r}, port=", 1)
    database = database_of(store)
    database.open()
    spool, steps = tmp_path / "audit", [str(step) for step in STEPS]
    command = [sys.executable, "-m", "tests.fakes.crashing", place, str(spool), *steps]
    lives = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert lives.returncode == 0, lives.stderr[-2000:]
    died = Counter(line.split()[0] for line in lives.stdout.splitlines() if line.endswith(" 1"))
    assert set(died) == {deed.__name__ for deed in DEEDS}, "each of them has died somewhere"
    chain = SqlAuditStore(database)
    chain.append(PendingFolder(spool).waiting(1000), 0.0)
    assert judged(chain.entries()).sound
    said = [body_of(entry) for entry in chain.entries()]
    told = Counter((str(body["what"]), str(body["ticket"] or body["subject"])) for body in said)
    done = Counter(
        (change.what, change.ticket or change.subject)
        for _, change in SqlSnapshotStore(database).history(limit=10_000)
        if change.what != "begin"
    )
    for entry in SqlReleaseStore(database).entries():
        ticket = f"T-{int(entry.digest.removeprefix('sha256:'), 16)}"
        done[Action.RELEASE_SUBMIT, ticket] += 1
        done[Action.RELEASE_RETIRING, ticket] += entry.retires_at is not None
        done[Action.RELEASE_RETIRE, ticket] += entry.retired_at is not None
    for token in SqlTokenStore(database).all():
        done[Action.TOKEN_NEW, token.id] += 1
        done[Action.TOKEN_REVOKE, token.id] += token.revoked is not None
    with database.reading() as connection:
        there = set(connection.scalars(select(AUDIT_REMARKS.c.id)))
    for body in said:
        if body["remark"] is not None:
            del told[str(body["what"]), str(body["subject"])]
            done[Action.REMARK_ERASE, str(body["id"])] += body["id"] not in there
    yield Left(+done, +told)
    database.close()


def test_the_store_and_the_chain_say_the_same_wherever_a_process_died(left: Left) -> None:
    """Each kind of change, killed between its writes, before its commit and right after it."""
    assert left.done == left.told
    assert {what for what, _ in left.done} >= ROLLOUT | {
        Action.RELEASE_SUBMIT,
        Action.RELEASE_RETIRING,
        Action.RELEASE_RETIRE,
        Action.TOKEN_NEW,
        Action.TOKEN_REVOKE,
        Action.REMARK_ERASE,
    }
