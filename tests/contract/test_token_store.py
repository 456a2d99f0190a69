"""One suite for every store of admin tokens: SQLite, and a real PostgreSQL."""

import pytest

from tests.contract.conftest import Store
from tests.contract.test_audit_store import database_of
from wardgate.adapters.sql.sqlite import Sqlite
from wardgate.adapters.sql.tokens import SqlTokenStore
from wardgate.control.tokens import TokensUnavailable
from wardgate.domain.admin_tokens import Role, Token
from wardgate.domain.durable import SqlitePlace


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
        tokens.add(token(number))
    assert other.all() == [token(1), token(2)]
    assert other.revoke(token(1).id, 1_790_000_100.5)
    assert not tokens.revoke(token(1).id, 1_790_000_200.0) and not tokens.revoke("none", 0.0)
    assert [each.revoked for each in tokens.all()] == [1_790_000_100.5, None]
    with pytest.raises(TokensUnavailable):
        tokens.add(token(2))
    tokens.close()
    other.close()


def test_a_store_that_is_not_there_says_so() -> None:
    tokens = SqlTokenStore(Sqlite(SqlitePlace("/dev/null/wardgate.db")))
    with pytest.raises(TokensUnavailable) as unavailable:
        tokens.add(token(1))
    assert "reader" not in str(unavailable.value) + unavailable.value.meaning
    tokens.close()
