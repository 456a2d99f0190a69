"""MLflow's scoring server: https://mlflow.org/docs/latest/ml/deployment/deploy-model-locally/

POST {url}/invocations with one row, with its column names (`dataframe_split`) or without (`inputs`). The reply names
neither model nor version: the probes alone prove it. `predictions` takes the shape that the model's own code returns.
"""

from typing import Any

import msgspec

from wardgate.adapters.http.model_wire import ModelWire, Row, body_writer, decoded, one_row, reply_of, slot
from wardgate.domain.errors import ModelUnavailable
from wardgate.domain.inference.endpoint import Endpoint, InputSpec, ModelReply, OutputSpec, Shape
from wardgate.domain.outcomes import Reason

UNNAMED = "predictions"
"""The name of an output where the reply gives its numbers no names."""


class _Reply(msgspec.Struct):
    predictions: Any


_decode = msgspec.json.Decoder(_Reply).decode


def mlflow_wire(endpoint: Endpoint) -> ModelWire:
    return ModelWire(
        f"{endpoint.url}/invocations",
        f"{endpoint.url}/ping",
        range(200, 201),
        body_writer(_document(endpoint.inputs), endpoint.inputs),
        lambda body, mark: _read(body, endpoint),
    )


def _document(spec: InputSpec) -> dict[str, object]:
    rows = [[slot(number) for number in range(len(spec.order))]]
    if spec.shape is Shape.ROW:
        return {"inputs": rows}
    return {"dataframe_split": {"columns": spec.order, "data": rows}}


def _read(body: bytes, endpoint: Endpoint) -> ModelReply:
    columns = _columns(decoded(_decode, body).predictions)

    def find(spec: OutputSpec) -> Row | None:
        return one_row(columns[spec.name]) if spec.name in columns else None

    return reply_of(endpoint, find)


def _columns(predictions: Any) -> dict[str, Any]:
    """One patient's outputs by name: [0.2], [[0.8, 0.2]], [{"risk": 0.2}] (a data frame), {"risk": [0.2]}, 0.2."""
    if isinstance(predictions, dict):
        for column in predictions.values():
            _refuse_rows(column)
        return predictions
    if isinstance(predictions, list):
        _refuse_rows(predictions)
        if isinstance(predictions[0], dict):
            return predictions[0]
    return {UNNAMED: predictions}


def _refuse_rows(rows: Any) -> None:
    """One row was asked for: no telling whose the others are, and none of them is the second number of the first."""
    if isinstance(rows, list) and len(rows) != 1:
        raise ModelUnavailable(Reason.REPLY_SHAPE)
