"""The listeners on real sockets, with the event loop and the parser that production uses."""

import asyncio
import contextlib
import socket
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import pytest
import uvloop

from tests.fakes.asgi import JSON
from tests.fakes.waiting import until
from tests.web.house import PATH, House, body, shown
from wardgate.domain.plans import ServicePlan
from wardgate.gateway.call import HookCall
from wardgate.gateway.outcome import HookOutcome
from wardgate.resilience.admission import AdmissionOptions, Claim
from wardgate.resilience.gate import Gate
from wardgate.web.asgi import CLOSE, ASGIApp, Receive, Scope, Send
from wardgate.web.edge import Edge, EdgeOptions
from wardgate.web.server import ListenError, ServerOptions, bind, require_fast_loop, serve_all, serve_sockets

QUICK = ServerOptions(drain=2.0, close=1, max_head=4096, head_timeout=0.2)


@dataclass
class Site:
    """A running listener. `ask` opens a connection, sends bytes as they are, and reads until it closes."""

    port: int
    stop: asyncio.Event = field(default_factory=asyncio.Event)

    async def ask(self, sent: bytes, then: bytes | None = None) -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(sent)
        if then is not None:
            await writer.drain()
            writer.write(then)
        try:
            return await asyncio.wait_for(reader.read(), 60)
        finally:
            writer.close()


def run(app: ASGIApp, story: Callable[[Site], Awaitable[None]], options: ServerOptions = QUICK) -> None:
    """Serves `app` on a free port while `story` happens, then stops it; neither may hang."""

    async def main() -> None:
        sock = bind("127.0.0.1", 0)
        site = Site(sock.getsockname()[1])
        started = asyncio.Event()
        async with asyncio.timeout(60), asyncio.TaskGroup() as group:
            group.create_task(serve_sockets([(app, sock)], started.set, site.stop, options))
            await started.wait()
            try:
                await story(site)
            finally:
                site.stop.set()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main())


def post(sent: bytes, length: int | None = None, *headers: str, path: str = PATH) -> bytes:
    lines = [f"POST {path} HTTP/1.1", "Host: x", *(f"{name}: {value}" for name, value in JSON.items()), *headers]
    lines.append(f"Content-Length: {len(sent) if length is None else length}")
    return "\r\n".join([*lines, "", ""]).encode() + sent


def edge(**options: float) -> Edge:
    return House(options=EdgeOptions(**options)).edge()  # type: ignore[arg-type]


def test_a_call_over_a_socket() -> None:
    """One request, one answer, no header that names the server."""

    async def story(site: Site) -> None:
        reply = await site.ask(post(body(), None, "Connection: close"))
        assert reply.startswith(b"HTTP/1.1 200 OK\r\n")
        assert reply.endswith(b"}]}")
        assert b"\r\nserver:" not in reply.lower()

    run(edge(), story)


def test_pipelined_requests_are_answered_in_order() -> None:
    """Two requests in one packet, the first a good one, the second not."""

    async def story(site: Site) -> None:
        reply = await site.ask(post(body()) + post(b"{}", None, "Connection: close"))
        assert reply.index(b"HTTP/1.1 200") < reply.index(b"HTTP/1.1 400")

    run(edge(), story)


def test_what_is_sent_ahead_of_answers_is_bounded() -> None:
    """Regression: every answer let another quarter of a megabyte of requests in, a gigabyte of memory in seconds, and
    to take them in held up everybody. Those that are taken in are answered, and the last of them says that it is."""
    house = House()

    async def story(site: Site) -> None:
        reply = await site.ask(b"GET /health/live HTTP/1.1\r\n\r\n" * 5000)
        answers = reply.split(b"HTTP/1.1 ")[1:]
        assert 20 <= len(answers) <= 40 and all(answer.startswith(b"200 OK") for answer in answers)
        assert [b"\r\nconnection: close\r\n" in answer for answer in answers] == [False] * (len(answers) - 1) + [True]

    run(house.edge(), story)


def test_what_is_broken_takes_no_answer_from_what_is_not() -> None:
    """Regression: noise behind a good request was answered in its place."""

    async def story(site: Site) -> None:
        reply = await site.ask(post(body()) + b"\x00noise\r\n\r\n")
        assert reply.startswith(b"HTTP/1.1 200") and reply.endswith(b"}]}")
        assert b"\r\nconnection: close\r\n" in reply

    run(edge(), story)


def test_a_client_that_reads_no_answer_is_not_kept() -> None:
    """Regression: its connection, and the answers to all that it had sent, stayed for ever."""
    ends: list[str] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        sent, headers = b"x" * 1_000_000, [(b"content-length", b"20000000")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        for _ in range(20):
            await send({"type": "http.response.body", "body": sent, "more_body": True})
        ends.append((await receive())["type"])  # the body of the request
        ends.append((await receive())["type"])

    async def story(site: Site) -> None:
        with socket.create_connection(("127.0.0.1", site.port)) as sock:
            sock.sendall(b"GET /x HTTP/1.1\r\nHost: x\r\n\r\n")
            await until(lambda: bool(ends))
            assert ends[-1] == "http.disconnect"

    run(app, story, ServerOptions(drain=1, close=1, write_timeout=0.2))


def test_a_slow_upload_is_a_408() -> None:
    """The head and half a body, then silence (law 1)."""

    async def story(site: Site) -> None:
        whole = body()
        reply = await site.ask(post(whole[:50], len(whole)))
        assert reply.startswith(b"HTTP/1.1 408")
        assert b'"timeout"' in reply

    run(edge(read_timeout=0.05), story)


def test_trailers_are_not_kept() -> None:
    """Regression: fields after a chunked body joined the head's, without a bound."""
    heads: list[object] = []

    async def story(site: Site) -> None:
        sent = body()
        chunked = post(b"", 0, "Transfer-Encoding: chunked", "Connection: close").replace(b"Content-Length: 0\r\n", b"")
        chunked += b"%x\r\n%s\r\n0\r\n" % (len(sent), sent) + b"X-Late: 1\r\n" * 1000 + b"\r\n"
        assert (await site.ask(chunked)).startswith(b"HTTP/1.1 200")

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await edge()(scope, receive, send)
        heads.extend(name for name, _ in scope["headers"])

    run(app, story)
    assert b"transfer-encoding" in heads and b"x-late" not in heads


@pytest.mark.parametrize("kept", [False, True], ids=["closing", "idle"])
def test_nor_where_its_answer_is_over_and_little_of_it_is_left(kept: bool) -> None:
    """The rest, too little to wait for, would hold a connection that is being closed, or that is idle, for ever."""
    sent: list[int] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        transport = receive.__self__.transport  # type: ignore[attr-defined]
        await send({"type": "http.response.start", "status": 200, "headers": [] if kept else [CLOSE]})
        while not transport.get_write_buffer_size():
            sent.append(16 * 1024)
            await send({"type": "http.response.body", "body": b"x" * sent[-1], "more_body": True})
            await asyncio.sleep(0)
        await send({"type": "http.response.body", "body": b""})

    async def story(site: Site) -> None:
        with socket.create_connection(("127.0.0.1", site.port)) as sock:
            sock.sendall(b"GET /x HTTP/1.1\r\nHost: x\r\n\r\n")
            sock.settimeout(1)
            await asyncio.sleep(1.5)
            read = 0
            with contextlib.suppress(ConnectionError):
                while data := sock.recv(1_000_000):
                    read += len(data)
            assert 0 < read < sum(sent)

    run(app, story, ServerOptions(drain=1, close=1, write_timeout=0.2, keep_alive=1))


def chunked(*headers: str) -> bytes:
    head = post(b"", 0, "Transfer-Encoding: chunked", *headers)
    return head.replace(b"Content-Length: 0\r\n", b"")


def test_a_body_may_come_in_small_pieces() -> None:
    """Whoever writes each word by itself is read."""

    async def story(site: Site) -> None:
        sent = body()
        pieces = [sent[at : at + 5] for at in range(0, len(sent), 5)]
        whole = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"
        assert (await site.ask(chunked("Connection: close") + whole)).startswith(b"HTTP/1.1 200")

    run(edge(), story)


@pytest.mark.parametrize(
    "sent",
    [b"1\r\n \r\n" * 100_000, b"1;" + b"e" * 500_000, b"0\r\n" + b"X-Late: 1\r\n" * 100_000],
    ids=["a byte each", "one extension", "trailers"],
)
def test_a_body_that_is_mostly_packing_is_refused(sent: bytes) -> None:
    """Regression: pieces of one byte each held up the loop for half a second at a time; extensions and trailers were
    read without an end."""

    async def story(site: Site) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", site.port)
        writer.write(chunked())
        with contextlib.suppress(ConnectionError, RuntimeError):
            for _ in range(20):
                writer.write(sent)
                await asyncio.wait_for(writer.drain(), 5)
                await asyncio.sleep(0)
            pytest.fail("all of it was taken")
        writer.close()

    run(edge(), story, ServerOptions(drain=1, close=1))


def test_a_client_that_leaves_halfway_harms_nobody() -> None:
    """Its connection ends; the next one is served."""

    async def story(site: Site) -> None:
        _, writer = await asyncio.open_connection("127.0.0.1", site.port)
        writer.write(post(b"{", 100))
        await writer.drain()
        writer.transport.abort()
        assert (await site.ask(post(body(), None, "Connection: close"))).startswith(b"HTTP/1.1 200")

    run(edge(), story)


@pytest.mark.parametrize("closing", [(), ("Connection: close",)])
def test_an_oversized_body_gets_its_answer_and_no_reset(closing: tuple[str, ...]) -> None:
    """A client that sends everything before it reads still sees the 413."""

    async def story(site: Site) -> None:
        reply = await site.ask(post(b"x" * 3_000_000, None, *closing))
        assert reply.startswith(b"HTTP/1.1 413")
        assert reply.endswith(b"}]}")

    run(edge(max_body=1_000_000), story)


def test_a_client_that_asks_first_never_sends_an_oversized_body() -> None:
    """`Expect: 100-continue` is answered with the refusal itself."""

    async def story(site: Site) -> None:
        reply = await site.ask(post(b"", 3_000_000, "Expect: 100-continue"))
        assert reply.startswith(b"HTTP/1.1 413")

    run(edge(max_body=1_000_000, read_timeout=0.05), story)


def test_a_client_that_asks_first_is_told_to_go_on() -> None:
    """And then its call is answered."""

    async def story(site: Site) -> None:
        whole = body()
        reply = await site.ask(post(b"", len(whole), "Expect: 100-continue", "Connection: close"), whole)
        assert reply.startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200")

    run(edge(), story)


def test_an_offer_to_upgrade_is_ignored() -> None:
    """Java's client offers h2c with every plain request; it gets its answer in HTTP/1.1."""

    async def story(site: Site) -> None:
        offer = ("Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAEAAEAAAAIAAAABAAMAAABkAAQ")
        reply = await site.ask(post(body(), None, *offer) + post(body(), None, "Connection: close"))
        assert reply.count(b"HTTP/1.1 200") == 2

    run(edge(), story)


@pytest.mark.parametrize(
    "sent", [b"\x16\x03\x01\x02\x00", b"HELLO Zebulon\r\n\r\n", b"GET /Zebul\xff HTTP/1.1\r\nHost: x\r\n\r\n"]
)
def test_what_is_not_http_is_refused_without_echo(sent: bytes) -> None:
    """A TLS hello, noise, bytes that no URL may have."""

    async def story(site: Site) -> None:
        reply = await site.ask(sent)
        assert reply.startswith(b"HTTP/1.1 400")
        assert b"Zebul" not in reply

    run(edge(), story)


def test_two_lengths_are_refused() -> None:
    """What a proxy and we could read differently is not read at all (RFC 9112 §6.3)."""

    async def story(site: Site) -> None:
        assert (await site.ask(post(body(), None, "Transfer-Encoding: chunked"))).startswith(b"HTTP/1.1 400")

    run(edge(), story)


def test_a_head_that_never_stops_growing_is_refused() -> None:
    """It comes in many pieces, so that the parser never sees its end."""

    async def story(site: Site) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", site.port)
        writer.write(b"POST / HTTP/1.1\r\nX: ")
        for _ in range(5):
            await asyncio.sleep(0.01)  # so that each piece is a read of its own
            writer.write(b"x" * 1000)
        assert (await asyncio.wait_for(reader.read(), 60)).startswith(b"HTTP/1.1 431")
        writer.close()

    run(edge(), story, ServerOptions(drain=1, close=1, max_head=4096, head_timeout=5))


def test_a_head_of_many_fields_is_refused() -> None:
    """A hundred are fine; thousands of empty ones cost more than the bytes that they have."""

    async def story(site: Site) -> None:
        for number, status in ((100, b"200"), (15_000, b"431")):
            reply = await site.ask(post(body(), None, "Connection: close", *["a:"] * number))
            assert reply.startswith(b"HTTP/1.1 " + status)

    run(edge(), story, ServerOptions(drain=1, close=1))


@pytest.mark.parametrize("sent", [b"", b"POST /cds-services/kidney-failure HTTP/1.1\r\nHost: x\r\n"])
def test_a_head_that_never_ends_is_refused(sent: bytes) -> None:
    """Neither a silent connection nor half a head is kept."""

    async def story(site: Site) -> None:
        assert (await site.ask(sent)).startswith(b"HTTP/1.1 408")

    run(edge(), story)


def test_a_second_head_is_bounded_too() -> None:
    """After an answered request the next head on the connection has the same time."""

    async def story(site: Site) -> None:
        reply = await site.ask(post(body()) + b"POST / HTTP/1.1\r\n")
        assert reply.index(b"HTTP/1.1 200") < reply.index(b"HTTP/1.1 408")

    run(edge(), story)


def test_an_idle_connection_outlives_the_head_timeout() -> None:
    """Keep-alive is for waiting: only a head that has begun is in a hurry."""

    async def story(site: Site) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", site.port)
        writer.write(post(body()))
        await reader.readuntil(b"}]}")
        await asyncio.sleep(QUICK.head_timeout * 2)
        writer.write(post(body()))
        assert (await asyncio.wait_for(reader.readuntil(b"}]}"), 60)).startswith(b"HTTP/1.1 200")
        writer.close()

    run(edge(), story)


def test_connections_are_bounded_and_one_listener_leaves_room_for_the_other() -> None:
    """Regression: whoever opened so many that no descriptor was left took the admin listener along, and with it the
    kill switch."""

    async def main() -> None:
        stop, started = asyncio.Event(), asyncio.Event()
        socks = [bind("127.0.0.1", 0) for _ in range(2)]
        sites = [Site(sock.getsockname()[1]) for sock in socks]
        options = ServerOptions(drain=1, close=1, connections=20)
        async with asyncio.timeout(60), asyncio.TaskGroup() as group:
            group.create_task(serve_sockets([(edge(), sock) for sock in socks], started.set, stop, options))
            await started.wait()
            held = [await asyncio.open_connection("127.0.0.1", sites[0].port) for _ in range(10)]
            full = await sites[0].ask(b"")
            assert full.startswith(b"HTTP/1.1 503 ") and b"\r\nretry-after: 1\r\n" in full
            assert (await sites[1].ask(b"GET /health/live HTTP/1.0\r\n\r\n")).startswith(b"HTTP/1.1 200")
            for _, writer in held:
                writer.close()
            await asyncio.sleep(0.1)
            assert (await sites[0].ask(b"GET /health/live HTTP/1.0\r\n\r\n")).startswith(b"HTTP/1.1 200")
            stop.set()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main())


def test_stopping_waits_for_the_call_in_flight_and_says_so() -> None:
    """The call gets its answer; meanwhile a new connection learns that we are not ready."""
    house = House()
    entered, leave = asyncio.Event(), asyncio.Event()

    def handler(_: object) -> Callable[[HookCall], Awaitable[HookOutcome]]:
        async def handle(call: HookCall) -> HookOutcome:
            entered.set()
            await leave.wait()
            return house.answer(call)

        return handle

    house.handler = handler  # type: ignore[method-assign]

    async def story(site: Site) -> None:
        async with asyncio.TaskGroup() as group:
            call = group.create_task(site.ask(post(body())))
            await entered.wait()
            house.ready = False
            site.stop.set()
            ready = await site.ask(b"GET /health/ready HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            assert ready.startswith(b"HTTP/1.1 503")
            leave.set()
        assert call.result().startswith(b"HTTP/1.1 200")

    run(house.edge(), story)


def test_stopping_is_bounded_whatever_hangs() -> None:
    """A call that never ends is cut off."""
    house = House()
    entered = asyncio.Event()

    def handler(_: object) -> Callable[[HookCall], Awaitable[HookOutcome]]:
        async def handle(call: HookCall) -> HookOutcome:
            entered.set()
            await asyncio.Event().wait()
            return house.answer(call)

        return handle

    house.handler = handler  # type: ignore[method-assign]

    async def story(site: Site) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", site.port)
        writer.write(post(body()))
        await entered.wait()
        site.stop.set()
        await asyncio.wait_for(reader.read(), 60)  # the connection is closed on us
        writer.close()

    began = time.monotonic()
    run(house.edge(), story, ServerOptions(drain=0.2, close=1))
    assert time.monotonic() - began < 4


def test_a_failure_elsewhere_takes_the_listeners_down() -> None:
    """Whatever ends the program ends it: no open connection keeps the event loop."""

    async def story(site: Site) -> None:
        _, writer = await asyncio.open_connection("127.0.0.1", site.port)
        writer.write(post(b"{", 100))
        await asyncio.sleep(0.05)
        writer.close()
        raise ZeroDivisionError

    with pytest.raises(ExceptionGroup) as caught:
        run(edge(), story)
    assert caught.group_contains(ZeroDivisionError)


def test_two_listeners_in_one_loop() -> None:
    """Both stand when `started` is called, and both are gone after `stop`."""
    ports: list[int] = []

    async def main() -> None:
        for _ in range(2):
            with bind("127.0.0.1", 0) as free:
                ports.append(free.getsockname()[1])
        stop, started = asyncio.Event(), asyncio.Event()
        async with asyncio.timeout(60), asyncio.TaskGroup() as group:
            group.create_task(serve_all([(edge(), "127.0.0.1", port) for port in ports], started.set, stop, QUICK))
            await started.wait()
            for port in ports:
                live = b"GET /health/live HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
                assert b"live" in await Site(port).ask(live)
            stop.set()
        for port in ports:
            with pytest.raises(OSError):
                await asyncio.open_connection("127.0.0.1", port)

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main())


async def test_a_busy_port_is_a_sentence() -> None:
    """It names the address and the remedy, and the other listener's port is given back."""
    with bind("127.0.0.1", 0) as taken, bind("127.0.0.1", 0) as free:
        busy, other = taken.getsockname()[1], free.getsockname()[1]
        free.close()
        listeners: list[tuple[ASGIApp, str, int]] = [(edge(), "127.0.0.1", other), (edge(), "127.0.0.1", busy)]
        with pytest.raises(ListenError, match=f"127.0.0.1:{busy}: Address already in use"):
            await serve_all(listeners, lambda: None, asyncio.Event())
    socket.create_server(("127.0.0.1", other)).close()


def test_missing_parts_are_a_sentence() -> None:
    """uvicorn would fall back to parts that cost three times as much, and say nothing."""
    require_fast_loop()
    with pytest.raises(ListenError, match="no_such_loop"):
        require_fast_loop(("uvloop", "no_such_loop"))


async def _full() -> House:
    """One call is inside, nobody may wait, and another one knocks."""
    house = House(gate=Gate(AdmissionOptions(1, 0)))
    await house.gate.enter(Claim(3))
    return house


SHED = b"HTTP/1.1 503 Service Unavailable\r\n"


def test_under_load_a_request_is_turned_away_on_a_connection_that_stays() -> None:
    """Bodies in one piece or in many are skipped, in order; once there is a place, the next call is answered."""
    house = asyncio.run(_full())

    async def story(site: Site) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", site.port)
        whole = post(body(), None, "Origin: https://ehr.example")
        writer.write(whole + whole)
        for _ in range(2):
            head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 60)
            assert head.startswith(SHED) and b"retry-after: 1\r\n" in head
            assert b"access-control-allow-origin: https://ehr.example\r\n" in head and b"connection" not in head
            length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
            assert b'"throttled"' in await reader.readexactly(length)
        for piece in (whole[:200], whole[200:400], whole[400:]):
            writer.write(piece)
            await asyncio.sleep(0.02)
        await asyncio.wait_for(reader.readuntil(b"}]}"), 60)
        house.gate.leave()
        await asyncio.sleep(QUICK.head_timeout * 2)  # no timer of a request that was skipped is left
        writer.write(whole)
        assert (await asyncio.wait_for(reader.readuntil(b"}]}"), 60)).startswith(b"HTTP/1.1 200")
        writer.close()

    run(house.edge(), story)
    assert [made[4:6] for made in house.meter.calls] == [("shed", "overloaded")] * 3
    assert len(house.calls) == 1


def test_what_is_turned_away_at_a_time_is_bounded() -> None:
    """Regression: all that one read of the socket held was turned away in one turn of the loop."""

    async def story(site: Site) -> None:
        reply = await site.ask(post(b"{}") * 2000)
        answers = reply.split(b"HTTP/1.1 ")[1:]
        assert 20 <= len(answers) <= 80 and all(answer.startswith(b"503") for answer in answers)

    run(asyncio.run(_full()).edge(), story)


def test_what_is_skipped_is_bounded_in_time() -> None:
    """A body that was turned away and never ends does not hold its connection."""

    async def story(site: Site) -> None:
        reply = await site.ask(post(b"{", 1000))
        assert reply.startswith(SHED)

    run(asyncio.run(_full()).edge(), story)


def test_what_is_skipped_is_bounded_in_size() -> None:
    """Nor does one that never stops growing."""

    async def story(site: Site) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", site.port)
        writer.write(post(b"", 10**9))
        await asyncio.wait_for(reader.readuntil(b"}]}"), 60)
        with pytest.raises(ConnectionError):
            for _ in range(10_000):
                writer.write(b"x" * 100_000)
                await writer.drain()
        writer.close()

    run(asyncio.run(_full()).edge(), story, ServerOptions(drain=1, close=1, head_timeout=60))


@pytest.mark.parametrize("header", ["Connection: close", "Expect: 100-continue"])
def test_who_wants_care_is_turned_away_by_the_edge(header: str) -> None:
    """One answer, whole, without a reset; counted once."""
    house = asyncio.run(_full())

    async def story(site: Site) -> None:
        sent = body() if header.startswith("Connection") else b""
        reply = await site.ask(post(sent, len(body()), header))
        assert reply.startswith(SHED) and reply.endswith(b"}]}")

    house.options = EdgeOptions(read_timeout=0.1)
    run(house.edge(), story)
    assert len(house.meter.calls) == 1


def test_health_and_discovery_are_answered_whatever_waits() -> None:
    """Only calls and feedback are turned away."""

    async def story(site: Site) -> None:
        for path in ("/health/live", "/health/ready", "/cds-services"):
            reply = await site.ask(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\nGET /x HTTP/1.0\r\n\r\n".encode())
            assert reply.startswith(b"HTTP/1.1 200")
        reply = await site.ask(post(b"{}", None, path=f"{PATH}/feedback") + b"GET /x HTTP/1.0\r\n\r\n")
        assert reply.startswith(SHED)

    run(asyncio.run(_full()).edge(), story)


def test_connections_are_taken_by_the_dozen_while_the_loop_is_busy() -> None:
    """libuv takes one for each handle in a turn; under load, with long turns, the others would wait for seconds."""

    async def story(site: Site) -> None:
        sockets = [socket.create_connection(("127.0.0.1", site.port)) for _ in range(96)]
        for sock in sockets:
            sock.sendall(b"GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n")
            sock.setblocking(False)
        answered = 0
        for _ in range(30):  # turns; with one connection in each, it would be a hundred
            await asyncio.sleep(0)
            for sock in sockets:
                with contextlib.suppress(BlockingIOError):
                    answered += sock.recv(4096).startswith(b"HTTP/1.1 200")
        for sock in sockets:
            sock.close()
        assert answered == len(sockets)

    run(edge(), story)


def test_a_call_knows_whether_its_client_still_waits() -> None:
    """While it is worked on, and without waiting: also on a connection that has carried calls before, and where the
    next request has come already."""
    house, waits = House(), asyncio.Event()
    told: list[bool] = []

    def handler(_: ServicePlan) -> Callable[[HookCall], Awaitable[HookOutcome]]:
        async def handle(call: HookCall) -> HookOutcome:
            told.append(call.gone())
            await waits.wait()
            told.append(call.gone())
            return shown(call)

        return handle

    house.handler = handler  # type: ignore[method-assign]

    async def story(site: Site) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", site.port)
        waits.set()
        writer.write(post(body()) + post(body()))
        for _ in range(2):
            assert b"200 OK" in await asyncio.wait_for(reader.readuntil(b"]}"), 60)
        assert told == [False] * 4
        waits.clear()
        writer.write(post(body()))
        await until(lambda: len(told) == 5)
        writer.close()
        await asyncio.sleep(0.1)
        waits.set()
        await until(lambda: len(told) == 6)
        assert told[4:] == [False, True]

    run(house.edge(), story)
