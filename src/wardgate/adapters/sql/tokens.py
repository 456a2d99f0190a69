"""`control.tokens.TokenStore` in SQLite or PostgreSQL."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import msgspec
from sqlalchemy import select

from wardgate.adapters.sql.database import Database
from wardgate.adapters.sql.opened import Opened
from wardgate.adapters.sql.tables import TOKENS
from wardgate.control.tokens import TokensUnavailable
from wardgate.domain.admin_tokens import Token
from wardgate.records.archive import ArchiveUnavailable, RecordRefused, Trouble


class SqlTokenStore:
    def __init__(self, database: Database) -> None:
        self._database = Opened(database)

    def close(self) -> None:
        self._database.close()

    def add(self, token: Token) -> None:
        said = msgspec.json.encode(msgspec.structs.replace(token, revoked=None)).decode()
        row = {"id": token.id, "token": said, "created": token.created, "revoked": token.revoked}
        with _told(), self._database.writing() as connection:
            connection.execute(TOKENS.insert(), row)

    def all(self) -> Sequence[Token]:
        asked = select(TOKENS).order_by(TOKENS.c.created, TOKENS.c.id)
        with _told(), self._database.reading() as connection:
            rows = connection.execute(asked).all()
        with _told():
            return [msgspec.structs.replace(_read(row.token), revoked=row.revoked) for row in rows]

    def revoke(self, token_id: str, now: float) -> bool:
        c = TOKENS.c
        change = TOKENS.update().where(c.id == token_id, c.revoked.is_(None)).values(revoked=now)
        with _told(), self._database.writing() as connection:
            return connection.execute(change).rowcount > 0


def _read(text: str) -> Token:
    try:
        return msgspec.json.decode(text, type=Token)
    except msgspec.MsgspecError:
        raise ArchiveUnavailable(Trouble.FOREIGN) from None


@contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except ArchiveUnavailable as error:
        raise TokensUnavailable(error.trouble.meaning) from None
    except RecordRefused:
        raise TokensUnavailable("the durable store does not take this token") from None
