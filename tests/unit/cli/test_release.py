"""`wardgate release`, on a real store and real files."""

import re
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.fakes.config_tree import FILES, sound_config
from tests.fakes.processes import line_from, process
from wardgate.cli import app

Run = Callable[..., tuple[int, str, str]]
_KEYS = "a" * 43 + "="


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("WARDGATE_KEY", _KEYS)
    return sound_config(
        tmp_path, wardgate=("environment: test", "environment: test\npseudonym_key: {env: WARDGATE_KEY}")
    )


@pytest.fixture
def run(config: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    def run(*arguments: str) -> tuple[int, str, str]:
        code = app.run([*arguments, "--config", str(config)])
        told = capsys.readouterr()
        return code, told.out, told.err

    return run


def edit(tmp_path: Path, name: str, old: str, new: str) -> None:
    path = tmp_path / FILES[name][0]
    text = path.read_text("utf-8")
    assert text.count(old) == 1
    path.write_text(text.replace(old, new), "utf-8")


def digest_in(out: str) -> str:
    found = re.search(r"sha256:([0-9a-f]{64})", out)
    assert found is not None
    return found[1]


def test_a_release_is_submitted_kept_and_shown(run: Run, tmp_path: Path) -> None:
    """What was submitted can be shown, and taken out again, byte for byte, when the files are others or gone."""
    assert "draft" in run("release", "list")[1]
    code, out, _ = run("release", "new", "kidney-failure", "--reason", "first_release", "--ticket", "CDS-1")
    digest = digest_in(out)
    assert code == 0 and "watched by transplant" in out
    before = {name: (tmp_path / place).read_bytes() for name, (place, _) in FILES.items()}
    edit(tmp_path, "card", "high, from: 0.20", "high, from: 0.30")

    code, out, _ = run("release", "show", "kidney-failure", digest[:8], "--files", str(tmp_path / "out"))
    assert code == 0 and digest in out and "validated" in out and "none names it" in out
    for name in ("card", "service", "release", "probes", "features"):
        kept = tmp_path / "out" / FILES[name][0]
        assert kept.read_bytes() == before[name] and kept.stat().st_mode & 0o777 == 0o600
    code, out, _ = run("release", "list", "kidney-failure")
    assert [line.split()[3] for line in out.splitlines()[1:]] == ["validated", "draft"]
    assert "kidney-failure: champion, active" in out
    _, chain, _ = run("audit", "search", "--what", "release.submit")
    assert f"kidney-failure@sha256:{digest}" in chain and "first_release  CDS-1" in chain


def test_what_differs_is_told(run: Run, tmp_path: Path) -> None:
    digest = digest_in(run("release", "new", "kidney-failure")[1])
    assert run("release", "diff", "kidney-failure", "1.0.0")[0] == 0
    edit(tmp_path, "service", "default: 0.10", "default: 0.11")
    for names in (["1.0.0"], [digest[:6]], [digest, "files"]):
        code, out, _ = run("release", "diff", "kidney-failure", *names, "--lines")
        if names == ["1.0.0"]:  # the files have this version, too
            continue
        assert code == 1
        assert "service (patient-view): threshold.default: 0.1 → 0.11" in out and "-  default: 0.10" in out
    assert run("release", "diff", "kidney-failure")[0] == 0  # nothing was decided: the files' champion is theirs


def test_a_version_is_submitted_with_one_release_file(run: Run, tmp_path: Path) -> None:
    """An edit of anything else under it is another digest; an edit of the file itself is refused, and told."""
    assert run("release", "new", "kidney-failure")[0] == 0
    assert "was submitted by" in run("release", "new", "kidney-failure")[2]
    edit(tmp_path, "card", "high, from: 0.20", "high, from: 0.30")
    assert run("release", "new", "kidney-failure")[0] == 0
    edit(tmp_path, "release", "timeout: 200ms", "timeout: 100ms")
    code, out, err = run("release", "new", "kidney-failure")
    assert code == 1 and not out
    assert "releases/1.0.0.yaml is not the file that was submitted as 1.0.0" in err and "another version" in err
    assert run("audit", "search", "--what", "release.submit")[1].count("\n") == 2


def test_a_limitation_that_nobody_has_answered_holds_it_back(run: Run, tmp_path: Path) -> None:
    edit(tmp_path, "release", ", check: transplant", "")
    code, out, err = run("release", "new", "kidney-failure")
    assert code == 1 and not out and "limitation 1" in err
    edit(tmp_path, "release", "recipients.}", "recipients., accepted: They are followed elsewhere.}")
    assert "accepted: They are followed elsewhere." in run("release", "new", "kidney-failure")[1]


def test_a_release_is_retired_in_one_step_or_two(run: Run, tmp_path: Path) -> None:
    digest = digest_in(run("release", "new", "kidney-failure")[1])
    code, _, err = run("release", "retire", "kidney-failure", "1.0.0")
    assert code == 1 and "The rollout of kidney-failure names it as champion." in err
    code, out, _ = run("release", "retire", "kidney-failure", "1.0.0", "--at", "2999-01-01", "--reason", "replaced")
    assert code == 0 and "2999-01-01" in out and "until then: The rollout" in out
    edit(tmp_path, "card", "high, from: 0.20", "high, from: 0.30")
    assert "announced to stay until 2999-01-01" in run("release", "retire", "kidney-failure", digest[:6])[2]
    assert "retires from 2999-01-01 on" in run("release", "show", "kidney-failure", digest)[1]
    assert run("release", "retire", "kidney-failure", digest[:6], "--cancel")[0] == 0
    assert run("release", "retire", "kidney-failure", digest[:6])[0] == 0
    assert "retired on" in run("release", "show", "kidney-failure", digest[:6])[1]
    for again in ([], ["--cancel"], ["--at", "2999-01-01"]):
        assert run("release", "retire", "kidney-failure", digest[:6], *again)[0] == 1
    told = run("audit", "search")[1]
    assert re.findall(r"release\.[a-z]+", told) == [
        "release.submit",
        "release.retiring",
        "release.retiring",
        "release.retire",
    ]


def test_what_is_kept_is_verified_and_its_endpoint_asked(run: Run, tmp_path: Path) -> None:
    """By the probes that were kept, whatever the files say since."""
    with process("wardgate.lab.model_server", "--port", "0") as model:
        host = line_from(model, r"model http://(\S+)")
        for name in ("wardgate", "release"):
            edit(tmp_path, name, "127.0.0.1:8082", host)
        assert run("release", "new", "kidney-failure")[0] == 0
        edit(tmp_path, "probes", "0.04732493292698903", "0.9")
        digest = run("release", "list")[1].splitlines()[1].split()[2]
        code, out, _ = run("release", "verify", "kidney-failure", digest)
        assert code == 0 and "what was kept is whole" in out and "1 of 1 agree" in out
        code, out, _ = run("release", "verify", "kidney-failure")  # what the files give now
        assert code == 1 and "0 of 1 agree" in out
    code, out, err = run("release", "verify", "kidney-failure", digest)
    assert code == 1 and "what was kept is whole" in out and "no usable answer" in err
    assert run("release", "verify", "kidney-failure", digest, "--offline")[0] == 0


@pytest.mark.parametrize(
    "arguments",
    [
        ["new", "none"],
        ["new", "kidney-failure", "9.9.9"],
        ["new", "kidney-failure", "--reason", "Because I say so"],
        ["show", "none"],
        ["show", "kidney-failure", "abc"],
        ["diff", "kidney-failure", "9.9.9"],
        ["verify", "kidney-failure", "feedbeef"],
        ["retire", "kidney-failure", "1.0.0"],
        ["retire", "kidney-failure", "1.0.0", "--at", "2001-01-01"],
    ],
)
def test_what_cannot_be_done_is_told_and_leaves_nothing(run: Run, arguments: list[str]) -> None:
    code, out, err = run("release", *arguments)
    assert code == 1 and not out and err.strip() and "Traceback" not in err
    assert run("audit", "search")[1] == ""


def test_what_was_damaged_is_refused_and_told(run: Run, config: Path) -> None:
    digest = digest_in(run("release", "new", "kidney-failure")[1])
    store = sqlite3.connect(next(config.parent.rglob("*.db")))
    store.execute("UPDATE release_contents SET content = x'00'")
    store.commit()
    store.close()
    for action in ("show", "verify", "retire"):
        code, _, err = run("release", action, "kidney-failure", digest[:8])
        assert code == 1 and err


def test_nobody_is_told_what_stands_in_a_file_by_moving_a_cursor(run: Run, tmp_path: Path) -> None:
    edit(tmp_path, "release", "probes:", 'changelog: "\\e[2Jgone"\nprobes:')
    run("release", "new", "kidney-failure")
    for arguments in (["show", "kidney-failure"], ["diff", "kidney-failure", "1.0.0", "--lines"]):
        assert "\x1b" not in run("release", *arguments)[1]
