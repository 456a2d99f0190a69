"""`wardgate chaos` and `wardgate load` as commands: what they say, write and end with. What chaos finds is in
test_chaos.py, which has the machine to itself."""

import json
from pathlib import Path

from tests.fakes.processes import PATIENCE, wardgate

SCENARIO = Path(__file__).parents[2] / "config" / "demo" / "chaos.yaml"


def test_an_expectation_that_is_not_met_is_exit_1(tmp_path: Path) -> None:
    """Named below the table; the figures are written nevertheless."""
    scenario, figures = tmp_path / "scenario.yaml", tmp_path / "chaos.json"
    faults = "{target: model, fault: status, with: {status: 404}, calls: 5, expect: [threshold_met]}"
    scenario.write_text(f"service: kidney-failure\npatients: [advanced-05]\nfaults: [{faults}]\n")
    done = wardgate("chaos", str(scenario), "--json", str(figures), seconds=2 * PATIENCE)
    assert done.returncode == 1, done.stderr
    assert "status 404 on model: 5 calls ended with model_refused" in done.stdout
    assert "1 not as expected" in done.stdout
    assert json.loads(figures.read_text())[0]["endings"] == {"unavailable/model_refused/none": 5}


def test_a_scenario_that_cannot_be_run_is_a_sentence(tmp_path: Path) -> None:
    """Exit 2, and nothing is started for it."""
    done = wardgate("chaos", str(tmp_path / "none.yaml"), seconds=PATIENCE)
    assert (done.returncode, done.stdout) == (2, "")
    assert "cannot be read" in done.stderr and "Traceback" not in done.stderr
    done = wardgate("chaos", str(SCENARIO), "--only", "sneeze", seconds=PATIENCE)
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
    done = wardgate("load", "--demo", "--rate", "60", "--duration", "1s", "--mix", str(mix), *out, seconds=2 * PATIENCE)
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
    done = wardgate("load", "http://127.0.0.1:9", "--patient", "p", "--duration", "1s", seconds=PATIENCE)
    assert done.returncode == 2 and "No gateway answers at http://127.0.0.1:9." in done.stderr
