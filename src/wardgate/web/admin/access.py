"""Who may do what on the admin listener. Every route names the role that it needs.

A caller is known by her token (`Authorization: Bearer wgt_…`). Under `insecure_demo`, on loopback, whoever brings none
is LOCAL; but no page of another site in a browser of this machine, which could else ask for whatever it likes, nor one
whose name was made to mean this machine (DNS rebinding).
"""

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial

from fastapi import HTTPException, Request

from wardgate.control.tokens import TokenBook
from wardgate.domain.admin_tokens import Role
from wardgate.domain.audit import Action
from wardgate.web.admin.problems import Problem
from wardgate.web.admin.threads import knowing
from wardgate.web.admin.witness import Witness


@dataclass(frozen=True, slots=True)
class Principal:
    name: str
    roles: frozenset[Role]
    services: frozenset[str] | None = None
    """None: all."""

    def covers(self, service: str) -> bool:
        return self.services is None or service in self.services


LOCAL = Principal("local", frozenset(Role))
"""Whoever reaches the loopback listener under `insecure_demo` without a token."""

NOBODY = Principal("nobody", frozenset())
"""On a route for anyone, such as a load balancer: nobody was asked for."""

WHO_DECIDES = (
    Role.OPERATOR,
    Role.ADMIN,
    Role.APPROVER_CLINICAL,
    Role.APPROVER_TECHNICAL,
    Role.APPROVER_PRIVACY,
    Role.APPROVER_COMPLIANCE,
)
"""They see what is decided, as viewers do: nobody is to stop or approve what she cannot look at."""

WhoCalls = Callable[[Request], Awaitable[Principal | None]]
Check = Callable[[Request], Awaitable[Principal]]


def by_token(book: TokenBook | None, insecure_demo: Callable[[], bool]) -> WhoCalls:
    """`book` None: there is no store, so there are no tokens."""

    async def who_calls(request: Request) -> Principal | None:
        given = request.headers.getlist("authorization")
        if not given and insecure_demo():
            if not _is_of_here(request):
                raise Problem(403, _NOT_OF_HERE)
            return LOCAL
        scheme, _, secret = given[0].partition(" ") if len(given) == 1 else ("", "", "")
        token = None
        if book is not None and scheme.lower() == "bearer":
            token = await knowing(partial(book.find, secret))
        if token is not None:
            scope = None if token.services is None else frozenset(token.services)
            return Principal(f"{token.name}/{token.id}", frozenset(token.roles), scope)
        if given and book is not None:
            wait = book.wait_after_failure("" if request.client is None else request.client.host)
            if wait is not None:
                raise HTTPException(429, headers={"Retry-After": str(wait)})
        return None

    return who_calls


_NOT_OF_HERE = (
    "Without a token, ask by the name localhost or a loopback address (Host), and from no other page (Origin)."
)
_HERE = re.compile(r"(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])(?::\d{1,5})?", re.ASCII | re.IGNORECASE)


def _is_of_here(request: Request) -> bool:
    """Not asked for by the page of another site: `Host` is the name that was looked up, and `Origin` the page's."""
    hosts, origins = request.headers.getlist("host"), request.headers.getlist("origin")
    pages = [origin.partition("://")[2] for origin in origins]
    return all(_HERE.fullmatch(name) for name in (*hosts, *pages))


class Access:
    """`witness` puts on the audit chain what somebody who is known was denied."""

    def __init__(self, who_calls: WhoCalls, witness: Witness) -> None:
        self._who_calls, self.witness = who_calls, witness

    def needs(self, role: Role | None, *others: Role, by_service: bool = False) -> Check:
        """A dependency that gives the principal, or ends the request with 401, 403 or 429. None: anyone; `others` will
        do as well. A principal of some services comes in only `by_service`: where the route then asks for the one
        (`within`)."""

        async def check(request: Request) -> Principal:
            if role is None:
                return NOBODY
            principal = await self._known(request)
            if principal.roles.isdisjoint((role, *others)):
                needed = " or ".join((role, *others))
                await self._deny(principal, role.value, f"This takes the role {needed}. {_has(principal)}")
            if not by_service and principal.services is not None:
                await self._deny(principal, role.value, "This is about all services, and your token is for some.")
            return principal

        return check

    def known(self) -> Check:
        """A dependency that gives the principal, whatever her roles: for what a use case judges itself."""

        async def check(request: Request) -> Principal:
            return await self._known(request)

        return check

    async def within(self, principal: Principal, service: str) -> None:
        """Ends the request with 403 for a service that is not hers, whether there is such a one or not."""
        if not principal.covers(service):
            await self._deny(principal, "services", "Your token is not for that service.")

    async def _known(self, request: Request) -> Principal:
        principal = await self._who_calls(request)
        if principal is None:
            raise HTTPException(401, headers={"WWW-Authenticate": "Bearer"})
        return principal

    async def _deny(self, principal: Principal, what: str, told: str) -> None:
        await self.witness.denied(principal.name, Action.ADMIN_CALL, what)
        raise Problem(403, told)


def _has(principal: Principal) -> str:
    return f"Yours: {', '.join(sorted(principal.roles)) or 'none'}."
