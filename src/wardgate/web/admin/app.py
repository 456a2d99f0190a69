"""The routes of the admin listener, put together from one file for each subject."""

import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import msgspec
from fastapi import Depends, FastAPI, Response
from fastapi.responses import JSONResponse, PlainTextResponse

from wardgate import __version__
from wardgate.control.audit import AuditTrail
from wardgate.control.tokens import TokenDesk
from wardgate.domain.admin_tokens import Role
from wardgate.domain.audit import Action
from wardgate.domain.findings import Finding
from wardgate.records.desk import RecordsDesk
from wardgate.web.admin.access import Access, Principal, WhoCalls
from wardgate.web.admin.audit import AuditPorts, audit_routes
from wardgate.web.admin.bounded import Bounded
from wardgate.web.admin.circuits import Circuits, Isolate, circuits_routes
from wardgate.web.admin.governing import GoverningPorts, governing_routes
from wardgate.web.admin.kills import kills_routes
from wardgate.web.admin.openapi import document_of
from wardgate.web.admin.problems import PROBLEMS, answer_problems, or_json
from wardgate.web.admin.records import STREAMED, records_routes
from wardgate.web.admin.replicas import replicas_routes
from wardgate.web.admin.rollout import rollout_routes
from wardgate.web.admin.rollout_ports import RolloutPorts
from wardgate.web.admin.tokens import tokens_routes
from wardgate.web.admin.witness import Witness


@dataclass(frozen=True, slots=True)
class AdminPorts:
    """What the admin application asks of the rest.

    `services` gives, by service id, what health knows of it: mode, champion version, digest, probe state.
    `stores` gives, by store, its kind and whether it is up.
    `metrics` gives the exposition and its content type. `reload` reads the configuration again and swaps it whole, or
    changes nothing and says why. `circuits` gives each circuit by service and release. `isolate` keeps all calls away
    from one, or does so no longer, and gives what has become of it; None: there is no such circuit. `desk` None: there
    is no store of records. `audit` None: there is no audit chain. `rollouts` None: the files decide what is shown;
    with it go `governing`, `chain` and `tokens`.
    """

    principal: WhoCalls
    ready: Callable[[], bool]
    services: Callable[[], Awaitable[Mapping[str, Mapping[str, Any]]]]
    stores: Callable[[], Awaitable[Mapping[str, Mapping[str, Any]]]]
    metrics: Callable[[], Awaitable[tuple[bytes, str]]]
    reload: Callable[[], Awaitable[Sequence[Finding]]]
    circuits: Circuits
    isolate: Isolate
    desk: RecordsDesk | None = None
    audit: AuditTrail | None = None
    rollouts: RolloutPorts | None = None
    governing: GoverningPorts | None = None
    chain: AuditPorts | None = None
    tokens: TokenDesk | None = None
    now: Callable[[], float] = time.time  # noqa: TID251 - for what a person reads


def admin_app(ports: AdminPorts, metrics_path: str = "/metrics") -> FastAPI:
    # FastAPI's own telemetry would record exception messages as soon as a global provider exists.
    app = FastAPI(
        telemetry={"tracing": False, "metrics": False, "logs": False},
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        redirect_slashes=False,  # where to would be what the Host header says
        title="wardgate admin API",
        version=__version__,
        description=_ABOUT,
        responses=PROBLEMS,
    )
    answer_problems(app)
    app.add_middleware(Bounded, streamed=STREAMED)
    access = Access(ports.principal, Witness(ports.audit))
    operator, viewer = Depends(access.needs(Role.OPERATOR)), Depends(access.needs(Role.VIEWER, by_service=True))

    def role(role: Role | None) -> list[Any]:
        return [Depends(access.needs(role))]

    @app.get("/health/live", dependencies=role(None), tags=["health"])
    async def live() -> JSONResponse:
        """That it is there."""
        return JSONResponse({"status": "live"})

    @app.get("/health/ready", dependencies=role(None), tags=["health"], responses=or_json(503, "It drains."))
    async def ready() -> JSONResponse:
        """Whether calls may be sent here."""
        if ports.ready():
            return JSONResponse({"status": "ready"})
        return JSONResponse({"status": "draining"}, 503)

    @app.get("/health/services", tags=["health"])
    async def services(principal: Annotated[Principal, viewer]) -> JSONResponse:
        """What each service shows, by which release, and whether its endpoint proves itself."""
        return JSONResponse({name: state for name, state in (await ports.services()).items() if principal.covers(name)})

    @app.get("/health/stores", dependencies=role(Role.VIEWER), tags=["health"])
    async def stores() -> JSONResponse:
        """Whether each store is there."""
        return JSONResponse(dict(await ports.stores()))

    @app.get("/health/governance", dependencies=role(Role.VIEWER), tags=["health"])
    async def governance() -> JSONResponse:
        """Which policy holds; whether an edited one waits, and for what; what was approved under a key that is gone."""
        if ports.governing is None:
            return JSONResponse({"state": "unknown", "why": "this process has no durable store"})
        return JSONResponse(dict(ports.governing.health()))

    @app.get(metrics_path, dependencies=role(Role.VIEWER), tags=["health"], response_class=PlainTextResponse)
    async def metrics() -> Response:
        """Prometheus's exposition."""
        exposition, content_type = await ports.metrics()
        return Response(exposition, headers={"content-type": content_type})

    @app.post("/admin/v1/reload", tags=["configuration"], responses=or_json(422, "The files are not sound."))
    async def reload(principal: Annotated[Principal, operator]) -> JSONResponse:
        """Read all files again, and go by them, or by none of them."""
        errors = await ports.reload()
        became = f"refused, {len(errors)} errors" if errors else "reloaded"
        await access.witness.after(principal.name, Action.RELOAD, "configuration", None, became)
        if errors:
            return JSONResponse({"reloaded": False, "errors": msgspec.to_builtins(errors)}, 422)
        return JSONResponse({"reloaded": True, "services": dict(await ports.services())})

    app.include_router(circuits_routes(access, ports.circuits, ports.isolate, ports.rollouts))
    app.include_router(records_routes(access, ports.desk))
    app.include_router(rollout_routes(access, ports.rollouts))
    app.include_router(kills_routes(access, ports.rollouts))
    app.include_router(replicas_routes(access, ports.rollouts))
    app.include_router(governing_routes(access, ports.governing))
    app.include_router(audit_routes(access, ports.chain))
    app.include_router(tokens_routes(access, ports.tokens, ports.now))

    @app.get("/admin/v1/openapi.json", dependencies=role(Role.VIEWER), include_in_schema=False)
    async def openapi() -> JSONResponse:
        return JSONResponse(document_of(app))

    return app


_ABOUT = """\
What people decide about a gateway while it runs, and what it knows of the calls that it answered. On a listener of its
own, which the EHR never sees. Whoever calls sends `Authorization: Bearer wgt_…` (`wardgate token new`); each route
names the role that it takes. Errors are problem details (RFC 9457), which repeat nothing of what was sent."""
