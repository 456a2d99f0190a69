"""Too much load at the EHR's listener: who is let in, who is turned away at once, and how cheaply."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import msgspec

from tests.fakes.asgi import JSON, Exchange, Reply, ask, scope
from tests.web.house import CUSTOM, PATH, PATIENT_VIEW, House, body, catalog, request
from wardgate.domain.plans import ServicePlan
from wardgate.gateway.call import HookCall
from wardgate.gateway.outcome import HookOutcome
from wardgate.resilience.admission import AdmissionOptions
from wardgate.resilience.gate import Gate
from wardgate.web.asgi import ASGIApp
from wardgate.web.edge import EdgeOptions

LOW = msgspec.structs.replace(CUSTOM, risk_tier="low")
SEPSIS = "/cds-services/sepsis"
SHED = ("none", "none", "shed", "overloaded", "none")


@dataclass
class Busy(House):
    """Calls stay inside until they are let go; one of tier high, one of tier low."""

    leave: asyncio.Event = field(default_factory=asyncio.Event)

    def handler(self, _: ServicePlan) -> Callable[[HookCall], Awaitable[HookOutcome]]:
        async def handle(call: HookCall) -> HookOutcome:
            self.calls.append(call)
            await self.leave.wait()
            return self.answer(call)

        return handle


def busy(concurrency: int, queue: int, patience: float = 60, read_timeout: float = 5) -> Busy:
    plans = [msgspec.structs.replace(plan, deadline=patience * 5) for plan in (PATIENT_VIEW, LOW)]
    return Busy(
        catalog=catalog(*plans),
        gate=Gate(AdmissionOptions(concurrency, queue, headroom=0)),
        options=EdgeOptions(read_timeout=read_timeout),
    )


def high(app: ASGIApp) -> Awaitable[Reply]:
    return ask(app, "POST", PATH, body(), JSON)


def low(app: ASGIApp) -> Awaitable[Reply]:
    sent = body(hook=CUSTOM.hook, context={**request()["context"], "deviceId": "d1"}, prefetch=None)
    return ask(app, "POST", SEPSIS, sent, JSON)


async def begun(group: asyncio.TaskGroup, asked: Awaitable[Reply]) -> "asyncio.Task[Reply]":
    """A request that has come as far as it can."""

    async def wait() -> Reply:
        return await asked

    task = group.create_task(wait())
    for _ in range(3):
        await asyncio.sleep(0)
    return task


async def test_too_much_load_is_answered_at_once_with_503() -> None:
    """Retry-After, an OperationOutcome, counted as shed under its service; the connection stays (law 1)."""
    house = busy(1, 0)
    edge = house.edge()
    async with asyncio.TaskGroup() as group:
        first = await begun(group, high(edge))
        reply = await high(edge)
        assert (reply.status, reply.headers["retry-after"]) == (503, "1")
        assert reply.json()["issue"][0]["code"] == "throttled"
        assert "connection" not in reply.headers
        assert house.meter.calls == [("kidney-failure", "patient-view", *SHED)]
        house.leave.set()
    assert first.result().status == 200
    assert (await high(edge)).status == 200


async def test_it_is_said_before_anything_is_read() -> None:
    """The answer is out before the body; what then does not end is closed by the server."""
    house = busy(1, 0, read_timeout=0.01)
    edge = house.edge()
    async with asyncio.TaskGroup() as group:
        await begun(group, high(edge))
        exchange = Exchange([b"{"], complete=False)
        received: list[int] = []

        async def send(message: dict[str, object]) -> None:
            received.append(exchange.received)
            await exchange.send(message)

        await edge(scope("POST", PATH, {**JSON, "content-length": "9"}), exchange.receive, send)  # type: ignore[arg-type]
        assert received == [0, 0]
        assert [message.get("more_body") for message in exchange.sent] == [None, True]
        house.leave.set()


async def test_low_tiers_are_shed_first() -> None:
    """In a full queue a call of tier high takes the place of one of tier low, which is told so at once."""
    house = busy(1, 1)
    edge = house.edge()
    async with asyncio.TaskGroup() as group:
        inside = await begun(group, low(edge))
        waiting = await begun(group, low(edge))
        assert (await low(edge)).status == 503
        above = await begun(group, high(edge))
        assert waiting.done() and waiting.result().status == 503
        assert (await high(edge)).status == 503  # nobody lower is left to shed
        house.leave.set()
    assert [task.result().status for task in (inside, above)] == [200, 200]
    assert [call.plan.id for call in house.calls] == ["sepsis", "kidney-failure"]


async def test_nobody_waits_for_a_model_that_has_no_place() -> None:
    """While a place is free the answer is made all the same; where it would have to wait, it is 503 at once, at the
    door as well. Those that wait already count, and feedback needs no model."""
    house = busy(2, 8)
    full, asked = False, list[int]()

    def in_vain(plan: ServicePlan, coming: int) -> bool:
        asked.append(coming)
        return full

    house.in_vain = in_vain
    edge = house.edge()
    async with asyncio.TaskGroup() as group:
        first = await begun(group, high(edge))
        full = True
        second = await begun(group, high(edge))
        assert (await high(edge)).status == 503
        assert edge.turn_away(b"POST", PATH.encode(), [])
        assert edge.turn_away(b"POST", f"{PATH}/feedback".encode(), []) is None
        full = False
        assert edge.turn_away(b"POST", PATH.encode(), []) is None
        waiting = [await begun(group, high(edge)) for _ in range(4)]
        asked.clear()
        assert edge.turn_away(b"POST", PATH.encode(), []) is None
        assert asked == [2], "more are not inside at a time, so more cannot meet at the model"
        house.leave.set()
    assert [task.result().status for task in (first, second, *waiting)] == [200] * 6


async def test_feedback_is_shed_before_every_call() -> None:
    """It can come later as well; counted as refused feedback."""
    house = busy(1, 0)
    edge = house.edge()
    async with asyncio.TaskGroup() as group:
        await begun(group, low(edge))
        assert (await ask(edge, "POST", f"{SEPSIS}/feedback", b'{"feedback":[]}', JSON)).status == 503
        house.leave.set()
    assert house.meter.feedback == [("sepsis", "refused", "none")]
    claims = edge._current_routes().find
    ranks = [claims(path).claims["ward-ehr"].rank for path in (f"{PATH}/feedback", SEPSIS, PATH)]  # type: ignore[union-attr]
    assert ranks == [0, 1, 3]


async def test_health_discovery_and_preflight_are_never_shed() -> None:
    """Whoever looks after a gateway under load must be able to see it."""
    house = busy(1, 0)
    edge = house.edge()
    async with asyncio.TaskGroup() as group:
        await begun(group, high(edge))
        for method, path in (
            ("GET", "/health/live"),
            ("GET", "/health/ready"),
            ("GET", "/cds-services"),
            ("OPTIONS", PATH),
        ):
            assert (await ask(edge, method, path)).status in (200, 204)
        house.leave.set()


async def test_waiting_is_part_of_the_deadline_and_bounded() -> None:
    """It runs from the last byte read; a fifth of it, and 100 ms, is the most that a call waits."""
    house = busy(1, 1)
    edge = house.edge()
    async with asyncio.TaskGroup() as group:
        await begun(group, high(edge))
        await begun(group, high(edge))
        house.clock.advance(0.05)
        house.leave.set()
    first, second = house.calls
    assert second.budget == first.budget
    route = House().edge()._current_routes().find(PATH)
    assert route is not None and route.claims["ward-ehr"].patience == 0.1
    hurried = busy(1, 1, patience=0.001).edge()
    async with asyncio.TaskGroup() as group:
        first_in = await begun(group, high(hurried))
        assert (await high(hurried)).status == 503
        first_in.cancel()


async def test_slow_uploads_hold_no_place() -> None:
    """A hundred bodies that never end, one place: the next call is answered (law 1)."""
    house = House(gate=Gate(AdmissionOptions(1, 0)), options=EdgeOptions(read_timeout=0.2))
    edge = house.edge()
    async with asyncio.TaskGroup() as group:
        slow = [await begun(group, ask(edge, "POST", PATH, [b"{", b'"'], JSON, complete=False)) for _ in range(100)]
        assert (await high(edge)).status == 200
    assert {task.result().status for task in slow} == {408}


async def test_unfinished_bodies_cannot_fill_the_memory() -> None:
    """Beyond the bound for all of them together a body that is still coming is turned away; whole ones are not."""
    house = House(options=EdgeOptions(read_timeout=0.2))
    edge = house.edge()
    edge._unfinished.left = 250
    async with asyncio.TaskGroup() as group:
        slow = [await begun(group, ask(edge, "POST", PATH, [b"{" + b" " * 99], JSON, complete=False)) for _ in range(4)]
        assert [made[5] for made in house.meter.calls] == ["overloaded", "overloaded"]
        assert (await high(edge)).status == 200
    assert [task.result().status for task in slow] == [408, 408, 503, 503]
    assert edge._unfinished.left == 250


async def test_a_failure_gives_the_place_back() -> None:
    """Whatever ends a call ends its stay."""
    house = House(gate=Gate(AdmissionOptions(1, 0)))
    edge = house.edge()

    def fail(call: HookCall) -> HookOutcome:
        raise ValueError

    house.answer = fail
    assert [(await high(edge)).status, (await ask(edge, "POST", PATH, b"{}", JSON)).status] == [500, 400]
    house.answer = House().answer
    assert (await high(edge)).status == 200
    assert house.gate.machine.busy == 0
