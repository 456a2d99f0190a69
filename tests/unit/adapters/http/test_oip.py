"""Open Inference Protocol v2: what goes out, what comes back, and every reply that is refused."""

import json
import re
from asyncio import StreamWriter
from typing import Any

import msgspec
import pytest

from tests.fakes.model import ENDPOINT
from tests.fakes.raw_server import http_answer, raw_server
from wardgate.adapters.http.aiohttp_client import AiohttpClient
from wardgate.adapters.http.client import HttpReply
from wardgate.adapters.http.model_client import HttpModelClient, read_reply, wire_of
from wardgate.domain.errors import ModelUnavailable
from wardgate.domain.inference.endpoint import Endpoint, ModelReply, OutputSpec, Shape
from wardgate.domain.inference.prediction import ModelInputs
from wardgate.domain.outcomes import Reason

INPUTS = ModelInputs((70.0, 1.0, 30.0, 300.0), (), ())


def _body(**changes: Any) -> dict[str, Any]:
    reply: dict[str, Any] = {
        "model_name": "kfre",
        "model_version": "1",
        "outputs": [
            {"name": "risk_2y", "shape": [1, 1], "datatype": "FP64", "data": [0.25]},
            {"name": "contributions", "shape": [1, 4], "datatype": "FP64", "data": [0.1, 0.2, 0.3, 0.4]},
        ],
    }
    return reply | changes


def _score(**changes: Any) -> dict[str, Any]:
    return _body(outputs=[{"name": "risk_2y", "shape": [1, 1], "datatype": "FP64", "data": [0.25]} | changes])


def _parse(body: dict[str, Any] | bytes, endpoint: Endpoint = ENDPOINT) -> ModelReply:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return read_reply(HttpReply(200, "application/json", raw), wire_of(endpoint))


async def test_a_row_goes_out_as_one_tensor_with_the_version_in_the_path() -> None:
    """One FP64 tensor [1, n], flat, in declared order, to the versioned URL; the declared outputs are asked for."""
    async with raw_server(http_answer("200 OK", json.dumps(_body()).encode())) as server:
        endpoint = msgspec.structs.replace(ENDPOINT, url=server.url)
        http = AiohttpClient()
        reply = await HttpModelClient(http, frozenset({server.url[7:]})).infer(endpoint, INPUTS, 0.2)
        await http.close()
    head, body = server.requests[0]
    assert head.startswith(b"POST /v2/models/kfre/versions/1/infer ")
    sent = json.loads(body)
    assert re.fullmatch(r"[0-9a-f]{16}-1", sent.pop("id"))
    assert sent == {
        "inputs": [{"name": "features", "shape": [1, 4], "datatype": "FP64", "data": [70.0, 1.0, 30.0, 300.0]}],
        "outputs": [{"name": "risk_2y"}, {"name": "contributions"}],
    }
    body = json.dumps(_body()).encode()
    assert reply == ModelReply(0.25, (0.1, 0.2, 0.3, 0.4), {}, connection=1, body=body)


async def test_an_answer_to_another_request_is_refused() -> None:
    """Law 11: a server that answers a request twice leaves the spare one on the connection, for whoever asks next. The
    protocol has servers echo the request's id; one that does not is believed as before."""
    echoed: dict[str, Any] = {}

    async def answer(head: bytes, body: bytes, writer: StreamWriter) -> None:
        await http_answer("200 OK", json.dumps(_body(**echoed)).encode())(head, body, writer)

    async with raw_server(answer) as server:
        endpoint = msgspec.structs.replace(ENDPOINT, url=server.url)
        http = AiohttpClient()
        client = HttpModelClient(http, frozenset({server.url[7:]}))
        assert (await client.infer(endpoint, INPUTS, 0.2)).score == 0.25
        first = json.loads(server.requests[0][1])["id"]
        echoed["id"] = first.removesuffix("1") + "2"
        assert (await client.infer(endpoint, INPUTS, 0.2)).score == 0.25
        others: list[Any] = [first, echoed["id"], "", 3, []]
        for other in others:  # those of calls before, and what no request had
            echoed["id"] = other
            with pytest.raises(ModelUnavailable) as refused:
                await client.infer(endpoint, INPUTS, 0.2)
            assert refused.value.reason is Reason.REPLY_MISMATCHED
        assert server.connections == len(others), "what is one reply behind is used no more"
        await http.close()


async def test_named_tensors_go_out_one_for_each_feature() -> None:
    """Shape `named`: a tensor [1, 1] a feature, named after it, in its own datatype."""
    async with raw_server(http_answer("200 OK", json.dumps(_body()).encode())) as server:
        inputs = msgspec.structs.replace(
            ENDPOINT.inputs, shape=Shape.NAMED, datatype="INT64", datatypes={"egfr": "FP64"}
        )
        endpoint = msgspec.structs.replace(ENDPOINT, url=server.url, inputs=inputs)
        http = AiohttpClient()
        await HttpModelClient(http, frozenset({server.url[7:]})).infer(endpoint, INPUTS, 0.2)
        await http.close()
    sent = json.loads(server.requests[0][1])["inputs"]
    assert [(t["name"], t["shape"], t["datatype"], repr(t["data"])) for t in sent] == [
        ("age", [1, 1], "INT64", "[70]"),
        ("male", [1, 1], "INT64", "[1]"),
        ("egfr", [1, 1], "FP64", "[30.0]"),
        ("uacr", [1, 1], "INT64", "[300]"),
    ]


@pytest.mark.parametrize(
    "data, shape",
    [([0.25], [1]), ([0.25], [1, 1]), ([[0.25]], [1, 1]), ([0.25], None), ([[0.25]], None)],
)
def test_a_score_may_be_flat_or_nested(data: list[Any], shape: list[int] | None) -> None:
    """Both spellings of the protocol's `data` are read."""
    assert _parse(_score(data=data, shape=shape)).score == 0.25


def test_an_index_counts_in_the_last_dimension() -> None:
    """Class probabilities: `index: 1` takes the second column."""
    endpoint = msgspec.structs.replace(ENDPOINT, score=OutputSpec("risk_2y", index=1))
    assert _parse(_score(data=[0.75, 0.25], shape=[1, 2]), endpoint=endpoint).score == 0.25
    with pytest.raises(ModelUnavailable, match="reply_shape"):
        _parse(_score(data=[0.25], shape=[1, 1]), endpoint=endpoint)


def test_contributions_may_be_absent() -> None:
    """Declared but absent: the card falls back to feature values."""
    assert _parse(_score()).contributions is None


@pytest.mark.parametrize(
    "body, reason",
    [
        (_body(model_version="2"), Reason.REPLY_VERSION),
        (_body(model_version=None), Reason.REPLY_VERSION),
        (_body(model_name="other"), Reason.REPLY_VERSION),
        (_score(name="other"), Reason.REPLY_SHAPE),
        (_score(data=[]), Reason.REPLY_SHAPE),
        (_score(data=[0.1, 0.2]), Reason.REPLY_SHAPE),
        (_score(shape=[2, 1]), Reason.REPLY_SHAPE),
        (_score(shape=[-1, -1]), Reason.REPLY_SHAPE),
        (_score(shape=[1, 1, 1]), Reason.REPLY_SHAPE),
        (_score(shape=[]), Reason.REPLY_SHAPE),
        (_score(shape=[10**18] * 40_000), Reason.REPLY_SHAPE),  # regression: multiplying them took seconds
        (_score(data=[[[0.2]]]), Reason.REPLY_SHAPE),
        (_body(outputs=_body()["outputs"][:1] * 2), Reason.REPLY_SHAPE),  # regression: the last one won
        (_score(data=["0.2"]), Reason.REPLY_SHAPE),
        (_score(data=[True]), Reason.REPLY_SHAPE),
        (_score(data=[None]), Reason.REPLY_NOT_FINITE),
        (_score(data=[float("nan")]), Reason.REPLY_NOT_FINITE),
        (_score(data=[float("inf")]), Reason.REPLY_NOT_FINITE),
        (_score(data=[10**400]), Reason.REPLY_NOT_FINITE),
        (_body(outputs="x"), Reason.REPLY_MALFORMED),
        (b"[]", Reason.REPLY_MALFORMED),
        (b"", Reason.REPLY_MALFORMED),
        (b"<html>", Reason.REPLY_MALFORMED),
        (b"\xff\xfe", Reason.REPLY_MALFORMED),
        (b"\xef\xbb\xbf{}", Reason.REPLY_MALFORMED),
        (b'{"model_version": "1", "outputs": [{"na', Reason.REPLY_TRUNCATED),
        (b"[" * 100_000, Reason.REPLY_MALFORMED),
    ],
)
def test_each_unusable_reply_has_its_reason(body: dict[str, Any] | bytes, reason: Reason) -> None:
    """No unusable reply becomes a score, and each says what was wrong with it."""
    with pytest.raises(ModelUnavailable) as caught:
        _parse(body)
    assert caught.value.reason is reason


def test_contributions_of_another_length_are_refused() -> None:
    """A vector that does not fit the inputs cannot be laid to them."""
    outputs = [*_body()["outputs"][:1], {"name": "contributions", "shape": [1, 3], "data": [1, 2, 3]}]
    with pytest.raises(ModelUnavailable, match="reply_shape"):
        _parse(_body(outputs=outputs))
