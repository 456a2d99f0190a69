"""The admin listener's application. It has a port of its own, which the EHR never sees.

Every route names the role that it needs. `principal` says who calls; under `insecure_demo` that is LOCAL.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import msgspec
from fastapi import Depends, FastAPI, HTTPException, Request, Response
from fastapi.responses import JSONResponse

from wardgate.domain.findings import Finding


class Role(StrEnum):
    ANYONE = "anyone"  # also without a principal: a load balancer has none
    READER = "reader"
    OPERATOR = "operator"


@dataclass(frozen=True, slots=True)
class Principal:
    name: str
    roles: frozenset[Role]


LOCAL = Principal("local", frozenset(Role))
"""Whoever reaches the loopback listener under `insecure_demo`."""


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


@dataclass(frozen=True, slots=True)
class AdminPorts:
    """What the admin application asks of the rest.

    `services` gives, by service id, what health knows of it: mode, champion version, digest, probe state.
    `stores` gives, by store, its kind and whether it is up.
    `metrics` gives the exposition and its content type. `reload` reads the configuration again and swaps it whole, or
    changes nothing and says why. `circuits` gives each circuit by service and release. `isolate` keeps all calls away
    from one, or does so no longer, and gives what has become of it; None: there is no such circuit.
    """

    principal: Callable[[Request], Principal | None]
    ready: Callable[[], bool]
    services: Callable[[], Awaitable[Mapping[str, Mapping[str, Any]]]]
    stores: Callable[[], Awaitable[Mapping[str, Mapping[str, Any]]]]
    metrics: Callable[[], Awaitable[tuple[bytes, str]]]
    reload: Callable[[], Awaitable[Sequence[Finding]]]
    circuits: Callable[[], Awaitable[Mapping[tuple[str, str], Circuit]]]
    isolate: Callable[[str, str, bool], Awaitable[Circuit | None]]


def admin_app(ports: AdminPorts, metrics_path: str = "/metrics") -> FastAPI:
    # FastAPI's own telemetry would record exception messages as soon as a global provider exists.
    app = FastAPI(
        telemetry={"tracing": False, "metrics": False, "logs": False}, docs_url=None, redoc_url=None, openapi_url=None
    )

    def needs(role: Role) -> list[Any]:
        async def check(request: Request) -> None:
            if role is Role.ANYONE:
                return
            principal = ports.principal(request)
            if principal is None:
                raise HTTPException(401)
            if role not in principal.roles:
                raise HTTPException(403)

        return [Depends(check)]

    @app.get("/health/live", dependencies=needs(Role.ANYONE))
    async def live() -> JSONResponse:
        return JSONResponse({"status": "live"})

    @app.get("/health/ready", dependencies=needs(Role.ANYONE))
    async def ready() -> JSONResponse:
        if ports.ready():
            return JSONResponse({"status": "ready"})
        return JSONResponse({"status": "draining"}, 503)

    @app.get("/health/services", dependencies=needs(Role.READER))
    async def services() -> JSONResponse:
        return JSONResponse(dict(await ports.services()))

    @app.get("/health/stores", dependencies=needs(Role.READER))
    async def stores() -> JSONResponse:
        return JSONResponse(dict(await ports.stores()))

    @app.get(metrics_path, dependencies=needs(Role.READER))
    async def metrics() -> Response:
        exposition, content_type = await ports.metrics()
        return Response(exposition, headers={"content-type": content_type})

    @app.post("/admin/v1/reload", dependencies=needs(Role.OPERATOR))
    async def reload() -> JSONResponse:
        errors = await ports.reload()
        if errors:
            return JSONResponse({"reloaded": False, "errors": msgspec.to_builtins(errors)}, 422)
        return JSONResponse({"reloaded": True, "services": dict(await ports.services())})

    @app.get("/admin/v1/circuits", dependencies=needs(Role.READER))
    async def circuits() -> JSONResponse:
        found: dict[str, dict[str, Any]] = {}
        for (service, release), circuit in (await ports.circuits()).items():
            found.setdefault(service, {})[release] = circuit.as_json()
        return JSONResponse(found)

    async def put(service: str, release: str, away: bool) -> JSONResponse:
        circuit = await ports.isolate(service, release, away)
        if circuit is None:
            what = "no service has such a release; GET /admin/v1/circuits lists them"
            return JSONResponse({"done": False, "error": what}, 404)
        done = circuit.is_done(away)
        return JSONResponse({"done": done, **circuit.as_json()}, 200 if done else 503)

    @app.post("/admin/v1/circuits/{service}/{release}/isolate", dependencies=needs(Role.OPERATOR))
    async def isolate(service: str, release: str) -> JSONResponse:
        return await put(service, release, away=True)

    @app.post("/admin/v1/circuits/{service}/{release}/close", dependencies=needs(Role.OPERATOR))
    async def close(service: str, release: str) -> JSONResponse:
        return await put(service, release, away=False)

    return app
