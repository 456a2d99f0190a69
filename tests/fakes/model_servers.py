"""Real model servers, in environments of their own, serving logistic models whose answers the tests know exactly."""

import json
import math
import os
import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path

from tests.environments import LOCKS, python_of
from tests.fakes.processes import ask, free_port, wait_until

_START = 90.0
"""Seconds: a first start compiles the server's modules."""


@dataclass(frozen=True)
class Logistic:
    """The computation that the server's own answers are compared with."""

    intercept: float
    coefficients: tuple[float, float, float, float]  # age, male, egfr, uacr

    def terms(self, *inputs: float) -> list[float]:
        return [c * value for c, value in zip(self.coefficients, inputs, strict=True)]

    def risk(self, *inputs: float) -> float:
        return 1 / (1 + math.exp(-self.intercept - sum(self.terms(*inputs))))


FIRST = Logistic(-3.0, (0.02, 0.3, -0.04, 0.001))
SECOND = Logistic(-2.0, (0.02, 0.3, -0.04, 0.001))


@contextmanager
def background(
    command: Sequence[str | Path], log: Path, path: Path | None = None
) -> Iterator["subprocess.Popen[bytes]"]:
    """A process and its children, whose output goes to a file; at the end they are gone."""
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}  # noqa: TID251
    if path is not None:
        environment["PATH"] = f"{path}{os.pathsep}{environment.get('PATH', '')}"
    with log.open("a") as output:
        running = subprocess.Popen(
            [str(part) for part in command], stdout=output, stderr=output, env=environment, start_new_session=True
        )
    try:
        yield running
    finally:
        _stop(running)


def _stop(running: "subprocess.Popen[bytes]") -> None:
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(running.pid, number)
            running.wait(timeout=10)
        except ProcessLookupError:
            break
        except subprocess.TimeoutExpired:
            continue
    running.wait(timeout=10)


def wait_for(url: str, server: "subprocess.Popen[bytes]", log: Path) -> None:
    """Until it answers 200 there; AssertionError with the end of its log otherwise, at once where it has ended."""
    try:
        wait_until(lambda: ask(url)[0] == 200, _START, of=server)
    except AssertionError as error:
        raise AssertionError(f"{url}: {error}; its log: {log.read_text()[-2000:]}") from None


def make_model(server: str, target: Path, model: Logistic) -> None:
    """Written by the server's own libraries."""
    numbers = [repr(number) for number in (model.intercept, *model.coefficients)]
    ran = subprocess.run(
        [python_of(server), LOCKS / "make_model.py", server, target, *numbers],
        capture_output=True,
        text=True,
        timeout=_START,
    )
    assert ran.returncode == 0, ran.stderr[-2000:]


@cache
def _joblib(model: Logistic) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        make_model("mlserver", Path(folder) / "model.joblib", model)
        return (Path(folder) / "model.joblib").read_bytes()


def sklearn_model(folder: Path, version: str, model: Logistic, **parameters: str) -> None:
    """`folder` is one version of the model `risk`, as MLServer's repository wants it."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.joblib").write_bytes(_joblib(model))
    settings = {
        "name": "risk",
        "implementation": "mlserver_sklearn.SKLearnModel",
        "parameters": {"uri": "./model.joblib", "version": version, **parameters},
    }
    (folder / "model-settings.json").write_text(json.dumps(settings))


@contextmanager
def mlserver(repository: Path, port: int) -> Iterator[str]:
    """Every model of the folder; yields the URL."""
    settings = {
        "host": "127.0.0.1",
        "http_port": port,
        "grpc_port": free_port(),
        "metrics_port": free_port(),
        "parallel_workers": 0,
    }
    (repository / "settings.json").write_text(json.dumps(settings))
    start = "from mlserver.cli import main; main()"
    log = repository / "mlserver.log"
    with background([python_of("mlserver"), "-c", start, "start", repository], log) as server:
        wait_for(f"http://127.0.0.1:{port}/v2/health/ready", server, log)
        yield f"http://127.0.0.1:{port}"


@contextmanager
def mlflow(folder: Path, models: Mapping[int, Path]) -> Iterator[Mapping[int, Callable[[], None]]]:
    """`mlflow models serve` of each saved model on its port, started side by side. Yields what stops each."""
    python, started = python_of("mlflow"), {}
    with ExitStack() as servers:
        for port, model in models.items():
            serve = ["models", "serve", "-m", str(model), "--env-manager", "local", "-h", "127.0.0.1", "-p", str(port)]
            command: list[str | Path] = [python, "-m", "mlflow", *serve]
            started[port] = servers.enter_context(background(command, _log(folder, port), path=python.parent))
        for port, server in started.items():
            wait_for(f"http://127.0.0.1:{port}/ping", server, _log(folder, port))
        yield {port: partial(_stop, server) for port, server in started.items()}


def _log(folder: Path, port: int) -> Path:
    return folder / f"mlflow-{port}.log"
