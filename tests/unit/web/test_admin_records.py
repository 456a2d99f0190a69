"""Records over the admin API: who may ask, what is answered, and that no error repeats what was sent."""

import asyncio
import threading
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.asgi import Exchange, Reply, ask, scope
from tests.fakes.principals import calls
from tests.fakes.stories import (
    DIGEST,
    NOW,
    decision,
    decision_id,
    desk_of,
    filled,
    instance,
    overridden,
    report,
)
from wardgate.records.archive import AccessEntry, ArchiveUnavailable, Trouble
from wardgate.records.desk import RecordsDesk
from wardgate.web.admin import LOCAL, AdminPorts, Principal, Role, admin_app
from wardgate.web.admin import records as routes
from wardgate.web.asgi import Message

CARDS = [decision(number) for number in range(1, 4)]
CSV = {"content-type": "text/csv; charset=utf-8"}
ROWS = b"patient,label,value,time\np1,kidney_failure,1,2026-11-21T10:00:00Z\np2,kidney_failure,0,2026-11-22\n"


@pytest.fixture
def desk(tmp_path: Path) -> RecordsDesk:
    return desk_of(filled(tmp_path, CARDS, [report(CARDS[0]), overridden(CARDS[1], "wrong", "disagree")]))


class Broken:
    """A desk whose store is in trouble."""

    def __init__(self, trouble: Trouble = Trouble.DOWN) -> None:
        self._trouble = trouble

    def now(self) -> float:
        return NOW

    def knows(self, service_id: str) -> bool:
        return True

    def __getattr__(self, name: str) -> Any:
        def fail(*args: object, **named: object) -> None:
            raise ArchiveUnavailable(self._trouble)

        return fail


async def asked(
    desk: RecordsDesk | None,
    path: str,
    body: bytes | None = None,
    headers: dict[str, str] | None = None,
    principal: Principal | None = LOCAL,
) -> Reply:
    method = "GET" if body is None else "POST"
    return await ask(_app(desk, principal), method, f"/admin/v1/{path}", body or b"", headers or {})


@cache
def _app(desk: RecordsDesk | None, principal: Principal | None) -> Any:
    async def nothing(*arguments: object) -> Any:
        return {}

    return admin_app(
        AdminPorts(calls(principal), lambda: True, nothing, nothing, nothing, nothing, nothing, nothing, desk)
    )


async def test_a_card_is_traced(desk: RecordsDesk) -> None:
    """By its UUID; the story has the decision, and what was reported."""
    reply = await asked(desk, f"trace/{CARDS[0].card_uuids[0]}")
    (story,) = reply.json()["stories"]
    assert (reply.status, story["decision"]["decision_id"]) == (200, CARDS[0].decision_id)
    assert story["reports"][0]["entry"]["outcome"] == "accepted"


async def test_what_is_not_kept_or_no_name(desk: RecordsDesk) -> None:
    """404 and 422, neither of which repeats what was asked."""
    for name, status in ((decision_id(99), 404), (instance(99), 404), ("Mr-Smith", 422), ("%00", 422)):
        reply = await asked(desk, f"trace/{name}")
        assert (reply.status, reply.json()["status"]) == (status, status)
        assert reply.headers["content-type"] == "application/problem+json"
        assert "Smith" not in reply.everything()


async def test_the_affected_are_streamed_with_the_summary_first(desk: RecordsDesk) -> None:
    """By digest or model@version; as NDJSON, CSV, or the summary alone."""
    by_digest = await asked(desk, f"affected?release={DIGEST}")
    lines = by_digest.body.splitlines()
    assert b'"summary"' in lines[0] and len(lines) == 4
    by_version = await asked(desk, "affected?release=kidney-failure@1.0.0&format=csv&since=2026-11-21T09:00:02Z")
    assert by_version.headers["content-type"].startswith("text/csv")
    assert len(by_version.body.splitlines()) == 3
    summary = await asked(desk, f"affected?release={DIGEST}&format=summary&until=2026-11-21")
    assert summary.json()["summary"]["decisions"] == 0


async def test_the_figures(desk: RecordsDesk) -> None:
    """Of one service, of the last month where no time is named."""
    (figures,) = (await asked(desk, "feedback?service=kidney-failure")).json()["releases"]
    assert (figures["shown"], figures["accepted"], figures["disagreed"]) == (3, 1, 1)
    assert (await asked(desk, "outcomes?service=kidney-failure")).json()["releases"][0]["total"]["decisions"] == 3
    assert (await asked(desk, "feedback?service=kidney-failure&until=2026-11-21")).json()["releases"] == []


@pytest.mark.parametrize("what", ["feedback", "outcomes"])
async def test_figures_are_of_services_that_there_are(desk: RecordsDesk, what: str) -> None:
    """What else is asked for may be a patient, and is not repeated (law 4)."""
    reply = await asked(desk, f"{what}?service=Esther.Vogel")
    assert (reply.status, reply.headers["content-type"]) == (404, "application/problem+json")
    assert "Esther" not in reply.everything() and "/health/services" in reply.json()["detail"]
    assert (await asked(desk, f"{what}?service=Esther%20Vogel")).status == 422


async def test_decisions_leave_with_what_came_home(desk: RecordsDesk) -> None:
    """A line each."""
    reply = await asked(desk, "decisions?service=kidney-failure")
    assert [b'"user_action":' in line for line in reply.body.splitlines()] == [True, True, False]


async def test_an_export_that_is_broken_off_is_noted_beside_the_loop(tmp_path: Path) -> None:
    """Its end is a write to a store that may hang, and the loop is that of the hook calls (law 1)."""
    archive = filled(tmp_path, [decision(number) for number in range(400)])
    noted: list[tuple[int, bool]] = []

    class Watched:
        def __getattr__(self, name: str) -> Any:
            return getattr(archive, name)

        def note_access(self, entry: AccessEntry) -> None:
            noted.append((entry.rows, threading.current_thread() is threading.main_thread()))
            archive.note_access(entry)

    gone = asyncio.Event()

    async def receive() -> Message:
        await gone.wait()
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        if message.get("body"):
            gone.set()
            await asyncio.sleep(5)  # until the response is cancelled

    watched: Any = Watched()
    await _app(desk_of(watched), LOCAL)(scope("GET", "/admin/v1/decisions?since=2020-01-01", {}), receive, send)
    assert [inside for _, inside in noted] == [False, False] and 0 < noted[1][0] < 400


async def test_outcomes_come_in_once(desk: RecordsDesk) -> None:
    """As CSV, and then they are in the story; the same post again changes nothing."""
    first = await asked(desk, "outcomes?client=ward-ehr&source=registry", ROWS, CSV)
    again = await asked(desk, "outcomes?client=ward-ehr&source=registry", ROWS, CSV)
    assert (first.status, first.json()["read"], first.json()["result"]["new"]) == (200, 2, 2)
    assert again.json()["result"]["known"] is True
    (story,) = (await asked(desk, f"trace/{CARDS[0].decision_id}")).json()["stories"]
    assert story["outcome"] == 1.0


async def test_bad_rows_are_named_and_nothing_is_loaded(desk: RecordsDesk) -> None:
    """Line, column and what is wrong; not what stood there."""
    reply = await asked(desk, "outcomes?client=ward-ehr", ROWS + b"Mr Smith,kidney_failure,1,2026-01-05\n", CSV)
    assert (reply.status, reply.json()["bad"]) == (422, 1)
    assert reply.json()["rows"] == [{"line": 4, "column": "patient", "what": "is no FHIR id"}]
    assert "Smith" not in reply.everything()
    skipped = await asked(desk, "outcomes?client=ward-ehr&skip_bad=true", ROWS + b"Mr Smith,death,1,x\n", CSV)
    assert (skipped.json()["read"], skipped.json()["skipped"]) == (2, 1)


@pytest.mark.parametrize(
    ("path", "body", "headers", "status"),
    [
        ("outcomes", ROWS, CSV, 422),  # two clients, and none is named
        ("outcomes?client=Smith", ROWS, CSV, 422),
        ("outcomes?source=Mr%20Smith&client=ward-ehr", ROWS, CSV, 422),
        ("outcomes?client=ward-ehr", b"Smith,John\n", CSV, 422),
        ("outcomes?client=ward-ehr", ROWS, {"content-type": "image/smith"}, 415),
        ("affected?release=Smith", None, {}, 422),
        (f"affected?release={DIGEST}&since=Smith", None, {}, 422),
        ("affected", None, {}, 422),
        ("feedback?service=Mr%20Smith", None, {}, 422),
        ("feedback?service=a&until=Smith", None, {}, 422),
    ],
)
async def test_bad_requests_are_problems(
    desk: RecordsDesk, path: str, body: bytes | None, headers: dict[str, str], status: int
) -> None:
    """A sentence of our own (RFC 9457), and nothing of theirs."""
    reply = await asked(desk, path, body, headers)
    assert (reply.status, reply.headers["content-type"]) == (status, "application/problem+json")
    assert "mith" not in reply.everything()


async def test_a_post_has_an_end(desk: RecordsDesk, monkeypatch: pytest.MonkeyPatch) -> None:
    """413, and nothing is loaded."""
    monkeypatch.setattr(routes, "MOST_BYTES", 40)
    assert (await asked(desk, "outcomes?client=ward-ehr", ROWS, CSV)).status == 413
    assert (await asked(desk, "outcomes?service=kidney-failure")).json()["releases"][0]["total"]["known"] == 0


@pytest.mark.parametrize(("gone", "status"), [(True, 400), (False, 408)])
async def test_a_post_that_does_not_end_is_given_up(
    desk: RecordsDesk, monkeypatch: pytest.MonkeyPatch, gone: bool, status: int
) -> None:
    """The client hung up, or stalls; nothing is loaded, and no thread waits for ever."""
    monkeypatch.setattr(routes, "PATIENCE", 0.2)
    exchange = Exchange([ROWS[:40]], complete=False, gone=gone)
    path, headers = "/admin/v1/outcomes?client=ward-ehr", {**CSV, "transfer-encoding": "chunked"}
    await _app(desk, LOCAL)(scope("POST", path, headers), exchange.receive, exchange.send)
    assert exchange.reply().status == status
    assert (await asked(desk, "outcomes?service=kidney-failure")).json()["releases"][0]["total"]["known"] == 0


async def test_slow_posts_do_not_take_all_threads_and_connections(
    desk: RecordsDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever comes beside them is told to come again, and who only looks is answered."""
    monkeypatch.setattr(routes, "PATIENCE", 1.0)
    path, headers = "/admin/v1/outcomes?client=ward-ehr", {**CSV, "transfer-encoding": "chunked"}
    slow = [Exchange([ROWS[:40]], complete=False) for _ in range(50)]
    async with asyncio.TaskGroup() as posts:
        for each in slow:
            posts.create_task(_app(desk, LOCAL)(scope("POST", path, headers), each.receive, each.send))
        async with asyncio.timeout(0.9):
            assert (await asked(desk, f"trace/{CARDS[0].decision_id}")).status == 200
    assert sorted(each.reply().status for each in slow) == [408] * routes.LOADS + [503] * (50 - routes.LOADS)
    assert (await asked(desk, "outcomes?client=ward-ehr", ROWS, CSV)).status == 200


@pytest.mark.parametrize(
    "path",
    [f"trace/{CARDS[0].decision_id}", f"affected?release={DIGEST}", "decisions", "feedback?service=a"],
)
async def test_a_store_that_is_down_is_said(path: str) -> None:
    """503, before a byte of the answer."""
    broken: Any = Broken()
    for desk in (broken, None):
        reply = await asked(desk, path)
        assert (reply.status, reply.headers["content-type"]) == (503, "application/problem+json")


@pytest.mark.parametrize("trouble", Trouble)
async def test_every_trouble_of_the_store_is_said(trouble: Trouble) -> None:
    """With its own sentence; a store that lets nobody in was a 500."""
    broken: Any = Broken(trouble)
    reply = await asked(broken, "decisions")
    assert reply.status == 503
    assert reply.json()["detail"].lower() == f"{trouble.meaning}.".lower()


@pytest.mark.parametrize(
    ("path", "body", "role"),
    [
        (f"trace/{CARDS[0].decision_id}", None, Role.VIEWER),
        (f"affected?release={DIGEST}", None, Role.VIEWER),
        ("decisions", None, Role.VIEWER),
        ("feedback?service=kidney-failure", None, Role.VIEWER),
        ("outcomes?service=kidney-failure", None, Role.VIEWER),
        ("outcomes?client=ward-ehr", ROWS, Role.INGEST),
    ],
)
async def test_each_route_asks_for_its_role(desk: RecordsDesk, path: str, body: bytes | None, role: Role) -> None:
    """Whoever brings outcomes sees none, and the other way round."""
    others = Principal("o", frozenset(Role) - {role})
    who = [None, others, Principal("v", frozenset({role}))]
    headers = {} if body is None else CSV
    assert [(await asked(desk, path, body, headers, each)).status for each in who] == [401, 403, 200]


async def test_the_access_log_has_the_principal(tmp_path: Path) -> None:
    """Of the admin API, by name."""
    archive = filled(tmp_path, CARDS)
    await asked(desk_of(archive), f"trace/{CARDS[0].decision_id}", principal=Principal("ada", frozenset(Role)))
    assert [entry.principal for entry in archive.accesses(0, NOW * 2)] == ["ada"]
