"""`control.tokens.TokenStore` in SQLite or PostgreSQL. A row holds a MAC, a space, and the token as JSON."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import msgspec
from sqlalchemy import select

from wardgate.adapters.sql.chain import chain
from wardgate.adapters.sql.database import Database
from wardgate.adapters.sql.opened import Opened
from wardgate.adapters.sql.tables import TOKENS
from wardgate.control.audit import Happened
from wardgate.control.tokens import TokenSeal, TokensUnavailable
from wardgate.domain.admin_tokens import Token
from wardgate.records.archive import ArchiveUnavailable, RecordRefused, Trouble


class SqlTokenStore:
    def __init__(self, database: Database, seal: TokenSeal | None = None) -> None:
        """Without a seal, every row is believed: there is no key under `insecure_demo`."""
        self._database, self._seal = Opened(database), seal

    def close(self) -> None:
        self._database.close()

    def add(self, token: Token, told: Happened) -> None:
        said = msgspec.json.encode(msgspec.structs.replace(token, revoked=None)).decode()
        sealed = said if self._seal is None else f"{self._seal.of(said)} {said}"
        row = {"id": token.id, "token": sealed, "created": token.created, "revoked": token.revoked}
        with _told(), self._database.chaining() as connection:
            connection.execute(TOKENS.insert(), row)
            chain(connection, [told])

    def all(self) -> Sequence[Token]:
        asked = select(TOKENS).order_by(TOKENS.c.created, TOKENS.c.id)
        with _told(), self._database.reading() as connection:
            rows = connection.execute(asked).all()
        with _told():
            return [self._read(row.id, row.token, row.revoked) for row in rows]

    def revoke(self, token_id: str, now: float, told: Happened) -> bool:
        c = TOKENS.c
        change = TOKENS.update().where(c.id == token_id, c.revoked.is_(None)).values(revoked=now)
        with _told(), self._database.chaining() as connection:
            revoked = connection.execute(change).rowcount > 0
            if revoked:
                chain(connection, [told])
            return revoked

    def _read(self, token_id: str, text: str, revoked: float | None) -> Token:
        """What nobody here gave is told, and opens nothing."""
        mac, _, said = ("", "", text) if text.startswith("{") else text.partition(" ")
        try:
            token = msgspec.json.decode(said, type=Token)
        except msgspec.MsgspecError:
            raise ArchiveUnavailable(Trouble.FOREIGN) from None
        ours = token.id == token_id and (self._seal is None or self._seal.is_of(mac, said))
        return msgspec.structs.replace(token, revoked=revoked, ours=ours)


@contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except ArchiveUnavailable as error:
        raise TokensUnavailable(error.trouble.meaning) from None
    except RecordRefused:
        raise TokensUnavailable("the durable store does not take this token") from None
