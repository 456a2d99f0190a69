"""A real MLServer with sklearn models, from a hook call to the card, and each habit of it that could mislead."""

import json
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.model_servers import FIRST, SECOND, Logistic, mlserver, sklearn_model
from tests.fakes.processes import ask, free_port, wait_until
from tests.fakes.risk_service import PROBE, Release, RunningGateway, gateway

PATIENT = (64.0, 0.0, 21.5, 812.0)


def _endpoint(url: str, version: str, output: str = "{tensor: predict_proba, index: 1}", inputs: str = "") -> str:
    return f"""
protocol: oip
url: {url}
model_name: risk
model_version: "{version}"
inputs: {{order: [age, male, egfr, uacr]{inputs}}}
outputs: {{score: {output}}}
"""


def _plain(url: str, version: str) -> str:
    """The same server as `protocol: json` sees it."""
    return f"""
protocol: json
url: {url}/v2/models/risk{version}/infer
ready: /v2/health/ready
model_version: "1"
version_at: /model_version
request:
  inputs: [{{name: x, shape: [1, 4], datatype: FP64, data: [$age, $male, $egfr, $uacr]}}]
  outputs: [{{name: predict_proba}}]
inputs: {{order: [age, male, egfr, uacr]}}
outputs: {{score: /outputs/0/data/1}}
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Versions 1, 2 and `named` of one model, side by side in one process."""
    repository = tmp_path_factory.mktemp("repository")
    sklearn_model(repository / "first", "1", FIRST)
    sklearn_model(repository / "named", "0-named", FIRST, content_type="pd")
    sklearn_model(repository / "second", "2", SECOND)
    with mlserver(repository, free_port()) as url:
        yield url


@pytest.fixture(scope="module")
def services(server: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningGateway]:
    releases = {
        "first": Release(_endpoint(server, "1"), FIRST),
        "second": Release(_endpoint(server, "2"), SECOND),
        "named": Release(_endpoint(server, "0-named", inputs=", shape: named, datatypes: {male: BOOL}"), FIRST),
        "labels": Release(_endpoint(server, "1", output="predict"), FIRST),
        "plain": Release(_plain(server, "/versions/1"), FIRST),
        "plain-newest": Release(_plain(server, ""), FIRST),
        "other-version": Release(_endpoint(server, "2"), FIRST),
        "no-version": Release(_endpoint(server, "3"), FIRST),
        "short": Release(_endpoint(server, "1").replace(", uacr", ""), FIRST),
    }
    with gateway(tmp_path_factory.mktemp("config"), releases) as running:
        for name in ("first", "second", "named", "plain"):
            running.wait_for(name, "passed")
        yield running


def _infer(server: str, path: str, **request: Any) -> tuple[int, Any]:
    tensor = {"name": "features", "shape": [1, len(PROBE)], "datatype": "FP64", "data": list(PROBE)}
    return ask(f"{server}/v2/models/risk{path}/infer", {"inputs": [tensor]} | request)


@pytest.mark.parametrize("service, model", [("first", FIRST), ("second", SECOND), ("named", FIRST), ("plain", FIRST)])
def test_each_release_gets_its_own_version_on_its_card(services: RunningGateway, service: str, model: Logistic) -> None:
    """Two versions of one name stand side by side in one process; one takes a row, one named inputs,
    and one is asked as if it spoke JSON of its own."""
    (score,) = services.scores(service, *PATIENT)
    assert score == pytest.approx(model.risk(*PATIENT), abs=1e-9)


def test_the_unversioned_url_answers_with_the_newest(server: str) -> None:
    """Why the version stands in the path of each call."""
    status, reply = _infer(server, "", outputs=[{"name": "predict_proba"}])
    assert status == 200 and reply["model_version"] == "2"
    assert reply["outputs"][0]["data"][1] == pytest.approx(SECOND.risk(*PROBE))


def test_whoever_asks_for_nothing_gets_class_labels(server: str) -> None:
    """Why the declared outputs are asked for by name: a label is a number between 0 and 1, too."""
    status, reply = _infer(server, "/versions/1")
    (output,) = reply["outputs"]
    assert status == 200 and (output["name"], output["datatype"], output["data"]) == ("predict", "INT64", [0])


@pytest.mark.parametrize(
    "service, proof",
    [
        ("labels", "probe_failed"),  # the label 0 for a risk of 0.0998
        ("other-version", "probe_failed"),  # a version that is there, and another model
        ("plain-newest", "probe_failed"),  # version 2 stands where the reply says its version
        ("no-version", "probe_pending"),
        ("short", "probe_pending"),
    ],
)
def test_what_is_not_the_pinned_model_shows_nothing(services: RunningGateway, service: str, proof: str) -> None:
    """The probes are sent once more at each retry, and never pass."""
    wait_until(lambda: f'model_name="{service}"' in services.metrics())
    assert services.proof(service) == proof
    assert services.scores(service, *PATIENT) == []


def test_a_wrong_shape_is_a_plain_text_500_with_a_stack_trace(server: str, services: RunningGateway) -> None:
    """As it is set by default; of all that, the gateway keeps the status. The connection is closed unannounced."""
    tensor = {"name": "features", "shape": [1, 3], "datatype": "FP64", "data": [70.0, 1.0, 30.0]}
    connection = HTTPConnection(server.removeprefix("http://"), timeout=5)
    body = json.dumps({"inputs": [tensor]})
    connection.request("POST", "/v2/models/risk/versions/1/infer", body, {"Content-Type": "application/json"})
    answer = connection.getresponse()
    text = answer.read().decode()
    assert answer.status == 500 and text.startswith("Traceback") and "4 features" in text
    assert connection.sock is not None and connection.sock.recv(1) == b"", "kept by the client, closed by the server"
    connection.close()
    wait_until(
        lambda: 'wardgate_probes_total{model_name="short",model_version="1",result="model_error"' in services.metrics()
    )


def test_another_model_under_the_same_version_is_hidden(tmp_path: Path) -> None:
    """Behind the same address in a new process, it is found before a score of it is shown; loaded into the running
    process, which ends no connection, within `every`."""
    port, repository = free_port(), tmp_path / "repository"
    url = f"http://127.0.0.1:{port}"
    releases = {
        "hourly": Release(_endpoint(url, "1"), FIRST, every="1h"),
        "watched": Release(_endpoint(url, "1"), FIRST, every="1s"),
    }
    sklearn_model(repository / "risk", "1", FIRST)
    with gateway(tmp_path / "config", releases) as running:
        with mlserver(repository, port):
            for name in releases:
                running.wait_for(name, "passed")
            sklearn_model(repository / "risk", "1", SECOND)
            assert ask(f"{url}/v2/repository/models/risk/load", {})[0] == 200
            running.wait_for("watched", "probe_failed")
            assert running.scores("watched", *PATIENT) == []
            sklearn_model(repository / "risk", "1", FIRST)
            assert ask(f"{url}/v2/repository/models/risk/load", {})[0] == 200
            running.wait_for("watched", "passed")
            assert running.scores("hourly", *PATIENT) == [pytest.approx(FIRST.risk(*PATIENT), abs=1e-9)]

        sklearn_model(repository / "risk", "1", SECOND)
        with mlserver(repository, port):
            seen: list[float] = []

            def found() -> bool:
                seen.extend(running.scores("hourly", *PATIENT))
                return running.proof("hourly") == "probe_failed"

            wait_until(found)
            assert seen == [] and running.scores("hourly", *PATIENT) == []
