"""The EHR's listener, spoken to in ASGI messages: routes, CORS, bounds, answers, and what is counted."""

import asyncio
from collections.abc import Mapping

import pytest

from tests.fakes.asgi import JSON, Exchange, Reply, ask, scope
from tests.web.house import CARD, CUSTOM, ORDER_SIGN, ORIGIN, PATH, PATIENT_VIEW, House, body, catalog, request
from wardgate.domain.errors import PrefetchRequired
from wardgate.domain.outcomes import Reason, Stage
from wardgate.gateway.budget import Budget
from wardgate.gateway.call import HookCall
from wardgate.gateway.outcome import HookOutcome
from wardgate.web.edge import EdgeOptions

FROM_BROWSER = {**JSON, "origin": ORIGIN}


async def post(
    house: House, sent: bytes | list[bytes] = b"", headers: Mapping[str, str] = JSON, path: str = PATH
) -> Reply:
    return await ask(house.edge(), "POST", path, sent, headers)


@pytest.mark.requirement("INV-1", "RSP-1", "GEN-3", "GEN-4")
async def test_a_call_goes_through_the_stack_and_its_card_comes_back() -> None:
    """200, JSON, the card without empty elements (RSP-1, GEN-3); the stack counts, not the edge."""
    house = House()
    reply = await post(house, body())
    assert reply.status == 200
    assert reply.headers["content-type"] == "application/json"
    assert reply.headers["content-length"] == str(len(reply.body))
    assert reply.json() == {
        "cards": [
            {
                "uuid": CARD.uuid,
                "summary": CARD.summary,
                "indicator": "info",
                "source": {"label": "Nephrology"},
            }
        ]
    }
    assert house.meter.calls == []


@pytest.mark.requirement("DIS-10", "INV-8")
async def test_the_call_carries_its_plan_id_and_clocks() -> None:
    """The deadline runs from the last byte read; the wall clock is read once."""
    house = House()
    await post(house, body(hook="order-sign", context={**request()["context"], "draftOrders": {}}))
    (call,) = house.calls
    assert call.plan is ORDER_SIGN
    assert call.decision_id == "decision-0"
    assert call.now == house.clock.now()
    assert call.budget == Budget.of(house.clock.monotonic(), ORDER_SIGN.deadline) and ORDER_SIGN.deadline == 0.5


async def test_an_answer_may_say_how_long_each_stage_took() -> None:
    """Server-Timing: the spine's names, milliseconds, the outcome; for a page of a listed origin; off by default."""

    def slowly(call: HookCall) -> HookOutcome:
        call.stages.append((Stage.GATHER, call.started + 0.0125))
        call.stages.append((Stage.PREDICT, call.started + 0.1))
        house.clock.advance(0.11)
        return HookOutcome(call, Reason.BELOW_THRESHOLD)

    house = House(answer=slowly, options=EdgeOptions(server_timing=True))
    reply = await post(house, body(), FROM_BROWSER)
    assert reply.headers["server-timing"] == (
        'gather;dur=12.5, predict;dur=87.5, total;dur=110.0, outcome;desc="below_threshold/below_threshold"'
    )
    assert reply.headers["access-control-expose-headers"] == "server-timing"
    assert reply.body == b'{"cards":[]}'
    assert "server-timing" not in (await post(House(), body())).headers


@pytest.mark.requirement("RSP-2", "GEN-3")
async def test_no_guidance_is_an_empty_list() -> None:
    """200 with `cards: []`, not 204 (RSP-2)."""
    house = House(answer=lambda call: HookOutcome(call, Reason.BELOW_THRESHOLD))
    assert (await post(house, body())).body == b'{"cards":[]}'


@pytest.mark.requirement("RSP-4", "RSP-6", "PF-4")
async def test_a_refusal_of_the_stack_is_answered_as_one() -> None:
    """412 for a required prefetch key that cannot be had (PF-4); counted by the stack."""

    def refuse(call: HookCall) -> HookOutcome:
        return HookOutcome(call, Reason.PREFETCH_REQUIRED, refusal=PrefetchRequired("labs is required.", "prefetch"))

    house = House(answer=refuse)
    reply = await post(house, body(), FROM_BROWSER)
    assert reply.status == 412
    assert reply.json()["issue"][0]["expression"] == ["prefetch"]
    assert reply.headers["access-control-allow-origin"] == ORIGIN
    assert house.meter.calls == []


@pytest.mark.requirement("RSP-5", "SEC-17")
async def test_what_escapes_the_stack_is_a_500_without_a_word_of_it() -> None:
    """The last line: noted as a fault, counted, and answered, with CORS headers."""

    def fail(call: HookCall) -> HookOutcome:
        raise ValueError(f"patient {call.request.patient_id}")

    house = House(answer=fail)
    reply = await post(house, body(), FROM_BROWSER)
    assert reply.status == 500
    assert b"p1" not in reply.body
    assert house.meter.faults == [("edge", "ValueError")]
    assert house.meter.calls[0][4:6] == ("unavailable", "internal")
    assert reply.headers["access-control-allow-origin"] == ORIGIN


@pytest.mark.requirement("DIS-1", "DIS-2", "DIS-4", "DIS-5", "DIS-6", "DIS-8", "DIS-9", "DIS-10", "GEN-3")
@pytest.mark.parametrize("path", ["/cds-services", "/cds-services/", "//cds-services", "//cds-services//"])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_discovery(method: str, path: str) -> None:
    """Every service with its hook, two of them under one id; nothing empty (DIS-1 to DIS-10)."""
    reply = await ask(House().edge(), method, path)
    assert reply.status == 200
    whole = await ask(House().edge(), "GET", "/cds-services")
    assert reply.headers["content-length"] == str(len(whole.body))
    if method == "HEAD":
        assert reply.body == b""
        return
    assert reply.json() == {
        "services": [
            {
                "hook": "patient-view",
                "title": PATIENT_VIEW.title,
                "description": PATIENT_VIEW.description,
                "id": "kidney-failure",
                "prefetch": {"patient": "Patient/{{context.patientId}}"},
            },
            {
                "hook": "order-sign",
                "title": ORDER_SIGN.title,
                "description": ORDER_SIGN.description,
                "id": "kidney-failure",
            },
            {
                "hook": "com.example.vitals",
                "title": CUSTOM.title,
                "description": CUSTOM.description,
                "id": "sepsis",
                "prefetch": {
                    "device": "Device/{{context.deviceId}}",
                    "user": "Practitioner/{{context.userId}}",
                },
                "usageRequirements": "Inpatients only.",
            },
        ]
    }


@pytest.mark.requirement("DIS-3")
async def test_discovery_without_services() -> None:
    """`services` is there, and empty (DIS-3)."""
    assert (await ask(House(catalog=catalog()).edge(), "GET", "/cds-services")).json() == {"services": []}


@pytest.mark.requirement("DIS-13", "DIS-14")
async def test_discovery_in_the_words_of_3_0() -> None:
    """`version` for all, `hookVersion` for the hooks of the library only (DIS-13, DIS-14, T-23)."""
    reply = await ask(House(options=EdgeOptions(cds_hooks="3.0")).edge(), "GET", "/cds-services")
    named = {each["hook"]: (each["version"], each.get("hookVersion")) for each in reply.json()["services"]}
    assert named == {
        "patient-view": ("3.0.0", "1.0"),
        "order-sign": ("3.0.0", "1.0"),
        "com.example.vitals": ("3.0.0", None),
    }


async def test_a_new_catalog_is_served_at_once() -> None:
    """Routes and discovery follow the catalog that is current when the call comes."""
    house = House()
    edge = house.edge()
    assert (await ask(edge, "POST", "/cds-services/sepsis", body(), JSON)).status == 400
    house.catalog = catalog(PATIENT_VIEW)
    assert (await ask(edge, "POST", "/cds-services/sepsis", body(), JSON)).status == 404
    assert len((await ask(edge, "GET", "/cds-services")).json()["services"]) == 1


@pytest.mark.parametrize("path", [f"/{PATH}", f"{PATH}/", "/cds-services//kidney-failure"])
async def test_slashes_are_tolerated(path: str) -> None:
    """A discovery URL typed with a trailing slash makes clients call `//id`."""
    assert (await post(House(), body(), path=path)).status == 200


@pytest.mark.requirement("DIS-1")
async def test_a_base_path_stands_before_the_services_only() -> None:
    """`public_url` may have a path (DIS-1); health has none."""
    edge = House(options=EdgeOptions(base="/cds")).edge()
    assert (await ask(edge, "GET", "/cds/cds-services")).status == 200
    assert (await ask(edge, "POST", f"/cds{PATH}", body(), JSON)).status == 200
    assert (await ask(edge, "OPTIONS", f"/cds{PATH}")).status == 204
    assert (await ask(edge, "GET", "/cds-services")).status == 404
    assert (await ask(edge, "GET", "/health/live")).status == 200


@pytest.mark.requirement("INV-2", "RSP-5", "RSP-6")
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/"),
        ("GET", "/metrics"),
        ("GET", "/health"),
        ("POST", "/cds-services/other"),
        ("GET", "/cds-services/other"),
        ("POST", "/cds-services/other/feedback"),
        ("POST", f"{PATH}/feedback/x"),
        ("POST", f"{PATH}/x/y"),
        ("GET", "/cds-services/kidney-failure%2f"),
        ("OPTIONS", "/metrics"),
        ("OPTIONS", "/cds-servicesx"),
    ],
)
async def test_nothing_else_is_there(method: str, path: str) -> None:
    """404 with an OperationOutcome, counted without the path that was asked for."""
    house = House()
    reply = await ask(house.edge(), method, path, headers={"origin": ORIGIN})
    assert reply.status == 404
    assert reply.json()["resourceType"] == "OperationOutcome"
    assert reply.headers["access-control-allow-origin"] == ORIGIN
    assert house.meter.calls == [("unknown", "other", "none", "none", "refused", "not_found", "none")]


@pytest.mark.requirement("DIS-11", "RSP-5")
@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("GET", PATH, "POST, OPTIONS"),
        ("DELETE", PATH, "POST, OPTIONS"),
        ("GET", f"{PATH}/feedback", "POST, OPTIONS"),
        ("PUT", f"{PATH}/feedback", "POST, OPTIONS"),
        ("POST", "/cds-services", "GET, HEAD, OPTIONS"),
        ("POST", "/health/live", "GET, HEAD"),
    ],
)
async def test_the_wrong_method_is_told_the_right_ones(method: str, path: str, allow: str) -> None:
    """405 with Allow (RFC 9110 §15.5.6)."""
    reply = await ask(House().edge(), method, path)
    assert (reply.status, reply.headers["allow"]) == (405, allow)


@pytest.mark.requirement("SEC-16")
@pytest.mark.parametrize("path", ["/cds-services", PATH, f"/{PATH}/", f"{PATH}/feedback", "/cds-services/unknown"])
async def test_preflights_need_nothing(path: str) -> None:
    """Answered 204 without credentials, for feedback and unknown ids too, or a browser hides why (SEC-16, T-8)."""
    house = House()
    reply = await ask(house.edge(), "OPTIONS", path, headers={"origin": ORIGIN})
    assert (reply.status, reply.body) == (204, b"")
    assert reply.headers == {
        "access-control-allow-methods": "GET, POST, OPTIONS",
        "access-control-allow-headers": "authorization, content-type",
        "access-control-max-age": "600",
        "access-control-allow-origin": ORIGIN,
        "vary": "Origin",
    }
    assert house.meter.calls == []


@pytest.mark.requirement("SEC-16")
async def test_an_origin_that_is_not_listed_gets_its_answer_without_leave_to_read_it() -> None:
    """The browser enforces it; the call itself is answered as any other."""
    reply = await post(House(), body(), {**JSON, "origin": "https://other.example"})
    assert reply.status == 200
    assert "access-control-allow-origin" not in reply.headers
    assert reply.headers["vary"] == "Origin"


@pytest.mark.requirement("SEC-16", "RSP-6", "RSP-7")
@pytest.mark.parametrize(
    ("sent", "headers", "status"),
    [
        (body(), {}, 415),
        (body(), {"content-type": "text/plain"}, 415),
        (body(), {**JSON, "content-encoding": "gzip"}, 415),
        (b"{" + b" " * 200_000, JSON, 413),
        ([b"{"] + [b" " * 50_000] * 4, JSON, 413),
        (b"", JSON, 400),
        (b"{}", JSON, 400),
        (body(hook="order-select"), JSON, 400),
        (body(context={"patientId": "../x", "userId": "Practitioner/1"}), JSON, 400),
    ],
)
async def test_bad_requests(sent: bytes | list[bytes], headers: dict[str, str], status: int) -> None:
    """Each with its status, its OperationOutcome, its CORS headers, and counted under its service."""
    house = House(options=EdgeOptions(max_body=100_000))
    reply = await post(house, sent, {**headers, "origin": ORIGIN})
    assert reply.status == status
    assert reply.json()["resourceType"] == "OperationOutcome"
    assert reply.headers["access-control-allow-origin"] == ORIGIN
    assert house.calls == []
    ((service, hook, *_, outcome, _, _),) = house.meter.calls
    assert (service, hook, outcome) == ("kidney-failure", "other", "refused")


async def test_a_service_with_one_hook_counts_its_refusals_under_it() -> None:
    """The hook of a refused call is taken from the configuration, never from the body."""
    house = House()
    await post(house, body(hook="Zebulon"), path="/cds-services/sepsis")
    assert house.meter.calls[0][:2] == ("sepsis", "com.example.vitals")


async def test_a_body_may_come_in_pieces() -> None:
    """Any split of the bytes is the same request."""
    whole = body()
    assert (await post(House(), [whole[:7], b"", whole[7:9], whole[9:]])).status == 200


async def test_a_body_at_the_limit_is_read_and_one_above_is_not() -> None:
    """The limit counts bytes, also where no length was declared."""
    whole = body()
    exact = House(options=EdgeOptions(max_body=len(whole)))
    assert (await post(exact, whole)).status == 200
    assert (await post(exact, [whole[:9], whole[9:]])).status == 200
    assert (await post(exact, [whole, b" "])).status == 413


async def test_an_oversized_body_is_refused_before_it_is_read() -> None:
    """By its declared length; the answer is out before the rest is taken and thrown away."""
    house = House(options=EdgeOptions(max_body=10))
    exchange = Exchange([b"x" * 10, b"x" * 10])
    answered_after: list[int] = []

    async def send(message: dict[str, object]) -> None:
        answered_after.append(exchange.received)
        await exchange.send(message)

    await house.edge()(scope("POST", PATH, {**JSON, "content-length": "20"}), exchange.receive, send)  # type: ignore[arg-type]
    reply = exchange.reply()
    assert reply.status == 413
    assert answered_after[:2] == [0, 0]
    assert reply.headers["connection"] == "close"
    assert exchange.received == 20


async def test_a_refused_flood_is_not_read_for_ever() -> None:
    """After a few times the limit the connection closes, whatever is still coming."""
    house = House(options=EdgeOptions(max_body=1000))
    exchange = Exchange([b"x" * 1000] * 1000)
    await house.edge()(scope("POST", PATH, {**JSON, "content-length": "1000000"}), exchange.receive, exchange.send)
    assert exchange.reply().status == 413
    assert exchange.received <= 10_000


async def test_a_slow_upload_is_a_408() -> None:
    """A body that never completes is answered when its time is over, and the connection closes (law 1)."""
    house = House(options=EdgeOptions(read_timeout=0.01))
    for stalled in ([], [b"{"], [b"{", b'"hook":']):
        exchange = Exchange(stalled, complete=False)
        headers = {**JSON, "content-length": "100"}
        await asyncio.wait_for(house.edge()(scope("POST", PATH, headers), exchange.receive, exchange.send), 1)
        reply = exchange.reply()
        assert (reply.status, reply.headers["connection"]) == (408, "close")
        assert reply.json()["issue"][0]["code"] == "timeout"


async def test_a_client_that_hangs_up_is_forgotten() -> None:
    """Nothing is sent, nothing is counted, nothing is noted."""
    house = House()
    exchange = Exchange([b"{"], complete=False, gone=True)
    await house.edge()(scope("POST", PATH, {**JSON, "content-length": "9"}), exchange.receive, exchange.send)
    assert exchange.sent == []
    assert house.meter.calls == []
    assert house.meter.faults == []


@pytest.mark.parametrize("ready", [True, False])
async def test_health(ready: bool) -> None:
    """Alive while it runs; ready until it drains."""
    edge = House(ready=ready).edge()
    assert (await ask(edge, "GET", "/health/live")).status == 200
    assert (await ask(edge, "GET", "/health/ready")).status == (200 if ready else 503)
    assert (await ask(edge, "HEAD", "/health/ready")).body == b""


async def test_while_draining_connections_are_given_up() -> None:
    """A call is answered as always; its connection's next one would find nobody."""
    reply = await post(House(ready=False), body())
    assert (reply.status, reply.headers["connection"]) == (200, "close")
    assert "connection" not in (await post(House(), body())).headers


async def test_only_http_is_served() -> None:
    """A server that offers something else learns so at once."""
    exchange = Exchange([])
    with pytest.raises(NotImplementedError):
        await House().edge()({"type": "lifespan"}, exchange.receive, exchange.send)
