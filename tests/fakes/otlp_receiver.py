"""A collector: takes OTLP over HTTP, decodes what comes, and answers as a test says."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from tests.fakes.raw_server import RawServer, http_answer, raw_server


@dataclass(frozen=True)
class Received:
    """One span as it came, with its attributes and those of its resource as plain values."""

    span: Span
    attributes: dict[str, Any]
    resource: dict[str, Any]

    @property
    def name(self) -> str:
        return str(self.span.name)


class OtlpReceiver:
    """`status` is answered to everything; `hang` answers nothing, `drip` a byte at a time, `huge` without end;
    `rejects` is told of so many spans."""

    def __init__(self) -> None:
        self.status = "200 OK"
        self.hang = self.drip = self.huge = False
        self.rejects = 0
        self.raw: RawServer

    @property
    def url(self) -> str:
        return self.raw.url

    @property
    def bodies(self) -> list[bytes]:
        return [body for _, body in self.raw.requests]

    def spans(self) -> list[Received]:
        """In the order in which they came."""
        found = []
        for body in self.bodies:
            for resource_spans in ExportTraceServiceRequest.FromString(body).resource_spans:
                resource = _plain(resource_spans.resource.attributes)
                for scope in resource_spans.scope_spans:
                    found += [Received(span, _plain(span.attributes), resource) for span in scope.spans]
        return found

    async def answer(self, head: bytes, body: bytes, writer: asyncio.StreamWriter) -> None:
        if self.hang:
            await asyncio.sleep(30)
        if self.drip:
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
            for _ in range(1000):
                writer.write(b"x")
                await writer.drain()
                await asyncio.sleep(0.05)
        if self.huge:
            writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
            for _ in range(1000):
                writer.write(b"4000\r\n" + b"x" * 0x4000 + b"\r\n")
                await writer.drain()
        response = ExportTraceServiceResponse()
        response.partial_success.rejected_spans = self.rejects
        await http_answer(self.status, response.SerializeToString(), "application/x-protobuf")(head, body, writer)


def _plain(attributes: Any) -> dict[str, Any]:
    pairs: list[KeyValue] = list(attributes)
    return {pair.key: getattr(pair.value, str(pair.value.WhichOneof("value"))) for pair in pairs}


@asynccontextmanager
async def otlp_receiver() -> AsyncIterator[OtlpReceiver]:
    receiver = OtlpReceiver()
    async with raw_server(receiver.answer) as receiver.raw:
        yield receiver
