"""The open loop, its histogram and the picture of it."""

import asyncio
import xml.etree.ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes.raw_server import http_answer, raw_server
from wardgate.lab.load.engine import Call, Generator, address_of
from wardgate.lab.load.histogram import Histogram
from wardgate.lab.load.plot import svg
from wardgate.lab.load.tally import Tally

_ASK = (b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",)


async def _calls(url: str, rate: float, count: int, in_flight: int = 64, patience: float = 5) -> list[Call]:
    calls: list[Call] = []
    generator = Generator(address_of(url), lambda _: _ASK, calls.append, in_flight, patience)
    await generator.run(rate, count)
    generator.close()
    return sorted(calls)


async def test_a_stall_is_paid_for_by_every_call_that_it_held_up() -> None:
    """Coordinated omission: the server stands still for its first call, and all the others are quick."""
    stall, asked = 0.3, 0

    async def first_is_slow(head: bytes, body: bytes, writer: asyncio.StreamWriter) -> None:
        nonlocal asked
        asked += 1
        await asyncio.sleep(stall if asked == 1 else 0)
        await http_answer("200 OK", b"{}")(head, body, writer)

    async with raw_server(first_is_slow) as server:
        calls = await _calls(server.url, rate=1000, count=20, in_flight=1)
    waited = [call.done - call.due for call in calls]
    assert all(wait >= stall - 0.02 for wait in waited), "20 ms is when the last one was due"
    assert [call.number for call in calls] == list(range(20)) and server.connections == 1
    assert all(call.sent - call.due >= stall - 0.02 for call in calls[1:]), "a closed loop would have shown none of it"


async def test_every_call_is_made_evenly_and_answered_once() -> None:
    """The due times are fixed beforehand; status, type, timing and body arrive."""
    answer = http_answer("412 No", b'{"a":1}', "application/json", b"Server-Timing: total;dur=1\r\n")
    async with raw_server(answer) as server:
        calls = await _calls(server.url, rate=2000, count=50)
    gaps = [after.due - before.due for before, after in zip(calls, calls[1:], strict=False)]
    assert gaps == pytest.approx([1 / 2000] * 49) and len(server.requests) == 50
    assert {call[4:] for call in calls} == {(412, "application/json", "total;dur=1", b'{"a":1}')}


async def test_calls_without_an_answer_are_calls() -> None:
    """Refused, closed, half, hanging, no HTTP: status 0, and the others go on."""

    async def nothing(head: bytes, body: bytes, writer: asyncio.StreamWriter) -> None:
        writer.close()

    async def half(head: bytes, body: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")
        writer.close()

    async def noise(head: bytes, body: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(b"\x16\x03\x01\r\n\r\n")

    async def hang(head: bytes, body: bytes, writer: asyncio.StreamWriter) -> None:
        pass

    for answer in (nothing, half, noise, hang):
        async with raw_server(answer) as server:
            assert [call.status for call in await _calls(server.url, 1000, 3, patience=0.1)] == [0, 0, 0]
    assert [call.status for call in await _calls(server.url, 1000, 3)] == [0, 0, 0]


def test_what_is_no_url_is_refused() -> None:
    """http and https, with their ports."""
    assert address_of("https://a.example/x")[:2] == ("a.example", 443)
    assert address_of("http://a.example").netloc == "a.example:80"
    with pytest.raises(ValueError, match="ftp"):
        address_of("ftp://a")


@given(st.lists(st.floats(0, 4000), min_size=1, max_size=300), st.sampled_from([0.01, 0.5, 0.9, 0.99, 1.0]))
def test_quantiles_are_right_within_a_hundredth(values: list[float], q: float) -> None:
    """Beside a sorted list; never below the true value, and at most 1 % and a microsecond above it."""
    histogram = Histogram()
    for value in values:
        histogram.add(value)
    true = sorted(values)[max(0, -int(-q * len(values) // 1) - 1)]
    found = histogram.quantile(q)
    assert true - 1e-6 <= found <= true * 1.01 + 2e-6
    assert sum(count for _, count in histogram.buckets()) == len(histogram) == len(values)
    assert histogram.largest == max(values) and histogram.mean == pytest.approx(sum(values) / len(values))


@given(st.integers(0, 2**40), st.integers(0, 2**40))
def test_buckets_ascend_and_hold_what_they_say(one: int, other: int) -> None:
    """A larger value never lands in an earlier bucket, and each lies at or below its bucket's upper bound."""
    small, large = sorted((one, other))
    places = []
    for value in (small, large):
        histogram = Histogram()
        histogram.add(value / 1e6)
        [(upper, _)] = histogram.buckets()
        assert value <= round(upper * 1e6) <= value * 1.008
        places.append(upper)
    assert places[0] <= places[1]


def test_an_empty_histogram_has_no_figures() -> None:
    """Zero, and no picture of it."""
    empty = Histogram()
    assert (len(empty), empty.mean, empty.quantile(0.5), list(empty.buckets())) == (0, 0.0, 0.0, [])
    assert "polyline" not in svg("none", {"a": empty})


def test_the_picture_is_whole() -> None:
    """One line a histogram, inside the frame, from left to right and upwards; texts are escaped."""
    fast, slow = Histogram(), Histogram()
    for number in range(1000):
        fast.add(0.001 + number / 1e6)
        slow.add(0.01 + number / 1e5)
    text = svg("a < b", {"fast": fast, "slow & steady": slow, "none": Histogram()}, mark=0.5)
    root = ET.fromstring(text)
    lines = [each.attrib["points"] for each in root.iter("{http://www.w3.org/2000/svg}polyline")]
    assert len(lines) == 2 and "limit 500 ms" in text and "slow &amp; steady (1,000 calls)" in text
    for line in lines:
        points = [tuple(map(float, point.split(","))) for point in line.split()]
        assert all(0 <= x <= 720 and 0 <= y <= 380 for x, y in points)
        assert all(b[0] >= a[0] and b[1] <= a[1] for a, b in zip(points, points[1:], strict=False))


def test_a_tally_tells_the_two_latencies_apart() -> None:
    """From when a call was due, and from when it went out; without an answer there is none."""
    tally = Tally(limit=0.1)
    tally.add(Call(0, 1.0, 1.2, 1.25, 200, "application/json", 'total;dur=1, outcome;desc="shown/threshold_met"', b""))
    tally.add(Call(1, 1.0, 1.0, 1.05, 503, "application/json", "", b""))
    tally.add(Call(2, 1.0, 1.0, 9.0, 0, "", "", b""))
    document = tally.document(rate=10, seconds=0.3)
    assert document["statuses"] == {"0": 1, "200": 1, "503": 1} and document["unanswered"] == 1
    assert document["outcomes"] == {"shown/threshold_met": 1, "not told": 1} and document["beyond_limit"] == 1
    assert document["from_due_ms"]["max"] == pytest.approx(250) and document["from_sent_ms"]["max"] == pytest.approx(50)
