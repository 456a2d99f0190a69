"""The story of a card, from its call to what became of the patient: the commands of docs/story.md, on a real demo."""

import base64
import io
import json
import re
import shutil
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest

from tests.fakes.processes import PATIENCE, ask, free_port
from wardgate.cli.app import run
from wardgate.gateway.replay import Capture
from wardgate.records.story import Stories, Story

DEMO = Path(__file__).parents[2] / "config" / "demo"
SERVICE = "kidney-failure"


class Done(NamedTuple):
    returncode: int
    stdout: str
    stderr: str


@dataclass
class Site:
    """A demo with a pseudonym key of its own, so that its store can be read offline as well."""

    scratch: Path
    urls: dict[str, str]

    @property
    def config(self) -> str:
        (config,) = self.scratch.glob("wardgate-demo-*/config")
        return str(config)

    def run(self, *arguments: str) -> Done:
        """A command as typed in another terminal, in this process: a start of Python takes longer than most of them."""
        out, err = _Captured(), _Captured()
        with redirect_stdout(out), redirect_stderr(err):
            code = run(arguments)
        return Done(code, out.text(), err.text())

    def told(self, *arguments: str) -> str:
        done = self.run(*arguments)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def card(self, patient: str = "advanced-05") -> dict[str, Any]:
        """Request and response of a call that has a card."""
        made: dict[str, Any] = json.loads(self.told("call", SERVICE, "--patient", patient, "--json"))
        return made

    def story(self, name: str, enough: Callable[[Story], bool] = lambda story: True) -> Story:
        """Over the admin API, once the spool has handed it on."""
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until:
            done = self.run("trace", name, "--json")
            if done.returncode == 0:
                (story,) = msgspec.json.decode(done.stdout, type=Stories).stories
                if enough(story):
                    return story
            time.sleep(0.2)
        raise AssertionError("the record did not come")


class _Captured(io.TextIOWrapper):
    def __init__(self) -> None:
        super().__init__(io.BytesIO(), encoding="utf-8", newline="\n", write_through=True)

    def text(self) -> str:
        self.flush()
        raw = self.buffer
        assert isinstance(raw, io.BytesIO)
        return raw.getvalue().decode()


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    scratch = tmp_path_factory.mktemp("story")
    config = scratch / "mine"
    shutil.copytree(DEMO, config)
    with (config / "wardgate.yaml").open("a") as file:
        file.write("\npseudonym_key: {env: WARDGATE_PSEUDONYM_KEY}\n")
    key = base64.b64encode(b"k" * 32).decode()
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(tempfile, "tempdir", str(scratch))
        for name, value in (("TMPDIR", str(scratch)), ("COLUMNS", "100"), ("WARDGATE_PSEUDONYM_KEY", key)):
            patched.setenv(name, value)
        yield from _running(scratch, config)


def _running(scratch: Path, config: Path) -> Iterator[Site]:
    command = ["demo", "--port", str(free_port()), "--no-browser", "--config", str(config / "wardgate.yaml")]
    process = subprocess.Popen(
        [sys.executable, "-m", "wardgate", *command],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout is not None
    lines = [process.stdout.readline().split() for _ in range(6)]
    assert lines[5] == ["ready"]
    yield Site(scratch, {name: url for name, url in lines[:5]})
    process.terminate()
    process.communicate(timeout=PATIENCE)


@pytest.fixture(scope="module")
def captured(site: Site) -> Path:
    """A call that the gateway reads nearly all of the data for."""
    file = site.scratch / "capture.json"
    told = site.told("call", SERVICE, "--patient", "advanced-05", "--no-prefetch", "--capture", str(file))
    assert "3 FHIR reads" in " ".join(told.split())
    assert "own answer comes of it, byte for byte" in " ".join(told.split())
    return file


def test_from_the_call_to_what_became_of_the_patient(site: Site) -> None:
    """Traced by its card, with feedback and outcome as they come home; counted in the figures."""
    call = site.card()
    card = call["response"]["cards"][0]
    story = site.story(card["uuid"])
    record = story.decision
    assert (record.outcome, record.site_id, record.user_role) == ("shown", "demo", "practitioner")
    assert record.card_uuids == (card["uuid"],)
    assert {fact.name for fact in record.inputs} >= {"egfr", "uacr", "age"}
    assert story.ranges["egfr"] == "below 15 mL/min/{1.73_m2}"
    assert set(record.stages_ms) == {"gather", "extract", "predict", "render"}

    report = {"card": card["uuid"], "outcome": "overridden", "outcomeTimestamp": _after(seconds=2)}
    reason = card["overrideReasons"][0]
    report["overrideReason"] = {"reason": {"code": reason["code"], "system": reason["system"]}}
    assert ask(f"{site.urls['gateway']}/cds-services/{SERVICE}/feedback", {"feedback": [report]})[0] == 200
    rows = site.scratch / "outcomes.csv"
    rows.write_text(f"patient,label,value,time\nadvanced-05,kidney_failure,1,{_after(seconds=2)}\n")
    load = ("outcomes", "load", str(rows), "--fhir-server", site.urls["fhir"])
    assert "1 new" in site.told(*load)
    assert "already loaded on" in site.told(*load)

    story = site.story(call["request"]["hookInstance"], lambda story: bool(story.reports))
    (reported,) = story.reports
    assert (reported.entry.outcome, reported.entry.override_code) == ("overridden", reason["code"])
    assert story.outcome == 1.0
    figures = ask(f"{site.urls['admin']}/admin/v1/feedback?service={SERVICE}")[1]["releases"]
    assert figures[0]["overridden"] == 1


def test_the_story_fits_a_terminal(site: Site) -> None:
    """In words, without a value of the patient, and without colour where none is wanted."""
    call = site.card("advanced-03")
    name = call["response"]["cards"][0]["uuid"]
    site.story(name)
    told = site.told("trace", name)
    for part in ("kidney-failure · patient-view", "The score reaches the threshold", "insecure_demo", "stages", name):
        assert part in told
    assert "\x1b" not in told
    assert max(map(len, told.splitlines())) <= 100
    person = call["request"]["prefetch"]["patient"]
    for value in (person["name"][0]["family"], person["birthDate"], person["id"]):
        assert value not in told


def test_the_same_story_offline(site: Site) -> None:
    """From the store itself, by its configuration; each look is on the access log with its user."""
    name = site.card("advanced-03")["response"]["cards"][0]["uuid"]
    story = site.story(name)
    offline = msgspec.json.decode(site.told("trace", name, "--json", "--config", site.config), type=Stories)
    assert offline.stories == (story,)


def test_everybody_who_was_shown_a_card(site: Site) -> None:
    """As a summary, and all of them in a file for the EHR to look up."""
    name = site.card("advanced-02")["response"]["cards"][0]["uuid"]
    story = site.story(name)
    csv = site.scratch / "affected.csv"
    told = site.told("affected", "--release", "kidney-failure@1.0.0", "--csv", str(csv))
    assert str(story.decision.release_digest) in told and "demo" in told
    assert stat.S_IMODE(csv.stat().st_mode) == 0o600
    assert story.decision.decision_id in csv.read_text()
    again = site.run("affected", "--release", "kidney-failure@1.0.0", "--csv", str(csv))
    assert again.returncode == 1 and "File exists" in again.stderr


def test_decisions_are_exported_with_what_came_home(site: Site) -> None:
    """Every decision a line, over the API and offline alike."""
    name = site.card()["response"]["cards"][0]["uuid"]
    story = site.story(name)
    one, other = site.scratch / "one.ndjson", site.scratch / "other.ndjson"
    span = ("--to", _at(story.decision.at + 0.001))
    site.told("export", "decisions", str(one), *span)
    site.told("export", "decisions", str(other), *span, "--config", site.config)
    assert one.read_bytes() == other.read_bytes()
    assert story.decision.decision_id in one.read_text()


def test_a_capture_proves_the_same_card(site: Site, captured: Path) -> None:
    """Byte for byte, with the fingerprints of the record; for its owner alone, and never over another file."""
    assert stat.S_IMODE(captured.stat().st_mode) == 0o600
    told = site.told("replay", "--capture", str(captured), "--config", site.config)
    assert "The same answer, byte for byte" in told
    for part in ("request", "resources", "reply"):
        assert f"fingerprint of the {part} fits" in told
    again = site.run("call", SERVICE, "--patient", "advanced-05", "--capture", str(captured))
    assert again.returncode == 1 and "is there already" in again.stderr


def test_a_replay_names_the_first_difference(site: Site, captured: Path) -> None:
    """Another value in the chart, another reply of the model, another threshold: each at its own stage."""
    whole = msgspec.json.decode(captured.read_bytes(), type=Capture)
    reads = [
        msgspec.structs.replace(read, body=re.sub(rb'"value": ?12\b', b'"value":13', read.body))
        for read in whole.reads
        if read.body is not None
    ]
    (asked,) = whole.asked
    start, _, rest = asked.reply.partition(b'"data":')
    number = rest.lstrip(b" [").split(b"]")[0].split(b",")[0]
    reply = start + b'"data":' + rest.replace(number, b"0.5", 1)
    for changed, stage, part in (
        (msgspec.structs.replace(whole, reads=tuple(reads)), "extract", "resources"),
        (msgspec.structs.replace(whole, asked=(msgspec.structs.replace(asked, reply=reply),)), "predict", "reply"),
    ):
        told = _replayed(site, changed, site.config)
        assert f"The first difference: {stage} · " in told
        assert f"fingerprint of the {part} DOES NOT FIT" in told
    other = site.scratch / "other-config"
    shutil.copytree(site.config, other)
    service = other / "services" / "kidney-failure.yaml"
    service.write_text(service.read_text().replace("threshold: {default: 0.01}", "threshold: {default: 0.02}"))
    told = _replayed(site, whole, str(other))
    assert "Another release than then" in told and "The first difference: decide · threshold" in told


def _replayed(site: Site, capture: Capture, config: str) -> str:
    file = site.scratch / "changed.json"
    file.write_bytes(msgspec.json.encode(capture))
    done = site.run("replay", "--capture", str(file), "--config", config)
    assert done.returncode == 1, done.stdout + done.stderr
    return done.stdout


def _after(**span: float) -> str:
    return (datetime.now(UTC) + timedelta(**span)).strftime("%Y-%m-%dT%H:%M:%SZ")  # noqa: TID251


def _at(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat()
