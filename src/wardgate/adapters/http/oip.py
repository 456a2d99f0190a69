"""The Open Inference Protocol, version 2, over REST: https://github.com/kserve/open-inference-protocol

POST {url}/v2/models/{model}/versions/{version}/infer. The version stands in the path, because the
unversioned URL silently answers with the newest, and is checked in the reply.
"""

import json
import math
from collections.abc import Callable
from typing import Any
from urllib.parse import quote, urlsplit

import msgspec

from wardgate.adapters.http.client import HttpClient, HttpError, HttpFailure, HttpReply
from wardgate.domain.errors import ModelUnavailable
from wardgate.domain.inference.endpoint import Endpoint, InputSpec, ModelReply, OutputSpec, Shape
from wardgate.domain.inference.prediction import ModelInputs
from wardgate.domain.outcomes import Reason

_MAX_REPLY = 1024 * 1024
_HEADERS = {"Content-Type": "application/json", "Accept": "application/json"}

_REASONS: dict[HttpFailure, Reason] = {
    HttpFailure.UNREACHABLE: Reason.MODEL_UNREACHABLE,
    HttpFailure.TIMEOUT: Reason.MODEL_TIMEOUT,
    HttpFailure.TRUNCATED: Reason.REPLY_TRUNCATED,
    HttpFailure.TOO_LARGE: Reason.REPLY_TOO_LARGE,
}


class _Tensor(msgspec.Struct):
    name: str
    data: list[Any]
    shape: list[int] | None = None


class _Reply(msgspec.Struct):
    outputs: list[_Tensor]
    model_name: str | None = None
    model_version: str | int | None = None


class _Numbers(_Tensor):
    """The usual case, flat numbers: the decoder itself makes sure of them."""

    data: list[float]


class _UsualReply(_Reply):
    outputs: list[_Numbers]  # type: ignore[assignment]  # narrower, and never assigned to


_decode_usual = msgspec.json.Decoder(_UsualReply).decode
_decode = msgspec.json.Decoder(_Reply).decode
_encode = msgspec.json.encode


class _Prepared(msgspec.Struct, frozen=True):
    infer_url: str
    ready_url: str
    body: Callable[[tuple[float, ...]], bytes]


class OipClient:
    """Meets `gateway.ports.ModelClient`. A host that is not in `model_hosts` is never called."""

    def __init__(self, http: HttpClient, model_hosts: frozenset[str]) -> None:
        self._http = http
        self._hosts = model_hosts
        self._prepared: dict[int, tuple[Endpoint, _Prepared]] = {}
        self._watching: dict[str, list[Callable[[bool], None]]] = {}

    async def infer(self, endpoint: Endpoint, inputs: ModelInputs) -> ModelReply:
        prepared = self._prepare(endpoint)
        try:
            reply = await self._http.send(
                "POST", prepared.infer_url, _HEADERS, prepared.body(inputs.values), None, _MAX_REPLY
            )
        except HttpError as error:
            raise ModelUnavailable(_REASONS[error.kind]) from None
        self._arrived(endpoint, reply)
        return parse_reply(reply, endpoint)

    async def ready(self, endpoint: Endpoint) -> bool:
        prepared = self._prepare(endpoint)
        try:
            reply = await self._http.send("GET", prepared.ready_url, _HEADERS, None, None, _MAX_REPLY)
        except HttpError as error:
            raise ModelUnavailable(_REASONS[error.kind]) from None
        self._arrived(endpoint, reply)
        return reply.status == 200

    def watch(self, endpoint: Endpoint, reconnected: Callable[[bool], None]) -> None:
        """Meets `gateway.probes.Watch`. By host: the connections to it are shared by all its endpoints."""
        self._watching.setdefault(urlsplit(endpoint.url).netloc, []).append(reconnected)

    def _arrived(self, endpoint: Endpoint, reply: HttpReply) -> None:
        if reply.fresh is not False:
            for reconnected in self._watching.get(urlsplit(endpoint.url).netloc, ()):
                reconnected(reply.fresh is True)

    def _prepare(self, endpoint: Endpoint) -> _Prepared:
        # Keyed by identity: the endpoint is kept beside it, so the id cannot be reused while it is here.
        known = self._prepared.get(id(endpoint))
        if known is not None:
            return known[1]
        if urlsplit(endpoint.url).netloc not in self._hosts:
            raise ModelUnavailable(Reason.MODEL_UNREACHABLE)
        name, version = quote(endpoint.model_name, safe=""), quote(endpoint.model_version, safe="")
        base = f"{endpoint.url}/v2/models/{name}/versions/{version}"
        prepared = _Prepared(f"{base}/infer", f"{base}/ready", _body_writer(endpoint.inputs))
        self._prepared[id(endpoint)] = (endpoint, prepared)
        return prepared


def _body_writer(spec: InputSpec) -> Callable[[tuple[float, ...]], bytes]:
    """Everything but the numbers is known at start, so only the numbers are encoded for a call."""
    number = _NUMBERS[spec.datatype]
    if spec.shape is Shape.ROW:
        tensor = {"name": spec.tensor, "shape": [1, len(spec.order)], "datatype": spec.datatype}
        head = b'{"inputs":[' + _encode(tensor)[:-1] + b',"data":'

        def row(values: tuple[float, ...]) -> bytes:
            return head + _encode([number(v) for v in values]) + b"}]}"

        return row
    heads = [
        _encode({"name": name, "shape": [1, 1], "datatype": spec.datatype})[:-1] + b',"data":' for name in spec.order
    ]

    def named(values: tuple[float, ...]) -> bytes:
        tensors = [h + _encode([number(v)]) + b"}" for h, v in zip(heads, values, strict=True)]
        return b'{"inputs":[' + b",".join(tensors) + b"]}"

    return named


def _whole(value: float) -> float | int:
    # A fraction is sent as it is: the server refuses it, which is better than a rounded patient.
    return int(value) if value == int(value) else value


_NUMBERS: dict[str, Callable[[float], float | int | bool]] = {
    "FP64": float,
    "FP32": float,
    "FP16": float,
    "INT64": _whole,
    "INT32": _whole,
    "BOOL": bool,
}


def parse_reply(reply: HttpReply, endpoint: Endpoint) -> ModelReply:
    """Check status, version, shape and finiteness; raise ModelUnavailable with the reason of the first that fails."""
    if reply.status != 200:
        # The body may echo the patient's inputs or a stack trace: it is dropped unread.
        raise ModelUnavailable(Reason.MODEL_REFUSED if 400 <= reply.status < 500 else Reason.MODEL_ERROR)
    try:
        decoded = _decoded(reply.body)
    except msgspec.ValidationError:
        raise ModelUnavailable(Reason.REPLY_MALFORMED) from None
    except (msgspec.DecodeError, RecursionError):
        raise ModelUnavailable(_why_undecodable(reply.body)) from None
    if decoded.model_version is None or str(decoded.model_version) != endpoint.model_version:
        raise ModelUnavailable(Reason.REPLY_VERSION)
    if decoded.model_name is not None and decoded.model_name != endpoint.model_name:
        raise ModelUnavailable(Reason.REPLY_VERSION)
    tensors = {tensor.name: tensor for tensor in decoded.outputs}
    if len(tensors) < len(decoded.outputs):  # two of one name: no telling which of them is meant
        raise ModelUnavailable(Reason.REPLY_SHAPE)
    contributions = None
    if endpoint.contributions is not None and endpoint.contributions.tensor in tensors:
        contributions = _vector(tensors[endpoint.contributions.tensor], len(endpoint.inputs.order))
    return ModelReply(
        _number(tensors, endpoint.score),
        contributions,
        {name: _number(tensors, spec) for name, spec in endpoint.others.items()},
    )


def _decoded(body: bytes) -> _Reply:
    try:
        return _decode_usual(body)
    except msgspec.ValidationError:
        return _decode(body)


def _why_undecodable(body: bytes) -> Reason:
    """NaN and Infinity are not JSON, yet common servers write them: tell them from garbage and from half a body."""
    try:
        json.loads(body.decode())  # not the bytes: there, a byte order mark would pass
    except json.JSONDecodeError:
        cut = body.lstrip()[:1] == b"{" and body.rstrip()[-1:] != b"}"
        return Reason.REPLY_TRUNCATED if cut else Reason.REPLY_MALFORMED
    except (ValueError, RecursionError):
        return Reason.REPLY_MALFORMED
    return Reason.REPLY_NOT_FINITE


def _number(tensors: dict[str, _Tensor], spec: OutputSpec) -> float:
    tensor = tensors.get(spec.tensor)
    if tensor is None:
        raise ModelUnavailable(Reason.REPLY_SHAPE)
    values = _flat(tensor)
    if spec.index is None:
        if len(values) != 1:
            raise ModelUnavailable(Reason.REPLY_SHAPE)
        return _finite(values[0])
    if not 0 <= spec.index < len(values):
        raise ModelUnavailable(Reason.REPLY_SHAPE)
    return _finite(values[spec.index])


def _vector(tensor: _Tensor, length: int) -> tuple[float, ...]:
    values = _flat(tensor)
    if len(values) != length:
        raise ModelUnavailable(Reason.REPLY_SHAPE)
    return tuple(_finite(value) for value in values)


def _flat(tensor: _Tensor) -> list[Any]:
    """The one row of a tensor `[n]` or `[1, n]`, written flat or nested."""
    values, shape = tensor.data, tensor.shape
    if len(values) == 1 and isinstance(values[0], list):
        values = values[0]
    if shape is not None and shape not in ([len(values)], [1, len(values)]):
        raise ModelUnavailable(Reason.REPLY_SHAPE)
    return values


def _finite(value: object) -> float:
    if value.__class__ is float and math.isfinite(value):
        return value
    if value is None:
        raise ModelUnavailable(Reason.REPLY_NOT_FINITE)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ModelUnavailable(Reason.REPLY_SHAPE)
    try:
        number = float(value)
    except OverflowError:
        raise ModelUnavailable(Reason.REPLY_NOT_FINITE) from None
    if not math.isfinite(number):
        raise ModelUnavailable(Reason.REPLY_NOT_FINITE)
    return number
