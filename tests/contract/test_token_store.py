"""One suite for every store of admin tokens: SQLite, and a real PostgreSQL."""

from collections.abc import Callable

import pytest
from sqlalchemy import select

from tests.contract.conftest import Store
from tests.contract.test_audit_store import database_of
from tests.fakes.audit import told
from wardgate.adapters.sql.sqlite import Sqlite
from wardgate.adapters.sql.tables import TOKENS
from wardgate.adapters.sql.tokens import SqlTokenStore
from wardgate.control.tokens import TokenSeal, TokensUnavailable
from wardgate.domain.admin_tokens import Role, Token
from wardgate.domain.durable import SqlitePlace
from wardgate.domain.pseudonyms import PurposeKey


def token(number: int) -> Token:
    return Token(
        id=f"{number:012x}",
        name=f"reader-{number}",
        digest=f"{number:064x}",
        roles=(Role.VIEWER, Role.APPROVER_CLINICAL),
        services=("kidney-failure",) if number % 2 else None,
        created=1_790_000_000.0 + number,
        expires=1_790_900_000.25,
    )


def test_tokens_come_back_whole_and_are_revoked_once(store: Store) -> None:
    tokens, other = SqlTokenStore(database_of(store)), SqlTokenStore(database_of(store))
    for number in (2, 1):
        tokens.add(token(number), told(number))
    assert other.all() == [token(1), token(2)]
    assert other.revoke(token(1).id, 1_790_000_100.5, told(3))
    assert not tokens.revoke(token(1).id, 1_790_000_200.0, told(4)) and not tokens.revoke("none", 0.0, told(5))
    assert [each.revoked for each in tokens.all()] == [1_790_000_100.5, None]
    with pytest.raises(TokensUnavailable):
        tokens.add(token(2), told(2))
    tokens.close()
    other.close()


KEYS = [PurposeKey("new", b"n" * 32), PurposeKey("old", b"o" * 32)]
OTHERS = TokenSeal([PurposeKey("new", b"x" * 32)])


@pytest.mark.parametrize(
    "forge",
    [
        lambda text: text.replace("viewer", "admin"),
        lambda text: text.partition(" ")[2],
        lambda text: f"{OTHERS.of(text.partition(' ')[2])} {text.partition(' ')[2]}",
        lambda text: text.replace("new:", "none:"),
        lambda text: text.replace("}", ',"ours":true}').replace("viewer", "admin"),
    ],
    ids=["another role", "no seal", "another key", "no such key", "says that it is ours"],
)
def test_a_row_that_somebody_else_wrote_is_no_token(store: Store, forge: Callable[[str], str]) -> None:
    """By whoever may write to the table. The one beside it goes on; what a previous key has sealed does, too."""
    tokens, before, after = (SqlTokenStore(database_of(store), TokenSeal(keys)) for keys in (KEYS[:1], KEYS[1:], KEYS))
    tokens.add(token(1), told(1))
    before.add(token(2), told(2))
    database = database_of(store)
    database.open()
    with database.writing() as connection:
        row = connection.execute(select(TOKENS).where(TOKENS.c.id == token(1).id)).one()
        connection.execute(TOKENS.update().where(TOKENS.c.id == row.id).values(token=forge(row.token)))
    forged, sound = after.all()
    assert not forged.ours and not forged.holds(1_790_000_100.0) and forged.state(1_790_000_100.0) == "foreign"
    assert sound == token(2) and sound.holds(1_790_000_100.0)
    for each in (tokens, before, after, database):
        each.close()


def test_a_store_that_is_not_there_says_so() -> None:
    tokens = SqlTokenStore(Sqlite(SqlitePlace("/dev/null/wardgate.db")))
    with pytest.raises(TokensUnavailable) as unavailable:
        tokens.add(token(1), told(1))
    assert "reader" not in str(unavailable.value) + unavailable.value.meaning
    tokens.close()
