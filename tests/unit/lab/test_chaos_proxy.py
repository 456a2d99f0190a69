"""Each kind of fault, byte by byte, as a client of the proxy meets it; and nothing of it before and after."""

import asyncio
import gzip
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from tests.fakes.raw_server import RawServer, http_answer, raw_server
from wardgate.lab.chaos.kinds import EXCHANGES, KINDS, AnyOf, Meeting
from wardgate.lab.chaos.kinds.connections import Latency, NotAccepted, Refused, Reset
from wardgate.lab.chaos.kinds.messages import Status
from wardgate.lab.chaos.proxy import Fault, Proxy

_ASK = b"POST /v2/models/m/infer HTTP/1.1\r\nHost: gateway\r\nContent-Length: 2\r\n\r\n{}"
_REPLY: dict[str, Any] = {
    "model_name": "kfre",
    "model_version": "1",
    "outputs": [{"name": "risk", "shape": [1, 1], "data": [0.25]}],
}
_BODY = json.dumps(_REPLY).encode()


@asynccontextmanager
async def _proxied(body: bytes = _BODY) -> AsyncIterator[tuple[Proxy, RawServer]]:
    async with raw_server(http_answer("200 OK", body)) as server, Proxy(server.url) as proxy:
        yield proxy, server


async def _ask(proxy: Proxy, request: bytes = _ASK, most: int = 300_000) -> bytes:
    """What comes back over a connection of its own, until it ends; half-closed, so that a hang ends too."""
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
    try:
        writer.write(request)
        writer.write_eof()
        async with asyncio.timeout(5):
            return await _all(reader, most)
    finally:
        writer.close()


async def _all(reader: asyncio.StreamReader, most: int) -> bytes:
    found = b""
    while len(found) < most and (data := await reader.read(65536)):
        found += data
    return found


def _split(answer: bytes) -> tuple[bytes, bytes]:
    head, _, body = answer.partition(b"\r\n\r\n")
    return head, body


async def _under(name: str, **parameters: Any) -> bytes:
    kind = KINDS[name](**parameters)
    async with _proxied() as (proxy, _):
        proxy.begin(Fault(kind))
        answer = await _ask(proxy)
        assert proxy.met == 1
        proxy.end()
        assert _split(await _ask(proxy))[1] == _BODY, "it is over when it is over"
        return answer


async def test_without_a_fault_it_is_not_there() -> None:
    """Whole messages pass, over one connection upstream, as if the gateway had asked itself."""
    async with _proxied(b'{"next":"http://127.0.0.1:PORT/fhir?page=2"}') as (proxy, server):
        link = b"http://127.0.0.1:%d/fhir?page=2" % server.port
        server.answer = http_answer("200 OK", b'{"next":"' + link + b'"}')
        answer = await _ask(proxy, _ASK + _ASK)
    assert answer.count(b"HTTP/1.1 200 OK") == 2 and server.connections == 1
    head, body = server.requests[0]
    assert b"host: 127.0.0.1:%d" % server.port in head.lower() and body == b"{}"
    assert b"http://127.0.0.1:%d/fhir?page=2" % proxy.port in answer, "links lead through the proxy"


async def test_an_upstream_that_is_not_there_is_a_502() -> None:
    """The proxy stands where a real one might: it says so, and lives."""
    async with _proxied() as (proxy, server):
        pass
    async with Proxy(server.url) as proxy:
        assert (await _ask(proxy)).startswith(b"HTTP/1.1 502 ")


@pytest.mark.parametrize("name", ["hang", "close"])
async def test_kinds_without_an_answer(name: str) -> None:
    """Not a byte, whether the connection stays or is closed."""
    assert await _under(name) == b""


@pytest.mark.parametrize("at", ["accept", "request", "head", "body"])
async def test_a_reset_is_a_reset(at: Any) -> None:
    """An RST, at each place; and what came before it."""
    async with _proxied() as (proxy, _):
        proxy.begin(Fault(Reset(at)))
        reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
        found = b""
        with pytest.raises(ConnectionResetError):
            writer.write(_ASK)
            while data := await reader.read(100):
                found += data
        writer.close()
    assert (b"HTTP/1.1" in found) == (at in ("head", "body"))
    assert (b"\r\n\r\n" in found) == (at == "body")


@pytest.mark.parametrize("name", ["half_body", "stalled_body"])
async def test_half_of_what_was_promised(name: str) -> None:
    """The head says how long it is, and half of it comes."""
    head, body = _split(await _under(name))
    assert b"Content-Length: %d" % len(_BODY) in head
    assert body == _BODY[: len(_BODY) // 2]


@pytest.mark.parametrize("start", ["head", "body"])
async def test_a_drip_brings_all_of_it_in_the_end(start: str) -> None:
    """Byte by byte, it is the right answer."""
    assert _split(await _under("drip", every="0.1ms", start=start))[1] == _BODY


@pytest.mark.parametrize("parameters", [{"fixed": "1ms"}, {"uniform": ("1ms", "2ms")}, {"median": "1ms", "sigma": 0.5}])
async def test_latency_brings_the_right_answer(parameters: Any) -> None:
    """From each distribution."""
    assert _split(await _under("latency", **parameters))[1] == _BODY


async def test_framing_that_lies() -> None:
    """Wrong lengths, broken chunks, an HTTP/1.0 close, a second answer, no HTTP at all, early hints, headers."""
    head, body = _split(await _under("short_length"))
    assert b"Content-Length: %d" % (len(_BODY) // 2) in head and body == _BODY
    head, body = _split(await _under("broken_chunks"))
    assert b"chunked" in head and body.startswith(b"zz\r\n")
    head, body = _split(await _under("http10"))
    assert head.startswith(b"HTTP/1.0 200") and b"Content-Length" not in head and body == _BODY
    head, body = _split(await _under("slow_close"))
    assert b"Content-Length" not in head and body == _BODY
    assert (await _under("twice")).count(b"HTTP/1.1 200") == 2
    assert not (await _under("not_http")).startswith(b"HTTP")
    assert b"\r\n\r\nHTTP/1.1 103" in await _under("early_hints", every="0.01ms")
    endless = await _under("endless_headers")
    assert len(endless) >= 300_000 and b"\r\n\r\n" not in endless


async def test_framing_that_is_odd_and_right() -> None:
    """Two lengths, a huge header, chunks with extensions and trailers, interim answers before the real one, an end of
    the connection with a word or without, and one that does not come."""
    head, body = _split(await _under("two_lengths"))
    assert head.count(b"Content-Length") == 2 and body == _BODY
    head, body = _split(await _under("huge_header", size=9000))
    assert b"X-Chaos: " + b"z" * 9000 in head and body == _BODY
    head, body = _split(await _under("trailers"))
    assert b"chunked" in head and body.startswith(b"7;chaos=1\r\n") and body.endswith(b"0\r\nX-Chaos: trailer\r\n\r\n")
    answer = await _under("early_hints", every="0.1ms", count=2)
    assert answer.count(b"HTTP/1.1 100") == answer.count(b"HTTP/1.1 103") == 2 and answer.endswith(b"\r\n\r\n" + _BODY)
    for said in (True, False):
        head, body = _split(await _under("closing", said=said))
        assert (b"Connection: close" in head) is said and body == _BODY
    head, body = _split(await _under("slow_close", length=True))
    assert b"Content-Length: %d" % len(_BODY) in head and b"Connection: close" in head and body == _BODY


async def test_more_on_the_connection_than_was_asked_for() -> None:
    """A greeting before the first answer, something left over after each, a line in its place."""
    head, body = _split(await _under("leftovers", after="0.1ms"))
    assert body.startswith(_BODY) and len(body) == len(_BODY) + 40
    answer = await _under("greeting", text="220 ready")
    assert answer.startswith(b"220 ready\r\nHTTP/1.1 200") and answer.endswith(_BODY)
    assert await _under("says", text="-BUSY") == b"-BUSY\r\n"


async def test_bodies_that_are_none() -> None:
    """Garbage, nothing, a page, too much of it, announced or not, too deep, cut."""
    with pytest.raises(ValueError):
        json.loads(_split(await _under("garbage"))[1])
    assert _split(await _under("empty"))[1] == b""
    assert b"text/html" in await _under("page")
    head, body = _split(await _under("huge_body"))
    assert b"Content-Length: 67108864" in head and len(body) > 200_000
    assert b"chunked" in _split(await _under("huge_body", announced=False))[0]
    with pytest.raises(RecursionError):
        json.loads(_split(await _under("deep"))[1])
    head, body = _split(await _under("cut_json"))
    assert b"Content-Length: %d" % len(body) in head and _BODY.startswith(body) and len(body) < len(_BODY)


async def test_gzip_that_is_and_is_not() -> None:
    """The header says gzip both times."""
    head, body = _split(await _under("gzip_lie"))
    assert b"Content-Encoding: gzip" in head and body == _BODY
    assert gzip.decompress(_split(await _under("gzip_lie", really=True))[1]) == _BODY


async def test_statuses() -> None:
    """Any, with Retry-After where it is wanted; a 204 has no body; a redirect says where to."""
    assert (await _under("status", status=429, retry_after=2)).startswith(b"HTTP/1.1 429 ")
    assert b"Retry-After: 2" in await _under("status", status=503, retry_after=2)
    assert _split(await _under("status", status=204))[1] == b""
    assert b"Location: http://127.0.0.1:9/elsewhere" in await _under("redirect")


@pytest.mark.parametrize(
    "value, written", [("nan", "[NaN]"), ("infinity", "[Infinity]"), ("null", "[null]"), ("text", '["0.42"]')]
)
async def test_scores_that_are_none(value: str, written: str) -> None:
    """As servers write them."""
    assert written in _split(await _under("score", value=value))[1].decode()


async def test_predictions_that_are_wrong() -> None:
    """Above 1, too many, none, of another version, of another model, each key twice."""
    assert (await _edited("score", value="above"))["outputs"][0]["data"] == [1.7]
    assert (await _edited("wrong_shape"))["outputs"][0]["shape"] == [1, 3]
    assert (await _edited("no_outputs"))["outputs"] == []
    assert (await _edited("wrong_version"))["model_version"] != "1"
    assert (await _edited("wrong_model"))["model_name"] != "kfre"
    assert (await _edited("duplicate_keys")) == _REPLY, "the last one counts, for whoever takes it"
    assert (await _under("duplicate_keys")).count(b'"outputs"') == 2


async def test_scores_of_other_protocols_are_found() -> None:
    """MLflow's predictions and plain JSON: every number in the reply."""
    async with _proxied(b'{"predictions":[[0.8,0.2]],"ok":true,"n":{"risk":0.2}}') as (proxy, _):
        proxy.begin(Fault(KINDS["score"](value="null")))
        answer = json.loads(_split(await _ask(proxy))[1])
    assert answer == {"predictions": [[None, None]], "ok": True, "n": {"risk": None}}


async def _edited(name: str, **parameters: Any) -> Any:
    return json.loads(_split(await _under(name, **parameters))[1])


async def test_charts_that_are_wrong() -> None:
    """Somebody else's, an OperationOutcome, an empty one, one without an end."""
    chart = {
        "resourceType": "Bundle",
        "entry": [
            {"resource": {"resourceType": "Patient", "id": "p1"}},
            {"resource": {"resourceType": "Observation", "subject": {"reference": "Patient/p1"}}},
        ],
    }
    async with _proxied(json.dumps(chart).encode()) as (proxy, server):
        get = b"GET /fhir/Observation?patient=p1 HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n\r\n" % proxy.port

        async def under(name: str, request: bytes = get) -> Any:
            proxy.begin(Fault(KINDS[name]()))
            return json.loads(_split(await _ask(proxy, request))[1])

        wrong = await under("wrong_patient")
        assert wrong["entry"][0]["resource"]["id"] == "somebody-else"
        assert wrong["entry"][1]["resource"]["subject"]["reference"] == "Patient/somebody-else"
        assert (await under("operation_outcome"))["resourceType"] == "OperationOutcome"
        assert (await under("empty_bundle"))["entry"] == []
        page = (await under("endless_pages"))["link"][0]["url"]
        path = page.split(str(proxy.port), 1)[1].encode()
        further = (await under("endless_pages", get.replace(b"/fhir/Observation?patient=p1", path)))["link"][0]["url"]
    assert page.startswith(f"http://127.0.0.1:{proxy.port}/fhir/Observation?patient=p1&chaos=")
    assert "&chaos=" in further and further.count("chaos") == 1
    assert all(b"chaos" not in head for head, _ in server.requests), "the server never hears of it"


async def test_refused_and_then_back_on_the_same_port() -> None:
    """Connections that were there end with it."""
    async with _proxied() as (proxy, _):
        reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
        await asyncio.sleep(0)
        proxy.begin(Fault(Refused()))
        with pytest.raises(ConnectionRefusedError):
            await _ask(proxy)
        writer.close()
        proxy.end()
        assert _split(await _ask(proxy))[1] == _BODY


async def test_what_was_not_accepted_is_answered_when_somebody_is_there_again() -> None:
    """Until then the connection stands in the backlog."""
    async with _proxied() as (proxy, server):
        proxy.begin(Fault(NotAccepted()))
        async with asyncio.TaskGroup() as group:
            asked = group.create_task(_ask(proxy))
            for _ in range(50):
                await asyncio.sleep(0)
            assert not asked.done() and server.requests == []
            proxy.end()
        assert _split(asked.result())[1] == _BODY


async def test_a_flapping_port_comes_and_goes() -> None:
    """Down at first, and up again without being told."""
    async with _proxied() as (proxy, _):
        proxy.begin(Fault(Refused(), flap=(0.02, 5)))
        for _ in range(3):  # the flapping is a task, which begins when the loop gets to it
            await asyncio.sleep(0)
        with pytest.raises(ConnectionRefusedError):
            await _ask(proxy)
        async with asyncio.timeout(5):
            while True:
                try:
                    assert _split(await _ask(proxy))[1] == _BODY
                    break
                except ConnectionRefusedError:
                    await asyncio.sleep(0.01)


async def test_now_and_then() -> None:
    """Every fourth; a share of them; only those of one method."""
    async with _proxied() as (proxy, _):

        async def met(fault: Fault, request: bytes = _ASK) -> list[bool]:
            proxy.begin(fault)
            return [(await _ask(proxy, request)).startswith(b"HTTP/1.1 503") for _ in range(24)]

        kind = Status(status=503)
        assert await met(Fault(kind, every=4)) == [False, False, False, True] * 6
        assert 1 <= sum(await met(Fault(kind, share=0.3))) <= 20
        assert not any(await met(Fault(kind, only="POST"), _ASK.replace(b"POST", b"GET ").replace(b"GET  ", b"GET ")))


async def test_any_of_them() -> None:
    """Another kind each time, of those that are named or of all."""
    async with _proxied() as (proxy, _):
        proxy.begin(Fault(AnyOf(("empty", "garbage"))))
        assert {bool(_split(await _ask(proxy))[1]) for _ in range(20)} == {True, False}
    with pytest.raises(ValueError, match="refused"):
        AnyOf(("refused",))
    assert len(EXCHANGES) >= 30 and all(isinstance(kind, Meeting) for kind in EXCHANGES.values())


# --- raw TCP --------------------------------------------------------------------------------------------------------


@asynccontextmanager
async def _piped() -> AsyncIterator[Proxy]:
    """A server of bytes that says everything back, as far from HTTP as Redis is."""

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(1000):
            writer.write(data.upper())
        writer.close()

    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    async with server, Proxy(f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}") as proxy:
        yield proxy


@pytest.mark.parametrize(
    "name, parameters, expected",
    [
        ("hang", {}, b""),
        ("close", {}, b""),
        ("half_body", {}, b"PING"),
        ("latency", {"fixed": "1ms"}, b"PINGPONG"),
        ("drip", {"every": "0.1ms"}, b"PINGPONG"),
        ("says", {"text": "-OOM"}, b"-OOM\r\n"),
    ],
)
async def test_bytes_of_any_protocol(name: str, parameters: Any, expected: bytes) -> None:
    """What can be done without knowing what the bytes mean."""
    async with _piped() as proxy:
        assert proxy.url.startswith("redis://127.0.0.1:")
        assert await _ask(proxy, b"pingpong") == b"PINGPONG"
        proxy.begin(Fault(KINDS[name](**parameters)))
        assert await _ask(proxy, b"pingpong") == expected
        proxy.end()
        assert await _ask(proxy, b"pingpong") == b"PINGPONG"


async def test_bytes_that_are_garbage_or_reset() -> None:
    """Random bytes in place of an answer; an RST."""
    async with _piped() as proxy:
        proxy.begin(Fault(KINDS["garbage"](size=64)))
        answer = await _ask(proxy, b"pingpong")
        assert len(answer) == 64 and answer != b"PINGPONG"
        proxy.begin(Fault(KINDS["reset"]()))
        with pytest.raises(ConnectionResetError):
            await _ask(proxy, b"pingpong")


def test_durations_and_parameters_are_checked_when_they_are_read() -> None:
    """A fault that could not be done is refused before the run."""
    for wrong in ({}, {"fixed": "soon"}, {"fixed": "1ms", "median": "2ms"}):
        with pytest.raises(ValueError):
            Latency(**wrong)  # type: ignore[arg-type]
    with pytest.raises(ValueError):
        Status(status=99)
    with pytest.raises(ValueError, match="ftp"):
        Proxy("ftp://127.0.0.1:1")
