"""What is decided about each service over the admin API: see, change, roll back, put back, rehearse, watch."""

from collections.abc import Mapping
from functools import partial
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Depends, Header, Query, Response
from fastapi.responses import JSONResponse

from wardgate.control.decisions import Past
from wardgate.control.settling import Changed
from wardgate.domain.admin_tokens import Role
from wardgate.domain.rollout.rollouts import Scope
from wardgate.records.watch import Watched
from wardgate.web.admin.access import WHO_DECIDES, Access, Principal
from wardgate.web.admin.bodies import ReasonBody
from wardgate.web.admin.problems import PROBLEMS, Problem
from wardgate.web.admin.rollout_answers import DONE, ceiling_view, changed, seen, tried, view_of
from wardgate.web.admin.rollout_bodies import (
    ChangedView,
    DrillView,
    HistoryView,
    RollbackBody,
    RolloutPatch,
    RolloutsView,
    RolloutView,
    WatchView,
)
from wardgate.web.admin.rollout_ports import RolloutPorts, Service, asker_of, digest_of, opened, told

IfMatch = Annotated[str | None, Header(alias="If-Match", max_length=100, examples=['"5f2b9c0d1e7a4c3b"'])]

_CONDITIONS: dict[int | str, dict[str, Any]] = {
    412: {**PROBLEMS[409], "description": "The rollout was changed meanwhile: look at it, and ask again."},
    428: {**PROBLEMS[409], "description": "A raise sends If-Match."},
}


def rollout_routes(access: Access, ports: RolloutPorts | None) -> APIRouter:
    router = APIRouter(prefix="/admin/v1", tags=["rollout"], responses=PROBLEMS)
    viewer = Depends(access.needs(Role.VIEWER, *WHO_DECIDES, by_service=True))
    anybody = Depends(access.known())
    """Which role a change takes depends on what it changes: the desk asks for it, and audits denials."""

    @router.get("/rollout")
    async def rollouts(principal: Annotated[Principal, viewer]) -> RolloutsView:
        """What is decided about each service."""
        at = opened(ports)
        snapshot, stored, beyond = await told(partial(seen, at))
        named = {name: rollout for name, rollout in snapshot.rollouts.items() if principal.covers(name)}
        views = [view_of(at, name, rollout) for name, rollout in named.items()]
        modes = {name: mode.value for name, mode in at.desk.in_force(snapshot).items() if name in named}
        of_hers = [
            each for each in snapshot.in_force() if each.scope is not Scope.SERVICE or principal.covers(each.name)
        ]
        kills = [ceiling_view(each) for each in of_hers]
        lacking = await told(lambda: at.desk.unapproved(snapshot)) if stored else {}
        unapproved = {name: list(lines) for name, lines in lacking.items() if name in named}
        return RolloutsView.model_validate(
            {
                "epoch": snapshot.epoch,
                "stored": stored,
                "beyond": beyond,
                "services": views,
                "in_force": modes,
                "kills": kills,
                "unapproved": unapproved,
            }
        )

    @router.get("/rollout/{service}")
    async def rollout(service: Service, response: Response, principal: Annotated[Principal, viewer]) -> RolloutView:
        """What is decided about one service, with the ETag that a change of it names. While the durable store is away,
        what this process goes by."""
        await access.within(principal, service)
        at = opened(ports)
        snapshot, _ = await told(at.desk.seen)
        if service not in snapshot.rollouts:
            raise Problem(404, "There is no such service. `wardgate rollout show` lists them.")
        view = view_of(at, service, snapshot.rollouts[service])
        response.headers["ETag"] = f'"{view.etag}"'
        return view

    @router.patch("/rollout/{service}", response_model=ChangedView, responses={**DONE, **_CONDITIONS})
    async def change(
        service: Service,
        body: RolloutPatch,
        principal: Annotated[Principal, anybody],
        if_match: IfMatch = None,
        dry_run: Annotated[bool, Query(description="Change nothing: say what it would alter on the last day.")] = False,
    ) -> JSONResponse:
        """Change what is decided about a service: the fields that are sent. A lowering takes the role operator. A raise
        takes the role admin, If-Match, and that all gates pass."""
        at = opened(ports)
        asker = asker_of(principal, body)
        etag = None if if_match is None else _etag(if_match)

        def wanted() -> Mapping[str, object]:
            return body.wanted(service, at.names, at.users)

        if dry_run:
            would = await told(lambda: at.desk.would(asker, service, wanted(), etag))
            return await tried(at, would, service, principal)
        done = await told(lambda: at.desk.change(asker, service, wanted(), etag), True)
        return await changed(at, done, service)

    @router.get("/rollout/{service}/history")
    async def history(
        service: Service,
        principal: Annotated[Principal, viewer],
        most: Annotated[int, Query(ge=1, le=500)] = 50,
    ) -> HistoryView:
        """What was decided about a service, the newest first."""
        await access.within(principal, service)
        at = opened(ports)
        await told(lambda: at.desk.rollout(service))
        past = await told(lambda: at.desk.past(service, most))
        return HistoryView(service=service, changes=[_past(at, service, each) for each in past])

    @router.post("/rollout/{service}/rollback", response_model=ChangedView, responses=DONE)
    async def rollback(service: Service, body: RollbackBody, principal: Annotated[Principal, anybody]) -> JSONResponse:
        """Return to the release before this one, or to the one that is named, with the whole configuration that its
        digest covers; at no higher a mode than now. Its endpoint must prove that it runs it."""
        at = opened(ports)

        def ask() -> Changed:
            to = None if body.to is None else digest_of(at, service, body.to)
            return at.desk.rollback(asker_of(principal, body), service, to)

        return await changed(at, await told(ask), service)

    @router.post("/rollout/{service}/put-back", response_model=ChangedView, responses=DONE)
    async def put_back(service: Service, body: ReasonBody, principal: Annotated[Principal, anybody]) -> JSONResponse:
        """Put back exactly what the last change took down: by a second person, within the hours that governance
        allows."""
        at = opened(ports)
        done = await told(lambda: at.desk.put_back(asker_of(principal, body), service), True)
        return await changed(at, done, service)

    @router.post("/rollout/{service}/drill")
    async def drill(service: Service, body: ReasonBody, principal: Annotated[Principal, anybody]) -> DrillView:
        """Rehearse a rollback and a kill without harm: the release to return to is proven, hot copy, durable store and
        audit chain take a change that changes nothing, and every replica confirms it. Takes some seconds."""
        at = opened(ports)
        return DrillView.of(await told(lambda: at.drill(asker_of(principal, body), service)))

    @router.get("/rollout/{service}/watch")
    async def watch(
        service: Service,
        principal: Annotated[Principal, viewer],
        since_epoch: Annotated[int, Query(ge=1, lt=2**53, description="Of the change.", examples=[7])],
    ) -> WatchView:
        """What has become of a change: the alert rate before it and since, who answered, and decisions since then,
        each held against what was decided. Reads records, so the look is on the access log."""
        await access.within(principal, service)
        at = opened(ports)

        def ask() -> Watched:
            at.desk.rollout(service)
            return at.watch(service, since_epoch, at.desk.changed_at(since_epoch), principal.name)

        return WatchView.of(await told(ask))

    return router


def _etag(given: str) -> str:
    """Of `"…"`; a weak one, or a list of several, matches nothing."""
    return given.strip().removeprefix('"').removesuffix('"')


def _past(at: RolloutPorts, service: str, past: Past) -> dict[str, Any]:
    view = view_of(at, service, past.rollout)
    return {"epoch": past.epoch, **msgspec.to_builtins(past.change), "rollout": view.model_dump(mode="json")}
