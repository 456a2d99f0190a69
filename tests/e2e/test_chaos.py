"""Law 1 under the shipped faults: nobody waits beyond deadline + 50 ms, every answer is one, every reason is deserved.

`make check` tries one fault of each kind with 24 calls, `make proof` all of them with 400.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.processes import wardgate
from wardgate.domain.outcomes import Reason
from wardgate.lab.chaos.scenario import read_scenario

SCENARIO = Path(__file__).parents[2] / "config" / "demo" / "chaos.yaml"
REDIS = SCENARIO.with_name("chaos-redis.yaml")


def _one_of_each_kind() -> list[str]:
    """The names of the first fault of each kind, on whichever dependency it is."""
    found = {type(trial.fault.kind): trial.name for trial in reversed(read_scenario(SCENARIO, list(Reason)).trials)}
    return list(reversed(found.values()))


def _chaos(
    tmp_path: Path, calls: int, names: Sequence[str], seconds: float, scenario: Path = SCENARIO
) -> list[dict[str, Any]]:
    """All figures; fails with what the command said where something was not as expected."""
    figures = tmp_path / "chaos.json"
    only = [argument for name in names for argument in ("--only", name)]
    done = wardgate("chaos", str(scenario), "--calls", str(calls), "--json", str(figures), *only, seconds=seconds)
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
