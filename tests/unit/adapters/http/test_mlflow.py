"""MLflow's scoring server: what goes out, and the shapes that `predictions` takes."""

import json
from typing import Any

import msgspec
import pytest

from tests.fakes.model import ENDPOINT
from wardgate.adapters.http.client import HttpReply
from wardgate.adapters.http.model_client import read_reply, wire_of
from wardgate.domain.errors import ModelUnavailable
from wardgate.domain.inference.endpoint import Endpoint, Mlflow, ModelReply, OutputSpec, Shape
from wardgate.domain.outcomes import Reason

VALUES = (70.0, 1.0, 30.0, 300.0)


def _endpoint(**changes: Any) -> Endpoint:
    return msgspec.structs.replace(
        ENDPOINT, **{"protocol": Mlflow(), "score": OutputSpec("predictions"), "contributions": None} | changes
    )


def _parse(predictions: Any, **changes: Any) -> ModelReply:
    body = json.dumps({"predictions": predictions}).encode()
    return read_reply(HttpReply(200, "application/json", body), wire_of(_endpoint(**changes)))


def test_one_row_goes_out_with_the_names_of_its_columns_or_without() -> None:
    """`named` is a data frame, `row` a tensor."""
    named = wire_of(_endpoint(inputs=msgspec.structs.replace(ENDPOINT.inputs, shape=Shape.NAMED)))
    assert named.infer_url == "http://127.0.0.1:8082/invocations"
    assert json.loads(named.body(VALUES)) == {
        "dataframe_split": {"columns": ["age", "male", "egfr", "uacr"], "data": [[70.0, 1.0, 30.0, 300.0]]}
    }
    assert json.loads(wire_of(_endpoint()).body(VALUES)) == {"inputs": [[70.0, 1.0, 30.0, 300.0]]}


@pytest.mark.parametrize(
    "predictions, score",
    [
        ([0.25], OutputSpec("predictions")),  # a regressor, a pyfunc that returns an array
        (0.25, OutputSpec("predictions")),
        ([[0.25]], OutputSpec("predictions")),
        ([[0.75, 0.25]], OutputSpec("predictions", 1)),  # predict_proba
        ([{"risk": 0.25, "band": "high"}], OutputSpec("risk")),  # a data frame
        ([{"0": 0.75, "1": 0.25}], OutputSpec("1")),
        ([{"p": [0.75, 0.25]}], OutputSpec("p", 1)),
        ({"risk": [0.25]}, OutputSpec("risk")),  # a dictionary of arrays
        ({"p": [[0.75, 0.25]]}, OutputSpec("p", 1)),
        ({"risk": 0.25}, OutputSpec("risk")),
    ],
)
def test_each_shape_of_predictions_is_read(predictions: Any, score: OutputSpec) -> None:
    """What the model's own code returns decides; numbers without a name are called `predictions`."""
    assert _parse(predictions, score=score) == ModelReply(0.25, None, {})


@pytest.mark.parametrize(
    "predictions",
    [
        [],
        [0.25, 0.3],  # two rows, and one patient
        [[0.75, 0.25], [0.1, 0.9]],
        [{"risk": 0.25}, {"risk": 0.3}],
        [[0.75, 0.25]],  # no index says which
        {"risk": [0.25]},
        [{"risk": 0.25}],
        ["yes"],
        {},
    ],
)
def test_a_shape_that_names_no_one_score_is_refused(predictions: Any) -> None:
    """Never a guess at which of several numbers is meant."""
    with pytest.raises(ModelUnavailable) as caught:
        _parse(predictions)
    assert caught.value.reason is Reason.REPLY_SHAPE


@pytest.mark.parametrize("predictions", [{"p": [0.75, 0.25]}, {"p": [[0.75, 0.25], [0.1, 0.9]]}, {"p": []}])
@pytest.mark.parametrize("index", [0, 1])
def test_an_index_never_chooses_a_row(predictions: Any, index: int) -> None:
    """The first dimension of a column is the rows, and another row is another patient's."""
    with pytest.raises(ModelUnavailable, match="reply_shape"):
        _parse(predictions, score=OutputSpec("p", index))


@pytest.mark.parametrize(
    "predictions",
    [
        [{"risk": 0.25, "shap": [0.1, 0.2, 0.3, 0.4]}],
        {"risk": [0.25], "shap": [[0.1, 0.2, 0.3, 0.4]]},
        [{"risk": 0.25, "shap": {"male": 0.2, "age": 0.1, "egfr": 0.3, "uacr": 0.4, "base": -3}}],
    ],
)
def test_contributions_stand_in_a_column(predictions: Any) -> None:
    """In the order of the inputs, or by their names."""
    outputs = {"score": OutputSpec("risk"), "contributions": OutputSpec("shap")}
    assert _parse(predictions, **outputs).contributions == (0.1, 0.2, 0.3, 0.4)
    assert _parse([{"risk": 0.25}], **outputs).contributions is None
    with pytest.raises(ModelUnavailable, match="reply_shape"):
        _parse([{"risk": 0.25, "shap": {"age": 0.1}}], **outputs)


@pytest.mark.parametrize("body", [b"{}", b"[0.25]", b'{"error_code": "BAD_REQUEST"}', b"0.25"])
def test_a_reply_without_predictions_is_malformed(body: bytes) -> None:
    """Also the bare list of old versions: this one row has a name everywhere else."""
    with pytest.raises(ModelUnavailable, match="reply_malformed"):
        read_reply(HttpReply(200, "application/json", body), wire_of(_endpoint()))
