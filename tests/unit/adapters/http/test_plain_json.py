"""Plain JSON: the declared request with its numbers in place, and pointers into the reply."""

import json
from typing import Any

import msgspec
import pytest

from tests.fakes.model import ENDPOINT
from wardgate.adapters.http.client import HttpReply
from wardgate.adapters.http.model_client import read_reply, wire_of
from wardgate.domain.errors import ModelUnavailable
from wardgate.domain.inference.endpoint import Endpoint, ModelReply, OutputSpec, PlainJson
from wardgate.domain.outcomes import Reason

VALUES = (70.0, 1.0, 30.0, 300.0)
REQUEST = {
    "patient": {"age": "$age", "sex": "$male"},
    "labs": [{"code": "egfr", "value": "$egfr"}, {"code": "$$uacr", "value": "$uacr"}],
    "again": "$age",
    "model": "kfre",
    "100%": "%b",
}


def _endpoint(request: Any = None, version: tuple[str, str] | None = None, **changes: Any) -> Endpoint:
    outputs = {"score": OutputSpec("/risk"), "contributions": None}
    protocol = PlainJson(REQUEST if request is None else request, version=version)
    return msgspec.structs.replace(
        ENDPOINT, **{"protocol": protocol, "url": "http://127.0.0.1:8082/v1/score"} | outputs | changes
    )


def _parse(reply: Any, **changes: Any) -> ModelReply:
    return read_reply(HttpReply(200, "application/json", json.dumps(reply).encode()), wire_of(_endpoint(**changes)))


def test_the_declared_request_goes_out_with_its_numbers_in_place() -> None:
    """A number stays a number; a text that is no input stays as it is, `$$` is one `$`."""
    wire = wire_of(_endpoint())
    assert wire.infer_url == "http://127.0.0.1:8082/v1/score"
    assert json.loads(wire.body(VALUES)) == {
        "patient": {"age": 70.0, "sex": 1.0},
        "labs": [{"code": "egfr", "value": 30.0}, {"code": "$uacr", "value": 300.0}],
        "again": 70.0,
        "model": "kfre",
        "100%": "%b",
    }


def test_ready_is_a_path_from_the_root_of_the_host() -> None:
    """The model's own path is not in it."""
    protocol = PlainJson({}, ready="/health?deep=1")
    assert wire_of(_endpoint(protocol=protocol)).ready_url == "http://127.0.0.1:8082/health?deep=1"


@pytest.mark.parametrize(
    "reply, pointer",
    [
        ({"risk": 0.25}, "/risk"),
        ({"risk": [0.25]}, "/risk"),
        ({"risk": [0.25]}, "/risk/0"),
        ({"result": {"probabilities": [0.75, 0.25]}}, "/result/probabilities/1"),
        ({"a/b": {"m~n": 0.25}}, "/a~1b/m~0n"),
        ([{"risk": 0.25}], "/0/risk"),
        ({"": 0.25}, "/"),
        ({"risk": {"00": 0.25}}, "/risk/00"),  # a key, not an index
    ],
)
def test_the_score_stands_where_its_pointer_says(reply: Any, pointer: str) -> None:
    """RFC 6901, with its escapes."""
    assert _parse(reply, score=OutputSpec(pointer)).score == 0.25


@pytest.mark.parametrize(
    "reply",
    [{}, [], 0.25, None, "risk", {"risk": {"value": 0.25}}, {"Risk": 0.25}, {"risk": [0.25, 0.3]}, {"risk": "0.25"}],
)
def test_a_reply_without_a_number_there_is_refused(reply: Any) -> None:
    """Whatever its root is."""
    with pytest.raises(ModelUnavailable) as caught:
        _parse(reply)
    assert caught.value.reason is Reason.REPLY_SHAPE


@pytest.mark.parametrize(
    "pointer", ["/risk/-", "/risk/01", "/risk/00", "/risk/" + "9" * 5000, "/risk/2", "/risk/x", "/risk/0/0", "/no/risk"]
)
def test_a_pointer_that_leads_nowhere_finds_nothing(pointer: str) -> None:
    """As RFC 6901 says: no leading zeros, and `-` is after the last."""
    with pytest.raises(ModelUnavailable, match="reply_shape"):
        _parse({"risk": [0.1, 0.2]}, score=OutputSpec(pointer))


@pytest.mark.parametrize("version", ["3", 3])
def test_the_version_in_the_reply_is_checked_where_it_is_declared(version: Any) -> None:
    """Text or number; without one, or with another, the reply is not the pinned model's."""
    pin = ("/meta/version", "3")
    assert _parse({"risk": 0.25, "meta": {"version": version}}, version=pin).score == 0.25
    for other in ({"version": "4"}, {"version": None}, {"version": True}, {"version": [version]}, {}, None):
        with pytest.raises(ModelUnavailable, match="reply_version"):
            _parse({"risk": 0.25, "meta": other}, version=pin)


@pytest.mark.parametrize("why", [[0.1, 0.2, 0.3, 0.4], {"uacr": 0.4, "egfr": 0.3, "male": 0.2, "age": 0.1}])
def test_contributions_and_other_outputs_have_pointers_of_their_own(why: Any) -> None:
    """Absent contributions are no error; another declared output is."""
    declared = {"contributions": OutputSpec("/why"), "others": {"uncertainty": OutputSpec("/sd")}}
    assert _parse({"risk": 0.25, "why": why, "sd": 0.02}, **declared) == ModelReply(
        0.25, (0.1, 0.2, 0.3, 0.4), {"uncertainty": 0.02}
    )
    assert _parse({"risk": 0.25, "sd": 0.02}, **declared).contributions is None
    for wrong in ([0.1], "why", {"age": 0.1}, [0.1, 0.2, 0.3, None]):
        with pytest.raises(ModelUnavailable):
            _parse({"risk": 0.25, "why": wrong, "sd": 0.02}, **declared)
    with pytest.raises(ModelUnavailable, match="reply_shape"):
        _parse({"risk": 0.25, "why": why}, **declared)
