"""Scenario files: what is wrong with one is a sentence, and the one that is shipped is whole."""

from pathlib import Path

import pytest

from wardgate.domain.outcomes import Reason
from wardgate.lab.chaos.kinds import KINDS
from wardgate.lab.chaos.kinds.connections import Latency
from wardgate.lab.chaos.scenario import Scenario, ScenarioError, read_scenario

ROOT = Path(__file__).parents[3]
_HEAD = "service: s\npatients: [p]\nfaults:\n"
_OWN = "gateway: {url: http://127.0.0.1:1, fhir: http://127.0.0.1:2}\ntargets: {cache: {listen: 0, to: redis://127.0.0.1:3}}\n"


def _read(tmp_path: Path, text: str, calls: int | None = None) -> Scenario:
    path = tmp_path / "scenario.yaml"
    path.write_text(text, encoding="utf-8")
    return read_scenario(path, list(Reason), calls)


def test_the_shipped_one_has_what_the_proof_needs() -> None:
    """At least 25 kinds, of both of the demo's dependencies; each name once, so that --only means one."""
    scenario = read_scenario(ROOT / "config" / "demo" / "chaos.yaml", list(Reason))
    assert len({type(trial.fault.kind) for trial in scenario.trials}) >= 25
    assert {trial.target for trial in scenario.trials} == {"model", "fhir"}
    named = [(trial.target, trial.name) for trial in scenario.trials]
    assert len(set(named)) == len(named)


def test_what_stands_at_the_top_holds_for_each_fault_that_does_not_say_otherwise(tmp_path: Path) -> None:
    """Calls, rate, prefetch, patients; and the command's --calls above all."""
    faults = (
        "  - {target: model, fault: hang, expect: [model_timeout]}\n"
        "  - {target: fhir, fault: latency, with: {uniform: [1ms, 2ms]}, expect: [threshold_met], calls: 3, rate: 5,"
        " prefetch: [labs], patients: [q], cards: any, recovery: 1s, flap: {down: 1s, up: 2s}}\n"
    )
    first, second = _read(tmp_path, f"calls: 7\nrate: 9\n{_HEAD}{faults}").trials
    assert (first.calls, first.rate, first.prefetch, first.patients, first.cards) == (7, 9, True, ("p",), "same")
    assert (second.calls, second.rate, second.prefetch, second.patients) == (3, 5, ("labs",), ("q",))
    assert (second.name, second.cards, second.recovery) == ("latency 1ms to 2ms", "any", 1.0)
    assert second.fault.kind == Latency(uniform=("1ms", "2ms")) and second.fault.flap == (1.0, 2.0)
    assert [trial.calls for trial in _read(tmp_path, _HEAD + faults, calls=2).trials] == [2, 2]


def test_a_gateway_of_one_s_own_names_its_targets(tmp_path: Path) -> None:
    """Under whatever names; raw TCP as well."""
    scenario = _read(tmp_path, _OWN + _HEAD + "  - {target: cache, fault: hang, expect: [threshold_met]}")
    assert scenario.gateway is not None and scenario.targets["cache"].to == "redis://127.0.0.1:3"


@pytest.mark.parametrize(
    "text, said",
    [
        ("faults: [", "while parsing"),
        ("service: s", "missing required field"),
        (_HEAD + "  - {target: model, fault: hang, expect: [model_timeout], twice: 1}", "twice"),
        (_HEAD + "  - {target: model, fault: sneeze, expect: [model_timeout]}", "no fault 'sneeze'; there are refused"),
        (_HEAD + "  - {target: model, fault: hang, expect: [late]}", "not late"),
        (_HEAD + "  - {target: model, fault: hang, expect: []}", "not nothing"),
        (_HEAD + "  - {target: redis, fault: hang, expect: [model_timeout]}", "the targets are fhir, model"),
        (_HEAD + "  - {target: model, fault: status, with: {status: 99}, expect: [model_error]}", "200 to 599"),
        (_HEAD + "  - {target: model, fault: latency, with: {fixed: 1 h}, expect: [model_error]}", "not a duration"),
        (_HEAD + "  - {target: model, fault: hang, with: {for: 1s}, expect: [model_timeout]}", "unknown field `for`"),
        (_HEAD + "  - {target: model, fault: refused, share: 0.5, expect: [model_unreachable]}", "use flap"),
        (_HEAD + "  - {target: model, fault: hang, share: 2, expect: [model_timeout]}", "at most 1"),
        (_OWN + _HEAD + "  - {target: cache, fault: page, expect: [threshold_met]}", "raw bytes"),
        (_OWN.split("\n")[1] + "\n" + _HEAD + "  - {target: model, fault: hang, expect: [deadline]}", "name it under"),
    ],
)
def test_what_is_wrong_is_said(text: str, said: str, tmp_path: Path) -> None:
    """With the file's name, before anything is started."""
    with pytest.raises(ScenarioError, match="scenario.yaml: ") as caught:
        _read(tmp_path, text)
    assert said in str(caught.value)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    """A sentence too."""
    with pytest.raises(ScenarioError, match="cannot be read"):
        read_scenario(tmp_path / "none.yaml", [])


def test_every_kind_is_in_the_docs_and_none_besides() -> None:
    """docs/chaos.md has a row for each."""
    text = (ROOT / "docs" / "chaos.md").read_text(encoding="utf-8")
    table = text.split("### Kinds")[1].split("## Load")[0]
    rows = {line.split("`")[1] for line in table.splitlines() if line.startswith("| `")}
    assert rows == set(KINDS)
