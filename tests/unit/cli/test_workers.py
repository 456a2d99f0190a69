"""What the parent makes of its workers' words."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from wardgate.adapters.prometheus.meter import PrometheusMeter
from wardgate.adapters.prometheus.workers import WorkerMeter, merged
from wardgate.cli.agreement import agreed, circuits_of, errors_of
from wardgate.cli.worker_process import pause
from wardgate.domain.findings import Finding
from wardgate.domain.guard import Guard
from wardgate.web.admin import Circuit


def state(proof: str = "passed", digest: str = "sha256:00") -> dict[str, Any]:
    return {"mode": "active", "champion": "1", "digest": digest, "proof": proof}


def test_workers_that_agree_are_told_as_one() -> None:
    """The same answer as of a single process."""
    assert agreed({1: {"a": state()}, 2: {"a": state()}}) == {"a": state()}
    assert agreed({}) == {}


def test_workers_that_differ_are_told_apart_with_the_worst_proof() -> None:
    """Also where one of them does not have the service."""
    said = agreed({1: {"a": state(), "b": state()}, 2: {"a": state("probe_failed")}, 3: {"a": state("probe_pending")}})
    assert said["a"]["proof"] == "probe_failed"
    assert said["a"]["workers"] == {"1": state(), "2": state("probe_failed"), "3": state("probe_pending")}
    assert said["b"]["workers"] == {"1": state()}


def test_each_worker_says_of_each_circuit_what_it_has() -> None:
    """Where they differ, or one says nothing, that is told."""
    closed = [["a", "1", "closed"], ["b", "1", "open"]]
    assert circuits_of({}) == {}
    assert circuits_of({1: closed, 2: closed})["a", "1"] == Circuit("closed", {"1": "closed", "2": "closed"})
    differ = circuits_of({1: closed, 2: [["a", "1", "isolated"]], 3: None})
    assert differ["a", "1"] == Circuit("mixed", {"1": "closed", "2": "isolated", "3": "no_answer"})
    assert differ["b", "1"].workers == {"1": "open", "2": "no_answer", "3": "no_answer"}


WRONG = {"file": "a.yaml", "line": 1, "key": "k", "what": "wrong", "remedy": "mend it", "warning": False}
SOUND = {"errors": [], "digest": "sha256:00"}


@pytest.mark.parametrize(
    ("said", "whats"),
    [
        ([SOUND, SOUND], []),
        ([{"errors": [WRONG], "digest": ""}] * 2, ["wrong"]),
        ([SOUND, {"errors": [], "digest": "sha256:01"}], ["the workers have not read the same"]),
        ([SOUND, None], ["the workers have not read the same"]),
        ([], ["the workers have not read the same"]),
    ],
)
def test_a_reload_is_for_all_or_for_none(said: list[Any], whats: list[str]) -> None:
    """Each error once; an edit between two readings, or a worker that is away, is one too."""
    errors = errors_of(said)
    assert [error.what for error in errors] == whats
    assert all(isinstance(error, Finding) for error in errors)


@given(st.integers(1, 10_000))
def test_pauses_grow_and_are_bounded(deaths: int) -> None:
    """A worker that always dies must not cost a core."""
    assert 0.1 <= pause(deaths) <= pause(deaths + 1) <= 10


def test_metrics_of_all_workers_are_one_sound_exposition() -> None:
    """Every sample of every worker with its number, whatever stands in a label; each family once."""
    guard = Guard({"service_id": frozenset({'a"b{c}'})})
    meters = {1: PrometheusMeter(guard), 2: PrometheusMeter(guard)}
    for number, meter in meters.items():
        for _ in range(number):
            meter.call_ended('a"b{c}', "patient-view", "active", "champion", "shown", "no_threshold", "model", 0.01)
    texts = {number: meter.exposition()[0].decode() for number, meter in meters.items()}
    parent = WorkerMeter()
    parent.up(2)
    parent.lost(3)
    families = list(text_string_to_metric_families(parent.exposition(texts)[0].decode()))
    assert len({family.name for family in families}) == len(families)
    by_name = {family.name: family for family in families}
    calls = [s for s in by_name["wardgate_calls"].samples if s.name == "wardgate_calls_total"]
    assert {(s.labels["worker"], s.labels["service_id"], s.value) for s in calls} == {
        ("1", 'a"b{c}', 1.0),
        ("2", 'a"b{c}', 2.0),
    }
    plain = {s.name: s.value for f in families for s in f.samples if not s.labels}
    assert plain["wardgate_workers_up"] == 2 and plain["wardgate_workers_lost_total"] == 1
    assert plain["wardgate_calls_lost_total"] == 3
    for number, text in texts.items():
        alone = merged({number: text})
        assert alone.count("\n") == text.count("\n")
        assert alone.replace(f'{{worker="{number}",', "{").replace(f'{{worker="{number}"}}', "") == text
