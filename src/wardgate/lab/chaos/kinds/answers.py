"""The real answer with something in it that should not be there."""

import json
from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from wardgate.lab.chaos.exchange import Exchange
from wardgate.lab.chaos.kinds.base import Meeting
from wardgate.lab.chaos.messages import response


class Edited(Meeting, frozen=True):
    """Answers that are no JSON object, or not of the kind that it edits, pass as they are."""

    def edit(self, document: dict[str, Any], exchange: Exchange) -> None:
        raise NotImplementedError

    async def meet(self, exchange: Exchange) -> None:
        reply = await exchange.reply()
        document = reply.document()
        if isinstance(document, dict):
            self.edit(document, exchange)
            reply = reply.with_body(json.dumps(document).encode())  # NaN and Infinity as Python writes them
        await exchange.write(reply.wire())


class Score(Edited, frozen=True):
    """Another value where the numbers of the prediction stand: `nan`, `infinity`, `null`, `text`, or above 1."""

    value: Literal["nan", "infinity", "null", "text", "above"] = "nan"
    _VALUES: ClassVar[Mapping[str, object]] = {
        "nan": float("nan"),
        "infinity": float("inf"),
        "null": None,
        "text": "0.42",
        "above": 1.7,
    }

    def edit(self, document: dict[str, Any], exchange: Exchange) -> None:
        _set_numbers(document, self._VALUES[self.value])


class WrongShape(Edited, frozen=True):
    """More numbers than one patient has."""

    def edit(self, document: dict[str, Any], exchange: Exchange) -> None:
        for output in _outputs(document):
            output["data"] = [*output.get("data", []), 0.5, 0.5]
            output["shape"] = [1, len(output["data"])]
        if isinstance(document.get("predictions"), list):
            document["predictions"] += [0.5, 0.5]


class NoOutputs(Edited, frozen=True):
    """The prediction is left out."""

    def edit(self, document: dict[str, Any], exchange: Exchange) -> None:
        for name in ("outputs", "predictions"):
            if name in document:
                document[name] = []


class WrongVersion(Edited, frozen=True):
    """The answer of another version of the model."""

    def edit(self, document: dict[str, Any], exchange: Exchange) -> None:
        if "model_version" in document:
            document["model_version"] = "666"


class WrongModel(Edited, frozen=True):
    """The answer of another model."""

    def edit(self, document: dict[str, Any], exchange: Exchange) -> None:
        if "model_name" in document:
            document["model_name"] = "another"


class DuplicateKeys(Meeting, frozen=True):
    """A JSON object in which each key of the real answer stands twice, first with a wrong value."""

    async def meet(self, exchange: Exchange) -> None:
        reply = await exchange.reply()
        document = reply.document()
        if isinstance(document, dict) and document:
            twins = ",".join(
                f"{json.dumps(name)}:{{}},{json.dumps(name)}:{json.dumps(v)}" for name, v in document.items()
            )
            reply = reply.with_body(f"{{{twins}}}".encode())
        await exchange.write(reply.wire())


class WrongPatient(Edited, frozen=True):
    """The chart of somebody else: the ids and the references of another patient in every resource."""

    def edit(self, document: dict[str, Any], exchange: Exchange) -> None:
        _readdress(document)


class OperationOutcome(Meeting, frozen=True):
    """200 with an OperationOutcome in place of what was asked for."""

    async def meet(self, exchange: Exchange) -> None:
        issue = {"severity": "error", "code": "exception", "diagnostics": "chaos"}
        document = {"resourceType": "OperationOutcome", "issue": [issue]}
        await exchange.write(response(200, json.dumps(document).encode(), b"application/fhir+json").wire())


class EmptyBundle(Edited, frozen=True):
    """Searches find nothing: a chart that is clinically empty, which is no failure."""

    def edit(self, document: dict[str, Any], exchange: Exchange) -> None:
        if document.get("resourceType") == "Bundle":
            document["total"], document["entry"] = 0, []


class EndlessPages(Edited, frozen=True):
    """Each page of a search has a next one."""

    def edit(self, document: dict[str, Any], exchange: Exchange) -> None:
        if document.get("resourceType") == "Bundle":
            target = exchange.request.start.split(b" ")[1].decode("latin-1").partition("&chaos=")[0]
            url = f"http://{exchange.request.header(b'host').decode('latin-1')}{target}&chaos={exchange.number}"
            document["link"] = [{"relation": "next", "url": url}]


def _outputs(document: dict[str, Any]) -> list[dict[str, Any]]:
    """The tensors of an Open Inference reply."""
    found = document.get("outputs")
    return [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []


def _set_numbers(document: dict[str, Any], value: object) -> None:
    outputs = _outputs(document)
    for output in outputs:
        output["data"] = [value for _ in output.get("data", [])]
    if outputs:
        return
    for name, found in document.items():
        document[name] = _with_numbers(found, value)


def _with_numbers(node: Any, value: object) -> Any:
    if isinstance(node, dict):
        return {name: _with_numbers(inner, value) for name, inner in node.items()}
    if isinstance(node, list):
        return [_with_numbers(inner, value) for inner in node]
    return value if isinstance(node, int | float) and not isinstance(node, bool) else node


def _readdress(node: Any) -> None:
    if isinstance(node, list):
        for inner in node:
            _readdress(inner)
    elif isinstance(node, dict):
        if node.get("resourceType") == "Patient":
            node["id"] = "somebody-else"
        if isinstance(node.get("reference"), str) and node["reference"].startswith("Patient/"):
            node["reference"] = "Patient/somebody-else"
        for inner in node.values():
            _readdress(inner)
