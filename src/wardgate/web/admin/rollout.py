"""What is decided about each service over the admin API: see, change, roll back, put back; kill and lift; and which
replicas answer by it.

The desk is blocking, so everything here runs in a thread.
"""

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any, TypeVar

import msgspec
from fastapi import APIRouter, Depends, Header, Path, Query, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse

from wardgate.control.askers import Asker, ChangeRefused, Why
from wardgate.control.changes import RolloutDesk
from wardgate.control.confirmation import Effect
from wardgate.control.decided import etag_of
from wardgate.control.decisions import Past
from wardgate.control.drills import Drilled
from wardgate.control.ports import StoreUnavailable
from wardgate.control.replicas import ReplicaDesk
from wardgate.control.settling import Changed, Would
from wardgate.domain.admin_tokens import Role
from wardgate.domain.outcomes import Mode
from wardgate.domain.rollout.rollouts import Ceiling, Rollout, Scope, Snapshot
from wardgate.records.archive import ArchiveUnavailable
from wardgate.records.impact import Impact
from wardgate.records.watch import Watched
from wardgate.web.admin.access import WHO_DECIDES, Access, Principal
from wardgate.web.admin.bodies import ReasonBody, ReleaseNames
from wardgate.web.admin.problems import PROBLEMS, Problem
from wardgate.web.admin.rollout_bodies import (
    CeilingView,
    ChangedView,
    ConfirmBody,
    DrillView,
    EffectView,
    ForgetBody,
    HistoryView,
    KillBody,
    KillsView,
    LiftBody,
    ReplicasView,
    RollbackBody,
    RolloutPatch,
    RolloutsView,
    RolloutView,
    WatchView,
)
from wardgate.web.admin.threads import changing

T = TypeVar("T")

_STATUS = {
    Why.ROLE: 403,
    Why.STALE: 412,
    Why.UNCONDITIONAL: 428,
    Why.GATES: 409,
    Why.SAME_PERSON: 403,
    Why.TOO_LATE: 409,
    Why.NOTHING: 409,
    Why.MORE: 409,
    Why.ALIVE: 409,
    Why.UNKNOWN: 404,
    Why.INVALID: 422,
    Why.STORE: 503,
    Why.UNSURE: 504,
    Why.PROOF: 409,
    Why.REASON: 422,
}

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")

Service = Annotated[str, Path(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$", examples=["kidney-failure"])]
IfMatch = Annotated[str | None, Header(alias="If-Match", max_length=100, examples=['"5f2b9c0d1e7a4c3b"'])]


@dataclass(frozen=True, slots=True)
class RolloutPorts:
    """`effect` blocks, and raises StoreUnavailable. `users` gives the pseudonyms that a user of any client
    may be kept under. `impact` says what a change would alter of these services on the last day's calls, and who asks;
    it raises ArchiveUnavailable."""

    desk: RolloutDesk
    names: ReleaseNames
    effect: Callable[[int], Effect]
    replicas: ReplicaDesk
    users: Callable[[Sequence[str]], frozenset[str]]
    impact: Callable[[Snapshot, Snapshot, Sequence[str], str], Impact]
    drill: Callable[[Asker, str], Drilled]
    watch: Callable[[str, int, float, str], Watched]


def rollout_routes(access: Access, ports: RolloutPorts | None) -> APIRouter:
    router = APIRouter(prefix="/admin/v1", tags=["rollout"], responses=PROBLEMS)
    viewer = Depends(access.needs(Role.VIEWER, *WHO_DECIDES, by_service=True))
    anybody = Depends(access.known())
    """Which role a change takes depends on what it changes: the desk asks for it, and audits denials."""

    def opened() -> RolloutPorts:
        if ports is None:
            raise Problem(503, "This process has no store of rollouts: the files decide.")
        return ports

    @router.get("/rollout")
    async def rollouts(principal: Annotated[Principal, viewer]) -> RolloutsView:
        """What is decided about each service."""
        at = opened()
        snapshot, stored, beyond = await told(partial(_seen, at))
        named = {name: rollout for name, rollout in snapshot.rollouts.items() if principal.covers(name)}
        views = [_view(at, name, rollout) for name, rollout in named.items()]
        modes = {name: mode.value for name, mode in at.desk.in_force(snapshot).items() if name in named}
        of_hers = [
            each for each in snapshot.in_force() if each.scope is not Scope.SERVICE or principal.covers(each.name)
        ]
        kills = [_ceiling(each) for each in of_hers]
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
        at = opened()
        snapshot, _ = await told(at.desk.seen)
        if service not in snapshot.rollouts:
            raise Problem(404, "There is no such service. `wardgate rollout show` lists them.")
        view = _view(at, service, snapshot.rollouts[service])
        response.headers["ETag"] = f'"{view.etag}"'
        return view

    @router.patch("/rollout/{service}", response_model=ChangedView, responses={**_DONE, **_CONDITIONS})
    async def change(
        service: Service,
        body: RolloutPatch,
        principal: Annotated[Principal, anybody],
        if_match: IfMatch = None,
        dry_run: Annotated[bool, Query(description="Change nothing: say what it would alter on the last day.")] = False,
    ) -> JSONResponse:
        """Change what is decided about a service: the fields that are sent. A lowering takes the role operator. A raise
        takes the role admin, If-Match, and that all gates pass."""
        at = opened()
        asker = asker_of(principal, body)
        etag = None if if_match is None else _etag(if_match)

        def wanted() -> Mapping[str, object]:
            return body.wanted(service, at.names, at.users)

        if dry_run:
            would = await told(lambda: at.desk.would(asker, service, wanted(), etag))
            return await _tried(at, would, service, principal)
        done = await told(lambda: at.desk.change(asker, service, wanted(), etag), True)
        return await _changed(at, done, service)

    @router.get("/rollout/{service}/history")
    async def history(
        service: Service,
        principal: Annotated[Principal, viewer],
        most: Annotated[int, Query(ge=1, le=500)] = 50,
    ) -> HistoryView:
        """What was decided about a service, the newest first."""
        await access.within(principal, service)
        at = opened()
        await told(lambda: at.desk.rollout(service))
        past = await told(lambda: at.desk.past(service, most))
        return HistoryView(service=service, changes=[_past(at, service, each) for each in past])

    @router.post("/rollout/{service}/rollback", response_model=ChangedView, responses=_DONE)
    async def rollback(service: Service, body: RollbackBody, principal: Annotated[Principal, anybody]) -> JSONResponse:
        """Return to the release before this one, or to the one that is named, with the whole configuration that its
        digest covers; at no higher a mode than now. Its endpoint must prove that it runs it."""
        at = opened()

        def ask() -> Changed:
            to = None if body.to is None else _digest(at, service, body.to)
            return at.desk.rollback(asker_of(principal, body), service, to)

        return await _changed(at, await told(ask), service)

    @router.post("/rollout/{service}/put-back", response_model=ChangedView, responses=_DONE)
    async def put_back(service: Service, body: ReasonBody, principal: Annotated[Principal, anybody]) -> JSONResponse:
        """Put back exactly what the last change took down: by a second person, within the hours that governance
        allows."""
        at = opened()
        done = await told(lambda: at.desk.put_back(asker_of(principal, body), service), True)
        return await _changed(at, done, service)

    @router.post("/rollout/{service}/drill")
    async def drill(service: Service, body: ReasonBody, principal: Annotated[Principal, anybody]) -> DrillView:
        """Rehearse a rollback and a kill without harm: the release to return to is proven, hot copy, durable store and
        audit chain take a change that changes nothing, and every replica confirms it. Takes some seconds."""
        at = opened()
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
        at = opened()

        def ask() -> Watched:
            at.desk.rollout(service)
            return at.watch(service, since_epoch, at.desk.changed_at(since_epoch), principal.name)

        return WatchView.of(await told(ask))

    @router.get("/kills", dependencies=[Depends(access.needs(Role.VIEWER, *WHO_DECIDES))])
    async def kills() -> KillsView:
        """The kill switches that are set."""
        at = opened()
        snapshot, stored, beyond = await told(partial(_seen, at))
        kills = [_ceiling(each) for each in snapshot.in_force()]
        return KillsView(epoch=snapshot.epoch, stored=stored, beyond=beyond, kills=kills)

    @router.post("/kills", response_model=ChangedView, responses=_DONE)
    async def kill(
        body: KillBody,
        principal: Annotated[Principal, anybody],
        dry_run: Annotated[bool, Query(description="Set nothing: say whom it would meet.")] = False,
    ) -> JSONResponse:
        """Nothing beyond a mode from now on, for all, one service, one site or one release, until it is lifted. Works
        while every store is away but the shared cache."""
        at = opened()
        asker = asker_of(principal, body)

        scope, mode = Scope(body.scope), Mode(body.mode)

        def name() -> str:
            return _stopped(at, scope, body.name)

        if dry_run:
            would = await told(lambda: at.desk.would_kill(asker, scope, name(), mode))
            return await _tried(at, would, body.name if scope is Scope.SERVICE else None, principal)
        return await _changed(at, await told(lambda: at.desk.kill(asker, scope, name(), mode), True), None)

    @router.post("/kills/{kill_id}/lift", response_model=ChangedView, responses=_DONE)
    async def lift(
        kill_id: Annotated[str, Path(pattern=r"^[0-9a-f-]{36}$")],
        body: LiftBody,
        principal: Annotated[Principal, anybody],
    ) -> JSONResponse:
        """Lift a kill switch: a raise. A second person may within the hours that governance allows; else an admin,
        where all gates pass."""
        at = opened()
        return await _changed(at, await told(lambda: at.desk.lift(asker_of(principal, body), kill_id), True), None)

    @router.get("/replicas", dependencies=[Depends(access.needs(Role.VIEWER, *WHO_DECIDES))])
    async def replicas() -> ReplicasView:
        """Each process that answers calls: by which snapshot, which files, and whether it hides."""
        at = opened()
        return ReplicasView.of(await told(at.replicas.all))

    @router.post("/replicas/forget", response_model=ChangedView, responses=_DONE)
    async def forget(body: ForgetBody, principal: Annotated[Principal, anybody]) -> JSONResponse:
        """No change waits any more for a replica that is gone for good. One that was heard of just now is not
        forgotten; one that comes back registers anew, and shows nothing before it has read what is decided."""
        at = opened()
        asker = asker_of(principal, body)
        return await _changed(at, await told(lambda: at.replicas.forget(asker, body.name), True), None)

    @router.get("/effect/{epoch}", dependencies=[viewer])
    async def effect(epoch: Annotated[int, Path(ge=0, lt=2**53, examples=[7])]) -> EffectView:
        """Whether every replica answers by the snapshot of this epoch, or shows nothing."""
        at = opened()
        return EffectView.of(await told(lambda: at.effect(epoch)))

    @router.post("/confirm", response_model=ChangedView, responses=_DONE)
    async def confirm(body: ConfirmBody, principal: Annotated[Principal, anybody]) -> JSONResponse:
        """A person has looked at a store that is older than what replicas have seen: what it says shall hold. Kill
        switches and isolated circuits that it has lost stay; for the rest that shows more, 409 names it, and `more`
        confirms it."""
        at = opened()

        def ask() -> Changed:
            return at.desk.confirm(asker_of(principal, body), body.above, body.more)

        return await _changed(at, await told(ask), None)

    return router


_DONE: dict[int | str, dict[str, Any]] = {
    202: {
        "model": ChangedView,
        "description": "In force, and in no store yet: a kill switch stands for it. `heard` says who obeys.",
    },
    504: {**PROBLEMS[503], "description": "The store was told, and gave no answer: it may be done."},
}
_CONDITIONS: dict[int | str, dict[str, Any]] = {
    412: {**PROBLEMS[409], "description": "The rollout was changed meanwhile: look at it, and ask again."},
    428: {**PROBLEMS[409], "description": "A raise sends If-Match."},
}


async def told(ask: Callable[[], T], changes: bool = False) -> T:
    """In a thread, for a change in one of those; what is refused becomes a problem."""
    try:
        return await (changing(ask) if changes else run_in_threadpool(ask))
    except ChangeRefused as refused:
        detail = f"{refused.what} {refused.remedy}".strip()
        more: dict[str, Any] = {"code": refused.why.value}
        if refused.gates:
            more["gates"] = list(refused.gates)
        if refused.codes:
            more["codes"] = list(refused.codes)
        raise Problem(_STATUS[refused.why], detail, more) from None
    except ArchiveUnavailable as error:
        raise Problem(503, error.trouble.sentence) from None
    except StoreUnavailable as error:
        raise Problem(503, f"The store of rollouts does not answer: {error.meaning}.") from None


def asker_of(principal: Principal, body: ReasonBody | None = None) -> Asker:
    body = body or ReasonBody()
    return Asker(
        who=principal.name,
        roles=principal.roles,
        services=principal.services,
        reason=body.reason,
        ticket=body.ticket,
        remark=body.remark,
    )


def _seen(at: RolloutPorts) -> tuple[Snapshot, bool, int]:
    """What is decided, whether the durable store says so, and what replicas have seen beyond it."""
    snapshot, stored = at.desk.seen()
    return snapshot, stored, at.desk.beyond(snapshot.epoch) if stored else 0


def _etag(given: str) -> str:
    """Of `"…"`; a weak one, or a list of several, matches nothing."""
    return given.strip().removeprefix('"').removesuffix('"')


def _digest(at: RolloutPorts, service: str, name: str) -> str:
    digest = at.names.digest(service, name)
    if digest is None:
        raise ChangeRefused(Why.UNKNOWN, "There is no such release.", "Name it by version, digest, or its beginning.")
    return digest


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
    return _digest(at, "", name)


def _decided(at: RolloutPorts) -> Collection[str]:
    """Services, as far as anybody knows what is decided."""
    try:
        return at.desk.seen()[0].rollouts
    except ChangeRefused:
        return ()


async def _changed(at: RolloutPorts, done: Changed, service: str | None) -> JSONResponse:
    """200; 202 where the durable store is away and a ceiling stands for the change."""
    view = ChangedView(
        epoch=done.epoch,
        stored=done.epoch is not None,
        dry_run=False,
        raised=list(done.raised),
        heard=list(done.told),
        trouble=done.trouble,
        kill=None if done.ceiling is None else _ceiling(done.ceiling),
    )
    epoch = done.epoch
    if epoch is not None:
        view.effect = EffectView.of(await changing(partial(_effect, at, epoch)))
    return _answered(at, view, done.after, service, 200 if view.stored else 202)


def _effect(at: RolloutPorts, epoch: int) -> Effect:
    """Of nobody where that cannot be read: the change is done all the same."""
    try:
        return at.effect(epoch)
    except StoreUnavailable:
        return Effect(epoch, (), (), ())


async def _tried(at: RolloutPorts, would: Would, service: str | None, principal: Principal) -> JSONResponse:
    refused, impact, unknown = would.refused, None, None
    met = [name for name in would.after.rollouts if service in (None, name) and principal.covers(name)]
    try:
        impact = await run_in_threadpool(at.impact, would.before, would.after, met, principal.name)
    except ArchiveUnavailable as error:  # it can be done all the same
        unknown = error.trouble.sentence
    view = ChangedView(
        epoch=None,
        stored=False,
        dry_run=True,
        raised=list(would.raised),
        refused=None if refused is None else f"{refused.what} {refused.remedy}".strip(),
        gates=[] if refused is None else list(refused.gates),
        impact=None if impact is None else msgspec.to_builtins(impact),
        impact_unknown=unknown,
    )
    return _answered(at, view, would.after, service, 200)


def _answered(
    at: RolloutPorts, view: ChangedView, after: Snapshot | None, service: str | None, status: int
) -> JSONResponse:
    headers = {}
    if service is not None and after is not None and service in after.rollouts:
        view.rollout = _view(at, service, after.rollouts[service])
        headers["ETag"] = f'"{view.rollout.etag}"'
    return JSONResponse(view.model_dump(mode="json"), status, headers)


def _view(at: RolloutPorts, service: str, rollout: Rollout) -> RolloutView:
    sites = at.names.sites()
    return RolloutView.of(service, rollout, etag_of(rollout), lambda digest: at.names.version(service, digest), sites)


def _ceiling(ceiling: Ceiling) -> CeilingView:
    return CeilingView(**msgspec.to_builtins(ceiling))


def _past(at: RolloutPorts, service: str, past: Past) -> dict[str, Any]:
    view = _view(at, service, past.rollout)
    return {"epoch": past.epoch, **msgspec.to_builtins(past.change), "rollout": view.model_dump(mode="json")}
