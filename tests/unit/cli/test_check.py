"""`wardgate check`: what it prints and how it exits."""

import io
import subprocess
import sys
from pathlib import Path

import pytest

from tests.fakes.config_tree import FILES, sound_config
from tests.fakes.governed import GovernedHouse
from tests.fakes.tokens import ISSUER, ec_signer, key_set
from wardgate.cli import app
from wardgate.cli.check import examine, run, show_findings


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that a user stands in."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


_CONFIG = Path("config/wardgate.yaml")


def test_a_sound_configuration_prints_its_digest(here: Path) -> None:
    """One line for the whole, one for each release."""
    sound_config(here)
    out = io.StringIO()

    assert run(_CONFIG, out) == 0
    first, second, third = out.getvalue().splitlines()
    assert first == "config/wardgate.yaml: sound: 1 service, 1 release"
    assert second.startswith("  kidney-failure 1.0.0 (active) sha256:")
    assert third == "approvals and evidence: none are asked for, under insecure_demo"


def test_what_governance_demands_is_explained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """For each service; with what it takes until the file holds."""
    policy = """\
tiers:
  high:
    silent: {approvals: [{role: approver-technical}], evidence: {shadow_days: 7}, exception: true}
    active: {approvals: [{role: approver-clinical, number: 2}], four_eyes: true}
"""
    house, out = GovernedHouse(tmp_path, monkeypatch, policy), io.StringIO()
    house.close()
    assert run(house.config, out) == 0
    head, *lines = out.getvalue().splitlines()[2:]
    assert head.startswith("approvals and evidence, by governance.yaml (") and "`wardgate approve governance`" in head
    assert lines == [
        "  kidney-failure, tier high",
        "    shadow  nothing more",
        "    silent  1 technical; shadow_days ≥ 7; evidence may be excepted",
        "    canary  nothing more",
        "    active  2 clinical (not the author)",
    ]


class _Wide(_Terminal):
    """Meets `show_findings`; wide enough that nothing is wrapped."""


@pytest.fixture
def wide(monkeypatch: pytest.MonkeyPatch) -> _Wide:
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("TERM", "dumb")
    return _Wide()


def _three_errors(here: Path) -> None:
    sound_config(
        here,
        wardgate=("port: 8081", "port: 8080"),
        service=[("egfr < 60", "egrf < 60"), ("hook: patient-view", "hook: patient-viewed")],
    )


def test_each_error_is_a_line_with_file_line_key_and_remedy(here: Path) -> None:
    """Where no terminal is: it can be searched for and sent on. The summary comes last."""
    _three_errors(here)
    out = io.StringIO()

    assert run(_CONFIG, out) == 1
    service = "config/services/kidney-failure.yaml"
    assert out.getvalue() == (
        "config/wardgate.yaml:5: admin.listen.port: the address of the EHR's listener"
        " -> give the admin listener a port of its own\n"
        f"{service}:2: hook: no hook of this name (CDS Hooks, HK-1) -> did you mean `patient-view`?\n"
        f"{service}:17: population: at column 15 of the expression: egrf is neither a feature nor a declared output"
        " -> did you mean egfr?\n"
        "\n"
        "config/wardgate.yaml: 3 errors in 2 files\n"
    )


def test_errors_stand_last(here: Path) -> None:
    """A page of warnings must not scroll the one line away that stops the start."""
    sound_config(
        here, features=("  - name: egfr\n", "  - name: egfr\n    max_missing: 0.1\n"), service=("< 60", "< sixty")
    )
    out = io.StringIO()

    assert run(_CONFIG, out) == 1
    lines = out.getvalue().splitlines()
    assert lines[0] == "warnings" and lines[1].startswith("  not active yet: ")
    assert ":17: population: " in lines[-3]


def test_on_a_terminal_errors_are_grouped_by_file(here: Path, wide: _Wide) -> None:
    """In the order of the files and, within each, from top to bottom; the summary comes last."""
    _three_errors(here)

    assert run(_CONFIG, wide) == 1
    assert wide.getvalue() == (
        "config/wardgate.yaml\n"
        "     5  admin.listen.port  the address of the EHR's listener\n"
        "                           -> give the admin listener a port of its own\n"
        "\n"
        "config/services/kidney-failure.yaml\n"
        "     2  hook        no hook of this name (CDS Hooks, HK-1)\n"
        "                    -> did you mean `patient-view`?\n"
        "    17  population  at column 15 of the expression: egrf is neither a feature nor a declared output\n"
        "                    -> did you mean egfr?\n"
        "\n"
        "config/wardgate.yaml: 3 errors in 2 files\n"
    )


def test_warnings_are_lines_that_can_be_searched_for(here: Path) -> None:
    """`not active yet: <file>:<key>`, exit 0."""
    sound_config(here, features=("  - name: egfr\n", "  - name: egfr\n    max_missing: 0.1\n"), release=("200ms", "2s"))
    out = io.StringIO()

    assert run(_CONFIG, out) == 0
    text = out.getvalue()
    place = "config/models/kidney-failure/features.yaml:features.0.max_missing"
    assert f"\n  not active yet: {place} (missing values are not watched)\n" in text
    assert "\n  config/models/kidney-failure/releases/1.0.0.yaml:8: endpoint.timeout: " in text
    assert "config/wardgate.yaml: sound, with 2 warnings: 1 service, 1 release\n" in text


@pytest.mark.parametrize(("content", "word"), [(None, "does not exist"), ("", "empty"), ("a: [", "not YAML")])
def test_a_file_that_cannot_be_read_is_one_error(here: Path, content: str | None, word: str) -> None:
    """Never a traceback."""
    if content is not None:
        sound_config(here)
        _CONFIG.write_text(content)
    out = io.StringIO()

    assert run(_CONFIG, out) == 1
    assert word in out.getvalue()
    assert out.getvalue().endswith("config/wardgate.yaml: 1 error in 1 file\n")


def test_errors_in_wardgate_yaml_do_not_hide_the_others(here: Path) -> None:
    """Its paths still lead to the other files."""
    sound_config(here, wardgate=("environment: test", "environment: moon"), service=("500ms", "5"))

    assert {finding.file for finding in examine(_CONFIG).errors} == {
        "config/wardgate.yaml",
        "config/services/kidney-failure.yaml",
    }


def test_a_terminal_gets_colours_and_wrapped_lines(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Continuation lines stand under the text, not under the line number."""
    monkeypatch.setenv("COLUMNS", "72")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    sound_config(here, card=("name: raised, from: 0.10", "name: raised, from: 0.15"))
    out = _Terminal()
    show_findings(examine(_CONFIG).findings, out)

    lines = out.getvalue().splitlines()
    assert any("\x1b[31m" in line for line in lines)
    assert len(lines) > 4
    assert all(len(line) < 72 + 12 for line in lines)


def test_a_long_key_has_a_line_of_its_own(here: Path, wide: _Wide) -> None:
    """So that no column grows beyond what a terminal shows."""
    sound_config(here, release=("{uacr: [1, 10000]}", "{a_feature_with_a_very_long_name: [1, 10000]}"))
    show_findings(examine(_CONFIG).findings, wide)

    lines = wide.getvalue().splitlines()
    assert lines[1] == "    11  endpoint.inputs.clip.a_feature_with_a_very_long_name"
    assert lines[2].lstrip() == "not an input of the model"


def test_a_folder_stands_for_the_file_in_it(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`--config config` is what people type."""
    sound_config(here)

    assert app.run(["check", "--config", "config"]) == 0
    assert capsys.readouterr().out.startswith("config/wardgate.yaml: sound")


def test_who_names_the_file_alone_is_told_what_to_type(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        app.run(["check", "config/wardgate.yaml"])
    assert ended.value.code == 2
    assert capsys.readouterr().err.endswith("--config: wardgate check --config config/wardgate.yaml\n")
    with pytest.raises(SystemExit):
        app.run(["check", "--strict"])
    assert capsys.readouterr().err.endswith("unrecognized arguments: --strict\n")


@pytest.mark.parametrize(
    ("held", "what"),
    [
        (None, "the client's key set cannot be read"),
        (b"", "no key in this file can verify the client's tokens"),
        (b'{"keys": []}', "no key in this file can verify the client's tokens"),
        (key_set(ec_signer()), ""),
    ],
    ids=["absent", "empty", "no keys", "good"],
)
def test_the_key_set_of_each_client_is_looked_at(here: Path, held: bytes | None, what: str) -> None:
    """What would stop the start is an error here."""
    client = f"    issuer: {ISSUER}\n    keys: {{jwks_file: keys.json}}\n    site: hospital_a"
    edits = [("insecure_demo: true\n", "pseudonym_key: {env: NOBODYS_KEY}\n"), ("    site: hospital_a", client)]
    sound_config(here, wardgate=edits, service=("mode: active", "mode: silent"))
    if held is not None:
        _CONFIG.with_name("keys.json").write_bytes(held)
    out = io.StringIO()
    assert run(_CONFIG, out) == (1 if what else 0)
    assert (f": clients.0.keys.jwks_file: {what} -> " in out.getvalue()) is bool(what)
    assert not examine(_CONFIG).errors, "commands that answer nobody need no keys"


def test_a_service_that_does_not_start_says_so(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit 2; the last line, which a supervisor's log shows, is the verdict and not a remedy."""
    sound_config(here, service=("500ms", "5"))

    assert app.run(["serve"]) == 2
    assert capsys.readouterr().err.endswith("\nNot started. config/wardgate.yaml: 1 error in 1 file\n")


def test_check_imports_no_server_and_no_client(here: Path) -> None:
    """Start-up time: the libraries of the running gateway are not needed to read files."""
    sound_config(here)
    program = (
        "import sys; from pathlib import Path; from wardgate.cli import check; check.run(Path(sys.argv[1]));"
        "print(sorted({'aiohttp', 'fastapi', 'uvicorn', 'rich', 'prometheus_client'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(_CONFIG)], capture_output=True, text=True, check=True, timeout=30
    )

    assert done.stdout.splitlines()[-1] == "[]"
    assert FILES["wardgate"][0] in done.stdout


@pytest.mark.parametrize(
    ("within", "kept", "warned"),
    [("730d", "", True), ("730d", "730d", True), ("730d", "731d", False), ("399d", "", False)],
)
def test_decisions_that_are_purged_before_their_outcome_are_warned_of(
    here: Path, within: str, kept: str, warned: bool
) -> None:
    """A decision that is gone joins to nothing, and nobody would notice."""
    sound_config(
        here,
        wardgate=("model_hosts:", f"retention: {{decisions: {kept}}}\nmodel_hosts:" if kept else "model_hosts:"),
        service=("rollout:", f"outcome: {{label: kidney_failure, within: {within}}}\nrollout:"),
    )
    out = io.StringIO()
    assert run(_CONFIG, out) == 0
    told = [line for line in out.getvalue().splitlines() if "joins to nothing" in line]
    assert bool(told) is warned
    if warned:
        days = 730 if kept else 400
        assert f"retention.decisions: decisions are kept for {days} days, and an outcome of kidney-failure" in told[0]
