"""The EHR's listener: raw ASGI, from the head of a request to the last byte of its answer.

    route, CORS → admit → read → authenticate → parse → the service's hook stack, or the desk of feedback → answer

Whatever ends the way early is a `Refusal`, answered at once with its status and an OperationOutcome.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial

from wardgate.domain.clients import Client
from wardgate.domain.errors import MethodNotAllowed, NotFound, Refusal
from wardgate.domain.feedback import NO_REASON, Feedback
from wardgate.domain.outcomes import OUTCOME_OF, Arm, Mode, Reason, Step
from wardgate.domain.plans import Catalog, ServicePlan
from wardgate.gateway.answers import written
from wardgate.gateway.authentication import Callers
from wardgate.gateway.budget import Budget
from wardgate.gateway.call import HookCall
from wardgate.gateway.outcome import HookOutcome
from wardgate.gateway.ports import Clock, FaultLog, Meter
from wardgate.gateway.tracing import Tracing
from wardgate.resilience.admission import Claim
from wardgate.resilience.gate import Gate
from wardgate.web.asgi import CLOSE, JSON, Header, Receive, Response, Scope, Send, body_message
from wardgate.web.cors import EXPOSE_TIMING, PREFLIGHT, Origins
from wardgate.web.problems import INTERNAL, OVERLOADED, refusal_response
from wardgate.web.reading import Disconnected, Headers, Unfinished, drain, gone, read_body, refuse_length, require_json
from wardgate.web.routes import ALLOWED, HandlerFor, Place, Route, Routes, Service
from wardgate.web.wire import parse

UNKNOWN_SERVICE = "unknown"
OTHER_HOOK = "other"
REFUSED_FEEDBACK = "refused"

_LIVE = Response(200, b'{"status":"live"}', (JSON,))
_READY = Response(200, b'{"status":"ready"}', (JSON,))
_DRAINING = Response(503, b'{"status":"draining"}', (JSON,))
_NO_CARDS = Response(200, b'{"cards":[]}', (JSON,))
_TAKEN = Response(200, b"{}", (JSON,))

_TURNED_AWAY = OVERLOADED.whole(b"Service Unavailable")

_AT_ONCE = 200
"""Elements of feedback between two turns of the loop: a large batch must not hold up a hook call (law 1)."""


@dataclass(frozen=True, slots=True)
class EdgeOptions:
    max_body: int = 2 * 1024 * 1024
    """Bytes of a request's body (`limits.body`)."""
    max_depth: int = 64
    """Levels of nesting in it (`limits.depth`)."""
    read_timeout: float = 5.0
    """Seconds from the head of a request until its body must be complete."""
    cds_hooks: str = "2.0"
    """What discovery speaks (`discovery.cds_hooks`)."""
    server_timing: bool = False
    """Whether an answer says how long each stage took, and how it ended (`telemetry.server_timing`)."""
    base: str = ""
    """The path of `public_url`, without a trailing slash: it stands before `/cds-services`."""
    origin: str = ""
    """What stands before that path in `public_url`: with it, the URLs that clients call."""


class _Exchange:
    """One request on its way; `place` and `service` are known from the route on."""

    __slots__ = ("body_read", "fields", "headers", "method", "path", "place", "receive", "service", "started")

    def __init__(self, scope: Scope, receive: Receive, started: float) -> None:
        self.method: str = scope["method"]
        self.path: str = scope["path"]
        self.fields: list[Header] = scope["headers"]
        self.headers: Headers = dict(self.fields)
        self.receive = receive
        self.started = started
        self.place: Place | None = None
        self.service: Service | None = None
        self.body_read = self.headers.get(b"content-length", b"0") == b"0" and b"transfer-encoding" not in self.headers


class Edge:
    """An ASGI application.

    `catalog` gives the current one, `handler` the hook stack of a service; both are asked again only when
    the catalog is another object. `callers` says whose a call is; `gate` lets calls and feedback in. `ready` turns
    false while draining. Calls that a stack has answered were counted in it; `meter` here counts those that never
    reached one. `feedback` takes what is reported of cards; it may raise a Refusal. `in_vain` says whether a service
    could not answer one more call with anything, behind so many that are coming.
    """

    def __init__(
        self,
        *,
        catalog: Callable[[], Catalog],
        handler: HandlerFor,
        feedback: Callable[[Sequence[Feedback]], Awaitable[None]],
        callers: Callers,
        gate: Gate,
        clock: Clock,
        new_id: Callable[[], str],
        meter: Meter,
        faults: FaultLog,
        ready: Callable[[], bool],
        options: EdgeOptions | None = None,
        tracing: Tracing | None = None,
        in_vain: Callable[[ServicePlan, int], bool] = lambda plan, coming: False,
    ) -> None:
        self._catalog = catalog
        self._handler = handler
        self._feedback = feedback
        self._callers = callers
        self._origins = Origins(origin for client in callers.clients for origin in client.origins)
        self._gate = gate
        self._unfinished = Unfinished()
        self._clock = clock
        self._new_id = new_id
        self._meter = meter
        self._faults = faults
        self._ready = ready
        self._options = options or EdgeOptions()
        self._tracing = tracing
        self._in_vain = in_vain
        self._routes = self._compile(catalog())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            raise NotImplementedError("only HTTP is served here")
        exchange = _Exchange(scope, receive, self._clock.monotonic())
        try:
            response = await self._answer(exchange)
        except Disconnected:
            return
        await self._send(response, exchange, send)

    def turn_away(self, method: bytes, target: bytes, headers: list[Header]) -> bytes | None:
        """Under load most requests end here, where it costs least."""
        if not self._gate.crowded or method != b"POST" or not self._ready():
            return None
        route = self._current_routes().find(target.partition(b"?")[0].decode("latin-1"))
        if route is None or not route.claims:
            return None
        authorization = next((value for name, value in headers if name == b"authorization"), None)
        if self._gate.lets_through(self._claim(route, self._callers.group(authorization))):
            return None
        self._count_at(route.place, route.service, Reason.OVERLOADED, 0.0)
        origin = next((value for name, value in headers if name == b"origin"), None)
        extra = b"".join(b"%s: %s\r\n" % header for header in self._origins.headers(origin))
        return _TURNED_AWAY % extra

    async def _answer(self, exchange: _Exchange) -> Response:
        try:
            return await self._dispatch(exchange)
        except Refusal as refusal:
            self._count(exchange, refusal.reason)
            return refusal_response(refusal)
        except Disconnected:
            raise
        except Exception as error:  # the last line: a server would log the message, and close without an answer
            self._faults.fault("edge", error)
            self._count(exchange, Reason.INTERNAL)
            return INTERNAL

    async def _dispatch(self, exchange: _Exchange) -> Response:
        routes = self._current_routes()
        route = routes.find(exchange.path)
        if exchange.method == "OPTIONS" and routes.preflighted(exchange.path):
            return PREFLIGHT
        if route is None:
            raise NotFound("There is nothing at this path.")
        exchange.place, exchange.service = route.place, route.service
        if exchange.method not in ALLOWED[route.place]:
            raise MethodNotAllowed("This method is not allowed here.", ALLOWED[route.place])
        if route.service is not None:
            return await self._admitted(exchange, route, route.service)
        if route.place is Place.DISCOVERY:
            await self._caller(exchange, route)
            return Response(200, routes.discovery, (JSON,))
        return self._health(route.place)

    async def _admitted(self, exchange: _Exchange, route: Route, service: Service) -> Response:
        """Where no place can be had, that is said before anything is read; a place is taken once all is read."""
        group = self._callers.group(exchange.headers.get(b"authorization"))
        if self._gate.turns_away(self._claim(route, group)):
            return self._shed(exchange)
        body = await self._read(exchange)
        read = self._clock.monotonic()  # the deadline runs from the last byte of the request (law 1)
        if not await self._enter(self._claim(route, group), service):
            return self._shed(exchange)
        try:
            client = await self._caller(exchange, route)
            if exchange.place is Place.SERVICE:
                return await self._invoke(body, service, client, read, exchange)
            return await self._take(body, service, client)
        finally:
            self._gate.leave()

    async def _enter(self, claim: Claim, service: Service) -> bool:
        service.coming += 1
        try:
            return await self._gate.enter(claim)
        finally:
            service.coming -= 1

    def _claim(self, route: Route, group: str) -> Claim:
        """Of a call that would wait only to be told that its model has no place, nobody asks to wait."""
        claims = route.claims
        if self._gate.crowded and route.service is not None:
            coming = min(route.service.coming, self._gate.places)  # at a time
            if all(self._in_vain(offer.plan, coming) for offer in route.service.offers.values()):
                claims = route.hurried
        return claims[group]

    async def _caller(self, exchange: _Exchange, route: Route) -> Client:
        """Its time is the call's own: the deadline runs. Of the header, all that were sent: which of two was meant, a
        proxy and we might see differently."""
        authorization = [value for name, value in exchange.fields if name == b"authorization"]
        return await self._callers.caller(authorization, route.urls, route.patience)

    def _shed(self, exchange: _Exchange) -> Response:
        self._count(exchange, Reason.OVERLOADED)
        return OVERLOADED

    def _health(self, place: Place) -> Response:
        if place is Place.LIVE or self._ready():
            return _LIVE if place is Place.LIVE else _READY
        return _DRAINING

    async def _read(self, exchange: _Exchange) -> bytes:
        require_json(exchange.headers)
        refuse_length(exchange.headers, self._options.max_body)
        body = await read_body(exchange.receive, self._options.max_body, self._options.read_timeout, self._unfinished)
        exchange.body_read = True
        return body

    async def _take(self, body: bytes, service: Service, client: Client) -> Response:
        """All elements or none: what is refused can be sent again as it is mended."""
        reports: list[Feedback] = []
        for report in service.feedback.read(body, client, self._options.max_depth):
            reports.append(report)
            if len(reports) % _AT_ONCE == 0:
                await asyncio.sleep(0)
        await self._feedback(reports)
        return _TAKEN

    async def _invoke(
        self, body: bytes, service: Service, client: Client, read: float, exchange: _Exchange
    ) -> Response:
        request = parse(body, service.wire, client, self._options.max_depth)
        offer = service.offers[request.hook]
        plan = offer.plan
        budget = Budget.of(read, plan.deadline)
        trace = None if self._tracing is None else self._tracing.begin(exchange.headers.get(b"traceparent"))
        left = partial(gone, exchange.receive)
        outcome = await offer.handler(
            HookCall(request, plan, self._new_id(), self._clock.now(), budget, body, trace=trace, gone=left)
        )
        response = answer_of(outcome)
        return self._timed(response, outcome) if self._options.server_timing else response

    def _timed(self, response: Response, outcome: HookOutcome) -> Response:
        """With a Server-Timing header (W3C), which a page of a listed origin may read: the spine's names and numbers,
        and how the call ended, from the closed lists."""
        call = outcome.call
        total = round((self._clock.monotonic() - call.started) * 1000, 3)
        stages = {**call.stages_ms(), "total": total}
        timing = ", ".join(f"{name};dur={ms}" for name, ms in stages.items())
        timing += f', outcome;desc="{outcome.outcome}/{outcome.reason}"'
        headers = (*response.headers, (b"server-timing", timing.encode()), EXPOSE_TIMING)
        return Response(response.status, response.body, headers)

    async def _send(self, response: Response, exchange: _Exchange, send: Send) -> None:
        headers: list[Header] = self._origins.headers(exchange.headers.get(b"origin"))
        body = b"" if exchange.method == "HEAD" else response.body
        if exchange.body_read:
            if not self._ready():
                headers.append(CLOSE)  # this connection's next call goes to another replica
            await send(response.start(headers))
            await send(body_message(body))
            return
        if response is OVERLOADED:
            return await self._send_and_keep(response, headers, exchange, send)
        headers.append(CLOSE)
        await send(response.start(headers))
        await send(body_message(body, more=True))
        if response.status != 408:  # there, waiting is over
            await drain(exchange.receive, self._options.max_body, self._options.read_timeout)
        await send(body_message(b""))

    async def _send_and_keep(self, response: Response, headers: list[Header], exchange: _Exchange, send: Send) -> None:
        """A shed client calls again: its connection stays, where the rest of the request comes soon. Under load a new
        one would cost more than the answer. Where it does not come, the unended response makes the server close."""
        await send(response.start(headers))
        await send(body_message(response.body, more=True))
        if await drain(exchange.receive, self._options.max_body, self._options.read_timeout):
            await send(body_message(b""))

    def _current_routes(self) -> Routes:
        catalog = self._catalog()
        if catalog is not self._routes.catalog:
            self._routes = self._compile(catalog)
        return self._routes

    def _compile(self, catalog: Catalog) -> Routes:
        options = self._options
        return Routes(catalog, self._handler, self._callers.groups, options.base, options.origin, options.cds_hooks)

    def _count(self, exchange: _Exchange, reason: Reason) -> None:
        self._count_at(exchange.place, exchange.service, reason, self._clock.monotonic() - exchange.started)

    def _count_at(self, place: Place | None, service: Service | None, reason: Reason, seconds: float) -> None:
        """Labels come from the configuration only: a path or a hook that it does not know has no name here."""
        if place is Place.FEEDBACK and service is not None:
            self._meter.feedback_given(service.wire.id, REFUSED_FEEDBACK, NO_REASON)
            return
        offers = list(service.offers) if service else []
        hook = offers[0] if len(offers) == 1 else OTHER_HOOK
        if self._tracing is not None and service is not None:
            self._tracing.refused(service.wire.id, hook, reason, seconds)
        self._meter.call_ended(
            service.wire.id if service else UNKNOWN_SERVICE,
            hook,
            Mode.NONE,
            Arm.NONE,
            OUTCOME_OF[reason],
            reason,
            Step.NONE,
            seconds,
        )


def answer_of(outcome: HookOutcome) -> Response:
    """What the EHR gets."""
    if outcome.refusal is not None:
        return refusal_response(outcome.refusal)
    return Response(200, written(outcome), (JSON,)) if outcome.cards else _NO_CARDS
