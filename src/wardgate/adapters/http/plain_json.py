"""A model behind an HTTP interface of its own: the request is declared, and outputs are found by JSON Pointers.

POST {url} with the declared document, its inputs in place; RFC 6901 into the reply. Where the release declares no
place of the version, the probes alone prove it.
"""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import msgspec
from jsonpointer import JsonPointer

from wardgate.adapters.http.model_wire import ModelWire, Row, body_writer, decoded, one_row, reply_of, slot
from wardgate.domain.errors import ModelUnavailable
from wardgate.domain.inference.endpoint import Endpoint, ModelReply, OutputSpec, PlainJson
from wardgate.domain.outcomes import Reason

_decode = msgspec.json.Decoder().decode

_ABSENT = object()


def plain_json_wire(endpoint: Endpoint, protocol: PlainJson) -> ModelWire:
    host = urlsplit(endpoint.url)
    slots = {f"${name}": slot(number) for number, name in enumerate(endpoint.inputs.order)}
    pointers = {spec.name: JsonPointer(spec.name) for spec in endpoint.outputs()}
    pin = None if protocol.version is None else (JsonPointer(protocol.version[0]), protocol.version[1])

    def read(body: bytes, mark: str) -> ModelReply:
        document = decoded(_decode, body)
        if pin is not None and _as_text(pin[0].resolve(document, None)) != pin[1]:
            raise ModelUnavailable(Reason.REPLY_VERSION)

        def find(spec: OutputSpec) -> Row | None:
            found = pointers[spec.name].resolve(document, _ABSENT)
            return None if found is _ABSENT else one_row(found)

        return reply_of(endpoint, find)

    return ModelWire(
        endpoint.url,
        # Without a declared path: whoever answers the URL at all is there, and the probes say who it is.
        endpoint.url if protocol.ready is None else f"{host.scheme}://{host.netloc}{protocol.ready}",
        range(200, 500) if protocol.ready is None else range(200, 300),
        body_writer(_with_slots(protocol.request, slots), endpoint.inputs),
        read,
    )


def _with_slots(document: Any, slots: Mapping[str, msgspec.Raw]) -> Any:
    match document:
        case dict():
            return {key: _with_slots(value, slots) for key, value in document.items()}
        case list():
            return [_with_slots(value, slots) for value in document]
        case str() if document.startswith("$$"):
            return document[1:]
        case str() if document in slots:
            return slots[document]
    return document


def _as_text(version: object) -> str | None:
    """A version is written as text or as a number."""
    return str(version) if isinstance(version, str | int | float) and not isinstance(version, bool) else None
