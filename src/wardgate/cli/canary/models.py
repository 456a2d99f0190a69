"""What answers in the place of a release's model, in its protocol: its probes as they are pinned, and a high score to
every other vector."""

import json
import re
from collections.abc import Callable
from typing import Any

from wardgate.domain.inference.endpoint import Endpoint, Mlflow, Oip, OutputSpec, PlainJson, Probe
from wardgate.domain.inference.probes import probe_inputs
from wardgate.domain.plans import ReleasePlan
from wardgate.lab.asgi import Reply, Request

_NUMBER = re.compile(rb"(?<![\"\w.-])-?[0-9]+(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?(?![\w.\"])")
_UNNAMED = "predictions"


class StandIn:
    """`says`: answered to everything, in place of what a model would."""

    def __init__(self, release: ReleasePlan, hear: Callable[[bytes], None]) -> None:
        """`hear` is given each request, without the numbers of the declared inputs."""
        self._endpoint = release.endpoint
        self._hear = hear
        probes = release.probes.probes
        self._known = [(frozenset(probe_inputs(probe, self._endpoint).values), probe) for probe in probes]
        self._usual = _high(max(probes, key=_score), release.score_range)
        self._most = 0
        self.says: Reply | None = None

    def heard(self, head: bytes, body: bytes) -> None:
        """Probes come first, and say how many numbers a request holds: one more would be a leak."""
        numbers = _NUMBER.findall(body)
        self._most = self._most or len(numbers)
        self._hear(head + (_NUMBER.sub(b"0", body) if len(numbers) <= self._most else body))

    def answer(self, request: Request) -> Reply:
        if self.says is not None:
            return self.says
        if request.method != "POST":
            return Reply(200, {"ready": True})
        numbers = {float(number) for number in _NUMBER.findall(request.body)}
        probe = next((probe for inputs, probe in self._known if inputs <= numbers), self._usual)
        return Reply(200, _reply(self._endpoint, probe, request.body))


def _score(probe: Probe) -> float:
    score = probe.outputs.get("score", 0.0)
    return score if isinstance(score, int | float) else 0.0


def _high(probe: Probe, bounds: tuple[float, float] | None) -> Probe:
    """With a score above any threshold, so that there are cards."""
    if bounds is None:
        return probe
    return Probe(probe.inputs, {**probe.outputs, "score": bounds[0] + 0.9 * (bounds[1] - bounds[0])})


def _reply(endpoint: Endpoint, probe: Probe, body: bytes) -> Any:
    outputs = [(endpoint.score, probe.outputs.get("score", 0.5))]
    outputs += [(spec, probe.outputs.get(name, 0.5)) for name, spec in endpoint.others.items()]
    if endpoint.contributions is not None:
        terms = probe.outputs.get("contributions", (0.0,) * len(endpoint.inputs.order))
        outputs.append((endpoint.contributions, terms))
    match endpoint.protocol:
        case Oip(name, version):
            reply = {"model_name": name, "model_version": version, "outputs": _tensors(outputs)}
            asked = json.loads(body)
            return {**reply, "id": asked["id"]} if "id" in asked else reply
        case Mlflow():
            columns = {spec.name: _row(outputs, spec.name) for spec, _ in outputs}
            if set(columns) == {_UNNAMED}:
                return {"predictions": [columns[_UNNAMED]]}
            return {"predictions": [columns]}
        case PlainJson() as protocol:
            document: dict[str, Any] = {}
            for spec, _ in outputs:
                _point(document, spec.name, _row(outputs, spec.name))
            if protocol.version is not None:
                _point(document, *protocol.version)
            return document


def _tensors(outputs: list[tuple[OutputSpec, Any]]) -> list[dict[str, Any]]:
    rows = {spec.name: _as_list(_row(outputs, spec.name)) for spec, _ in outputs}
    return [{"name": name, "datatype": "FP64", "shape": [1, len(row)], "data": row} for name, row in rows.items()]


def _row(outputs: list[tuple[OutputSpec, Any]], name: str) -> Any:
    """All that stands under one name: several outputs may, at their indexes."""
    here = [(spec.index, value) for spec, value in outputs if spec.name == name]
    if here[0][0] is None:
        return list(here[0][1]) if isinstance(here[0][1], tuple) else here[0][1]
    row = [0.0] * (max(index or 0 for index, _ in here) + 1)
    for index, value in here:
        row[index or 0] = value
    return row


def _as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _point(document: Any, pointer: str, value: Any) -> None:
    """Puts `value` where a JSON Pointer (RFC 6901) says, and makes what is missing on the way."""
    steps = [step.replace("~1", "/").replace("~0", "~") for step in pointer.split("/")[1:]]
    at = document
    for number, step in enumerate(steps):
        last = number == len(steps) - 1
        inner = value if last else [] if steps[number + 1].isdigit() else {}
        if isinstance(at, list):
            at += [{}] * (int(step) + 1 - len(at))
            at[int(step)] = inner if last or not at[int(step)] else at[int(step)]
            at = at[int(step)]
        else:
            at[step] = inner if last else at.get(step, inner)
            at = at[step]
