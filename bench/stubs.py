"""The model server and the collector that every measured gateway talks to, as cheap as they can be made.

    python -m bench.stubs --port 18082 --latency 0.02

Open Inference Protocol v2 (`POST /v2/models/kfre/versions/1/infer`, 384-byte replies with the real equation's
answer for the inputs that came) and OTLP over HTTP (`POST /v1/traces`, thrown away), on one port. It
runs on the generator's core, so its cost is nobody's.
"""

import argparse
import asyncio
from typing import cast

import httptools
import msgspec

from bench.kfre import ORDER, risk, terms
from wardgate.lab.load.engine import precise_loop

REPLY_BYTES = 384
_REFUSED = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"
_EMPTY = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % REPLY_BYTES


class _Tensor(msgspec.Struct):
    shape: tuple[int, int]
    data: list[float]


class _Infer(msgspec.Struct):
    inputs: list[_Tensor]


_decode = msgspec.json.Decoder(_Infer).decode


def answer(body: bytes) -> bytes:
    """The reply to one inference request: a row tensor [1, 4] in the order of `ORDER`."""
    row = _decode(body).inputs[0]
    if row.shape != (1, len(ORDER)) or len(row.data) != len(ORDER):
        return _REFUSED
    parts = terms(*row.data)
    outputs = (
        {"name": "risk_2y", "datatype": "FP64", "shape": (1, 1), "data": (risk(parts),)},
        {"name": "contributions", "datatype": "FP64", "shape": (1, len(ORDER)), "data": parts},
    )
    reply = msgspec.json.encode({"model_name": "kfre", "model_version": "1", "outputs": outputs})
    return _HEAD + reply.ljust(REPLY_BYTES)


class StubProtocol(asyncio.Protocol):
    """One keep-alive connection; answers stand `latency` seconds after their request was whole."""

    def __init__(self, latency: float) -> None:
        self._latency = latency
        self._loop = asyncio.get_running_loop()
        self._parser = httptools.HttpRequestParser(self)
        self._url = b""
        self._body: list[bytes] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_message_begin(self) -> None:
        self._url, self._body = b"", []

    def on_url(self, url: bytes) -> None:
        self._url += url

    def on_body(self, data: bytes) -> None:
        self._body.append(data)

    def on_message_complete(self) -> None:
        if not self._url.endswith(b"/infer"):
            self._transport.write(_EMPTY)
            return
        reply = answer(b"".join(self._body))
        if self._latency:
            self._loop.call_later(self._latency, self._transport.write, reply)
        else:
            self._transport.write(reply)


async def serve(port: int, latency: float) -> None:
    server = await asyncio.get_running_loop().create_server(lambda: StubProtocol(latency), "127.0.0.1", port)
    async with server:
        await server.serve_forever()


def main() -> None:
    options = argparse.ArgumentParser(prog="python -m bench.stubs")
    options.add_argument("--port", type=int, required=True)
    options.add_argument("--latency", type=float, default=0.0, help="seconds")
    chosen = options.parse_args()
    with asyncio.Runner(loop_factory=precise_loop) as runner:
        runner.run(serve(chosen.port, chosen.latency))


if __name__ == "__main__":
    main()
