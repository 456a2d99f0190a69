"""Who may do what on the admin listener. Every route names the role that it needs.

Until admin tokens are built, the listener stands on loopback under `insecure_demo`, and every caller is LOCAL.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum

from fastapi import HTTPException, Request


class Role(StrEnum):
    ANYONE = "anyone"  # also without a principal: a load balancer has none
    VIEWER = "viewer"
    OPERATOR = "operator"
    INGEST = "ingest"  # brings outcomes, and sees nothing


@dataclass(frozen=True, slots=True)
class Principal:
    name: str
    roles: frozenset[Role]


LOCAL = Principal("local", frozenset(Role))
"""Whoever reaches the loopback listener under `insecure_demo`."""

WhoCalls = Callable[[Request], Principal | None]
Check = Callable[[Request], Awaitable[Principal | None]]


def needs(who_calls: WhoCalls, role: Role) -> Check:
    """A dependency that gives the principal, or ends the request with 401 or 403. None only for `ANYONE`."""

    async def check(request: Request) -> Principal | None:
        if role is Role.ANYONE:
            return None
        principal = who_calls(request)
        if principal is None:
            raise HTTPException(401)
        if role not in principal.roles:
            raise HTTPException(403)
        return principal

    return check
