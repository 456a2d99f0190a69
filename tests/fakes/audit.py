"""Events and chains for tests."""

from itertools import count
from pathlib import Path
from uuid import UUID

import msgspec

from wardgate.adapters.files.pending import PendingFolder, PendingOptions
from wardgate.adapters.sql.chain import SqlAuditStore
from wardgate.adapters.sql.sqlite import Sqlite
from wardgate.adapters.sql.tokens import SqlTokenStore
from wardgate.control.audit import AuditTrail
from wardgate.domain.audit import START, Action, AuditEvent, Kept, Link, SealedEntry, body_of, moment, seal
from wardgate.domain.durable import SqlitePlace

NOW = 1_790_000_000.0
MOST = 1010
"""Deeds that a ground's spool takes."""


def event(number: int, **changes: object) -> AuditEvent:
    """One of many: no two numbers have the same event."""
    return msgspec.structs.replace(
        AuditEvent(
            id=str(UUID(int=number)),
            at=moment(NOW + number),
            who=f"operator-{number % 3}",
            what=Action.CIRCUIT_ISOLATE if number % 2 else Action.CIRCUIT_CLOSE,
            subject="kidney-failure/1.0.0",
            before="closed",
            after="isolated",
            reason="alert_rate",
            ticket=f"OPS-{number}",
        ),
        **changes,
    )


def reseal(what: AuditEvent, last: Link | None) -> SealedEntry:
    return seal(what, START if last is None else last, NOW)


def chain_of(length: int) -> list[SealedEntry]:
    chain: list[SealedEntry] = []
    for number in range(1, length + 1):
        chain.append(seal(event(number), chain[-1].link if chain else START, NOW))
    return chain


class AuditGround:
    """A trail on a real store and spool; `cut` puts a folder where the store should be, `mend` takes it away."""

    def __init__(self, folder: Path) -> None:
        self.path, self.spool = folder / "wardgate.db", folder / "audit"
        ids = count(1)
        self.told: list[Kept] = []
        self.store = SqlAuditStore(Sqlite(SqlitePlace(str(self.path))))
        self.tokens = SqlTokenStore(Sqlite(SqlitePlace(str(self.path))))
        self.trail = AuditTrail(
            self.store,
            PendingFolder(self.spool, PendingOptions(most=MOST)),
            lambda: 1_790_000_000.5,
            lambda: str(UUID(int=next(ids))),
            lambda: b"s" * 32,
            self.told.append,
        )

    def close(self) -> None:
        self.store.close()
        self.tokens.close()

    def cut(self) -> None:
        self.close()
        self.path.unlink(missing_ok=True)
        self.path.mkdir()

    def mend(self) -> None:
        self.path.rmdir()

    def said(self) -> list[dict[str, object]]:
        return [body_of(entry) for entry in self.store.entries()]
