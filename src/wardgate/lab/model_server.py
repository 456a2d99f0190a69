"""A model server that speaks the Open Inference Protocol v2 over REST and answers the models of `lab/models.py`.

    python -m wardgate.lab.model_server --port 0        prints `model URL` once it listens

https://github.com/kserve/open-inference-protocol (specification/protocol/inference_rest.md). As there: one
tensor `[k, n]`, or n tensors `[k, 1]` named after their features; row-major data, flat or nested. Versions of a
model stand side by side; a path without one gets the newest, as of other servers.
"""

import argparse
import json
import math
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from wardgate.lab import asgi
from wardgate.lab.asgi import Reply, Request
from wardgate.lab.models import MODELS, Model

Row = tuple[float, ...]
_NUMERIC = {"FP64", "FP32", "FP16", "INT64", "INT32", "INT16", "INT8", "UINT64", "UINT32", "UINT16", "UINT8", "BOOL"}
_MAX_ROWS = 10_000


class _Wrong(ValueError):
    """The request does not fit the model; the message goes into the reply."""


def answer(request: Request) -> Reply:
    parts = [part for part in request.path.split("/") if part]
    match request.method, parts:
        case "OPTIONS", _:
            return asgi.preflight()
        case "GET", ["v2"]:
            return Reply(200, {"name": "wardgate-lab", "version": "1", "extensions": []})
        case "GET", ["v2", "health", "live"]:
            return Reply(200, {"live": True})
        case "GET", ["v2", "health", "ready"]:
            return Reply(200, {"ready": True})
        case method, ["v2", "models", name, "versions", version, *rest]:
            return _model(method, name, version, rest, request.body)
        case method, ["v2", "models", name, *rest]:
            return _model(method, name, None, rest, request.body)
    return Reply(404, {"error": "no such path"})


def _model(method: str, name: str, version: str | None, rest: Sequence[str], body: bytes) -> Reply:
    versions = MODELS.get(name, {})
    version = version if version is not None or not versions else list(versions)[-1]
    model = versions.get(version or "")
    if model is None or version is None:
        served = ", ".join(f"{each} ({', '.join(numbers)})" for each, numbers in MODELS.items())
        return Reply(404, {"error": f"this server has, with their versions, {served} and no other"})
    match method, *rest:
        case ["GET"]:
            return Reply(200, _metadata(name, model))
        case ["GET", "ready"]:
            return Reply(200, {"name": name, "ready": True})
        case ["POST", "infer"]:
            return _infer(name, version, model, body)
        case [_, "infer"] | [_, "ready"] | [_]:
            allowed = "POST" if rest == ["infer"] else "GET"
            return Reply(405, {"error": "method not allowed"}, {"allow": allowed})
    return Reply(404, {"error": "no such path"})


def _metadata(name: str, model: Model) -> dict[str, object]:
    return {
        "name": name,
        "versions": list(MODELS[name]),
        "platform": "wardgate-lab",
        "inputs": [{"name": "features", "datatype": "FP64", "shape": [-1, len(model.features)]}],
        "outputs": [
            {"name": model.output, "datatype": "FP64", "shape": [-1, 1]},
            {"name": "contributions", "datatype": "FP64", "shape": [-1, len(model.features)]},
        ],
    }


def _infer(name: str, version: str, model: Model, body: bytes) -> Reply:
    try:
        call = _object(body)
        rows = _rows(_tensors(call), model.features)
        answers = [model.answer(row) for row in rows]
    except ValueError as error:
        return Reply(400, {"error": str(error)})
    except (OverflowError, RecursionError):
        return Reply(400, {"error": "the numbers are too large, or nested too deep"})
    outputs = [
        _output(model.output, [len(rows), 1], [score for score, _ in answers]),
        _output("contributions", [len(rows), len(model.features)], [term for _, terms in answers for term in terms]),
    ]
    wanted = call.get("outputs")
    if isinstance(wanted, list) and wanted:
        names = [output.get("name") for output in wanted if isinstance(output, dict)]
        outputs = [output for output in outputs if output["name"] in names]
        if len(outputs) != len(wanted):
            return Reply(400, {"error": "an output is asked for that the model does not have"})
    reply: dict[str, object] = {"model_name": name, "model_version": version, "outputs": outputs}
    if isinstance(call.get("id"), str):
        reply["id"] = call["id"]
    return Reply(200, reply)


def _output(name: str, shape: list[int], data: list[float]) -> dict[str, object]:
    return {"name": name, "datatype": "FP64", "shape": shape, "data": data}


def _object(body: bytes) -> dict[str, Any]:
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        raise _Wrong("the body is not JSON") from None
    if not isinstance(value, dict):
        raise _Wrong("the body must be a JSON object with inputs")
    return value


def _tensors(call: Mapping[str, Any]) -> dict[str, tuple[list[int], list[float]]]:
    inputs = call.get("inputs")
    if not isinstance(inputs, list) or not inputs:
        raise _Wrong("inputs must be a list of tensors")
    return dict(_tensor(entry) for entry in inputs)


def _tensor(entry: object) -> tuple[str, tuple[list[int], list[float]]]:
    if not isinstance(entry, dict) or not isinstance(entry.get("name"), str):
        raise _Wrong("each input needs a name")
    name, shape = entry["name"], entry.get("shape")
    if entry.get("datatype") not in _NUMERIC:
        raise _Wrong(f"input {name!r} must have a numeric datatype")
    if not isinstance(shape, list) or not all(type(size) is int and size > 0 for size in shape):
        raise _Wrong(f"input {name!r} must have a shape of positive whole numbers")
    data = _flatten(entry.get("data"), name)
    if len(data) != math.prod(shape):
        raise _Wrong(f"input {name!r} has {len(data)} numbers, its shape {shape} says {math.prod(shape)}")
    return name, (shape, data)


def _flatten(data: object, name: str) -> list[float]:
    if not isinstance(data, list):
        raise _Wrong(f"input {name!r} needs data")
    flat: list[float] = []
    for item in data:
        if isinstance(item, list):
            flat.extend(_flatten(item, name))
        elif isinstance(item, int | float) and math.isfinite(item):
            flat.append(float(item))
        else:
            raise _Wrong(f"input {name!r} holds something that is not a finite number")
    return flat


def _rows(tensors: Mapping[str, tuple[list[int], list[float]]], features: Sequence[str]) -> list[Row]:
    width = len(features)
    if set(tensors) == set(features):
        columns = [_column(*tensors[name]) for name in features]
        if len({len(column) for column in columns}) != 1:
            raise _Wrong("the named inputs differ in length")
        return _bounded(list(zip(*columns, strict=True)))
    if len(tensors) != 1:
        raise _Wrong(f"expected one input of shape [k, {width}], or inputs named {', '.join(features)}")
    [(shape, data)] = tensors.values()
    if len(shape) != 2 or shape[1] != width:
        raise _Wrong(f"expected shape [k, {width}], got {shape}")
    return _bounded([tuple(data[i : i + width]) for i in range(0, len(data), width)])


def _column(shape: list[int], data: list[float]) -> list[float]:
    if len(shape) > 2 or (len(shape) == 2 and shape[1] != 1):
        raise _Wrong(f"a named input has shape [k, 1], got {shape}")
    return data


def _bounded(rows: list[Row]) -> list[Row]:
    if len(rows) > _MAX_ROWS:
        raise _Wrong(f"at most {_MAX_ROWS} rows a call")
    return rows


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m wardgate.lab.model_server", description=__doc__.split("\n")[0])
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8082, help="0 takes a free one")
    options = parser.parse_args(arguments)
    try:
        listener, url = asgi.listen(options.host, options.port)
    except OSError as error:
        sys.exit(f"model server: cannot listen on {options.host}:{options.port}: {error.strerror}")
    print("model", url, flush=True)
    asgi.run(asgi.app(answer), listener)


if __name__ == "__main__":
    main()
