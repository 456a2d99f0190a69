"""Law 1 under the shipped faults: nobody waits beyond deadline + 50 ms, every answer is one, every reason is deserved.

`make check` tries one fault of each kind with 24 calls, `make proof` all of them with 400.
"""

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from wardgate.domain.outcomes import Reason
from wardgate.lab.chaos.scenario import read_scenario

SCENARIO = Path(__file__).parents[2] / "config" / "demo" / "chaos.yaml"
REDIS = SCENARIO.with_name("chaos-redis.yaml")


def _one_of_each_kind() -> list[str]:
    """The names of the first fault of each kind, on whichever dependency it is."""
    found = {type(trial.fault.kind): trial.name for trial in reversed(read_scenario(SCENARIO, list(Reason)).trials)}
    return list(reversed(found.values()))


def _wardgate(*arguments: str, seconds: float) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "wardgate", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=seconds)


def _chaos(
    tmp_path: Path, calls: int, names: Sequence[str], seconds: float, scenario: Path = SCENARIO
) -> list[dict[str, Any]]:
    """All figures; fails with what the command said where something was not as expected."""
    figures = tmp_path / "chaos.json"
    only = [argument for name in names for argument in ("--only", name)]
    done = _wardgate("chaos", str(scenario), "--calls", str(calls), "--json", str(figures), *only, seconds=seconds)
    assert done.returncode == 0, f"{done.stdout[-4000:]}\n{done.stderr[-2000:]}"
    results: list[dict[str, Any]] = json.loads(figures.read_text())
    return results


def test_no_fault_makes_anybody_wait(tmp_path: Path, pytestconfig: pytest.Config) -> None:
    """0 late, 0 invalid, every outcome with the reason that the fault deserves, and well again afterwards."""
    proof = pytestconfig.getoption("--hypothesis-profile") == "proof"
    names = [] if proof else _one_of_each_kind()
    calls = 400 if proof else 24
    results = _chaos(tmp_path, calls, names, seconds=1200 if proof else 180)
    assert len(results) >= 25 and all(result["calls"] == calls for result in results)
    assert [result for result in results if result["late"] or result["invalid"] or result["broken"]] == []
    assert all(sum(result["endings"].values()) == calls for result in results)


def test_whatever_redis_does_no_call_fails(tmp_path: Path, pytestconfig: pytest.Config) -> None:
    """Every call shows its card by the model, as if Redis were not there; the proof tries more faults, and longer."""
    proof = pytestconfig.getoption("--hypothesis-profile") == "proof"
    names = [] if proof else ["refused", "hang", "garbage", "flapping port"]
    results = _chaos(tmp_path, 400 if proof else 40, names, 900 if proof else 120, REDIS)
    assert [result for result in results if result["late"] or result["invalid"]] == []
    redis = [result for result in results if result["target"] == "redis"]
    assert len(redis) >= 4
    assert all(result["endings"] == {"shown/threshold_met/model": result["calls"]} for result in redis)


def test_an_expectation_that_is_not_met_is_exit_1(tmp_path: Path) -> None:
    """Named below the table; the figures are written nevertheless."""
    scenario, figures = tmp_path / "scenario.yaml", tmp_path / "chaos.json"
    faults = "{target: model, fault: status, with: {status: 404}, calls: 5, expect: [threshold_met]}"
    scenario.write_text(f"service: kidney-failure\npatients: [advanced-05]\nfaults: [{faults}]\n")
    done = _wardgate("chaos", str(scenario), "--json", str(figures), seconds=60)
    assert done.returncode == 1, done.stderr
    assert "status 404 on model: 5 calls ended with model_refused" in done.stdout
    assert "1 not as expected" in done.stdout
    assert json.loads(figures.read_text())[0]["endings"] == {"unavailable/model_refused/none": 5}


def test_a_scenario_that_cannot_be_run_is_a_sentence(tmp_path: Path) -> None:
    """Exit 2, and nothing is started for it."""
    done = _wardgate("chaos", str(tmp_path / "none.yaml"), seconds=20)
    assert (done.returncode, done.stdout) == (2, "")
    assert "cannot be read" in done.stderr and "Traceback" not in done.stderr
    done = _wardgate("chaos", str(SCENARIO), "--only", "sneeze", seconds=20)
    assert done.returncode == 2 and "there is no fault named sneeze" in done.stderr


def test_a_load_of_the_demo(tmp_path: Path) -> None:
    """Every call answered and counted, by a mix of kinds; figures and picture are written."""
    mix, figures, picture = (tmp_path / name for name in ("mix.yaml", "load.json", "load.svg"))
    recorded = {"hook": "patient-view", "context": {"userId": "Practitioner/a", "patientId": "advanced-05"}}
    (tmp_path / "recorded.json").write_text(json.dumps(recorded))
    mix.write_text(
        "- {service: kidney-failure, patients: [advanced-05, no-uacr], weight: 2}\n"
        "- {service: deterioration, patients: [ward-sepsis], prefetch: false}\n"
        "- {service: kidney-failure, body: recorded.json}\n"
    )
    out = ("--out", str(figures), "--out", str(picture))
    done = _wardgate("load", "--demo", "--rate", "60", "--duration", "1s", "--mix", str(mix), *out, seconds=60)
    assert done.returncode == 0, done.stderr
    document = json.loads(figures.read_text())
    assert document["calls"] == 60 and document["unanswered"] == 0
    assert set(document["statuses"]) == {"200", "412"}, "the recorded call sends no prefetch, and names no FHIR server"
    assert sum(count for _, count in document["from_due_ms"]["buckets"]) == 60
    assert "deferred/input_missing" in document["outcomes"]
    assert picture.read_text().startswith("<svg")
    assert "60 calls in" in done.stdout and "advanced" not in done.stdout


def test_a_load_on_nobody_is_a_sentence() -> None:
    """Exit 2, and what to do."""
    done = _wardgate("load", "http://127.0.0.1:9", "--patient", "p", "--duration", "1s", seconds=20)
    assert done.returncode == 2 and "No gateway answers at http://127.0.0.1:9." in done.stderr
