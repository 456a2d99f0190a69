"""`wardgate gate`, `approve` and `exception`, on a real store with tokens."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.fakes.config_tree import sound_config
from tests.fakes.governed import DAY, SERVICE, GovernedHouse, weeks_in_shadow
from tests.fakes.processes import line_from, process
from wardgate.bootstrap.machine import SystemClock
from wardgate.cli import app
from wardgate.domain.admin_tokens import Role
from wardgate.domain.outcomes import Mode
from wardgate.domain.records import InputFact
from wardgate.domain.releases import short

CLINICAL, TECHNICAL = Role.APPROVER_CLINICAL, Role.APPROVER_TECHNICAL
Run = Callable[..., tuple[int, str, str]]
GOOD = ("--reason", "validated")


@pytest.fixture
def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[GovernedHouse]:
    monkeypatch.setenv("COLUMNS", "120")
    made = GovernedHouse(tmp_path, monkeypatch)
    yield made
    made.close()


@pytest.fixture
def run(house: GovernedHouse, capsys: pytest.CaptureFixture[str]) -> Run:
    def ran(*arguments: str) -> tuple[int, str, str]:
        code = app.run([*arguments, "--config", str(house.config)])
        told = capsys.readouterr()
        return code, told.out, told.err

    return ran


def table(out: str) -> dict[str, list[str]]:
    """By gate: the cells of its line."""
    rows = [[cell.strip() for cell in line.split("  ") if cell.strip()] for line in out.splitlines()]
    return {row[1]: row for row in rows if row and row[0] in ("pass", "FAIL", "UNKNOWN", "excepted")}


def test_from_nothing_to_ready(house: GovernedHouse, run: Run) -> None:
    """A release in shadow for three weeks is approved for canary; each gate is told with its figure."""
    facts = (InputFact("egfr", bin=1), InputFact("uacr", bin=1))
    house.decide(weeks_in_shadow(house.digest, SystemClock.now(), 20, inputs=facts))
    code, out, _ = run("gate", SERVICE, "1.0.0", "canary")
    gates = table(out)
    assert code == 1 and out.splitlines()[0] == f"{SERVICE} 1.0.0 ({short(house.digest)}) to canary"
    assert "tier high, by the built-in policy" in out
    assert gates["shadow_days"][:3] == ["pass", "shadow_days", "at least 14 days"]
    assert gates["decisions"][2:] == ["at least 500", "960"] and gates["p99_ms"][3] == "70 ms"
    assert gates["approver-clinical"][0] == "FAIL" and gates["review_days"][0] == "UNKNOWN"
    assert out.splitlines()[-1] == "NOT YET: 4 of 11 gates are in the way."

    house.act_as("mira", CLINICAL)
    code, out, _ = run("approve", SERVICE, "1.0.0", "--mode", "canary", *GOOD)
    assert code == 0 and "approved for canary as approver-clinical by mira" in out
    assert "still needed: approver-technical, at least 1, now 0" in out
    house.act_as("jon", TECHNICAL, CLINICAL)
    code, _, err = run("approve", SERVICE, "1.0.0", "--mode", "canary", *GOOD)
    assert code == 1 and "say with --as in which role" in err
    code, out, _ = run("approve", SERVICE, house.digest[:14], "--mode", "canary", "--as", "technical", *GOOD)
    assert code == 0 and "all approvals for canary are there" in out

    house.rehearse()
    code, out, _ = run("gate", SERVICE, house.digest, "canary")
    assert code == 1 and table(out)["approver-technical"][3] == "1: jon"
    assert out.splitlines()[-1] == "NOT YET: 1 of 11 gates is in the way."
    looks = [(look.action, look.subject, look.rows) for look in house.archive.accesses(0, SystemClock.now() + DAY)]
    assert looks == [("gate", house.digest, 960)] * 2

    code, out, _ = run("approve", SERVICE, "1.0.0", "--withdraw", "--reason", "doubt")
    assert code == 0 and "withdrawn: canary as approver-technical by jon" in out
    assert run("audit", "verify")[0] == 0


def test_a_withdrawal_takes_out_of_sight_what_nobody_else_carries(house: GovernedHouse, run: Run) -> None:
    """The dry run says so before; then it is done in the same step, and on the chain."""
    for name, role in (("mira", CLINICAL), ("jon", TECHNICAL)):
        house.act_as(name, role)
        assert run("approve", SERVICE, "1.0.0", "--mode", "canary", *GOOD)[0] == 0
    house.show(Mode.CANARY)
    withdraw = ("approve", SERVICE, "1.0.0", "--withdraw", "--reason", "doubt")
    code, out, err = run(*withdraw, "--dry-run")
    assert code == 0 and "would be withdrawn: canary as approver-technical by jon" in out, err
    assert f"It would take out of sight:\n  {SERVICE}: canary → silent" in out and house.mode.value == "canary"
    code, out, err = run(*withdraw)
    assert code == 0 and f"{SERVICE}: canary → silent\nDecided as epoch 2" in out, err
    assert house.mode is Mode.SILENT and "approval_withdrawn" in run("audit", "search", "--what", "rollout.change")[1]
    assert run("audit", "verify")[0] == 0 and run(*withdraw)[0] == 1


def test_a_key_that_is_gone_takes_its_approvals_along_and_how_to_mend_it_is_told(
    house: GovernedHouse, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The key is put back among the previous ones; or people submit and approve again, whoever submitted it first is
    still its author."""
    house.act_as("mira", TECHNICAL)
    assert run("approve", SERVICE, "1.0.0", "--mode", "silent", *GOOD)[0] == 0
    monkeypatch.setenv("WARDGATE_TEST_KEY", "n" * 32)
    gates = table(run("gate", SERVICE, "1.0.0", "silent")[1])
    assert gates["submitted"][4].endswith("put it back among pseudonym_key.previous, or submit it again")
    assert gates["approver-technical"][3] == "0" and "1 approval lies under a key that is gone" in str(gates)
    monkeypatch.setenv("WARDGATE_OLD_KEY", "k" * 32)
    text = house.config.read_text("utf-8")
    house.config.write_text(text.replace("WARDGATE_TEST_KEY}", "WARDGATE_TEST_KEY, previous: [WARDGATE_OLD_KEY]}"))
    assert table(run("gate", SERVICE, "1.0.0", "silent")[1])["approver-technical"][3] == "1: mira"
    house.config.write_text(text)
    code, out, err = run("release", "new", SERVICE, "--reason", "key_rotated")
    assert code == 0 and house.digest in out, err
    assert "submitted" not in table(run("gate", SERVICE, "1.0.0", "silent")[1])


def test_for_a_program(house: GovernedHouse, run: Run) -> None:
    code, out, _ = run("gate", SERVICE, "1.0.0", "silent", "--json")
    said = json.loads(out)
    assert code == 1 and said["passes"] is False and said["digest"] == house.digest
    assert said["gates"][0] == {
        "name": "approver-technical",
        "needed": "at least 1",
        "found": "0",
        "verdict": "fail",
        "reason": "",
    }
    code, out, _ = run("gate", SERVICE, "1.0.0", "shadow", "--json")
    assert code == 0 and json.loads(out)["gates"] == []


def test_the_policy_needs_two_people_and_its_exceptions_too(house: GovernedHouse, run: Run) -> None:
    house.config.with_name("governance.yaml").write_text(
        "tiers: {high: {silent: {evidence: {shadow_days: 70}, exception: true}}}\n", encoding="utf-8"
    )
    code, out, _ = run("gate", SERVICE, "1.0.0", "silent")
    assert "does not hold yet: 0 of 2 have approved it" in out and "at least 7 days" in out
    excepted = ("exception", SERVICE, "1.0.0", "--mode", "silent", "--figure", "shadow_days", "--reason", "trial")
    for number, name in enumerate(("mira", "jon")):
        house.act_as(name, CLINICAL)
        code, out, _ = run("approve", "governance", "--reason", "yearly_review")
        assert code == 0 and ("holds: approved by mira and jon" if number else "it holds once 2 people") in out
        assert run("approve", "governance", "--reason", "yearly_review")[0] == 1
    code, _, err = run(*excepted)
    assert code == 1 and "rationale" in err
    code, out, _ = run(*excepted, "--for", "14d", "--remark", "Few patients.")
    assert code == 0 and "asked for by jon; it holds once a second person says the same" in out
    house.act_as("mira", CLINICAL)
    code, out, _ = run(*excepted)
    assert code == 0 and "holds, by jon and mira" in out
    code, out, _ = run("gate", SERVICE, "1.0.0", "silent")
    assert code == 0 and out.splitlines()[-1] == "READY: 1 gate passed, 1 of them by exception."
    assert "approved by mira and jon" in out and "Few patients" not in out


def test_who_has_no_token_approves_nothing(house: GovernedHouse, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """An account on the machine is none; nor is a token that is another's, of another service, or of another role."""
    asked = ("approve", SERVICE, "1.0.0", "--mode", "silent", "--as", "technical", *GOOD)
    monkeypatch.delenv("WARDGATE_TOKEN", raising=False)
    assert "put it into WARDGATE_TOKEN" in run(*asked)[2]
    for secret in ("mira", "wgt_" + "a" * 43):
        monkeypatch.setenv("WARDGATE_TOKEN", secret)
        code, out, err = run(*asked)
        assert code == 1 and out == "" and "holds no token that is good" in err and secret not in err
    house.act_as("mira", CLINICAL)
    assert run(*asked)[0] == 1
    house.act_as("eve", TECHNICAL, services=["deterioration"])
    assert run(*asked)[0] == 1
    _, chain, _ = run("audit", "search", "--what", "release.approve")
    assert [line.split("  ")[-1] for line in chain.splitlines()] == ["role", "service"]
    assert "denied" in chain and "approver-technical" in run("gate", SERVICE, "1.0.0", "silent")[1]


def test_the_author_approves_nothing_of_hers(house: GovernedHouse, run: Run) -> None:
    house.act_as("sam", CLINICAL)
    code, _, err = run("approve", SERVICE, "1.0.0", "--mode", "canary", *GOOD)
    assert code == 1 and err == "Nobody approves a release that she submitted herself.\n"


@pytest.mark.parametrize("name", ["9.9.9", "abc", "sha256:" + "9" * 64, "Mary Miller"])
def test_a_release_that_is_not_there(house: GovernedHouse, run: Run, name: str) -> None:
    """Those that are there are listed."""
    code, out, err = run("gate", SERVICE, name, "canary")
    assert code == 1 and out == "" and f"1.0.0  {short(house.digest)}  submitted" in err and name not in err
    assert "kidney-failure" in run("gate", "kidney", "1.0.0", "canary")[2]


def test_under_insecure_demo_nothing_is_asked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = sound_config(tmp_path)
    assert app.run(["gate", SERVICE, "1.0.0", "active", "--config", str(config)]) == 0
    assert "insecure_demo: nothing is asked." in capsys.readouterr().out


@pytest.mark.parametrize(
    "arguments",
    [
        ["approve", SERVICE, *GOOD],
        ["approve", SERVICE, "1.0.0", *GOOD],
        ["approve", SERVICE, "1.0.0", "--mode", "silent", "--as", "boss", *GOOD],
        ["exception", SERVICE, "1.0.0", "--mode", "silent", "--figure", "shadow_dys", *GOOD],
        ["gate", SERVICE, "1.0.0", "off"],
    ],
)
def test_arguments_that_say_too_little_or_what_there_is_not(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        app.run(arguments)
    assert ended.value.code == 2 and capsys.readouterr().err


def test_the_endpoint_is_asked_for_its_proof_where_that_is_demanded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """By its probes, now; one that is not there proves nothing."""
    policy = "tiers: {high: {silent: {evidence: {probes: 1}}}}\n"
    with process("wardgate.lab.model_server", "--port", "0") as running:
        house = GovernedHouse(tmp_path, monkeypatch, policy, line_from(running, r"model http://(\S+)"))
        for name in ("mira", "jon"):
            house.act_as(name, CLINICAL)
            app.run(["approve", "governance", "--reason", "first_policy", "--config", str(house.config)])
        asked = ["gate", SERVICE, "1.0.0", "silent", "--config", str(house.config)]
        capsys.readouterr()
        assert app.run(asked) == 0 and table(capsys.readouterr().out)["probes"][3] == "1"
    assert app.run(asked) == 1 and table(capsys.readouterr().out)["probes"][3] == "0"
    house.close()
