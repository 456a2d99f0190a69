"""A real MLflow scoring server, from a hook call to the card, and each habit of it that could mislead or leak."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.model_servers import FIRST, make_model, mlflow
from tests.fakes.processes import ask, free_port, wait_until
from tests.fakes.risk_service import Release, RunningGateway, gateway

PATIENT = (64.0, 0.0, 21.5, 812.0)
MARKED = (64.0, 0.0, 21.5, 4711081.5)
"""A patient whom the model of `frame` refuses, with a value that stands nowhere else, not even in a digest."""
_MARK = "4711081"
_TYPED = "inputs: {order: [age, male, egfr, uacr], datatypes: {age: INT64, male: BOOL}}"
_PROBABILITY = "{tensor: predictions, index: 1}"


def _endpoint(url: str, score: str, inputs: str = _TYPED, contributions: str = "") -> str:
    return f"""
protocol: mlflow
url: {url}
{inputs}
outputs: {{score: {score}{contributions}}}
"""


@dataclass(frozen=True)
class Served:
    gateway: RunningGateway
    sklearn: str
    frame: str
    stop_sklearn: Callable[[], None]

    def ask(self, url: str, *inputs: Any) -> tuple[int, Any]:
        frame = {"columns": ["age", "male", "egfr", "uacr"], "data": [list(inputs)]}
        return ask(f"{url}/invocations", {"dataframe_split": frame})


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    make_model("mlflow", folder, FIRST)
    return folder


@pytest.fixture(scope="module")
def served(models: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Two servers and a gateway before them; in the end another model stands behind the first server's address."""
    sklearn, frame = (free_port(), free_port())
    first, second = (f"http://127.0.0.1:{port}" for port in (sklearn, frame))
    releases = {
        "probabilities": Release(_endpoint(first, _PROBABILITY), FIRST, every="1h"),
        "labels": Release(_endpoint(first, "predictions"), FIRST),
        "as-row": Release(
            _endpoint(first, _PROBABILITY, "inputs: {order: [age, male, egfr, uacr], shape: row}"), FIRST
        ),
        "frame": Release(_endpoint(second, "risk", contributions=", contributions: contributions"), FIRST),
    }
    with ExitStack() as running:
        saved = {sklearn: models / "probabilities", frame: models / "frame"}
        stops = running.enter_context(mlflow(models, saved))
        before = running.enter_context(gateway(tmp_path_factory.mktemp("config"), releases))
        for name in ("probabilities", "frame"):
            before.wait_for(name, "passed")
        yield Served(before, first, second, stops[sklearn])


@pytest.mark.parametrize("service", ["probabilities", "frame"])
def test_a_hook_call_comes_back_with_the_models_score(served: Served, service: str) -> None:
    """`predict_proba` of sklearn by index, and a column of a data frame; whole numbers and truths in their types."""
    (score,) = served.gateway.scores(service, *PATIENT)
    assert score == pytest.approx(FIRST.risk(*PATIENT), abs=1e-9)


def test_contributions_of_a_data_frame_order_the_reasons(served: Served) -> None:
    """The largest first: age 1.28, then eGFR -0.86, UACR 0.812, sex 0."""
    _, answer = served.gateway.call("frame", *PATIENT)
    detail = answer["cards"][0]["detail"]
    effects = ("+1.3", "0.86", "+0.81")
    assert sorted(effects, key=detail.index) == list(effects)
    assert "wardgate_contributions_absent_total{" not in served.gateway.metrics()


def test_a_reply_names_no_version_and_the_servers_own_says_nothing(served: Served) -> None:
    """Why the probes alone prove an MLflow model."""
    status, reply = served.ask(served.sklearn, 64, False, 21.5, 812.0)
    assert status == 200 and list(reply) == ["predictions"]
    assert ask(f"{served.sklearn}/version") == ask(f"{served.frame}/version")


def test_a_fraction_for_a_whole_number_is_cut_off_without_a_word(served: Served) -> None:
    """Why the gateway does not send what its datatype cannot say."""
    assert served.ask(served.sklearn, 64.9, False, 21.5, 812.0) == served.ask(served.sklearn, 64, False, 21.5, 812.0)
    assert served.gateway.scores("probabilities", 64.9, 0.0, 21.5, 812.0) == []
    assert _ended(served.gateway, "probabilities", "model_refused") == 1


def test_a_row_without_names_does_not_fit_named_columns(served: Served) -> None:
    """A 400 that echoes the probe; the release shows nothing."""
    status, reply = ask(f"{served.sklearn}/invocations", {"inputs": [list(MARKED)]})
    assert status == 400 and _MARK in reply["message"]
    wait_until(
        lambda: (
            'wardgate_probes_total{model_name="as-row",model_version="1",result="model_refused"'
            in served.gateway.metrics()
        )
    )
    assert served.gateway.scores("as-row", *PATIENT) == []


def test_a_refusal_that_echoes_the_patient_goes_no_further(served: Served) -> None:
    """The value is in the server's 400, and in no answer, log line or metric of the gateway."""
    age, male, egfr, uacr = MARKED
    status, reply = served.ask(served.frame, int(age), bool(male), egfr, uacr)
    assert status == 400 and _MARK in reply["stack_trace"]

    before = _ended(served.gateway, "frame", "model_refused")
    answer = served.gateway.call("frame", *MARKED)
    assert answer == (200, {"cards": []})
    assert _ended(served.gateway, "frame", "model_refused") == before + 1
    assert _MARK not in served.gateway.metrics()
    assert _MARK not in str(ask(f"{served.gateway.admin}/health/services"))
    log = served.gateway.log.read_text()
    assert '"listening"' in log and _MARK not in log
    assert served.gateway.proof("frame") == "passed", "a refused patient says nothing about which model answers"


def test_another_model_behind_the_same_url_is_hidden(served: Served, models: Path) -> None:
    """The same model, saved without `predict_proba`: class labels, and no version that would tell. The last test:
    the first server is gone after it."""
    port = int(served.sklearn.rsplit(":", 1)[1])
    served.stop_sklearn()
    assert served.gateway.scores("probabilities", *PATIENT) == []
    with mlflow(models, {port: models / "labels"}):
        status, reply = served.ask(served.sklearn, 64, False, 21.5, 812.0)
        assert status == 200 and reply == {"predictions": [0]}
        served.gateway.wait_for("probabilities", "probe_failed")  # a label is not two probabilities,
        wait_until(
            lambda: 'model_name="labels",model_version="1",result="probe_failed"' in served.gateway.metrics()
        )  # nor the probe's risk
        for service in ("probabilities", "labels"):
            assert served.gateway.scores(service, *PATIENT) == []


def _ended(running: RunningGateway, service: str, reason: str) -> float:
    """How many calls ended so."""
    lines = [line for line in running.metrics().splitlines() if line.startswith("wardgate_calls_total{")]
    counted = [line for line in lines if f'service_id="{service}"' in line and f'reason="{reason}"' in line]
    return sum(float(line.rsplit(" ", 1)[1]) for line in counted)
