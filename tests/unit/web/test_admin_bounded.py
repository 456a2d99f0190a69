"""What reaches the admin listener is bounded before anybody knows who sends it, and no browser is led anywhere."""

import json
from typing import Any

import pytest

from tests.fakes.asgi import Exchange, ask, scope
from tests.fakes.principals import calls
from tests.fakes.virtual_loop import VirtualLoop, run
from wardgate.web.admin import AdminPorts, admin_app
from wardgate.web.admin.bounded import MOST, Bounded
from wardgate.web.asgi import ASGIApp, Receive, Scope, Send

JSON = {"content-type": "application/json"}


def app() -> ASGIApp:
    nothing: Any = None
    made: Any = admin_app(AdminPorts(calls(None), nothing, nothing, nothing, nothing, nothing, nothing, nothing))
    return made  # type: ignore[no-any-return]


@pytest.mark.parametrize("declared", [True, False], ids=["declared", "chunked"])
async def test_a_body_that_is_too_large_is_read_no_further(declared: bool) -> None:
    """It was once read whole, and parsed in the loop that answers the EHR, before anybody asked who sends it."""
    chunks = [b"x" * 65536] * 1000
    headers = {**JSON, "content-length": str(65536 * 1000)} if declared else {**JSON, "transfer-encoding": "chunked"}
    exchange = Exchange(chunks)
    await app()(scope("POST", "/admin/v1/kills", headers), exchange.receive, exchange.send)
    reply = exchange.reply()
    assert (reply.status, reply.headers["connection"]) == (413, "close")
    assert reply.json()["detail"] == f"A body holds {MOST} bytes at most."
    assert exchange.received <= (0 if declared else MOST + 65536)


async def test_the_largest_body_gets_as_far_as_the_question_who_sends_it() -> None:
    body = json.dumps({"mode": "off", "remark": "x" * (MOST - 50)}).encode()
    assert (await ask(app(), "PATCH", "/admin/v1/rollout/kidney-failure", body, JSON)).status == 401


def test_a_body_that_does_not_come_is_not_waited_for() -> None:
    async def stalled() -> None:
        reply = await ask(app(), "POST", "/admin/v1/kills", [b"{"], JSON, complete=False)
        assert (reply.status, reply.headers["connection"]) == (408, "close")

    run(VirtualLoop(), stalled())


async def test_what_is_streamed_is_left_to_its_route() -> None:
    """A post of outcomes may be large: its route bounds it, once it knows who sends it."""
    read = 0

    async def counts(scope: Scope, receive: Receive, send: Send) -> None:
        nonlocal read
        more = True
        while more:
            message = await receive()
            read += len(message["body"])
            more = message["more_body"]
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    bounded = Bounded(counts, streamed=("/large",))
    assert (await ask(bounded, "POST", "/large", [b"x" * MOST] * 3)).status == 200 and read == 3 * MOST
    assert (await ask(bounded, "POST", "/small", [b"x" * MOST] * 3)).status == 413


async def test_a_path_that_is_nearly_one_leads_nowhere() -> None:
    """A redirect went to where the Host header says, and a token went with it."""
    reply = await ask(app(), "GET", "/admin/v1/rollout/", headers={"host": "evil.example"})
    assert reply.status == 404 and "evil" not in reply.everything()
