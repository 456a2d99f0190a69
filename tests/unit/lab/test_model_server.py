"""The model server's answers, and the same over HTTP from a process of its own."""

import json
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest

from wardgate.cli.processes import Child
from wardgate.lab.asgi import Reply, Request
from wardgate.lab.model_server import answer

_INFER = "/v2/models/kfre/versions/1/infer"
_ROW: dict[str, Any] = {"name": "features", "shape": [1, 4], "datatype": "FP64", "data": [70, 1, 30, 300]}
_RISK = 0.04732493292698903  # kfre 0.1.18, as in test_kfre


def _send(method: str, path: str, body: object = None) -> Reply:
    raw = b"" if body is None else json.dumps(body).encode()
    return answer(Request(method, path, "", {}, raw))


def _infer(*inputs: object, **more: object) -> Reply:
    return _send("POST", _INFER, {"inputs": list(inputs), **more})


def _outputs(reply: Reply) -> dict[str, list[float]]:
    assert reply.status == 200
    assert isinstance(reply.body, dict)
    return {output["name"]: output["data"] for output in reply.body["outputs"]}


@pytest.mark.parametrize("data", [[70, 1, 30, 300], [[70, 1, 30, 300]]])
def test_a_row_is_answered_flat_or_nested(data: list[Any]) -> None:
    """Both layouts of the protocol's tensor data give the same score and four contributions."""
    outputs = _outputs(_infer(_ROW | {"data": data}))
    assert outputs["risk_2y"] == pytest.approx([_RISK], abs=1e-12)
    assert len(outputs["contributions"]) == 4


def test_named_tensors_are_found_by_name() -> None:
    """One tensor a feature, in any order, is the same question."""
    values = {"uacr": 300, "egfr": 30, "male": 1, "age": 70}
    tensors = [{"name": n, "shape": [1, 1], "datatype": "FP64", "data": [v]} for n, v in values.items()]
    assert _outputs(_infer(*tensors))["risk_2y"] == pytest.approx([_RISK], abs=1e-12)


def test_a_batch_keeps_its_order() -> None:
    """Row i of the answer belongs to row i of the question."""
    outputs = _outputs(_infer(_ROW | {"shape": [2, 4], "data": [45, 0, 12, 1200, 70, 1, 30, 300]}))
    assert outputs["risk_2y"] == pytest.approx([0.597704424832348, _RISK], abs=1e-9)
    assert len(outputs["contributions"]) == 8


def test_the_reply_says_which_model_and_version_answered() -> None:
    """Name, version and the caller's id stand in the reply."""
    body = _infer(_ROW, id="abc").body
    assert isinstance(body, dict)
    assert (body["model_name"], body["model_version"], body["id"]) == ("kfre", "1", "abc")


def test_only_the_outputs_that_were_asked_for_come_back() -> None:
    """The protocol lets a caller choose; one that does not exist is an error."""
    assert set(_outputs(_infer(_ROW, outputs=[{"name": "risk_2y"}]))) == {"risk_2y"}
    assert _infer(_ROW, outputs=[{"name": "nonsense"}]).status == 400


@pytest.mark.parametrize(
    "tensor",
    [
        _ROW | {"shape": [1, 3], "data": [1, 2, 3]},
        _ROW | {"shape": [4]},
        _ROW | {"shape": [1, 4], "data": [1, 2, 3]},
        _ROW | {"shape": [-1, 4]},
        _ROW | {"shape": None},
        _ROW | {"datatype": "BYTES"},
        _ROW | {"data": [70, None, 30, 300]},
        _ROW | {"data": ["70", 1, 30, 300]},
        _ROW | {"data": [70, 1, 30, 10**400]},
        _ROW | {"data": [70, 1, 30, 0]},
        _ROW | {"data": None},
        {"shape": [1, 4]},
        "text",
    ],
)
def test_what_does_not_fit_the_model_is_refused_as_json(tensor: object) -> None:
    """Wrong shapes, types and numbers end in 400 with an `error`, never in a score."""
    reply = _infer(tensor)
    assert reply.status == 400
    assert isinstance(reply.body, dict)
    assert reply.body["error"]


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b'{"inputs": {}}', b"[" * 100_000, b'{"inputs": [], "x": "\xff"}'])
def test_a_body_that_is_no_request_is_refused(body: bytes) -> None:
    """Whatever the bytes, the answer is 400."""
    assert answer(Request("POST", _INFER, "", {}, body)).status == 400


def test_another_version_or_model_is_not_found() -> None:
    """The server never answers for a version that it does not have."""
    assert _send("POST", "/v2/models/kfre/versions/2/infer", {"inputs": [_ROW]}).status == 404
    assert _send("GET", "/v2/models/other/ready").status == 404


@pytest.mark.parametrize(
    "path",
    ["/v2", "/v2/health/live", "/v2/health/ready", "/v2/models/kfre", "/v2/models/kfre/versions/1/ready"],
)
def test_the_protocol_s_questions_about_the_server_are_answered(path: str) -> None:
    """Server, health, metadata and readiness."""
    assert _send("GET", path).status == 200


def test_methods_are_told_apart() -> None:
    """A GET on infer is 405 with what is allowed, and an unknown path 404."""
    reply = _send("GET", _INFER)
    assert (reply.status, reply.headers["allow"]) == (405, "POST")
    assert _send("GET", "/v3").status == 404


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with Child("model", "wardgate.lab.model_server", "--port", "0") as child:
        yield child.announced(20)


def test_the_server_speaks_http(server: str) -> None:
    """The process prints its address, answers on it, and lets a browser of any origin read the answer."""
    with httpx2.Client(base_url=server, trust_env=False) as http:
        assert http.get("/v2/health/ready").json() == {"ready": True}
        reply = http.post(_INFER, json={"inputs": [_ROW]})
        assert reply.json()["outputs"][0]["data"] == pytest.approx([_RISK], abs=1e-12)
        assert reply.headers["access-control-allow-origin"] == "*"
        assert http.options(_INFER).status_code == 204
        assert http.post(_INFER, content=b"x" * (5 * 1024 * 1024)).status_code == 413


def test_versions_stand_side_by_side_and_the_newest_answers_where_none_is_named() -> None:
    """As of other servers: which is why a gateway names the version, and reads it in the reply."""
    data = [63, 80, 16, 37.0, 85, 9.0, 2.0, 140, 3.5, 2.0]
    row = {"inputs": [{"name": "features", "shape": [1, 10], "datatype": "FP64", "data": data}]}
    answers = {}
    for path in ("versions/1/infer", "versions/2/infer", "infer"):
        body = _send("POST", f"/v2/models/support2/{path}", row).body
        assert isinstance(body, dict)
        answers[path] = body["model_version"], body["outputs"][0]["data"][0]
    assert answers["infer"] == answers["versions/2/infer"]
    assert answers["versions/1/infer"][0] == "1" and answers["versions/2/infer"][0] == "2"
    assert answers["versions/1/infer"][1] != answers["versions/2/infer"][1]
    metadata = _send("GET", "/v2/models/support2").body
    assert isinstance(metadata, dict) and metadata["versions"] == ["1", "2"]
