"""Admin tokens over the admin API: given, listed, taken back. By administrators, and on the audit chain first."""

from collections.abc import Callable
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Path
from fastapi.concurrency import run_in_threadpool
from pydantic import BaseModel, Field

from wardgate.control.audit import AuditUnavailable
from wardgate.control.tokens import TokenDesk, TokensUnavailable
from wardgate.domain.admin_tokens import LONGEST, Role, Token
from wardgate.web.admin.access import Access, Principal
from wardgate.web.admin.bodies import ReasonBody, example, moment_of
from wardgate.web.admin.problems import PROBLEMS, Problem

RoleName = Literal[
    "viewer",
    "operator",
    "approver-clinical",
    "approver-technical",
    "approver-privacy",
    "approver-compliance",
    "ingest",
    "admin",
]
ServiceName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")]


class NewTokenBody(BaseModel):
    name: str = Field(
        pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$", description="Of the person or program; it stands on the audit chain."
    )
    roles: list[RoleName] = Field(min_length=1, max_length=8)
    services: list[ServiceName] | None = Field(None, min_length=1, max_length=200, description="null: all.")
    days: float = Field(90.0, gt=0, le=LONGEST / 86400.0)

    model_config = example({"name": "mira", "roles": ["viewer", "operator"], "days": 90.0})


class RevokeBody(ReasonBody):
    pass


class TokenView(BaseModel):
    id: str
    name: str
    roles: list[Role]
    services: list[str] | None
    created: str
    expires: str
    state: Literal["good", "expired", "revoked"]

    @classmethod
    def of(cls, token: Token, now: float) -> "TokenView":
        return cls.model_validate(
            {
                "id": token.id,
                "name": token.name,
                "roles": list(token.roles),
                "services": None if token.services is None else list(token.services),
                "created": moment_of(token.created),
                "expires": moment_of(token.expires),
                "state": token.state(now),
            }
        )


class NewTokenView(TokenView):
    secret: str = Field(description="Shown this once. It goes into an Authorization header: Bearer wgt_…")


class TokensView(BaseModel):
    tokens: list[TokenView]


class RevokedView(BaseModel):
    id: str
    revoked: bool


def tokens_routes(access: Access, desk: TokenDesk | None, now: Callable[[], float]) -> APIRouter:
    router = APIRouter(prefix="/admin/v1/tokens", tags=["tokens"], responses=PROBLEMS)
    admin = Depends(access.needs(Role.ADMIN))

    def opened() -> TokenDesk:
        if desk is None:
            raise Problem(503, "This process has no durable store, so there are no tokens.")
        return desk

    @router.get("", dependencies=[admin])
    async def tokens() -> TokensView:
        """All of them, without their secrets, the oldest first."""
        at = opened()
        found = await _told(at.store.all)
        return TokensView(tokens=[TokenView.of(token, now()) for token in found])

    @router.post("", status_code=201)
    async def new(body: NewTokenBody, principal: Annotated[Principal, admin]) -> NewTokenView:
        """Give one. Its secret is in this answer, and nowhere else."""
        at = opened()
        roles = [Role(role) for role in body.roles]
        ask = lambda: at.new(principal.name, body.name, roles, body.services, body.days * 86400.0)  # noqa: E731
        token, secret = await _told(ask)
        return NewTokenView(**TokenView.of(token, now()).model_dump(), secret=secret)

    @router.post("/{token_id}/revoke")
    async def revoke(
        token_id: Annotated[str, Path(pattern=r"^[0-9a-f]{12}$")],
        body: RevokeBody,
        principal: Annotated[Principal, admin],
    ) -> RevokedView:
        """Take one back, at once. `revoked` is false where there was none that was good."""
        at = opened()
        done = await _told(lambda: at.revoke(principal.name, token_id, body.reason, body.ticket))
        return RevokedView(id=token_id, revoked=done)

    return router


async def _told(ask: Callable[[], Any]) -> Any:
    try:
        return await run_in_threadpool(ask)
    except (AuditUnavailable, TokensUnavailable) as error:
        raise Problem(503, f"Nothing was changed: {error.meaning}.") from None
    except ValueError:  # the bodies are checked before: what is left is none that a token can be
        raise Problem(422, "No token can be like this.") from None
