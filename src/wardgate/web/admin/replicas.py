"""The replicas over the admin API: which of them answer by what is decided; forget one that is gone; confirm a store
that is older than what they have seen."""

from typing import Annotated

from fastapi import APIRouter, Depends, Path
from fastapi.responses import JSONResponse

from wardgate.control.settling import Changed
from wardgate.domain.admin_tokens import Role
from wardgate.web.admin.access import WHO_DECIDES, Access, Principal
from wardgate.web.admin.problems import PROBLEMS
from wardgate.web.admin.rollout_answers import DONE, changed
from wardgate.web.admin.rollout_bodies import ChangedView, ConfirmBody, EffectView, ForgetBody, ReplicasView
from wardgate.web.admin.rollout_ports import RolloutPorts, asker_of, opened, told


def replicas_routes(access: Access, ports: RolloutPorts | None) -> APIRouter:
    router = APIRouter(prefix="/admin/v1", tags=["rollout"], responses=PROBLEMS)
    viewer = Depends(access.needs(Role.VIEWER, *WHO_DECIDES, by_service=True))
    anybody = Depends(access.known())
    """Which role a change takes depends on what it changes: the desk asks for it, and audits denials."""

    @router.get("/replicas", dependencies=[Depends(access.needs(Role.VIEWER, *WHO_DECIDES))])
    async def replicas() -> ReplicasView:
        """Each process that answers calls: by which snapshot, which files, and whether it hides."""
        at = opened(ports)
        return ReplicasView.of(await told(at.replicas.all))

    @router.post("/replicas/forget", response_model=ChangedView, responses=DONE)
    async def forget(body: ForgetBody, principal: Annotated[Principal, anybody]) -> JSONResponse:
        """No change waits any more for a replica that is gone for good. One that was heard of just now is not
        forgotten; one that comes back registers anew, and shows nothing before it has read what is decided."""
        at = opened(ports)
        asker = asker_of(principal, body)
        return await changed(at, await told(lambda: at.replicas.forget(asker, body.name), True), None)

    @router.get("/effect/{epoch}", dependencies=[viewer])
    async def effect(epoch: Annotated[int, Path(ge=0, lt=2**53, examples=[7])]) -> EffectView:
        """Whether every replica answers by the snapshot of this epoch, or shows nothing."""
        at = opened(ports)
        return EffectView.of(await told(lambda: at.effect(epoch)))

    @router.post("/confirm", response_model=ChangedView, responses=DONE)
    async def confirm(body: ConfirmBody, principal: Annotated[Principal, anybody]) -> JSONResponse:
        """A person has looked at a store that is older than what replicas have seen: what it says shall hold. Kill
        switches and isolated circuits that it has lost stay; for the rest that shows more, 409 names it, and `more`
        confirms it."""
        at = opened(ports)

        def ask() -> Changed:
            return at.desk.confirm(asker_of(principal, body), body.above, body.more)

        return await changed(at, await told(ask), None)

    return router
