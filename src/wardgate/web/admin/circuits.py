"""Circuits over the admin API: which models are asked, and taking one out of use by hand."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any

from fastapi import APIRouter, Body, Depends, Path
from fastapi.responses import JSONResponse

from wardgate.control.askers import CODES, NO_REASON, Asker, Why
from wardgate.domain.admin_tokens import Role
from wardgate.domain.audit import Action
from wardgate.web.admin.access import WHO_DECIDES, Access, Principal
from wardgate.web.admin.bodies import ReasonBody
from wardgate.web.admin.problems import Problem, or_json
from wardgate.web.admin.rollout_ports import RolloutPorts, asker_of, told


@dataclass(frozen=True, slots=True)
class Circuit:
    """The circuit to a release's endpoint: `closed`, `open`, `half_open` or `isolated`. `workers`: what each of several
    says, by number; `no_answer` for one that says nothing. Where they differ, `state` is `mixed`."""

    state: str
    workers: Mapping[str, str] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        return {"state": self.state, "workers": dict(self.workers)} if self.workers else {"state": self.state}

    def is_done(self, away: bool) -> bool:
        """Whether all have it out of use, or have it so no longer."""
        states = set(self.workers.values()) or {self.state}
        return states == {"isolated"} if away else states.isdisjoint({"isolated", "no_answer"})


Said = Annotated[ReasonBody, Body()]
_NOTHING = ReasonBody()
Name = Annotated[str, Path(max_length=100, examples=["kidney-failure"])]
_ANSWERS = {**or_json(404, "There is no such circuit."), **or_json(503, "Not all workers have done it.")}

Circuits = Callable[[], Awaitable[Mapping[tuple[str, str], Circuit]]]
Isolate = Callable[[str, str, bool], Awaitable[Circuit | None]]


def circuits_routes(
    access: Access, of_all: Circuits, set_one: Isolate, rollouts: RolloutPorts | None = None
) -> APIRouter:
    """With a store of rollouts, all replicas go by what is asked for here, and for good; else this process, until it
    ends."""
    router = APIRouter(prefix="/admin/v1/circuits", tags=["circuits"])
    viewer = Depends(access.needs(Role.VIEWER, *WHO_DECIDES, by_service=True))
    operator = Depends(access.needs(Role.OPERATOR, Role.ADMIN, by_service=True))

    @router.get("")
    async def circuits(principal: Annotated[Principal, viewer]) -> JSONResponse:
        """The circuit to each release's endpoint, by service and version."""
        found: dict[str, dict[str, Any]] = {}
        for (service, release), circuit in (await of_all()).items():
            if principal.covers(service):
                found.setdefault(service, {})[release] = circuit.as_json()
        return JSONResponse(found)

    async def put(service: str, release: str, away: bool, principal: Principal, said: ReasonBody) -> JSONResponse:
        """Away: done, then told. Back is a raise: on the audit chain, or not done."""
        await access.within(principal, service)
        who, subject, circuit = principal.name, f"{service}/{release}", None
        stands: dict[str, Any] = {}
        if rollouts is not None and (service, release) in await of_all():
            if away:  # here at once: the store may hang
                await set_one(service, release, away)
            epoch = await _decided(rollouts, asker_of(principal, said), service, release, away)
            stands = {"stored": epoch is not None, "epoch": epoch}
            if epoch is not None:
                circuit = await set_one(service, release, away)
        if circuit is not None:
            pass
        elif away:
            circuit = await set_one(service, release, away)
            if circuit is not None:
                await access.witness.after(
                    who, Action.CIRCUIT_ISOLATE, subject, None, circuit.state, said.reason, said.ticket
                )
        elif (before := (await of_all()).get((service, release))) is not None:
            if not said.reason:
                raise Problem(422, " ".join(NO_REASON), {"code": Why.REASON.value, "codes": list(CODES)})
            await access.witness.before(
                who, Action.CIRCUIT_CLOSE, subject, before.state, "in_use", said.reason, said.ticket
            )
            circuit = await set_one(service, release, away)
        if circuit is None:
            what = "no service has such a release; GET /admin/v1/circuits lists them"
            return JSONResponse({"done": False, "error": what}, 404)
        done = circuit.is_done(away)
        return JSONResponse({"done": done, **stands, **circuit.as_json()}, 200 if done else 503)

    @router.post("/{service}/{release}/isolate", responses=_ANSWERS)
    async def isolate(
        service: Name, release: Name, principal: Annotated[Principal, operator], body: Said = _NOTHING
    ) -> JSONResponse:
        """Keep every call away from the endpoint of a release, whatever its circuit says."""
        return await put(service, release, True, principal, body)

    @router.post("/{service}/{release}/close", responses=_ANSWERS)
    async def close(
        service: Name, release: Name, principal: Annotated[Principal, operator], body: Said = _NOTHING
    ) -> JSONResponse:
        """Let calls reach it again, as far as its circuit lets them. A raise, so it takes a reason code."""
        return await put(service, release, False, principal, body)

    return router


async def _decided(at: RolloutPorts, asker: Asker, service: str, release: str, away: bool) -> int | None:
    """The epoch of the snapshot that has it, on the audit chain and in the store. None: the store is away, and it is
    taken out of use here alone."""
    try:
        done = await told(lambda: at.desk.isolate(asker, service, release, away), True)
    except Problem as problem:
        if away and problem.status in (503, 504):
            return None
        raise
    return done.epoch
