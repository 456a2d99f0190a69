"""Events and chains for tests."""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import count
from pathlib import Path
from uuid import UUID

import msgspec

from wardgate.adapters.files.pending import PendingFolder, PendingOptions
from wardgate.adapters.sql.chain import SqlAuditStore
from wardgate.adapters.sql.sqlite import Sqlite
from wardgate.adapters.sql.tokens import SqlTokenStore
from wardgate.control.audit import AuditStore, AuditTrail, AuditUnavailable, Happened, Remark, Wanted
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


def told(number: int = 0) -> Happened:
    """What the chain is told of something that a store does."""
    return Happened(event(number))


def reseal(what: AuditEvent, last: Link | None) -> SealedEntry:
    return seal(what, START if last is None else last, NOW)


def chain_of(length: int) -> list[SealedEntry]:
    chain: list[SealedEntry] = []
    for number in range(1, length + 1):
        chain.append(seal(event(number), chain[-1].link if chain else START, NOW))
    return chain


class MemoryChain:
    """An audit store in memory; `list` can be changed by hand. Away from the entry `down_at` on; `read` counts what was
    read. Meets `control.audit.AuditStore`."""

    def __init__(self, *entries: SealedEntry) -> None:
        self.list, self.down_at, self.read = list(entries), -1, 0
        self._remarks: dict[str, Remark] = {}

    def entries(self, after: int = 0) -> Iterator[SealedEntry]:
        for entry in [each for each in self.list if each.number > after]:
            if entry.number == self.down_at:
                raise AuditUnavailable("it is away")
            self.read += 1
            yield entry

    def add(self, **changes: object) -> None:
        last = self.last()
        self.list.append(seal(event(last.number + 1, **changes), last, NOW))

    def append(self, happened: Sequence[Happened], now: float) -> list[Link]:
        links = []
        for each in happened:
            self.list.append(seal(each.event, self.last(), now))
            links.append(self.last())
            if each.remark is not None:
                self._remarks[each.event.id] = each.remark
        return links

    def search(self, wanted: Wanted) -> Iterator[SealedEntry]:
        raise NotImplementedError

    def last(self) -> Link:
        return self.list[-1].link if self.list else START

    def close(self) -> None: ...

    def remark(self, event_id: str) -> Remark | None:
        return self._remarks.get(event_id)

    def erase_remark(self, event_id: str, told: Happened) -> bool:
        if self._remarks.pop(event_id, None) is None:
            return False
        self.append([told], NOW)
        return True


class AuditGround:
    """A trail on a real store and spool; `cut` puts a folder where the store should be, `mend` takes it away. Or on a
    store that is given."""

    def __init__(self, folder: Path, store: AuditStore | None = None) -> None:
        self.path, self.spool = folder / "wardgate.db", folder / "audit"
        ids = count(1)
        self.told: list[Kept] = []
        self.store = store or SqlAuditStore(Sqlite(SqlitePlace(str(self.path))))
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
        with suppress(AuditUnavailable):  # away once more, for whoever had it open; then the new file is used
            self.store.last()

    def said(self) -> list[dict[str, object]]:
        return [body_of(entry) for entry in self.store.entries()]
