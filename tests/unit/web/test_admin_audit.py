"""The audit chain over the admin API: searched by who may, and as it stands there."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.asgi import Reply, ask
from tests.fakes.audit import NOW, AuditGround, event
from tests.fakes.principals import calls
from wardgate.control.audit import Happened
from wardgate.web.admin import AdminPorts, Principal, Role, admin_app
from wardgate.web.admin.audit import AuditPorts

VIEWER = Principal("vera/0000000000dd", frozenset({Role.VIEWER}))


@pytest.fixture
def ground(tmp_path: Path) -> Iterator[AuditGround]:
    made = AuditGround(tmp_path)
    made.store.append([Happened(event(number)) for number in range(1, 7)], NOW)
    yield made
    made.close()


async def asked(ground: AuditGround, query: str = "", who: Principal = VIEWER) -> Reply:
    nothing: Any = None
    ports = AuditPorts(ground.trail, lambda: 2, lambda: 4, lambda: NOW + 60)
    app: Any = admin_app(
        AdminPorts(calls(who), nothing, nothing, nothing, nothing, nothing, nothing, nothing, chain=ports)
    )
    return await ask(app, "GET", f"/admin/v1/audit{query}")


async def test_entries_are_found_by_what_they_say(ground: AuditGround) -> None:
    found = (await asked(ground, "?who=operator-1&what=circuit.close")).json()
    assert [(each["number"], each["ticket"], each["as_sealed"]) for each in found["entries"]] == [(4, "OPS-4", True)]
    assert (await asked(ground, "?most=2")).json()["more"] is True
    state = (await asked(ground, "/state")).json()
    assert (state["last"], state["waiting"], state["anchored"]) == (6, 2, 4)


async def test_a_token_for_some_services_sees_no_entry(ground: AuditGround) -> None:
    """They are about all of them."""
    scoped = Principal("vera/0000000000dd", VIEWER.roles, frozenset({"kidney-failure"}))
    for query in ("", "?subject=kidney-failure", "/state"):
        assert (await asked(ground, query, scoped)).status == 403


@pytest.mark.parametrize("written", ["garbage", "{}", '{"id":7}', '{"who":"Mary Miller"}'])
async def test_what_somebody_changed_is_named_and_not_repeated(ground: AuditGround, written: str) -> None:
    """It was once an error of our own."""
    database = sqlite3.connect(ground.path)
    database.execute("DROP TRIGGER audit_chain_no_update")
    database.execute("UPDATE audit_chain SET entry = ? WHERE number = 4", (written,))
    database.commit()
    database.close()
    reply = await asked(ground, "?who=operator-1")
    assert reply.status == 200 and "Miller" not in reply.everything()
    assert [(each["number"], each["as_sealed"]) for each in reply.json()["entries"]] == [(1, True), (4, False)]


async def test_without_its_store_that_is_what_is_said(ground: AuditGround) -> None:
    ground.cut()
    reply = await asked(ground)
    assert reply.status == 503 and "does not answer" in reply.json()["detail"]
    ground.mend()
