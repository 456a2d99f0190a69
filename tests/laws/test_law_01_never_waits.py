"""Law 1, for bad input: whatever is sent is answered at once with the right 4xx, never a 5xx, never a hang.

And law 4 with it: nothing that was sent comes back in an error.
"""

import asyncio
import copy
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes.asgi import JSON, Reply, ask
from tests.web.house import PATH, House, request
from wardgate.web.edge import EdgeOptions

MARKER = "Zebulon"
LIMIT = 20_000
AT_ONCE = 2.0  # seconds, on any machine: far above what it takes, far below a hang


def call(sent: bytes | list[bytes], headers: dict[str, str], path: str = PATH) -> tuple[Reply, House]:
    """The answer to `sent`; a hang is an error."""
    house = House(options=EdgeOptions(max_body=LIMIT, read_timeout=0.02))

    async def run() -> Reply:
        return await asyncio.wait_for(ask(house.edge(), "POST", path, sent, headers), AT_ONCE)

    return asyncio.run(run()), house


def refused_or_answered(reply: Reply, house: House) -> None:
    """200 if and only if the call reached the stack; else a 4xx with an OperationOutcome that echoes nothing."""
    assert house.meter.faults == []
    if house.calls:
        assert reply.status == 200
        return
    assert 400 <= reply.status < 500
    assert reply.json()["resourceType"] == "OperationOutcome"
    assert MARKER not in reply.everything()
    assert [made[4] for made in house.meter.calls] == ["refused"]
    assert MARKER not in str(house.meter.calls)


def paths(node: Any, here: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The path of every element below `node`."""
    items = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    found = []
    for name, value in items:
        found += [(*here, name), *paths(value, (*here, name))]
    return found


SEEDS = [
    request(),
    request(hook="order-sign", context={**request()["context"], "draftOrders": {"entry": [{"resource": {}}]}}),
    request(hook="com.example.vitals", context={"patientId": "p1", "deviceId": "d"}, prefetch=None),
]
ODD = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=20).map(lambda text: MARKER + text),
    st.just(MARKER),
    st.just({MARKER: MARKER}),
    st.just([MARKER, {MARKER: [MARKER]}]),
    st.just({}),
    st.just([]),
)


@st.composite
def mutated(draw: st.DrawFn) -> tuple[dict[str, Any], str]:
    """A good request with up to three of its elements removed, replaced, or joined by strange ones."""
    document = copy.deepcopy(draw(st.sampled_from(SEEDS)))
    for _ in range(draw(st.integers(1, 3))):
        known = paths(document)
        if not known:
            break
        *way, last = draw(st.sampled_from(known))
        node = document
        for step in way:
            node = node[step]
        kind = draw(st.sampled_from(["remove", "replace", "add"]))
        if kind == "remove":
            del node[last]
        elif kind == "replace":
            node[last] = copy.deepcopy(draw(ODD))
        elif isinstance(node, dict):
            node[draw(st.sampled_from([MARKER, "hook", "patientId", "access_token", ""]))] = copy.deepcopy(draw(ODD))
    service = draw(st.sampled_from([PATH, "/cds-services/sepsis", f"/cds-services/{MARKER}"]))
    return document, service


@given(mutated())
def test_mutated_requests(case: tuple[dict[str, Any], str]) -> None:
    """Whatever elements are missing, odd or strange: an answer, and no echo of a value or a name."""
    document, path = case
    refused_or_answered(*call(msgspec.json.encode(document), JSON, path))


@given(st.sampled_from(SEEDS), st.data())
def test_damaged_bytes(seed: dict[str, Any], data: st.DataObject) -> None:
    """Bytes cut off, put in, doubled or overwritten anywhere, in any split into chunks."""
    sent = msgspec.json.encode({**seed, "extension": {MARKER: MARKER}})
    at = data.draw(st.integers(0, len(sent)))
    until = data.draw(st.integers(at, min(len(sent), at + 40)))
    sent = sent[:at] + data.draw(st.binary(max_size=8) | st.sampled_from([b"NaN", b"[" * 99, b'"'])) + sent[until:]
    cut = data.draw(st.integers(0, len(sent)))
    refused_or_answered(*call(data.draw(st.sampled_from([[sent], [sent[:cut], sent[cut:]]])), JSON))


@given(st.binary(max_size=200))
def test_any_bytes(sent: bytes) -> None:
    """What is not even JSON."""
    reply, house = call(sent, JSON)
    refused_or_answered(reply, house)
    assert not house.calls


@given(
    st.dictionaries(
        st.sampled_from(["content-type", "content-encoding", "content-length", "origin", "authorization", "x"]),
        st.text(st.characters(min_codepoint=32, max_codepoint=255), max_size=30).map(lambda text: MARKER + text)
        | st.sampled_from(["application/json", "gzip", "0", "99999999", "-1", "1e3"]),
    )
)
def test_any_headers(headers: dict[str, str]) -> None:
    """Headers are taken as they come; none is echoed."""
    refused_or_answered(*call(msgspec.json.encode(request()), headers))


@given(st.text(max_size=60).map(lambda text: f"/{MARKER}{text}"))
def test_any_path(path: str) -> None:
    """A path that leads nowhere is a 404 that does not repeat it."""
    reply, house = call(b"{}", JSON, path)
    assert reply.status == 404
    refused_or_answered(reply, house)


def test_a_body_too_large_or_too_deep_is_refused() -> None:
    """Size and nesting are bounded whatever the content is."""
    assert call(b"[" * (LIMIT + 1), JSON)[0].status == 413
    assert call([b"[" * LIMIT, b"[" * LIMIT], JSON)[0].status == 413
    assert call(b"[" * LIMIT, JSON)[0].status == 400
    assert call(b'{"a":' * 65 + b"1" + b"}" * 65, JSON)[0].status == 400


def test_a_body_that_never_ends_is_a_408() -> None:
    """Its time is bounded, and what has come by then does not matter."""
    house = House(options=EdgeOptions(read_timeout=0.02))

    async def run() -> Reply:
        sent = [msgspec.json.encode(request())]
        return await asyncio.wait_for(ask(house.edge(), "POST", PATH, sent, JSON, complete=False), AT_ONCE)

    reply = asyncio.run(run())
    assert reply.status == 408
    refused_or_answered(reply, house)
