"""The admin application: its routes, who may call them, and that it says no more than it should."""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.asgi import ask
from tests.fakes.audit import AuditGround
from tests.fakes.principals import calls
from wardgate.control.askers import CODES
from wardgate.control.audit import AuditTrail
from wardgate.domain.findings import Finding
from wardgate.web.admin import LOCAL, AdminPorts, Circuit, Principal, Role, admin_app
from wardgate.web.asgi import ASGIApp

SERVICES = {"kidney-failure": {"mode": "silent", "champion": "1.0.0", "digest": "sha256:00", "probes": "passed"}}

MIXED = Circuit("mixed", {"1": "closed", "2": "no_answer"})

FIXED, JSON = b'{"reason": "fixed"}', {"content-type": "application/json"}

STORES = {"hot": {"kind": "redis", "state": "up"}}


def app(
    principal: Principal | None = LOCAL,
    ready: bool = True,
    errors: Sequence[Finding] = (),
    isolated: Circuit | None = None,
    audit: AuditTrail | None = None,
) -> ASGIApp:
    async def services() -> Mapping[str, Mapping[str, Any]]:
        return SERVICES

    async def reload() -> Sequence[Finding]:
        return errors

    async def stores() -> Mapping[str, Mapping[str, Any]]:
        return STORES

    async def metrics() -> tuple[bytes, str]:
        return b"wardgate_calls_total 1\n", "text/plain; version=1.0.0; charset=utf-8"

    async def circuits() -> Mapping[tuple[str, str], Circuit]:
        return {("kidney-failure", "1.0.0"): Circuit("closed"), ("kidney-failure", "1.1.0"): MIXED}

    async def isolate(service: str, release: str, away: bool) -> Circuit | None:
        if (service, release) != ("kidney-failure", "1.0.0"):
            return None
        return isolated

    made: Any = admin_app(
        AdminPorts(
            principal=calls(principal),
            ready=lambda: ready,
            services=services,
            stores=stores,
            metrics=metrics,
            reload=reload,
            circuits=circuits,
            isolate=isolate,
            audit=audit,
        )
    )
    return made  # type: ignore[no-any-return]


@pytest.fixture
def ground(tmp_path: Path) -> Iterator[AuditGround]:
    made = AuditGround(tmp_path)
    yield made
    made.close()


async def test_metrics_come_as_the_exposition_says() -> None:
    """Body and content type are those of the registry, unchanged."""
    reply = await ask(app(), "GET", "/metrics")
    assert (reply.status, reply.body) == (200, b"wardgate_calls_total 1\n")
    assert reply.headers["content-type"] == "text/plain; version=1.0.0; charset=utf-8"


async def test_health_shows_every_service() -> None:
    """By id, with what the port gives; and every store."""
    assert (await ask(app(), "GET", "/health/services")).json() == SERVICES
    assert (await ask(app(), "GET", "/health/stores")).json() == STORES


@pytest.mark.parametrize(("ready", "status"), [(True, 200), (False, 503)])
async def test_readiness(ready: bool, status: int) -> None:
    """Ready until draining; alive all the time, for callers without a name too."""
    assert (await ask(app(None, ready), "GET", "/health/ready")).status == status
    assert (await ask(app(None, ready), "GET", "/health/live")).status == 200


@pytest.mark.parametrize("path", ["/metrics", "/health/services", "/health/stores"])
async def test_a_route_asks_for_its_role(path: str) -> None:
    """Nobody is 401, somebody without the role is 403, a viewer is let in."""
    nobody, operator, viewer = (
        None,
        Principal("o", frozenset({Role.OPERATOR})),
        Principal("v", frozenset({Role.VIEWER})),
    )
    assert [(await ask(app(who), "GET", path)).status for who in (nobody, operator, viewer)] == [401, 403, 200]


async def test_a_reload_says_what_serves_now_or_what_is_wrong() -> None:
    """200 with the services, or 422 with every error; for operators only."""
    reply = await ask(app(), "POST", "/admin/v1/reload")
    assert (reply.status, reply.json()) == (200, {"reloaded": True, "services": SERVICES})
    wrong = Finding("services/a.yaml", 3, "deadline", "not a duration", "write 500ms")
    reply = await ask(app(errors=[wrong]), "POST", "/admin/v1/reload")
    assert (reply.status, reply.json()["reloaded"]) == (422, False)
    assert reply.json()["errors"][0]["file"] == "services/a.yaml"
    viewer = Principal("v", frozenset({Role.VIEWER}))
    assert (await ask(app(viewer), "POST", "/admin/v1/reload")).status == 403


async def test_circuits_are_listed_by_service_and_release() -> None:
    """With what each worker says, where there are several."""
    assert (await ask(app(), "GET", "/admin/v1/circuits")).json() == {
        "kidney-failure": {"1.0.0": {"state": "closed"}, "1.1.0": {"state": "mixed", "workers": MIXED.workers}}
    }


@pytest.mark.parametrize(
    ("action", "became", "status"),
    [
        ("isolate", Circuit("isolated"), 200),
        ("isolate", Circuit("isolated", {"1": "isolated", "2": "isolated"}), 200),
        ("isolate", Circuit("mixed", {"1": "isolated", "2": "no_answer"}), 503),
        ("isolate", Circuit("closed"), 503),
        ("close", Circuit("closed"), 200),
        ("close", Circuit("mixed", {"1": "closed", "2": "open"}), 200),
        ("close", Circuit("mixed", {"1": "closed", "2": "isolated"}), 503),
        ("close", Circuit("mixed", {"1": "closed", "2": "no_answer"}), 503),
    ],
)
async def test_a_model_is_taken_out_of_use_and_put_back(
    action: str, became: Circuit, status: int, ground: AuditGround
) -> None:
    """Done is what all workers have done; for operators only; another release than there is is a 404, unechoed."""
    path = f"/admin/v1/circuits/kidney-failure/1.0.0/{action}"
    reply = await ask(app(isolated=became, audit=ground.trail), "POST", path, FIXED, JSON)
    assert (reply.status, reply.json()) == (status, {"done": status == 200, **became.as_json()})
    viewer = Principal("v", frozenset({Role.VIEWER}))
    assert (await ask(app(viewer), "POST", path)).status == 403
    strange = await ask(app(), "POST", f"/admin/v1/circuits/MARIA/1.0.0/{action}")
    assert strange.status == 404 and b"MARIA" not in strange.body


async def test_what_people_do_stands_on_the_audit_chain(ground: AuditGround) -> None:
    """Who, what, to what; what was denied to somebody who is known; and a name from outside does not get there."""
    viewer = Principal("v", frozenset({Role.VIEWER}))
    for principal, path in (
        (LOCAL, "circuits/kidney-failure/1.0.0/isolate"),
        (LOCAL, "circuits/kidney-failure/1.0.0/close"),
        (LOCAL, "circuits/MARIA/1.0.0/isolate"),
        (viewer, "circuits/kidney-failure/1.0.0/close"),
        (None, "reload"),
        (LOCAL, "reload"),
    ):
        admin = app(principal, isolated=Circuit("isolated"), audit=ground.trail)
        await ask(admin, "POST", f"/admin/v1/{path}", FIXED, JSON)
    ground.trail.chain_spooled()
    said = [tuple(each[key] for key in ("who", "what", "subject", "result", "to")) for each in ground.said()]
    assert sorted(said, key=str) == [
        ("local", "circuit.close", "kidney-failure/1.0.0", "done", "in_use"),
        ("local", "circuit.isolate", "kidney-failure/1.0.0", "done", "isolated"),
        ("local", "reload", "configuration", "done", "reloaded"),
        ("v", "admin.call", "operator", "denied", None),
    ]


async def test_a_model_is_put_back_with_a_reason_and_taken_away_without(ground: AuditGround) -> None:
    """Who is not told why learns which codes there are."""
    path, admin = "/admin/v1/circuits/kidney-failure/1.0.0", app(isolated=Circuit("isolated"), audit=ground.trail)
    assert (await ask(admin, "POST", f"{path}/isolate")).status == 200
    refused = await ask(app(isolated=Circuit("closed"), audit=ground.trail), "POST", f"{path}/close")
    assert (refused.status, refused.json()["code"], refused.json()["codes"]) == (422, "reason", list(CODES))
    ground.trail.chain_spooled()
    assert [each["what"] for each in ground.said()] == ["circuit.isolate"]


async def test_without_the_store_a_model_is_taken_away_and_not_put_back(ground: AuditGround) -> None:
    """Putting it back is answered with 503 and why; taking it away is chained once the store is there."""
    ground.cut()
    path = "/admin/v1/circuits/kidney-failure/1.0.0"
    assert (await ask(app(isolated=Circuit("isolated"), audit=ground.trail), "POST", f"{path}/isolate")).status == 200
    refused = await ask(app(isolated=Circuit("closed"), audit=ground.trail), "POST", f"{path}/close", FIXED, JSON)
    assert refused.status == 503 and "cannot be audited" in refused.json()["detail"]
    ground.mend()
    assert ground.trail.chain_spooled() == 1
    assert [said["what"] for said in ground.said()] == ["circuit.isolate"]


async def test_a_program_that_is_denied_in_a_loop_does_not_fill_the_chain(ground: AuditGround) -> None:
    """Its first denials say it all."""
    viewer = app(Principal("v", frozenset({Role.VIEWER})), audit=ground.trail)
    for _ in range(40):
        assert (await ask(viewer, "POST", "/admin/v1/reload")).status == 403
    assert ground.trail.chain_spooled() == 30


async def test_every_route_names_its_role() -> None:
    """No route is without a check, so a new one cannot be forgotten."""
    plain: list[Any] = app().routes  # type: ignore[attr-defined]
    routes = [route for each in plain for route in getattr(getattr(each, "original_router", None), "routes", [each])]
    checks = [[str(part.call.__qualname__) for part in route.dependant.dependencies] for route in routes]
    assert len(routes) > 40, "not all are looked at"
    assert all(each in (["Access.needs.<locals>.check"], ["Access.known.<locals>.check"]) for each in checks)


@pytest.mark.parametrize("path", ["/docs", "/redoc", "/openapi.json"])
async def test_nothing_is_published_besides(path: str) -> None:
    """No generated pages on the admin listener."""
    assert (await ask(app(), "GET", path)).status == 404


def test_the_edge_does_not_need_the_admin_application() -> None:
    """Importing the edge leaves FastAPI out: it would cost a third of a second at each start."""

    async def imported() -> str:
        code = "import sys, wardgate.web.edge, wardgate.web.server; print('fastapi' in sys.modules)"
        import sys

        process = await asyncio.create_subprocess_exec(sys.executable, "-c", code, stdout=asyncio.subprocess.PIPE)
        return (await process.communicate())[0].decode().strip()

    assert asyncio.run(imported()) == "False"
