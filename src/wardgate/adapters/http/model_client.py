"""Asking a model over HTTP, whatever its protocol: send, and tell failures apart."""

from collections.abc import Iterable, Mapping
from secrets import token_hex
from urllib.parse import urlsplit

from msgspec.structs import force_setattr

from wardgate.adapters.http.client import HttpClient, HttpError, HttpFailure, HttpReply
from wardgate.adapters.http.mlflow import mlflow_wire
from wardgate.adapters.http.model_wire import ModelWire, with_mark
from wardgate.adapters.http.oip import oip_wire
from wardgate.adapters.http.plain_json import plain_json_wire
from wardgate.domain.errors import ModelUnavailable
from wardgate.domain.inference.endpoint import Endpoint, Mlflow, ModelReply, Oip, PlainJson, Readiness
from wardgate.domain.inference.prediction import ModelInputs
from wardgate.domain.outcomes import Reason

_MAX_REPLY = 1024 * 1024
_HEADERS = {"Content-Type": "application/json", "Accept": "application/json"}
_TIME_LEFT = "X-Request-Timeout-Ms"
"""A span, not a moment: the clocks of two machines differ (docs/protocols.md)."""

_TRACE = "traceparent"
"""W3C Trace Context: ids that wardgate issued, and whether the call is kept."""

_REASONS: dict[HttpFailure, Reason] = {
    HttpFailure.UNREACHABLE: Reason.MODEL_UNREACHABLE,
    HttpFailure.TIMEOUT: Reason.MODEL_TIMEOUT,
    HttpFailure.TRUNCATED: Reason.REPLY_TRUNCATED,
    HttpFailure.TOO_LARGE: Reason.REPLY_TOO_LARGE,
}


class HttpModelClient:
    """Meets `gateway.ports.ModelClient`. A host that is not in `model_hosts` is never called."""

    def __init__(self, http: HttpClient, model_hosts: frozenset[str]) -> None:
        self._http = http
        self._hosts = model_hosts
        self._prepared: dict[int, tuple[Endpoint, ModelWire]] = {}
        self._session = token_hex(8)
        self._asked = 0

    async def infer(
        self,
        endpoint: Endpoint,
        inputs: ModelInputs,
        timeout: float,
        oldest: int = 0,
        traceparent: str | None = None,
    ) -> ModelReply:
        wire = self._prepare(endpoint)
        headers = {**_HEADERS, _TIME_LEFT: str(max(int(timeout * 1000), 0))}
        if traceparent is not None:
            headers[_TRACE] = traceparent
        body, mark = wire.body(inputs.values), ""
        if wire.marked:
            self._asked += 1
            mark = f"{self._session}-{self._asked}"
            body = with_mark(body, mark)
        http = await self._send("POST", wire.infer_url, headers, body, oldest)
        try:
            reply = read_reply(http, wire, mark)
        except ModelUnavailable as error:
            if error.reason is Reason.REPLY_MISMATCHED:  # whatever else comes over this connection is one behind, too
                self._http.renew(endpoint.url)
            raise
        force_setattr(reply, "connection", http.connection)  # nobody has seen it yet
        # Without the mark, so that an equal reply has an equal fingerprint.
        force_setattr(reply, "body", http.body.replace(mark.encode(), b"") if mark else http.body)
        return reply

    async def ready(self, endpoint: Endpoint) -> Readiness:
        wire = self._prepare(endpoint)
        http = await self._send("GET", wire.ready_url, _HEADERS, None, 0)
        return Readiness(http.status in wire.ready, http.connection)

    def renew(self, endpoint: Endpoint) -> int | None:
        return self._http.renew(endpoint.url)

    def serve(self, model_hosts: frozenset[str], endpoints: Iterable[Endpoint]) -> None:
        """From now on these hosts are allowed; what is prepared for other endpoints than these is forgotten."""
        self._hosts = model_hosts
        kept = {id(endpoint) for endpoint in endpoints}
        self._prepared = {key: pair for key, pair in self._prepared.items() if key in kept}

    async def _send(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | None, oldest: int
    ) -> HttpReply:
        try:
            return await self._http.send(method, url, headers, body, None, _MAX_REPLY, oldest)
        except HttpError as error:
            raise ModelUnavailable(_REASONS[error.kind]) from None

    def _prepare(self, endpoint: Endpoint) -> ModelWire:
        # Keyed by identity: the endpoint is kept beside it, so the id cannot be reused while it is here.
        known = self._prepared.get(id(endpoint))
        if known is not None:
            return known[1]
        if urlsplit(endpoint.url).netloc not in self._hosts:
            raise ModelUnavailable(Reason.MODEL_UNREACHABLE)
        wire = wire_of(endpoint)
        self._prepared[id(endpoint)] = (endpoint, wire)
        return wire


def wire_of(endpoint: Endpoint) -> ModelWire:
    """The one table of protocols."""
    match endpoint.protocol:
        case Oip() as protocol:
            return oip_wire(endpoint, protocol)
        case Mlflow():
            return mlflow_wire(endpoint)
        case PlainJson() as protocol:
            return plain_json_wire(endpoint, protocol)


def read_reply(reply: HttpReply, wire: ModelWire, mark: str = "") -> ModelReply:
    """Raises ModelUnavailable with the first thing that is wrong: status, then version, shape, finiteness."""
    if reply.status != 200:
        # The body may echo the patient's inputs or a stack trace: it is dropped unread.
        raise ModelUnavailable(_status_reason(reply.status))
    return wire.read(reply.body, mark)


def _status_reason(status: int) -> Reason:
    if status == 503:
        return Reason.MODEL_BUSY
    if status == 429:
        return Reason.MODEL_THROTTLED
    return Reason.MODEL_REFUSED if 400 <= status < 500 else Reason.MODEL_ERROR
