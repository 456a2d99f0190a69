"""What people say of releases over the admin API."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.fakes.approving import DIGEST, OTHER, SERVICE, Approving
from tests.fakes.asgi import Reply, ask
from tests.fakes.principals import calls
from tests.fakes.withdrawing import Withdrawing
from wardgate.control.ports import ReleaseEntry
from wardgate.control.withdrawals import Withdrawals
from wardgate.domain.outcomes import Mode
from wardgate.web.admin import AdminPorts, Principal, Role, admin_app
from wardgate.web.admin.governing import GoverningPorts

MIRA = Principal("mira/0a0a0a0a0a0a", frozenset({Role.APPROVER_CLINICAL}))
APPROVAL = {"mode": "canary", "role": "approver-clinical", "reason": "validated"}


class Names:
    """Of a version, the content that the files have now."""

    def digest(self, service: str, name: str) -> str | None:
        return {"1.0.0": OTHER, DIGEST: DIGEST, OTHER: OTHER}.get(name)

    def version(self, service: str, digest: str) -> str | None:
        return "1.0.0"


@pytest.fixture
def ground(tmp_path: Path) -> Iterator[Approving]:
    made = Approving(tmp_path)
    made.submit(OTHER)
    yield made
    made.close()


async def approve(ground: Approving, name: str, *submitted: str) -> Reply:
    return await post(ground, f"{name}/approve", APPROVAL, submitted)


async def post(
    ground: Approving, place: str, body: object, submitted: Sequence[str], withdrawals: Withdrawals | None = None
) -> Reply:
    entries = [ReleaseEntry(digest, SERVICE, SERVICE, "1.0.0", "sha256:f", 1.0, "sam") for digest in submitted]
    shelf = SimpleNamespace(store=SimpleNamespace(entries=lambda service: entries))
    given: dict[str, Any] = dict.fromkeys(GoverningPorts.__dataclass_fields__)
    given |= {"approvals": ground.desk, "gates": ground.gates, "releases": shelf, "names": Names()}
    given["withdrawals"] = withdrawals
    ports = GoverningPorts(**given)
    nothing: Any = None
    app: Any = admin_app(
        AdminPorts(calls(MIRA), nothing, nothing, nothing, nothing, nothing, nothing, nothing, governing=ports)
    )
    sent, headers = json.dumps(body).encode(), {"content-type": "application/json"}
    return await ask(app, "POST", f"/admin/v1/releases/{SERVICE}/{place}", sent, headers)


async def test_an_approval_is_of_what_she_has_looked_at(ground: Approving) -> None:
    """A card was edited and submitted again under the same version, between her look and her word: the version meant
    the edit, which she had never seen. As on a terminal, a digest says which."""
    refused = await approve(ground, "1.0.0", DIGEST, OTHER)
    assert (refused.status, refused.json()["code"]) == (409, "ambiguous")
    assert not ground.desk.standing(SERVICE, OTHER).approvals
    given = await approve(ground, DIGEST, DIGEST, OTHER)
    assert (given.status, given.json()["digest"]) == (200, DIGEST)
    assert (await approve(ground, "1.0.0", OTHER)).json()["digest"] == OTHER


async def test_a_withdrawal_says_what_it_takes_out_of_sight(tmp_path: Path) -> None:
    """And says it before, to whoever asks."""
    scene = Withdrawing(tmp_path)
    body, place = {"reason": "new_finding"}, f"{DIGEST}/withdraw"
    would = (await post(scene.approving, f"{place}?dry_run=true", body, [DIGEST], scene.desk)).json()
    assert would["lowered"] == [f"{SERVICE}: canary → silent"] and would["epoch"] is None
    assert len(would["approvals"]) == 2 and scene.rollout.mode.value == "canary"
    done = (await post(scene.approving, place, body, [DIGEST], scene.desk)).json()
    assert done["lowered"] == would["lowered"] and done["epoch"] == scene.house.epoch and done["trouble"] == ""
    assert [each["person"] for each in done["approvals"]] == ["jon"] and scene.rollout.mode is Mode.SILENT
    scene.close()
