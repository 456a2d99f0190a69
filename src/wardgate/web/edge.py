"""The EHR's listener: raw ASGI, from the head of a request to the last byte of its answer.

    route, CORS → read → parse → the service's hook stack → answer

Whatever ends the way early is a `Refusal`, answered at once with its status and an OperationOutcome.
"""

from collections.abc import Callable
from dataclasses import dataclass

import msgspec

from wardgate.domain.cards.card import Action, Card
from wardgate.domain.clients import Client
from wardgate.domain.errors import MethodNotAllowed, NotFound, Refusal
from wardgate.domain.outcomes import OUTCOME_OF, Arm, Mode, Reason, Step
from wardgate.domain.plans import Catalog
from wardgate.gateway.call import HookCall
from wardgate.gateway.ports import Clock, FaultLog, Meter
from wardgate.web.asgi import CLOSE, JSON, Header, Receive, Response, Scope, Send, body_message
from wardgate.web.cors import PREFLIGHT, Origins
from wardgate.web.problems import INTERNAL, refusal_response
from wardgate.web.reading import Disconnected, Headers, drain, read_body, refuse_length, require_json
from wardgate.web.routes import ALLOWED, HandlerFor, Place, Route, Routes, Service
from wardgate.web.wire import parse

UNKNOWN_SERVICE = "unknown"
OTHER_HOOK = "other"

_LIVE = Response(200, b'{"status":"live"}', (JSON,))
_READY = Response(200, b'{"status":"ready"}', (JSON,))
_DRAINING = Response(503, b'{"status":"draining"}', (JSON,))
_NO_CARDS = Response(200, b'{"cards":[]}', (JSON,))


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
    base: str = ""
    """The path of `public_url`, without a trailing slash: it stands before `/cds-services`."""


class _Cards(msgspec.Struct, omit_defaults=True, rename="camel"):
    cards: tuple[Card, ...]
    system_actions: tuple[Action, ...] = ()


_encode = msgspec.json.Encoder().encode


class _Exchange:
    """One request on its way; `service` is known from the route on, `hook` from the parsed body on."""

    __slots__ = ("body_read", "headers", "method", "path", "receive", "service", "started")

    def __init__(self, scope: Scope, receive: Receive, started: float) -> None:
        self.method: str = scope["method"]
        self.path: str = scope["path"]
        self.headers: Headers = dict(scope["headers"])
        self.receive = receive
        self.started = started
        self.service: Service | None = None
        self.body_read = self.headers.get(b"content-length", b"0") == b"0" and b"transfer-encoding" not in self.headers


class Edge:
    """An ASGI application.

    `catalog` gives the current one, `handler` the hook stack of a service; both are asked again only when
    the catalog is another object. `client` is whose every call is. `ready` turns false while draining.
    Calls that a stack has answered were counted in it; `meter` here counts those that never reached one.
    """

    def __init__(
        self,
        *,
        catalog: Callable[[], Catalog],
        handler: HandlerFor,
        client: Client,
        clock: Clock,
        new_id: Callable[[], str],
        meter: Meter,
        faults: FaultLog,
        ready: Callable[[], bool],
        options: EdgeOptions | None = None,
    ) -> None:
        self._catalog = catalog
        self._handler = handler
        self._client = client
        self._origins = Origins(client.origins)
        self._clock = clock
        self._new_id = new_id
        self._meter = meter
        self._faults = faults
        self._ready = ready
        self._options = options or EdgeOptions()
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
        exchange.service = route.service
        if exchange.method not in ALLOWED[route.place]:
            raise MethodNotAllowed("This method is not allowed here.", ALLOWED[route.place])
        if route.service is not None:
            return await self._invoke(exchange, route.service)
        return self._fixed(route, routes)

    def _fixed(self, route: Route, routes: Routes) -> Response:
        if route.place is Place.DISCOVERY:
            return Response(200, routes.discovery, (JSON,))
        if route.place is Place.LIVE or self._ready():
            return _LIVE if route.place is Place.LIVE else _READY
        return _DRAINING

    async def _invoke(self, exchange: _Exchange, service: Service) -> Response:
        options = self._options
        require_json(exchange.headers)
        refuse_length(exchange.headers, options.max_body)
        body = await read_body(exchange.receive, options.max_body, options.read_timeout)
        exchange.body_read = True
        read = self._clock.monotonic()  # the deadline runs from the last byte of the request (law 1)
        request = parse(body, service.wire, self._client, options.max_depth)
        offer = service.offers[request.hook]
        plan = offer.plan
        outcome = await offer.handler(
            HookCall(request, plan, self._new_id(), self._clock.now(), read, read + plan.deadline)
        )
        if outcome.refusal is not None:
            return refusal_response(outcome.refusal)
        cards = outcome.cards
        return Response(200, _encode(_Cards(cards, outcome.system_actions)), (JSON,)) if cards else _NO_CARDS

    async def _send(self, response: Response, exchange: _Exchange, send: Send) -> None:
        headers: list[Header] = self._origins.headers(exchange.headers.get(b"origin"))
        body = b"" if exchange.method == "HEAD" else response.body
        if exchange.body_read:
            await send(response.start(headers))
            await send(body_message(body))
            return
        headers.append(CLOSE)
        await send(response.start(headers))
        await send(body_message(body, more=True))
        if response.status != 408:  # there, waiting is over
            await drain(exchange.receive, self._options.max_body, self._options.read_timeout)
        await send(body_message(b""))

    def _current_routes(self) -> Routes:
        catalog = self._catalog()
        if catalog is not self._routes.catalog:
            self._routes = self._compile(catalog)
        return self._routes

    def _compile(self, catalog: Catalog) -> Routes:
        return Routes(catalog, self._handler, self._options.base, self._options.cds_hooks)

    def _count(self, exchange: _Exchange, reason: Reason) -> None:
        """Labels come from the configuration only: a path or a hook that it does not know has no name here."""
        service = exchange.service
        offers = list(service.offers) if service else []
        self._meter.call_ended(
            service.wire.id if service else UNKNOWN_SERVICE,
            offers[0] if len(offers) == 1 else OTHER_HOOK,
            Mode.NONE,
            Arm.NONE,
            OUTCOME_OF[reason],
            reason,
            Step.NONE,
            self._clock.monotonic() - exchange.started,
        )
