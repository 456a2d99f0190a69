"""The Open Inference Protocol, version 2, over REST: https://github.com/kserve/open-inference-protocol

POST {url}/v2/models/{model}/versions/{version}/infer. The version stands in the path, because the
unversioned URL silently answers with the newest, and is checked in the reply. The declared outputs are asked for by
name: where nothing is asked for, common servers answer class labels.
"""

from typing import Any
from urllib.parse import quote

import msgspec

from wardgate.adapters.http.model_wire import ModelWire, Row, body_writer, datatypes, decoded, one_row, reply_of, slot
from wardgate.domain.errors import ModelUnavailable
from wardgate.domain.inference.endpoint import Endpoint, InputSpec, ModelReply, Oip, OutputSpec, Shape
from wardgate.domain.outcomes import Reason


class _Tensor(msgspec.Struct):
    name: str
    data: list[Any]
    shape: list[int] | None = None


class _Reply(msgspec.Struct):
    outputs: list[_Tensor]
    model_name: str | None = None
    model_version: str | int | None = None
    id: Any = None


class _Numbers(_Tensor):
    """The usual case, flat numbers: the decoder itself makes sure of them."""

    data: list[float]


class _UsualReply(_Reply):
    outputs: list[_Numbers]  # type: ignore[assignment]  # narrower, and never assigned to


_decode_usual = msgspec.json.Decoder(_UsualReply).decode
_decode_any = msgspec.json.Decoder(_Reply).decode


def oip_wire(endpoint: Endpoint, protocol: Oip) -> ModelWire:
    name, version = quote(protocol.model_name, safe=""), quote(protocol.model_version, safe="")
    base = f"{endpoint.url}/v2/models/{name}/versions/{version}"
    asked = dict.fromkeys(spec.name for spec in endpoint.outputs())  # each tensor once: several may stand in one
    document = {"inputs": _tensors(endpoint.inputs), "outputs": [{"name": name} for name in asked]}
    return ModelWire(
        f"{base}/infer",
        f"{base}/ready",
        range(200, 201),
        body_writer(document, endpoint.inputs),
        lambda body, mark: _read(body, mark, endpoint, protocol),
        marked=True,
    )


def _tensors(spec: InputSpec) -> list[dict[str, object]]:
    if spec.shape is Shape.ROW:
        numbers = [slot(number) for number in range(len(spec.order))]
        return [{"name": spec.tensor, "shape": [1, len(numbers)], "datatype": spec.datatype, "data": numbers}]
    return [
        {"name": name, "shape": [1, 1], "datatype": datatype, "data": [slot(number)]}
        for number, (name, datatype) in enumerate(zip(spec.order, datatypes(spec), strict=True))
    ]


def _read(body: bytes, mark: str, endpoint: Endpoint, protocol: Oip) -> ModelReply:
    """A server echoes the request's id. Another one is the answer to somebody else's request, as a server that answers
    one request twice leaves it on the connection (law 11)."""
    reply = decoded(_decode, body)
    if mark and reply.id is not None and reply.id != mark:
        raise ModelUnavailable(Reason.REPLY_MISMATCHED)
    if reply.model_version is None or str(reply.model_version) != protocol.model_version:
        raise ModelUnavailable(Reason.REPLY_VERSION)
    if reply.model_name is not None and reply.model_name != protocol.model_name:
        raise ModelUnavailable(Reason.REPLY_VERSION)
    tensors = {tensor.name: tensor for tensor in reply.outputs}
    if len(tensors) < len(reply.outputs):  # two of one name: no telling which of them is meant
        raise ModelUnavailable(Reason.REPLY_SHAPE)

    def find(spec: OutputSpec) -> Row | None:
        tensor = tensors.get(spec.name)
        return None if tensor is None else _row(tensor)

    return reply_of(endpoint, find)


def _decode(body: bytes) -> _Reply:
    try:
        return _decode_usual(body)
    except msgspec.ValidationError:
        return _decode_any(body)


def _row(tensor: _Tensor) -> Row:
    """The one row of a tensor `[n]` or `[1, n]`."""
    values, shape = one_row(tensor.data), tensor.shape
    if shape is not None and shape not in ([len(values)], [1, len(values)]):
        raise ModelUnavailable(Reason.REPLY_SHAPE)
    return values
