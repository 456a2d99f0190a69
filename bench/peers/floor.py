"""The floor: the least code that honestly does the work, against which everything else is a ratio.

Bare ASGI on uvicorn (uvloop, httptools), a typed parse of only what is needed, a hand-written pooled client, a
card from the score. No validation, no configuration, no telemetry, no records, no errors, no deadline.
This file is pinned: its SHA-256 is printed with every result (`bench.FLOOR_SHA256`), so that ratios can be compared.
"""

import argparse
import asyncio
import gc
from collections import deque
from collections.abc import Awaitable, Callable
from datetime import UTC, date, datetime
from time import CLOCK_REALTIME, clock_gettime
from typing import Any, cast
from uuid import uuid4

import httptools
import msgspec
import uvicorn

_EGFR = frozenset({"33914-3", "98979-8", "62238-1"})
_UACR = frozenset({"9318-7", "14959-1", "32294-1"})


class Coding(msgspec.Struct, gc=False):
    code: str


class Concept(msgspec.Struct):
    coding: list[Coding]


class Quantity(msgspec.Struct, gc=False):
    value: float


class Observation(msgspec.Struct):
    code: Concept
    effectiveDateTime: str
    valueQuantity: Quantity


class Entry(msgspec.Struct):
    resource: Observation


class Labs(msgspec.Struct):
    entry: list[Entry]


class Patient(msgspec.Struct, gc=False):
    birthDate: str
    gender: str


class Prefetch(msgspec.Struct):
    patient: Patient
    labs: Labs


class Request(msgspec.Struct):
    prefetch: Prefetch


class Output(msgspec.Struct):
    data: list[float]


class Reply(msgspec.Struct):
    outputs: list[Output]


_decode_request = msgspec.json.Decoder(Request).decode
_decode_reply = msgspec.json.Decoder(Reply).decode
_encode = msgspec.json.encode


class ModelConnection(asyncio.Protocol):
    """One keep-alive connection that carries one call at a time."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._parser = httptools.HttpResponseParser(self)
        self._body = b""
        self._answer: asyncio.Future[bytes]

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_body(self, data: bytes) -> None:
        self._body += data

    def on_message_complete(self) -> None:
        self._answer.set_result(self._body)

    def ask(self, request: bytes) -> Awaitable[bytes]:
        self._body = b""
        self._answer = self._loop.create_future()
        self._transport.write(request)
        return self._answer


class Floor:
    def __init__(self, model: str) -> None:
        self._host, port = model.removeprefix("http://").split(":")
        self._port = int(port)
        self._head = (
            f"POST /v2/models/kfre/versions/1/infer HTTP/1.1\r\nHost: {self._host}\r\n"
            "Content-Type: application/json\r\nContent-Length: "
        ).encode()
        self._idle: deque[ModelConnection] = deque()

    async def __call__(self, scope: Any, receive: Callable[[], Awaitable[Any]], send: Callable[[Any], Any]) -> None:
        body = b""
        more = True
        while more:
            message = await receive()
            body += message["body"]
            more = message["more_body"]
        prefetch = _decode_request(body).prefetch
        age, male, egfr, uacr = features(prefetch)
        score = await self._predict(age, male, egfr, uacr)
        answer = card(score, egfr, uacr)
        headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(answer))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": answer})

    async def _predict(self, *row: float) -> float:
        inputs = ({"name": "features", "shape": (1, 4), "datatype": "FP64", "data": row},)
        body = _encode({"inputs": inputs})
        connection = self._idle.pop() if self._idle else await self._connect()
        reply = await connection.ask(b"%b%d\r\n\r\n%b" % (self._head, len(body), body))
        self._idle.append(connection)
        return _decode_reply(reply).outputs[0].data[0]

    async def _connect(self) -> ModelConnection:
        loop = asyncio.get_running_loop()
        return (await loop.create_connection(ModelConnection, self._host, self._port))[1]


def features(prefetch: Prefetch) -> tuple[float, float, float, float]:
    """Age in years, 1 for male, and the newest eGFR and urine albumin/creatinine ratio."""
    egfr = uacr = 0.0
    egfr_at = uacr_at = ""
    for entry in prefetch.labs.entry:
        resource = entry.resource
        code = resource.code.coding[0].code
        if code in _EGFR and resource.effectiveDateTime > egfr_at:
            egfr, egfr_at = resource.valueQuantity.value, resource.effectiveDateTime
        elif code in _UACR and resource.effectiveDateTime > uacr_at:
            uacr, uacr_at = resource.valueQuantity.value, resource.effectiveDateTime
    today = datetime.fromtimestamp(clock_gettime(CLOCK_REALTIME), UTC).date()
    age = (today - date.fromisoformat(prefetch.patient.birthDate)).days / 365.2425
    return age, float(prefetch.patient.gender == "male"), egfr, min(max(uacr, 1.0), 10000.0)


def card(score: float, egfr: float, uacr: float) -> bytes:
    return _encode(
        {
            "cards": (
                {
                    "uuid": str(uuid4()),
                    "summary": f"Kidney failure risk in 2 years: {score * 100:.2f} %",
                    "indicator": "warning" if score >= 0.2 else "info",
                    "detail": f"eGFR {egfr} mL/min/1.73 m2, urine albumin/creatinine {uacr} mg/g. Model kfre 1.",
                    "source": {"label": "Benchmark", "url": "https://example.org"},
                },
            )
        }
    )


def main() -> None:
    options = argparse.ArgumentParser(prog="python -m bench.peers.floor")
    options.add_argument("--port", type=int, required=True)
    options.add_argument("--model", required=True)
    options.add_argument("--collector")
    chosen = options.parse_args()
    app = Floor(chosen.model)
    gc.collect()
    gc.freeze()
    uvicorn.run(
        app,
        port=chosen.port,
        loop="uvloop",
        http="httptools",
        ws="none",
        lifespan="off",
        access_log=False,
        server_header=False,
        log_level="warning",
    )


if __name__ == "__main__":
    main()
