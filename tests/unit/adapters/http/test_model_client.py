"""What holds for every model protocol: hosts, connections, statuses, and bodies that carry nothing but numbers."""

import json
import math
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes.model import ENDPOINT
from tests.fakes.raw_server import http_answer, raw_server
from wardgate.adapters.http.aiohttp_client import AiohttpClient
from wardgate.adapters.http.client import HttpReply
from wardgate.adapters.http.model_client import HttpModelClient, read_reply, wire_of
from wardgate.adapters.http.model_wire import body_writer, slot
from wardgate.domain.errors import ModelUnavailable
from wardgate.domain.inference.endpoint import Endpoint, Mlflow, Oip, OutputSpec, PlainJson, Shape
from wardgate.domain.inference.prediction import ModelInputs
from wardgate.domain.outcomes import Reason

INPUTS = ModelInputs((70.0, 1.0, 30.0, 300.0), (), ())

PROTOCOLS: list[tuple[Oip | Mlflow | PlainJson, str, bytes, bytes]] = [
    (
        Oip("kfre", "1"),
        "risk_2y",
        b'{"model_version": "1", "outputs": [{"name": "risk_2y", "data": [%s]}]}',
        b"/v2/models/kfre/versions/1/ready",
    ),
    (Mlflow(), "predictions", b'{"predictions": [%s]}', b"/ping"),
    (PlainJson({"age": "$age"}, ready="/health"), "/risk", b'{"risk": %s}', b"/health"),
    (PlainJson({"age": "$age"}), "/risk", b'{"risk": %s}', b"/score"),
]
"""Protocol, the name of its score, its reply but for the number, the path that says ready."""


def _endpoint(protocol: Oip | Mlflow | PlainJson, score: str, url: str = "http://127.0.0.1:8082") -> Endpoint:
    return msgspec.structs.replace(ENDPOINT, protocol=protocol, url=url, score=OutputSpec(score), contributions=None)


@pytest.mark.parametrize("protocol, score, reply, ready", PROTOCOLS)
async def test_each_protocol_infers_and_is_asked_whether_it_is_ready(
    protocol: Oip | Mlflow | PlainJson, score: str, reply: bytes, ready: bytes
) -> None:
    """One client for all; it has the same port whatever stands behind."""
    async with raw_server(http_answer("200 OK", reply % b"0.25")) as server:
        url = server.url + ("/score" if isinstance(protocol, PlainJson) else "")
        endpoint = _endpoint(protocol, score, url)
        http = AiohttpClient()
        client = HttpModelClient(http, frozenset({server.url[7:]}))
        assert (await client.infer(endpoint, INPUTS, 0.2)).score == 0.25
        assert (await client.ready(endpoint)).ready
        await http.close()
    assert server.requests[0][0].startswith(b"POST ") and json.loads(server.requests[0][1])
    assert server.requests[1][0].startswith(b"GET %s " % ready)


@pytest.mark.parametrize(
    "protocol, status, ready",
    [
        (Oip("kfre", "1"), 200, True),
        (Oip("kfre", "1"), 404, False),
        (Mlflow(), 200, True),
        (Mlflow(), 404, False),
        (PlainJson({}, ready="/health"), 204, True),
        (PlainJson({}, ready="/health"), 404, False),
        (PlainJson({}), 405, True),  # somebody is there; the probes say who
        (PlainJson({}), 502, False),
    ],
)
def test_ready_is_what_the_protocol_calls_ready(protocol: Oip | Mlflow | PlainJson, status: int, ready: bool) -> None:
    """Without a declared path, any answer of a plain JSON endpoint that is not a failing server's will do."""
    assert (status in wire_of(_endpoint(protocol, "/risk")).ready) is ready


async def test_the_endpoint_is_told_how_long_anybody_waits() -> None:
    """In whole milliseconds, never below nothing; a server that reads it need not answer to nobody."""
    async with raw_server(http_answer("200 OK", b'{"risk": 0.2}')) as server:
        http = AiohttpClient()
        client = HttpModelClient(http, frozenset({server.url[7:]}))
        for seconds in (0.1876, -0.5):
            await client.infer(_endpoint(PlainJson({}), "/risk", server.url), INPUTS, seconds)
        await http.close()
    lines = [line for head, _ in server.requests for line in head.split(b"\r\n") if b"Timeout" in line]
    assert lines == [b"X-Request-Timeout-Ms: 187", b"X-Request-Timeout-Ms: 0"]


async def test_a_host_that_is_not_listed_is_never_called() -> None:
    """The list is checked again where the call leaves, not only where the configuration is read."""
    async with raw_server(http_answer("200 OK", b"{}")) as server:
        endpoint = msgspec.structs.replace(ENDPOINT, url=server.url)
        http = AiohttpClient()
        with pytest.raises(ModelUnavailable):
            await HttpModelClient(http, frozenset({"127.0.0.1:1"})).infer(endpoint, INPUTS, 0.2)
        await http.close()
    assert server.requests == []


async def test_a_reply_bears_the_number_of_its_connection() -> None:
    """Also over another endpoint of the same host, of another protocol: they share its connections."""
    async with raw_server(http_answer("200 OK", b'{"predictions": [0.2]}')) as server:
        endpoint = _endpoint(PlainJson({}), "/predictions", server.url)
        other = _endpoint(Mlflow(), "predictions", server.url)
        http = AiohttpClient()
        client = HttpModelClient(http, frozenset({server.url[7:]}))
        assert (await client.ready(endpoint)).connection == 1
        assert (await client.infer(other, INPUTS, 0.2)).connection == 1
        assert (await client.infer(endpoint, INPUTS, 0.2, oldest=2)).connection == 2
        await http.close()


@pytest.mark.parametrize("protocol, score, reply, ready", PROTOCOLS)
@pytest.mark.parametrize(
    "status, reason",
    [
        (400, Reason.MODEL_REFUSED),
        (404, Reason.MODEL_REFUSED),
        (429, Reason.MODEL_THROTTLED),
        (500, Reason.MODEL_ERROR),
        (503, Reason.MODEL_BUSY),
        (302, Reason.MODEL_ERROR),
    ],
)
def test_an_error_status_drops_the_body_unread(
    protocol: Oip | Mlflow | PlainJson, score: str, reply: bytes, ready: bytes, status: int, reason: Reason
) -> None:
    """Upstream error bodies echo inputs and stack traces: nothing of them is kept."""
    body = b"ValueError: MARIA-MUSTER 70"
    with pytest.raises(ModelUnavailable) as caught:
        read_reply(HttpReply(status, "text/plain", body), wire_of(_endpoint(protocol, score)))
    assert caught.value.reason is reason and "MARIA" not in repr(caught.value)


@pytest.mark.parametrize("protocol, score, reply, ready", PROTOCOLS)
@pytest.mark.parametrize(
    "number, reason",
    [
        (b"NaN", Reason.REPLY_NOT_FINITE),
        (b"-Infinity", Reason.REPLY_NOT_FINITE),
        (b"null", Reason.REPLY_NOT_FINITE),
        (b"1" + b"0" * 400, Reason.REPLY_NOT_FINITE),
        (b'"0.2"', Reason.REPLY_SHAPE),
        (b"true", Reason.REPLY_SHAPE),
        (b"{}", Reason.REPLY_SHAPE),
        (b"[0.1, 0.2]", Reason.REPLY_SHAPE),
        (b"[]", Reason.REPLY_SHAPE),
        (b"[[[0.2]]]", Reason.REPLY_SHAPE),
        (b"0.2}, {", Reason.REPLY_MALFORMED),
        (b'0.2, "x', Reason.REPLY_MALFORMED),
        (b"[" * 100_000, Reason.REPLY_MALFORMED),
        (b"\xff", Reason.REPLY_MALFORMED),
        (b'"\xff"', Reason.REPLY_MALFORMED),  # regression: what a decoder raises here is no DecodeError
        (b'0.2, "\xff": 1', Reason.REPLY_MALFORMED),
    ],
)
def test_what_is_no_number_is_no_score(
    protocol: Oip | Mlflow | PlainJson, score: str, reply: bytes, ready: bytes, number: bytes, reason: Reason
) -> None:
    """One list for all protocols."""
    with pytest.raises(ModelUnavailable) as caught:
        read_reply(HttpReply(200, "application/json", reply % number), wire_of(_endpoint(protocol, score)))
    assert caught.value.reason is reason


@pytest.mark.parametrize("protocol, score, reply, ready", PROTOCOLS)
def test_half_a_reply_is_told_from_a_wrong_one(
    protocol: Oip | Mlflow | PlainJson, score: str, reply: bytes, ready: bytes
) -> None:
    """Every cut of a good reply but the whole: truncated or, before its first character, malformed."""
    whole = reply % b"0.25"
    for end in range(len(whole)):
        with pytest.raises(ModelUnavailable) as caught:
            read_reply(HttpReply(200, "application/json", whole[:end]), wire_of(_endpoint(protocol, score)))
        assert caught.value.reason in (Reason.REPLY_TRUNCATED, Reason.REPLY_MALFORMED), whole[:end]


# --- bodies ---------------------------------------------------------------------------------------------------------

_TEXTS = st.text() | st.sampled_from(["%b", "%%", "%(x)s", "\x00", "\x001\x00", "$age", '"', "\\"])
_DOCUMENTS = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | _TEXTS | st.builds(slot, st.integers(0, 3)),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_TEXTS, inner, max_size=4),
    max_leaves=12,
)


def _expected(document: Any, values: tuple[float, ...]) -> Any:
    match document:
        case dict():
            return {key: _expected(value, values) for key, value in document.items()}
        case list():
            return [_expected(value, values) for value in document]
        case msgspec.Raw():
            return values[int(bytes(document).strip(b"\x00"))]
    return document


@given(
    document=_DOCUMENTS,
    values=st.tuples(*[st.floats(allow_nan=False, allow_infinity=False)] * 4),
)
def test_numbers_take_their_places_and_nothing_else_changes(document: Any, values: tuple[float, ...]) -> None:
    """Whatever the document, decoding the body gives it back with each number, exactly, in its place."""
    assert json.loads(body_writer(document, ENDPOINT.inputs)(values)) == _expected(document, values)


@pytest.mark.parametrize(
    "datatype, value, sent",
    [
        ("FP64", 30.0, "30.0"),
        ("FP32", 0.1, "0.1"),
        ("INT64", 30.0, "30"),
        ("INT32", -3.0, "-3"),
        ("BOOL", 1.0, "true"),
        ("BOOL", 0.0, "false"),
    ],
)
def test_a_number_is_written_in_its_datatype(datatype: str, value: float, sent: str) -> None:
    """Strict servers refuse 30.0 for an integer, and 1 for a truth."""
    spec = msgspec.structs.replace(ENDPOINT.inputs, datatype=datatype, order=("x",))
    assert body_writer([slot(0)], spec)((value,)).decode() == f"[{sent}]"


@pytest.mark.parametrize(
    "datatype, value", [("INT64", 1.5), ("INT32", math.pi), ("BOOL", 0.5), ("BOOL", 2.0), ("INT64", 1e19)]
)
def test_what_its_datatype_cannot_say_is_not_sent(datatype: str, value: float) -> None:
    """MLflow cuts fractions off, and every number but 0 is a truth somewhere: the answer would be another patient's."""
    spec = msgspec.structs.replace(ENDPOINT.inputs, datatype=datatype, order=("x",))
    with pytest.raises(ModelUnavailable, match="model_refused"):
        body_writer([slot(0)], spec)((value,))


def test_inputs_may_differ_in_datatype() -> None:
    """`datatypes` by input, the rest in `datatype`."""
    inputs = msgspec.structs.replace(ENDPOINT.inputs, shape=Shape.NAMED, datatypes={"male": "BOOL", "age": "INT64"})
    endpoint = msgspec.structs.replace(ENDPOINT, protocol=Mlflow(), inputs=inputs)
    assert b'"data":[[70,true,30.0,300.0]]' in wire_of(endpoint).body(INPUTS.values)


_JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=3)
    | st.sampled_from(["risk_2y", "predictions", "1"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["outputs", "name", "data", "shape", "model_version", "predictions", "risk", "why", "age"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=15,
)


@given(reply=_JSON, within=st.sampled_from(["%s", '{"outputs": %s, "model_version": "1"}', '{"predictions": %s}']))
@pytest.mark.parametrize(
    "protocol, score, contributions",
    [
        (Oip("kfre", "1"), OutputSpec("risk_2y", 1), OutputSpec("predictions")),
        (Mlflow(), OutputSpec("predictions"), OutputSpec("why")),
        (Mlflow(), OutputSpec("risk", 0), OutputSpec("why")),
        (PlainJson({}, version=("/model_version", "1")), OutputSpec("/risk/-/x"), OutputSpec("/why")),
        (PlainJson({}), OutputSpec("/predictions/0/risk"), OutputSpec("/outputs/0")),
    ],
)
def test_any_reply_is_a_finite_score_or_has_its_reason(
    protocol: Oip | Mlflow | PlainJson, score: OutputSpec, contributions: OutputSpec, reply: Any, within: str
) -> None:
    """No other exception: its text could hold what the server said."""
    endpoint = msgspec.structs.replace(_endpoint(protocol, ""), score=score, contributions=contributions)
    body = (within % json.dumps(reply)).encode()
    try:
        answer = read_reply(HttpReply(200, "application/json", body), wire_of(endpoint))
    except ModelUnavailable as error:
        assert error.reason.value.startswith("reply_")
    else:
        assert all(math.isfinite(number) for number in (answer.score, *(answer.contributions or ())))
