"""`wardgate call` against the real simulators and gateway, and against nothing at all."""

import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.processes import PATIENCE
from wardgate.cli import call
from wardgate.cli.ehr import resolve


class _Demo:
    def __init__(self, scratch: Path) -> None:
        self._environment = ["env", f"TMPDIR={scratch}", "COLUMNS=100"]
        with socket.create_server(("127.0.0.1", 0)) as listener:
            port = str(listener.getsockname()[1])
        self.process = subprocess.Popen(
            [*self._environment, sys.executable, "-m", "wardgate", "demo", "--port", port, "--no-browser"],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert self.process.stdout is not None
        lines = [self.process.stdout.readline().split() for _ in range(6)]
        assert lines[5] == ["ready"]
        self.gateway, self.fhir = lines[0][1], lines[2][1]

    def call(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """As typed in another terminal: the addresses come from the running demo."""
        command = [*self._environment, sys.executable, "-m", "wardgate", "call", *arguments]
        return subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE)


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[_Demo]:
    running = _Demo(tmp_path_factory.mktemp("scratch"))
    yield running
    running.process.terminate()
    running.process.communicate(timeout=PATIENCE)


def test_a_call_shows_the_card(demo: _Demo) -> None:
    """Without addresses it finds the running demo; the card's parts are all there, and the exit code is 0."""
    done = demo.call("kidney-failure", "--patient", "advanced-05")
    assert done.returncode == 0, done.stderr
    for part in ("patient-view", "advanced-05", "labs", "200 in", "1 card", "WARNING", "eGFR", "source", "override"):
        assert part in done.stdout


def test_no_card_is_explained(demo: _Demo) -> None:
    """The gateway's own counter says why: silence is never mistaken for safety."""
    done = demo.call("kidney-failure", "--patient", "on-dialysis")
    assert done.returncode == 0
    assert "No card." in done.stdout
    assert "out_of_scope / exclusion" in done.stdout


def test_an_admin_listener_that_is_not_there_leaves_the_reason_open(
    demo: _Demo, capsys: pytest.CaptureFixture[str]
) -> None:
    """The call itself is answered all the same."""
    admin = "http://127.0.0.1:1"
    assert call.run("kidney-failure", "on-dialysis", demo.gateway, demo.fhir, admin=admin) == 0
    assert "No card. The service had nothing to show" in capsys.readouterr().out


def test_json_prints_both_sides(demo: _Demo, capsys: pytest.CaptureFixture[str]) -> None:
    """Request and response, whole, for a program to read."""
    assert call.run("kidney-failure", "advanced-05", demo.gateway, demo.fhir, json_output=True) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed["request"]["context"] == {"userId": "Practitioner/demo", "patientId": "advanced-05"}
    assert set(printed["request"]["prefetch"]) == {"patient", "labs", "problems"}
    assert len(printed["response"]["cards"]) == 1


def test_without_prefetch_the_gateway_reads_for_itself(demo: _Demo, capsys: pytest.CaptureFixture[str]) -> None:
    """The same card comes from the FHIR server named in the call."""
    summaries = []
    for prefetch in (True, False):
        assert (
            call.run("kidney-failure", "advanced-05", demo.gateway, demo.fhir, json_output=True, prefetch=prefetch) == 0
        )
        printed = json.loads(capsys.readouterr().out)
        assert ("prefetch" in printed["request"]) is prefetch
        summaries.append(printed["response"]["cards"][0]["summary"])
    assert summaries[0] == summaries[1]


def test_an_unknown_service_lists_those_there_are(demo: _Demo, capsys: pytest.CaptureFixture[str]) -> None:
    """A typing error costs one look."""
    assert call.run("kidney", "advanced-05", demo.gateway, demo.fhir) == 1
    assert "kidney-failure" in capsys.readouterr().err


def test_an_unknown_patient_lists_those_there_are(demo: _Demo, capsys: pytest.CaptureFixture[str]) -> None:
    """The FHIR server's patients are a query away."""
    assert call.run("kidney-failure", "nobody", demo.gateway, demo.fhir) == 1
    error = capsys.readouterr().err
    assert "nobody" in error
    assert "advanced-05" in error


def test_an_unreachable_fhir_server_is_a_sentence(demo: _Demo, capsys: pytest.CaptureFixture[str]) -> None:
    """It says which server, and how to name another."""
    assert call.run("kidney-failure", "advanced-05", demo.gateway, "http://127.0.0.1:1/fhir") == 1
    assert "--fhir" in capsys.readouterr().err


@pytest.mark.parametrize("gateway", ["http://127.0.0.1:1", "nonsense", "ftp://127.0.0.1", "http://[::1"])
def test_an_unreachable_gateway_is_a_sentence(gateway: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing there, or no address at all: one sentence, one remedy, exit code 1."""
    assert call.run("kidney-failure", "advanced-05", gateway, "http://127.0.0.1:1/fhir") == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "wardgate demo" in captured.err


@pytest.mark.parametrize(
    ("template", "query"),
    [
        ("Patient/{{context.patientId}}", "Patient/a%2F%26b"),
        ("Observation?patient={{ context.patientId }}&_count=5", "Observation?patient=a%2F%26b&_count=5"),
        ("Practitioner/{{userPractitionerId}}", "Practitioner/7"),
        ("Encounter/{{context.encounterId}}", None),
        ("Patient/{{userPatientId}}", None),
    ],
)
def test_templates_are_filled_in_and_encoded(template: str, query: str | None) -> None:
    """Every token is percent-encoded; a key whose token has no value is left out, as real EHRs do."""
    assert resolve(template, {"patientId": "a/&b", "userId": "Practitioner/7"}) == query
