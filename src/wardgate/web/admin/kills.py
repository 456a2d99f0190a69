"""The kill switches over the admin API: see, set, lift."""

import re
from collections.abc import Collection
from functools import partial
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query
from fastapi.responses import JSONResponse

from wardgate.control.askers import ChangeRefused, Why
from wardgate.domain.admin_tokens import Role
from wardgate.domain.outcomes import Mode
from wardgate.domain.rollout.rollouts import Scope
from wardgate.web.admin.access import WHO_DECIDES, Access, Principal
from wardgate.web.admin.problems import PROBLEMS
from wardgate.web.admin.rollout_answers import DONE, ceiling_view, changed, seen, tried
from wardgate.web.admin.rollout_bodies import ChangedView, KillBody, KillsView, LiftBody
from wardgate.web.admin.rollout_ports import RolloutPorts, asker_of, digest_of, opened, told

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


def kills_routes(access: Access, ports: RolloutPorts | None) -> APIRouter:
    router = APIRouter(prefix="/admin/v1", tags=["rollout"], responses=PROBLEMS)
    anybody = Depends(access.known())
    """Which role a change takes depends on what it changes: the desk asks for it, and audits denials."""

    @router.get("/kills", dependencies=[Depends(access.needs(Role.VIEWER, *WHO_DECIDES))])
    async def kills() -> KillsView:
        """The kill switches that are set."""
        at = opened(ports)
        snapshot, stored, beyond = await told(partial(seen, at))
        kills = [ceiling_view(each) for each in snapshot.in_force()]
        return KillsView(epoch=snapshot.epoch, stored=stored, beyond=beyond, kills=kills)

    @router.post("/kills", response_model=ChangedView, responses=DONE)
    async def kill(
        body: KillBody,
        principal: Annotated[Principal, anybody],
        dry_run: Annotated[bool, Query(description="Set nothing: say whom it would meet.")] = False,
    ) -> JSONResponse:
        """Nothing beyond a mode from now on, for all, one service, one site or one release, until it is lifted. Works
        while every store is away but the shared cache."""
        at = opened(ports)
        asker = asker_of(principal, body)

        scope, mode = Scope(body.scope), Mode(body.mode)

        def name() -> str:
            return _stopped(at, scope, body.name)

        if dry_run:
            would = await told(lambda: at.desk.would_kill(asker, scope, name(), mode))
            return await tried(at, would, body.name if scope is Scope.SERVICE else None, principal)
        return await changed(at, await told(lambda: at.desk.kill(asker, scope, name(), mode), True), None)

    @router.post("/kills/{kill_id}/lift", response_model=ChangedView, responses=DONE)
    async def lift(
        kill_id: Annotated[str, Path(pattern=r"^[0-9a-f-]{36}$")],
        body: LiftBody,
        principal: Annotated[Principal, anybody],
    ) -> JSONResponse:
        """Lift a kill switch: a raise. A second person may within the hours that governance allows; else an admin,
        where all gates pass."""
        at = opened(ports)
        return await changed(at, await told(lambda: at.desk.lift(asker_of(principal, body), kill_id), True), None)

    return router


def _stopped(at: RolloutPorts, scope: Scope, name: str) -> str:
    """What a kill switch is held over, by the name that snapshots have for it. One over a name that nobody has would
    stop nothing, and say that it was done. Needs no store."""
    match scope:
        case Scope.RELEASE:
            return _any_digest(at, name)
        case Scope.SERVICE:
            known, of = {*at.names.services(), *_decided(at)}, "services"
        case Scope.SITE:
            known, of = set(at.names.sites()), "sites"
        case Scope.ALL:
            return name
    if name not in known:
        remedy = f"The {of} are: {', '.join(sorted(known))}." if known else f"There are no {of}."
        raise ChangeRefused(Why.UNKNOWN, f"None of the {of} has this name, so nothing was stopped.", remedy)
    return name


def _any_digest(at: RolloutPorts, name: str) -> str:
    """Of any service; a whole one is taken as it is, for who stops it need not find it first."""
    if _DIGEST.fullmatch(name):
        return name
    for service in sorted({*at.names.services(), *_decided(at)}):
        digest = at.names.digest(service, name)
        if digest is not None:
            return digest
    return digest_of(at, "", name)


def _decided(at: RolloutPorts) -> Collection[str]:
    """Services, as far as anybody knows what is decided."""
    try:
        return at.desk.seen()[0].rollouts
    except ChangeRefused:
        return ()
