"""Who may do what on the admin listener. Every route names the role that it needs.

Until admin tokens are built, the listener stands on loopback under `insecure_demo`, and every caller is LOCAL.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum

from fastapi import HTTPException, Request

from wardgate.domain.audit import Action
from wardgate.web.admin.witness import Witness


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

NOBODY = Principal("nobody", frozenset())
"""On a route for anyone: nobody was asked for."""

WhoCalls = Callable[[Request], Principal | None]
Check = Callable[[Request], Awaitable[Principal]]


class Access:
    """`witness` puts on the audit chain what somebody who is known was denied."""

    def __init__(self, who_calls: WhoCalls, witness: Witness) -> None:
        self._who_calls, self.witness = who_calls, witness

    def needs(self, role: Role) -> Check:
        """A dependency that gives the principal, or ends the request with 401 or 403."""

        async def check(request: Request) -> Principal:
            if role is Role.ANYONE:
                return NOBODY
            principal = self._who_calls(request)
            if principal is None:
                raise HTTPException(401)
            if role not in principal.roles:
                await self.witness.denied(principal.name, Action.ADMIN_CALL, role.value)
                raise HTTPException(403)
            return principal

        return check
