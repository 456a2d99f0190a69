"""A release as people handle it: submitted, decided on, edited, rolled back, with real processes."""

import contextlib
import io
import os
import select
import signal
import subprocess
import time
from functools import cached_property
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.e2e.test_authenticated import SERVICE, Hospital, fresh
from tests.fakes.config_tree import FILES
from tests.fakes.deciding import decide
from tests.fakes.editions import rename_release
from tests.fakes.kidney_calls import kidney_call
from tests.fakes.processes import PATIENCE, ask, line_from, process, wait_until
from wardgate.bootstrap.control import control_stores
from wardgate.cli import app
from wardgate.cli.configured import read
from wardgate.control.ports import Change
from wardgate.domain.outcomes import Mode
from wardgate.domain.pseudonyms import KeyRing
from wardgate.domain.rollout.rollouts import Snapshot

_ID = "kidney-failure"


class Ward(Hospital):
    """A hospital whose model answers, and whose people use the terminal."""

    def edit(self, name: str, *edits: tuple[str, str]) -> None:
        path = self.folder / FILES[name][0]
        text = path.read_text("utf-8")
        for old, new in edits:
            assert text.count(old) == 1, old
            text = text.replace(old, new)
        path.write_text(text, "utf-8")

    def run(self, *arguments: str) -> str:
        said = io.StringIO()
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
            app.run([*arguments, "--config", str(self.config)])
        return said.getvalue()

    @cached_property
    def viewer(self) -> dict[str, str]:
        secret = self.run("token", "new", "vera", "--role", "viewer").splitlines()[-1]
        return {"Authorization": f"Bearer {secret}"}

    def told(self, path: str) -> Any:
        """By the admin listener, to a viewer."""
        status, said = ask(f"http://127.0.0.1:{self.admin}{path}", headers=self.viewer)
        assert status == 200, said
        return said

    def decide(self, champion: str) -> None:
        """In mode active, as the control plane does once the gates have passed."""
        configured = read(self.config)
        stores = control_stores(configured.secrets, KeyRing(configured.secrets.pseudonym))
        assert stores is not None

        def make(before: Snapshot) -> Snapshot:
            changes = {"champion": champion, "mode": Mode.ACTIVE, "by_people": True}
            rollout = msgspec.structs.replace(before.rollouts[_ID], **changes)
            return msgspec.structs.replace(before, rollouts={**before.rollouts, _ID: rollout})

        decide(stores, make, Change(1.0, "os:ada", "rollout.change", _ID))
        stores.close()

    def summary(self) -> str:
        number = int.from_bytes(os.urandom(5), "big")
        status, body = self.ask(SERVICE, fresh(str(number)), kidney_call(number))
        assert status == 200
        cards = msgspec.json.decode(body)["cards"]
        return str(cards[0]["summary"]) if cards else ""


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WARDGATE_TEST_KEY", "a secret of the test, thirty-two bytes or more")


def heard(gateway: "subprocess.Popen[str]", word: str, seconds: float = PATIENCE) -> str:
    """What it writes until the word comes."""
    assert gateway.stderr is not None
    said, until = "", time.monotonic() + seconds
    while word not in said and time.monotonic() < until:
        if select.select([gateway.stderr], [], [], 0.1)[0]:
            said += os.read(gateway.stderr.fileno(), 65536).decode()
    return said


def _digest(told: str) -> str:
    (line,) = [line for line in told.splitlines() if line.startswith("sha256:")]
    return line


def test_what_was_approved_goes_on_through_edits_and_comes_back_without_its_files(tmp_path: Path) -> None:
    """An edited card and SIGHUP: the approved one goes on, the edit is pending and its difference is told. Then another
    release, its files in the place of the first; and the way back to a digest that no file gives."""
    ward = Ward(tmp_path)
    with process("wardgate.lab.model_server", "--port", "0") as model:
        host = line_from(model, r"model http://(\S+)")
        ward.edit("wardgate", ("127.0.0.1:8082", host))
        ward.edit("release", ("127.0.0.1:8082", host), ("timeout: 200ms", "timeout: 2s"))
        ward.edit("service", ("deadline: 500ms", "deadline: 5s"))
        with process("wardgate", "serve", "--config", str(ward.config)) as gateway:
            wait_until(ward.is_up, of=gateway)
            first = _digest(ward.run("release", "new", _ID, "--reason", "first_release"))
            ward.decide(first)
            wait_until(lambda: ward.summary().startswith("Kidney failure risk in 2 years"))

            ward.edit("card", ("Kidney failure risk in 2 years", "Two-year risk"))
            gateway.send_signal(signal.SIGHUP)
            assert "the files of kidney-failure 1.0.0" in heard(gateway, "reloaded")
            assert ward.summary().startswith("Kidney failure risk in 2 years")
            told = ward.run("release", "diff", _ID)
            assert 'card kidney-failure: summary: "Kidney failure risk in 2 years:' in told and "The files wait" in told

            rename_release(tmp_path, "2.0.0")
            second = _digest(ward.run("release", "new", _ID))
            differs = ward.told(f"/admin/v1/releases/{_ID}/2.0.0/diff")
            assert (differs["before"]["digest"], differs["after"]["digest"]) == (first, second)
            found = {each["place"]: each["after"] for each in differs["differences"]}
            assert found["card kidney-failure: summary"].startswith("Two-year risk") and found["release: version"]
            assert ward.told("/health/governance")["state"] == "holds"
            gateway.send_signal(signal.SIGHUP)
            ward.decide(second)
            wait_until(lambda: ward.summary().startswith("Two-year risk"))
            # the file that brought it in says silent, and is read again after people have raised it
            gateway.send_signal(signal.SIGHUP)
            heard(gateway, "reloaded")
            gateway.send_signal(signal.SIGHUP)
            heard(gateway, "reloaded")
            assert ward.summary().startswith("Two-year risk")
            ward.decide(first)
            wait_until(lambda: ward.summary().startswith("Kidney failure risk in 2 years"))
            assert not (tmp_path / FILES["release"][0]).exists()
            assert "1 of 1 agree" in ward.run("release", "verify", _ID, "1.0.0")
            gateway.terminate()
            _, log = gateway.communicate(timeout=PATIENCE)
        assert gateway.returncode == 0 and '"fault"' not in log
    assert "sound" in ward.run("audit", "verify")


def test_what_a_demo_showed_is_shown_to_nobody_once_approvals_are_asked_for(tmp_path: Path) -> None:
    """The same store and the same key, and `insecure_demo` taken away: nobody has approved what stands there. The chain
    says that it came down, and why."""
    ward = Ward(tmp_path)
    with process("wardgate.lab.model_server", "--port", "0") as model:
        host = line_from(model, r"model http://(\S+)")
        ward.edit("wardgate", ("127.0.0.1:8082", host), ("pseudonym_key:", "insecure_demo: true\npseudonym_key:"))
        ward.edit("release", ("127.0.0.1:8082", host), ("timeout: 200ms", "timeout: 2s"))
        ward.edit("service", ("deadline: 500ms", "deadline: 5s"), ("mode: silent", "mode: active"))
        with process("wardgate", "serve", "--config", str(ward.config)) as gateway:
            wait_until(ward.is_up, of=gateway)
            wait_until(lambda: ward.summary().startswith("Kidney failure risk in 2 years"))
            gateway.terminate()
            gateway.communicate(timeout=PATIENCE)
        ward.edit("wardgate", ("insecure_demo: true\n", ""))
        ward.edit("service", ("mode: active", "mode: silent"))
        with process("wardgate", "serve", "--config", str(ward.config)) as gateway:
            wait_until(ward.is_up, of=gateway)
            until = time.monotonic() + 2.0
            while time.monotonic() < until:
                assert ward.summary() == ""
            gateway.terminate()
            gateway.communicate(timeout=PATIENCE)
    assert "insecure_demo_ended" in ward.run("audit", "search", "--subject", _ID)
