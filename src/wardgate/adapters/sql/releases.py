"""`control.ports.ReleaseStore` in SQLite or PostgreSQL."""

import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, and_, func, or_, select

from wardgate.adapters.sql.chain import chain
from wardgate.adapters.sql.database import Database
from wardgate.adapters.sql.inserts import insert_new
from wardgate.adapters.sql.opened import Opened
from wardgate.adapters.sql.tables import RELEASE_CONTENTS, SNAPSHOTS
from wardgate.control.audit import Happened
from wardgate.control.ports import MAX_CONTENT, Content, Overtaken, ReleaseEntry, StoreUnavailable
from wardgate.records.archive import ArchiveUnavailable, RecordRefused, Trouble

_C = RELEASE_CONTENTS.c
_NAMES = tuple(ReleaseEntry.__struct_fields__)
_ENTRIES = select(*(_C[name] for name in _NAMES))
_OVERHEAD = 1024 * 1024
"""Of the names of the files, and the format."""


class SqlReleaseStore:
    def __init__(self, database: Database) -> None:
        self._database = Opened(database)

    def close(self) -> None:
        self._database.close()

    def put(self, content: Content, entry: ReleaseEntry, told: Happened) -> ReleaseEntry | None:
        named = (content.digest, content.service, content.model, content.version)
        if named != (entry.digest, entry.service, entry.model, entry.version):
            raise ValueError("the entry is not that of the content")
        row = {name: getattr(entry, name) for name in _NAMES} | {"content": _packed(content.files)}
        edited = and_(_C.model == entry.model, _C.version == entry.version, _C.file != entry.file)
        standing = _ENTRIES.where(or_(_C.digest == entry.digest, edited)).order_by(_C.digest != entry.digest)
        with _told(), self._database.chaining() as connection:
            found = connection.execute(standing.limit(1)).first()
            if found is not None:
                return ReleaseEntry(**found._mapping)
            insert_new(connection, RELEASE_CONTENTS, [row])
            chain(connection, [told])
        return None

    def content(self, digest: str) -> Content | None:
        asked = select(_C.service, _C.model, _C.version, _C.content).where(_C.digest == digest)
        with _told():
            with self._database.reading() as connection:
                row = connection.execute(asked).first()
            if row is None:
                return None
            return Content(digest, row.service, row.model, row.version, _unpacked(row.content))

    def entries(self, service: str | None = None) -> Sequence[ReleaseEntry]:
        asked = _ENTRIES.order_by(_C.submitted_at, _C.digest)
        if service is not None:
            asked = asked.where(_C.service == service)
        with _told(), self._database.reading() as connection:
            return [ReleaseEntry(**row._mapping) for row in connection.execute(asked)]

    def announce(self, digest: str, retires_at: float | None, told: Happened) -> bool:
        return self._change([_C.digest == digest, _C.retired_at.is_(None)], {"retires_at": retires_at}, told)

    def retire(self, digest: str, now: float, told: Happened, decided: int) -> bool:
        return self._change([_C.digest == digest, _C.retired_at.is_(None)], {"retired_at": now}, told, decided)

    def _change(
        self,
        where: Sequence[ColumnElement[bool]],
        values: Mapping[str, Any],
        told: Happened,
        decided: int | None = None,
    ) -> bool:
        with _told(), self._database.chaining() as connection:
            newest = select(func.max(SNAPSHOTS.c.epoch))
            if decided is not None and (connection.execute(newest).scalar_one() or 0) != decided:
                raise Overtaken
            changed = connection.execute(RELEASE_CONTENTS.update().where(*where).values(values)).rowcount > 0
            if changed:
                chain(connection, [told])
            return changed


def _packed(files: Mapping[str, bytes]) -> bytes:
    if sum(len(content) for content in files.values()) > MAX_CONTENT:
        raise ValueError("more than a store keeps of one release")
    return zlib.compress(msgspec.msgpack.encode(files))


def _unpacked(packed: bytes) -> dict[str, bytes]:
    """Never more in memory than what can have been put there, whoever wrote it."""
    unpacker = zlib.decompressobj()
    try:
        files = unpacker.decompress(packed, MAX_CONTENT + _OVERHEAD)
        if not unpacker.eof:
            raise ArchiveUnavailable(Trouble.FOREIGN)
        return msgspec.msgpack.decode(files, type=dict[str, bytes])
    except (zlib.error, msgspec.MsgspecError, UnicodeError):
        raise ArchiveUnavailable(Trouble.FOREIGN) from None


@contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except ArchiveUnavailable as error:
        raise StoreUnavailable(error.trouble.meaning) from None
    except RecordRefused:
        raise StoreUnavailable("the durable store does not take this release") from None
