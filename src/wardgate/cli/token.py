"""`wardgate token`: give, list and take back the tokens of the admin listener. In the store itself, so that the first
one can be given; every gateway knows of it within seconds."""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from wardgate.bootstrap.audit import audit_store_of, audit_trail, token_desk, token_store_of
from wardgate.cli.audit import CannotTell, now, os_principal, secrets_of, told
from wardgate.control.tokens import TokenDesk, TokensUnavailable
from wardgate.domain.admin_tokens import Role


def new(config: Path, name: str, roles: Sequence[str], services: Sequence[str], seconds: float) -> int:
    """0: given, and its secret is the one line on standard output; 1: not."""
    with told() as result, _desk(config) as desk:
        try:
            chosen = [Role(role) for role in roles]
            token, secret = desk.new(os_principal(), name, chosen, services or None, seconds)
        except ValueError as error:
            raise CannotTell(f"not given: {error}") from None
        print(f"token {token.id} of {token.name}, until {_day(token.expires)}; shown once:", file=sys.stderr)
        print(secret)
        result.code = 0
    return result.code


def listing(config: Path) -> int:
    with told() as result, _desk(config) as desk:
        for token in desk.store.all():
            scope = "all services" if token.services is None else ", ".join(token.services)
            print(
                f"{token.id}  {token.state(now()):<8}  until {_day(token.expires)}  {token.name}  "
                f"{', '.join(token.roles)}  {scope}"
            )
        result.code = 0
    return result.code


def revoke(config: Path, token_id: str, reason: str, ticket: str) -> int:
    with told() as result, _desk(config) as desk:
        try:
            revoked = desk.revoke(os_principal(), token_id, reason, ticket)
        except ValueError:
            raise CannotTell("--reason takes a code such as left_the_team, --ticket a ticket's name") from None
        if not revoked:
            raise CannotTell("there is no such token, or it has been revoked: `wardgate token list` shows them")
        print(f"{token_id} revoked; every gateway that reaches the store refuses it within seconds")
        result.code = 0
    return result.code


def _day(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).date().isoformat()


@contextmanager
def _desk(config: Path) -> Iterator[TokenDesk]:
    secrets = secrets_of(config)
    assert secrets.durable is not None
    chain, tokens = audit_store_of(secrets.durable), token_store_of(secrets, secrets.durable)
    try:
        yield token_desk(tokens, audit_trail(secrets, chain))
    except TokensUnavailable as error:
        raise CannotTell(error.meaning) from None
    finally:
        chain.close()
        tokens.close()
