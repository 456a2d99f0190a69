"""Endpoints by protocol: what each becomes, which keys it takes, and what `check` says of the rest."""

import json
import re
from pathlib import Path

import pytest

from tests.fakes.config_tree import FILES, Edit, sound_config
from wardgate.adapters.files.catalog import survey
from wardgate.adapters.http.model_client import wire_of
from wardgate.domain.findings import Finding
from wardgate.domain.inference.endpoint import Endpoint, Mlflow, Oip, OutputSpec, PlainJson, Shape

_OIP = """\
  protocol: oip
  url: http://127.0.0.1:8082
  model_name: kfre
  model_version: "1"
"""
_OUTPUTS = "{score: risk_2y, contributions: contributions}"
MLFLOW: list[Edit] = [
    (_OIP, "  protocol: mlflow\n  url: http://127.0.0.1:8082\n"),
    (_OUTPUTS, "{score: {tensor: predictions, index: 1}}"),
]
JSON: list[Edit] = [
    (
        _OIP,
        """\
  protocol: json
  url: http://127.0.0.1:8082/v1/score
  model_version: "3"
  version_at: /model/version
  ready: /health
  request: {patient: {age: $age, male: $male}, labs: [$egfr, $uacr], unit: $$}
""",
    ),
    (_OUTPUTS, "{score: /risk/0, contributions: /why}"),
]


def _found(folder: Path, release: list[Edit], probes: Edit | None = None) -> list[Finding]:
    edits: dict[str, list[Edit]] = {"release": release}
    if probes is not None:
        edits["probes"] = [probes]
    return list(survey(sound_config(folder, **edits)).findings)


def _endpoint(folder: Path, release: list[Edit]) -> Endpoint:
    result = survey(sound_config(folder, release=release))
    assert result.catalog is not None, result.findings
    (plan,) = result.catalog.plans()
    return plan.version("1.0.0").endpoint


def test_oip_pins_name_and_version(tmp_path: Path) -> None:
    """A row, unless the file says otherwise."""
    endpoint = _endpoint(tmp_path, [])
    assert (endpoint.protocol, endpoint.inputs.shape) == (Oip("kfre", "1"), Shape.ROW)


def test_mlflow_sends_the_names_of_its_columns(tmp_path: Path) -> None:
    """A tensor only where the file says so; the version is a note for the reader."""
    assert _found(tmp_path, MLFLOW) == []
    endpoint = _endpoint(tmp_path, MLFLOW)
    assert (endpoint.protocol, endpoint.inputs.shape) == (Mlflow(), Shape.NAMED)
    assert endpoint.score == OutputSpec("predictions", 1)
    as_row = [*MLFLOW, ("    order:", "    shape: row\n    order:")]
    assert _endpoint(tmp_path, as_row).inputs.shape is Shape.ROW
    noted = [*MLFLOW, ("  timeout:", '  model_version: "1"\n  timeout:')]
    assert _found(tmp_path, noted) == []


def test_json_keeps_its_request_and_its_pointers(tmp_path: Path) -> None:
    """The URL is called as it is written."""
    assert _found(tmp_path, JSON) == []
    endpoint = _endpoint(tmp_path, JSON)
    request = {"patient": {"age": "$age", "male": "$male"}, "labs": ["$egfr", "$uacr"], "unit": "$$"}
    assert endpoint.protocol == PlainJson(request, "/health", ("/model/version", "3"))
    assert endpoint.url == "http://127.0.0.1:8082/v1/score"
    assert (endpoint.score, endpoint.contributions) == (OutputSpec("/risk/0"), OutputSpec("/why"))


def test_json_without_a_request_sends_each_input_under_its_name(tmp_path: Path) -> None:
    """And without a place of the version, `check` says that the probes stand alone."""
    bare: list[Edit] = [
        (_OIP, "  protocol: json\n  url: http://127.0.0.1:8082/\n"),
        (_OUTPUTS, "{score: /risk}"),
    ]
    (finding,) = _found(tmp_path, bare)
    assert (finding.key, finding.warning) == ("endpoint.version_at", True) and "probes alone" in finding.what
    endpoint = _endpoint(tmp_path, bare)
    assert endpoint.protocol == PlainJson({name: f"${name}" for name in endpoint.inputs.order})
    assert endpoint.url == "http://127.0.0.1:8082/"


@pytest.mark.parametrize(
    "release, key, says",
    [
        # keys that belong to another protocol, or are missing
        ([("  model_name: kfre\n", "")], "endpoint.model_name", "required"),
        ([('  model_version: "1"\n', "")], "endpoint.model_version", "required"),
        ([("  timeout:", "  ready: /health\n  timeout:")], "endpoint.ready", "no use"),
        ([("  timeout:", "  request: {}\n  timeout:")], "endpoint.request", "no use"),
        ([("  timeout:", "  version_at: /v\n  timeout:")], "endpoint.version_at", "no use"),
        ([*MLFLOW, ("  timeout:", "  model_name: kfre\n  timeout:")], "endpoint.model_name", "no use"),
        ([*MLFLOW, ("    order:", "    tensor: x\n    order:")], "endpoint.inputs.tensor", "no use"),
        ([*JSON, ("    order:", "    shape: row\n    order:")], "endpoint.inputs.shape", "no use"),
        ([*JSON, ('  model_version: "3"\n', "")], "endpoint.version_at", "no version to compare"),
        ([("url: http://127.0.0.1:8082", 'url: "http://127.0.0.1:8082/a b"')], "endpoint.url", ""),
        ([("url: http://127.0.0.1:8082", 'url: "http://127.0.0.1:8082/a\\r\\nX: y"')], "endpoint.url", ""),
        ([("url: http://127.0.0.1:8082", 'url: "http://127.0.0.1:8082/a\\tb"')], "endpoint.url", ""),
        # outputs
        ([*JSON, ("score: /risk/0", "score: risk")], "endpoint.outputs.score", "JSON Pointer"),
        ([*JSON, ("score: /risk/0", "score: /risk~2")], "endpoint.outputs.score", "JSON Pointer"),
        ([*JSON, ("score: /risk/0", "score: {tensor: /risk, index: 0}")], "endpoint.outputs.score", "no index"),
        ([*JSON, ("/model/version", "model.version")], "endpoint.version_at", "JSON Pointer"),
        ([*JSON, ("ready: /health", "ready: health")], "endpoint.ready", "path"),
        ([*JSON, ("ready: /health", 'ready: "/he alth"')], "endpoint.ready", "path"),
        (
            [(_OUTPUTS, "{score: risk_2y, contributions: {tensor: why, index: 1}}")],
            "endpoint.outputs.contributions",
            "no index",
        ),
        # the request
        ([*JSON, ("$egfr", "$egrf")], "endpoint.request.labs.0", "no input is called egrf"),
        ([*JSON, (", $uacr", "")], "endpoint.request", "uacr is not in the request"),
        ([*JSON, (", unit: $$", ", unit: $")], "endpoint.request.unit", "no input is called"),
        ([*JSON, ("{patient: {age: $age, male: $male}, labs: [$egfr, $uacr], unit: $$}", "$age")],
         "endpoint.request", "not a document"),
        # datatypes
        ([("    order:", "    datatypes: {age: INT64}\n    order:")], "endpoint.inputs.datatypes", "one datatype"),
        ([*MLFLOW, ("    order:", "    datatypes: {agee: INT64}\n    order:")], "endpoint.inputs.datatypes.agee", ""),
        ([*MLFLOW, ("    order:", "    datatypes: {age: INT}\n    order:")], "endpoint.inputs.datatypes.age", ""),
        ([("    order:", "    datatype: INT64\n    order:"), ("[1, 10000]", "[0.5, 10000]")],
         "endpoint.inputs.clip.uacr", "INT64"),
    ],
)  # fmt: skip
def test_what_does_not_fit_its_protocol_is_an_error_at_its_key(
    tmp_path: Path, release: list[Edit], key: str, says: str
) -> None:
    """One finding, and no plan."""
    result = survey(sound_config(tmp_path, release=release))
    errors = [finding for finding in result.findings if not finding.warning]
    assert [(finding.key, says in finding.what, bool(finding.remedy)) for finding in errors] == [(key, True, True)], (
        errors
    )
    assert result.catalog is None


@pytest.mark.parametrize(
    ("step", "odd"), [("0", False), ("10", False), ("risk", False), ("00", True), ("9" * 5000, True)]
)
def test_a_step_that_is_no_index_is_a_warning(tmp_path: Path, step: str, odd: bool) -> None:
    """RFC 6901, section 4: no leading zeros; and no list is so long. An object may have such a key."""
    found = _found(tmp_path, [*JSON, ("score: /risk/0", f"score: /risk/{step}")])
    warnings = [finding.key for finding in found if "RFC 6901" in finding.what and finding.warning]
    assert warnings == (["endpoint.outputs.score"] if odd else [])


def test_a_probe_says_what_the_datatype_can_say(tmp_path: Path) -> None:
    """Else it would never be sent, and the proof never come."""
    whole: list[Edit] = [("    order:", "    datatype: INT64\n    order:")]
    assert _found(tmp_path, whole) == []
    (finding,) = _found(tmp_path, whole, ('"age": 70', '"age": 70.5'))
    assert (finding.key, finding.warning) == ("0.inputs.age", False)
    (finding,) = _found(
        tmp_path,
        [*MLFLOW, ("    order:", "    datatypes: {male: BOOL}\n    order:")],
        ('"male": 1', '"male": 2'),
    )
    assert (finding.key, finding.warning) == ("0.inputs.male", False)


@pytest.mark.parametrize("label", ["0", "1", "1.0"])
def test_probes_that_class_labels_would_pass_are_a_warning(tmp_path: Path, label: str) -> None:
    """A label is a number within [0, 1]: only a probe whose score lies between tells it from a risk."""
    (finding,) = _found(tmp_path, [], ("0.04732493292698903", label))
    assert (finding.key, finding.warning) == ("0.outputs.score", True) and "class labels" in finding.what


_PAGE = (Path(__file__).parents[4] / "docs" / "protocols.md").read_text("utf-8")
_EXAMPLES = re.findall(r"```yaml\n(.*?)```\n\n```json\n(.*?)```", _PAGE, re.DOTALL)


@pytest.mark.parametrize("text, sent", _EXAMPLES, ids=["oip", "mlflow", "json"])
def test_the_examples_of_the_docs_are_what_is_sent(tmp_path: Path, text: str, sent: str) -> None:
    """Each endpoint of docs/protocols.md is sound, and sends the document beside it."""
    config = sound_config(tmp_path)
    url = re.search(r"http://([\d.:]+)", text)
    assert url is not None
    config.write_text(config.read_text().replace("127.0.0.1:8082", url[1]))
    release = tmp_path / FILES["release"][0]
    written = FILES["release"][1]
    start, end = written.index("endpoint:"), written.index("probes:")
    release.write_text(written[:start] + text + written[end:])
    result = survey(config)
    assert result.catalog is not None and result.findings == (), result.findings
    (plan,) = result.catalog.plans()
    body = wire_of(plan.version("1.0.0").endpoint).body((70.0, 1.0, 30.0, 300.0))
    assert json.dumps(json.loads(body)) == json.dumps(json.loads(sent)), "also 30.0 is not 30"
