"""The one list, and what happens to everything that is not on it."""

import ast
import subprocess
import sys
from pathlib import Path
from typing import Any, get_args
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes.gateway import DEMO
from wardgate.adapters.files.catalog import load
from wardgate.adapters.http.client import HttpFailure
from wardgate.adapters.http.fhir import ReadFailure
from wardgate.adapters.otel.collector import Taken
from wardgate.adapters.sql.postgres import Postgres
from wardgate.adapters.sql.sqlite import Sqlite
from wardgate.domain.attributes import ATTRIBUTES, FAULT_STAGES, OTHER, Configured, Loss, Measured, Sink, Words
from wardgate.domain.clients import Client
from wardgate.domain.context.caller import AttributeSpec
from wardgate.domain.context.record import Dropped
from wardgate.domain.guard import Guard, configured_names
from wardgate.domain.hot import HotState, Refusal
from wardgate.domain.outcomes import Outcome, Reason
from wardgate.domain.spool import SpoolState
from wardgate.domain.token_faults import Fetched, TokenFault
from wardgate.gateway.proof import Proof
from wardgate.records.archive import Kind, Trouble
from wardgate.resilience.breaker import State
from wardgate.settings import File

ROOT = Path(__file__).parents[3]


class Heard:
    def __init__(self, known: dict[str, frozenset[str]] | None = None) -> None:
        self.lost: list[tuple[Sink, Loss, int]] = []
        self.guard = Guard(known)
        self.guard.tell(lambda sink, loss, count: self.lost.append((sink, loss, count)))

    def value(self, name: str, value: object) -> object:
        return self.guard.value(Sink.LOGS, name, value)


def test_a_name_that_is_not_listed_is_dropped_and_counted() -> None:
    """Whatever its value is."""
    heard = Heard()
    assert heard.value("patient_name", "Maria Muster") is None
    assert heard.lost == [(Sink.LOGS, Loss.UNLISTED, 1)]


@pytest.mark.parametrize(
    ("name", "value", "left"),
    [
        ("outcome", Outcome.SHOWN, "shown"),
        ("outcome", "Maria Muster", OTHER),
        ("reason", Reason.DEADLINE, "deadline"),
        ("service_id", "ckd", "ckd"),
        ("service_id", "unknown", "unknown"),
        ("service_id", "Maria Muster", OTHER),
        ("site_id", "ward_7", OTHER),
        ("latency_ms", 12.5, 12.5),
        ("repeated", True, True),
        ("release_digest", "sha256:" + "0" * 64, "sha256:" + "0" * 64),
        ("error_class", "ValueError", "ValueError"),
        ("where", "gateway/layers.py:128", "gateway/layers.py:128"),
    ],
)
def test_a_value_of_the_list_leaves_and_another_one_becomes_other(name: str, value: object, left: object) -> None:
    """Nothing of it counts as dropped: a count stays a count."""
    heard = Heard({"service_id": frozenset({"ckd"})})
    assert heard.value(name, value) == left and not heard.lost
    assert type(heard.value(name, value)) in (str, float, bool), "no enum reaches an encoder"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("outcome", 17),
        ("service_id", b"ckd"),
        ("latency_ms", "12"),
        ("latency_ms", True),
        ("latency_ms", float("nan")),
        ("latency_ms", float("inf")),
        ("latency_ms", 10**400),
        ("latency_ms", -1),
        ("repeated", "yes"),
        ("release_digest", "sha256:Maria"),
        ("decision_id", "4711"),
        ("error_class", "Maria Muster"),
        ("where", "Maria Muster:1"),
        ("where", "gateway/layers.py:128\nMaria"),
        ("worker", 4711_000),
        ("outcome", None),
    ],
)
def test_what_a_name_cannot_have_is_dropped_and_counted(name: str, value: object) -> None:
    """A wrong type, a number out of bounds, an id in another form."""
    heard = Heard()
    assert heard.value(name, value) is None
    assert heard.lost == [(Sink.LOGS, Loss.VALUE, 1)]


@given(st.sampled_from(sorted(ATTRIBUTES)), st.text() | st.integers() | st.floats() | st.binary() | st.none())
def test_no_value_gets_out_but_those_of_the_list(name: str, value: Any) -> None:
    """Closed sets, numbers within bounds, and forms without a blank: there is no way for a sentence."""
    left = Heard().value(name, value)
    match ATTRIBUTES[name].kind:
        case Words(words):
            assert left is None or left in (*words, OTHER)
        case Configured(besides):
            assert left is None or left in (*besides, OTHER)
        case Measured(low, high):
            assert left is None or (isinstance(left, int | float) and low <= left <= high)
        case None:
            assert left is None or left is True or left is False
        case _:
            assert left is None or (isinstance(left, str) and " " not in left and left == value)


def test_every_name_of_a_configuration_is_known() -> None:
    """What the demo's files give: none of it may become `other`."""
    catalog = load(DEMO).catalog
    client = Client("demo", frozenset(), (), "demo", ZoneInfo("UTC"))
    guard = Guard(
        configured_names(catalog, [client], [AttributeSpec("unit", "Encounter", "class.code", {"IMP": "w1"})])
    )
    for plan in catalog.plans():
        assert guard.value(Sink.METRICS, "service_id", plan.id) == plan.id
        for release in plan.releases.values():
            names = [("model_name", release.model), ("model_version", release.version)]
            names += [("feature", spec.name) for spec in release.extractor.schema.features]
            names += [("score_band", band.name) for band in release.rules.bands]
            names += [("question", str(number)) for number in range(1, len(release.rules.defer) + 1)]
            names += [("question", exclusion.name) for exclusion in release.rules.exclusions]
            for name, value in names:
                assert guard.value(Sink.METRICS, name, value) == value
    assert guard.value(Sink.TRACES, "unit", "w1") == "w1" and guard.value(Sink.TRACES, "site_id", "demo") == "demo"


def test_what_was_known_stays_known() -> None:
    """A call ends in the configuration in which it began."""
    guard = Guard({"service_id": frozenset({"old"})})
    guard.know({"service_id": frozenset({"new"})})
    assert [guard.value(Sink.LOGS, "service_id", name) for name in ("old", "new", "none")] == ["old", "new", OTHER]


def test_every_stage_that_a_fault_is_noted_under_is_listed() -> None:
    """Else its log line and its metric would say `other`."""
    named = set()
    for file in (ROOT / "src").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "fault":
                if node.args and isinstance(node.args[0], ast.Constant):
                    named.add(node.args[0].value)
    assert named and named == set(FAULT_STAGES)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("state", {*State, *Trouble, *SpoolState, *HotState, "unreadable", "set_aside", "rewritten"}),
        ("proof", {*Proof}),
        ("kind", {*Kind, Sqlite.kind, Postgres.kind}),
        ("result", {*Taken, *Reason, *TokenFault, *Fetched, "passed", "accepted"}),
        ("cause", {*Dropped, *HttpFailure, *ReadFailure, *Refusal, *Loss, "foreign_action"}),
        ("environment", set(get_args(File.model_fields["environment"].annotation))),
    ],
)
def test_words_of_other_rings_are_listed(name: str, words: set[str]) -> None:
    """The list cannot import them; none may become `other`, and none may be left over."""
    kind = ATTRIBUTES[name].kind
    assert isinstance(kind, Words) and set(kind.words) == {str(word) for word in words}


PLANTED = """
from wardgate.adapters.logs.events import EventLog
from wardgate.domain.attributes import Attributes
from wardgate.domain.outcomes import Outcome

named: Attributes = {"outcome": Outcome.SHOWN, "patient_name": "Maria Muster"}
named["reason"] = "because Maria said so"
EventLog().event("proof", patient="p1")
EventLog().event("a_patient_came")
EventLog().event("fault", error_class=str(ValueError("Maria Muster")))
"""


def test_the_type_checker_refuses_what_is_not_listed(tmp_path: Path) -> None:
    """Each of the planted lines is an error, in the words of mypy."""
    file = tmp_path / "planted.py"
    file.write_text(PLANTED, encoding="utf-8")
    command = [sys.executable, "-m", "mypy", "--strict", "--no-incremental", "--follow-imports=silent", str(file)]
    told = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env={"MYPYPATH": "src", "PATH": ""})
    errors = [line.split(": error: ")[1] for line in told.stdout.splitlines() if ": error: " in line]
    assert [error.rpartition("[")[2].rstrip("]") for error in errors] == [
        "typeddict-unknown-key",
        "typeddict-item",
        "call-arg",
        "arg-type",
        "arg-type",
    ], told.stdout
