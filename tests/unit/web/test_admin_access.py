"""Who is let in at the admin listener, and where."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.asgi import ask
from tests.fakes.audit import AuditGround
from tests.fakes.clock import FakeClock
from wardgate.control.tokens import TokenBook, TokenDesk
from wardgate.domain.admin_tokens import Role
from wardgate.domain.findings import Finding
from wardgate.web.admin import AdminPorts, Circuit, admin_app, by_token
from wardgate.web.asgi import ASGIApp

KIDNEY, SEPSIS = ("kidney-failure", "1.0.0"), ("sepsis", "2.0.0")
STATES = {KIDNEY: Circuit("closed"), SEPSIS: Circuit("closed")}


class Scene:
    """A listener with real tokens in a real store; `demo`: under insecure_demo."""

    def __init__(self, folder: Path, demo: bool = False) -> None:
        self.ground, self.clock, self.made = AuditGround(folder), FakeClock(), 0
        book = TokenBook(self.ground.tokens, self.clock.now, self.clock.monotonic)
        self.desk = TokenDesk(
            self.ground.tokens, self.ground.trail, self.clock.now, lambda: f"{self._next():012x}", self._draw
        )
        self.away: list[tuple[str, str]] = []

        async def services() -> Mapping[str, Mapping[str, Any]]:
            return {"kidney-failure": {}, "sepsis": {}}

        async def stores() -> Mapping[str, Mapping[str, Any]]:
            return {}

        async def metrics() -> tuple[bytes, str]:
            return b"", "text/plain"

        async def reload() -> Sequence[Finding]:
            return ()

        async def circuits() -> Mapping[tuple[str, str], Circuit]:
            return STATES

        async def isolate(service: str, release: str, away: bool) -> Circuit | None:
            self.away.append((service, release))
            return Circuit("isolated" if away else "closed") if (service, release) in STATES else None

        who = by_token(book, lambda: demo)
        made: Any = admin_app(
            AdminPorts(
                principal=who,
                ready=lambda: True,
                services=services,
                stores=stores,
                metrics=metrics,
                reload=reload,
                circuits=circuits,
                isolate=isolate,
                audit=self.ground.trail,
            )
        )
        self.app: ASGIApp = made

    def _next(self) -> int:
        self.made += 1
        return self.made

    def _draw(self) -> str:
        return f"{self.made + 1:043}"

    def token(self, *roles: Role, services: Sequence[str] | None = None, name: str = "mira") -> str:
        secret = self.desk.new("os:root", name, roles, services, 86400.0)[1]
        self.clock.advance(3)  # the book is read again
        return secret

    async def ask(self, method: str, path: str, secret: str | None) -> Any:
        headers = {} if secret is None else {"authorization": f"Bearer {secret}"}
        return await ask(self.app, method, path, headers=headers)

    async def status(self, method: str, path: str, secret: str | None) -> int:
        return int((await self.ask(method, path, secret)).status)


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    scene = Scene(tmp_path)
    yield scene
    scene.ground.close()


async def test_without_a_token_nobody_is_let_in(scene: Scene) -> None:
    """Outside of insecure_demo; a load balancer still sees whether it is ready."""
    reply = await scene.ask("GET", "/metrics", None)
    assert reply.status == 401 and reply.headers["www-authenticate"] == "Bearer"
    assert await scene.status("POST", "/admin/v1/reload", "wgt_" + "x" * 43) == 401
    assert await scene.status("GET", "/health/ready", None) == 200


async def test_a_token_lets_in_where_its_roles_do(scene: Scene) -> None:
    viewer, operator = scene.token(Role.VIEWER), scene.token(Role.OPERATOR)
    for secret, expected in ((viewer, [200, 403]), (operator, [403, 200])):
        asked = [("GET", "/metrics"), ("POST", "/admin/v1/reload")]
        assert [await scene.status(method, path, secret) for method, path in asked] == expected


async def test_a_token_of_one_service_sees_and_stops_that_one(scene: Scene) -> None:
    """Of another it is not told whether it is there; what is about all services is not hers."""
    secret = scene.token(Role.VIEWER, Role.OPERATOR, services=["kidney-failure"])
    assert (await scene.ask("GET", "/health/services", secret)).json() == {"kidney-failure": {}}
    assert list((await scene.ask("GET", "/admin/v1/circuits", secret)).json()) == ["kidney-failure"]
    assert await scene.status("POST", "/admin/v1/circuits/kidney-failure/1.0.0/isolate", secret) == 200
    for service in ("sepsis", "nowhere"):
        assert await scene.status("POST", f"/admin/v1/circuits/{service}/2.0.0/isolate", secret) == 403
    assert scene.away == [KIDNEY]
    for method, path in (("GET", "/metrics"), ("POST", "/admin/v1/reload"), ("GET", "/admin/v1/decisions")):
        assert await scene.status(method, path, secret) == 403


async def test_a_revoked_and_an_expired_token_are_refused(scene: Scene) -> None:
    one, other = scene.token(Role.VIEWER), scene.token(Role.VIEWER)
    assert scene.desk.revoke("os:root", f"{1:012x}", "left_the_team")
    scene.clock.advance(3)
    assert [await scene.status("GET", "/metrics", secret) for secret in (one, other)] == [401, 200]
    scene.clock.advance(90_000)
    assert await scene.status("GET", "/metrics", other) == 401


async def test_guessing_is_answered_ever_later_and_locks_nobody_out(scene: Scene) -> None:
    """429 with Retry-After for who fails; who has a token from the same address goes on."""
    secret = scene.token(Role.VIEWER)
    statuses = [await scene.status("GET", "/metrics", f"wgt_{n:043}x") for n in range(25)]
    assert statuses == [401] * 20 + [429] * 5
    assert int((await scene.ask("GET", "/metrics", "guess")).headers["retry-after"]) > 0
    assert await scene.status("GET", "/metrics", secret) == 200


async def test_who_did_and_who_was_denied_stand_on_the_chain_and_no_secret_does(scene: Scene) -> None:
    secret = scene.token(Role.OPERATOR)
    await scene.status("POST", "/admin/v1/circuits/kidney-failure/1.0.0/isolate", secret)
    await scene.status("GET", "/metrics", secret)
    scene.desk.revoke("os:root", f"{1:012x}")
    scene.ground.trail.chain_spooled()
    said = scene.ground.said()
    who = f"mira/{1:012x}"
    assert sorted((str(each["who"]), str(each["what"]), str(each["result"])) for each in said) == [
        (who, "admin.call", "denied"),
        (who, "circuit.isolate", "done"),
        ("os:root", "token.new", "done"),
        ("os:root", "token.revoke", "done"),
    ]
    assert secret[4:] not in str(said)


async def test_under_insecure_demo_a_wrong_token_is_not_taken_for_none(tmp_path: Path) -> None:
    """Without one, everybody is `local`; with one, its roles count."""
    scene = Scene(tmp_path, demo=True)
    assert await scene.status("GET", "/metrics", None) == 200
    assert await scene.status("GET", "/metrics", "wgt_" + "x" * 43) == 401
    assert await scene.status("GET", "/metrics", scene.token(Role.OPERATOR)) == 403
    scene.ground.close()


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"host": "127.0.0.1:8081"}, 200),
        ({"host": "localhost:8081", "origin": "http://localhost:8090"}, 200),
        ({"host": "[::1]:8081"}, 200),
        ({"host": "127.0.0.1:8081", "origin": "https://evil.example"}, 403),
        ({"host": "127.0.0.1:8081", "origin": "null"}, 403),
        ({"host": "evil.example:8081"}, 403),
        ({"host": "127.0.0.1.evil.example"}, 403),
        ({"host": "localhost:8081", "origin": "http://localhost.evil.example"}, 403),
    ],
    ids=str,
)
async def test_under_insecure_demo_no_page_of_another_site_is_local(
    tmp_path: Path, headers: dict[str, str], status: int
) -> None:
    """A browser on this machine sends what any page tells it to: by a form, or to a name that was made to mean here."""
    scene = Scene(tmp_path, demo=True)
    asked = [("GET", "/metrics"), ("POST", "/admin/v1/reload")]
    assert [(await ask(scene.app, *each, headers=headers)).status for each in asked] == [status] * 2
    scene.ground.close()


async def test_whoever_is_refused_is_told_why_and_what_it_takes(scene: Scene) -> None:
    """In her own terms: of her token and its roles, never of what she asked for."""
    operator, some = scene.token(Role.OPERATOR), scene.token(Role.VIEWER, services=["kidney-failure"])
    asked = [("/metrics", None), ("/metrics", operator), ("/metrics", some)]
    told = [(await scene.ask("GET", path, secret)).json()["detail"] for path, secret in asked]
    assert told == [
        "No token came along, or one that is unknown, expired or revoked.",
        "This takes the role viewer. Yours: operator.",
        "This is about all services, and your token is for some.",
    ]


async def test_whoever_stops_models_sees_what_there_is_to_stop(scene: Scene) -> None:
    """Of operators it was once asked to be viewers besides, and a Forbidden was all that they saw."""
    operator, approver, ingest = (
        scene.token(Role.OPERATOR),
        scene.token(Role.APPROVER_CLINICAL),
        scene.token(Role.INGEST),
    )
    places = (
        "/admin/v1/circuits",
        "/admin/v1/rollout",
        "/admin/v1/kills",
        "/admin/v1/replicas",
        "/admin/v1/governance",
    )
    for path in places:
        seen = [await scene.status("GET", path, secret) for secret in (operator, approver)]
        assert 403 not in seen, path
        assert await scene.status("GET", path, ingest) == 403
