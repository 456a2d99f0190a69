"""`wardgate token`, on a real store."""

import re
from pathlib import Path

import pytest

from tests.fakes.config_tree import FILES
from wardgate.cli import app


@pytest.fixture
def config(tmp_path: Path) -> Path:
    for name, text in FILES.values():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return tmp_path / "config" / "wardgate.yaml"


def test_a_token_is_given_shown_once_listed_and_taken_back(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Only the secret is on standard output, for a script; nothing shows it again; all of it is on the chain."""

    def run(*arguments: str) -> tuple[int, str, str]:
        code = app.run([*arguments, "--config", str(config)])
        told = capsys.readouterr()
        return code, told.out, told.err

    given = ["--role", "operator", "--role", "viewer", "--service", "kidney-failure", "--expires", "30d"]
    code, secret, told = run("token", "new", "mira", *given)
    assert code == 0 and re.fullmatch(r"wgt_[A-Za-z0-9_-]{43}\n", secret)
    found = re.search(r"token ([0-9a-f]{12}) of mira", told)
    assert found is not None
    _, listed, _ = run("token", "list")
    assert re.fullmatch(rf"{found[1]}  good      until \S+  mira  operator, viewer  kidney-failure\n", listed)
    assert run("token", "revoke", found[1], "--reason", "left_the_team", "--ticket", "HR-1")[0] == 0
    assert "revoked" in run("token", "list")[1]
    assert run("token", "revoke", found[1])[0] == 1
    _, chain, _ = run("audit", "search")
    assert "token.new" in chain and "token.revoke" in chain and "left_the_team  HR-1" in chain
    files = b"".join(path.read_bytes() for path in config.parent.rglob("*") if path.is_file())
    assert secret.strip().encode() not in files
    assert run("audit", "verify")[0] == 0


@pytest.mark.parametrize(
    "arguments",
    [
        ["new", "Mira Miller", "--role", "viewer"],
        ["new", "mira", "--role", "viewer", "--expires", "400d"],
        ["new", "mira", "--role", "viewer", "--service", "a b"],
        ["revoke", "none"],
        ["revoke", "000000000000", "--reason", "she left"],
    ],
)
def test_what_cannot_be_done_is_told_and_leaves_nothing(
    config: Path, arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert app.run(["token", *arguments, "--config", str(config)]) == 1
    told = capsys.readouterr()
    assert told.out == "" and told.err and "Miller" not in told.err
    app.run(["token", "list", "--config", str(config)])
    app.run(["audit", "search", "--config", str(config)])
    assert capsys.readouterr().out == ""
