"""What a collector says to a batch (opentelemetry.io/docs/specs/otlp, "OTLP/HTTP Response").

What an error's body says is not looked at: it may quote what was sent.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

SIGNAL_PATH = "/v1/traces"
CONTENT_TYPE: Mapping[str, str] = {"Content-Type": "application/x-protobuf"}

Post = Callable[[bytes, float], Awaitable[tuple[int, bytes] | None]]
"""Sends a body within so many seconds: status and body of the answer. None: there was none, or it was too long."""

_BUSY = frozenset({429, 502, 503, 504})
"""The statuses after which the same may be sent again; every other error is final."""


class Taken(StrEnum):
    TAKEN = "taken"
    REFUSED = "refused"  # it will not take this
    FAILED = "failed"  # it did not take it this time


@dataclass(frozen=True, slots=True)
class Answer:
    """`rejected`: spans of a taken batch that were thrown away."""

    taken: Taken
    rejected: int = 0


def answer_of(reply: tuple[int, bytes] | None) -> Answer:
    if reply is None or reply[0] in _BUSY:
        return Answer(Taken.FAILED)
    status, body = reply
    return Answer(Taken.TAKEN, _rejected(body)) if 200 <= status < 300 else Answer(Taken.REFUSED)


def _rejected(body: bytes) -> int:
    try:
        return max(int(ExportTraceServiceResponse.FromString(body).partial_success.rejected_spans), 0)
    except DecodeError:
        return 0
