"""What a person at a terminal is told by the commands that ask an admin listener: what, where, how to mend it."""

import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import msgspec
import pytest

from tests.fakes.processes import free_port
from wardgate.cli import app
from wardgate.domain.rollout.hidden import Hidden

PROBLEM = {"type": "about:blank", "title": "Unauthorized", "status": 401, "detail": "No good token came along."}
WRONG = {
    "title": "Unprocessable Entity",
    "status": 422,
    "detail": "This request is not what the route takes.",
    "errors": [{"in": "body.reason", "what": "string pattern mismatch"}],
}


class Listener(ThreadingHTTPServer):
    """Answers everything alike."""

    answer: tuple[int, bytes] = (404, b"{}")

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def say(self, status: int, document: Mapping[str, Any]) -> None:
        self.answer = status, msgspec.json.encode(document)


class Answer(BaseHTTPRequestHandler):
    server: Listener

    def do_GET(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        status, body = self.server.answer
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_GET

    def log_message(self, format: str, *args: Any) -> None: ...


@pytest.fixture
def listener() -> Iterator[Listener]:
    with Listener(("127.0.0.1", 0), Answer) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def said(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """By a command that does nothing."""
    assert app.run(list(arguments)) == 1
    return capsys.readouterr().err


@pytest.fixture(autouse=True)
def token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WARDGATE_TOKEN", raising=False)


def test_without_a_token_one_is_asked_for(
    listener: Listener, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A token that is not taken is another matter than none."""
    listener.say(401, PROBLEM)
    for command in (["rollout", "show"], ["circuits", "list"], ["kill", "service", "sepsis"]):
        monkeypatch.delenv("WARDGATE_TOKEN", raising=False)
        assert "Set WARDGATE_TOKEN" in said(capsys, *command, "--admin", listener.url)
        monkeypatch.setenv("WARDGATE_TOKEN", "wgt_" + "x" * 43)
        assert "WARDGATE_TOKEN is set" in said(capsys, *command, "--admin", listener.url)


def test_another_port_is_told_to_be_another(listener: Listener, capsys: pytest.CaptureFixture[str]) -> None:
    """The EHR's answers 404, with a body of its own."""
    for document in ({}, {"title": "Not Found", "status": 404}, {"resourceType": "OperationOutcome"}):
        listener.say(404, document)
        told = said(capsys, "kill", "service", "sepsis", "--admin", listener.url)
        assert "is no admin listener" in told and "admin.listen" in told


def test_a_url_without_its_scheme_is_completed(capsys: pytest.CaptureFixture[str]) -> None:
    assert "--admin http://127.0.0.1:1\n" in said(capsys, "rollout", "show", "--admin", "127.0.0.1:1")
    assert "Is the gateway up?" in said(capsys, "rollout", "show", "--admin", f"http://127.0.0.1:{free_port()}")


def test_a_field_that_is_wrong_is_named_with_its_form(listener: Listener, capsys: pytest.CaptureFixture[str]) -> None:
    listener.say(422, WRONG)
    told = said(capsys, "kill", "service", "sepsis", "--reason", "Alert rate!", "--admin", listener.url)
    assert "reason: write a code such as alert_rate" in told and "Alert rate!" not in told


def test_whoever_stops_a_command_is_told_that_it_may_have_been_done() -> None:
    """Ctrl-C while a gateway has not answered yet; once it was twenty lines of Python."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        command = [sys.executable, "-m", "wardgate", "kill", "service", "sepsis", "--admin", url]
        with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as running:
            silent.settimeout(60)
            with silent.accept()[0]:
                running.send_signal(signal.SIGINT)
                told = running.communicate(timeout=60)[1]
    assert running.returncode == 130 and "Stopped." in told and "Traceback" not in told


def test_the_name_of_what_is_killed_may_stand_anywhere(listener: Listener, capsys: pytest.CaptureFixture[str]) -> None:
    """After the reason it was once no argument that was known."""
    listener.say(422, WRONG)
    for command in (["service", "--reason", "x", "sepsis"], ["lift", "--reason", "x", "608de2b7"]):
        assert "reason: write a code" in said(capsys, "kill", *command, "--admin", listener.url)
    with pytest.raises(SystemExit, match="2"):
        app.run(["kill", "service", "--admin", listener.url])
    assert "required: NAME" in capsys.readouterr().err


def test_a_service_that_is_not_there_is_told_beside_those_that_are(
    listener: Listener, capsys: pytest.CaptureFixture[str]
) -> None:
    """It was once no error."""
    listener.say(200, {"epoch": 1, "stored": True, "services": [{"service": "sepsis"}], "in_force": {}, "kills": []})
    assert "There is no service spesis. There is: sepsis." in said(
        capsys, "rollout", "show", "spesis", "--admin", listener.url
    )


@pytest.mark.parametrize("why", [*Hidden])
def test_why_a_replica_shows_nothing_is_said_in_a_sentence(
    why: Hidden, listener: Listener, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "160")
    one = {"name": "host/a", "epoch": 7, "drained": 7, "began": 1.8e9, "hidden": why.value, "since": 1.0}
    one |= {"silent": False, "forgotten": False}
    listener.say(200, {"replicas": [one], "same_files": True})
    assert app.run(["replicas", "--admin", listener.url]) == 0
    told = capsys.readouterr().out
    assert f"nothing: {why}" in told and re.search(rf"{why}: [A-Z].*[a-z].*\w", told) and "see docs" not in told


def test_a_store_that_was_moved_away_is_said_wherever_somebody_looks(
    listener: Listener, capsys: pytest.CaptureFixture[str]
) -> None:
    """It looks as if nothing had ever been decided."""
    listener.say(200, {"epoch": 0, "stored": True, "beyond": 7, "services": [], "in_force": {}, "kills": []})
    for command, code in ((["rollout", "show"], 0), (["rollout", "show", "sepsis"], 1), (["kill", "list"], 0)):
        assert app.run([*command, "--admin", listener.url]) == code
        told = capsys.readouterr().out
        assert "older than what replicas have seen (snapshot 7)" in told and "wardgate rollout confirm" in told


def test_a_circuit_that_is_not_given_back_says_why(listener: Listener, capsys: pytest.CaptureFixture[str]) -> None:
    """What the gates say, and not that nobody would be there."""
    listener.say(409, {"detail": "Not all gates pass.", "code": "gates", "gates": ["nights: needs 10, found 3"]})
    told = said(capsys, "circuits", "close", "sepsis", "1.0.0", "--reason", "fixed", "--admin", listener.url)
    assert "Not all gates pass." in told and "✗ nights: needs 10, found 3" in told
    with pytest.raises(SystemExit, match="2"):
        app.run(["circuits", "close", "sepsis", "1.0.0", "--admin", listener.url])
    assert "required: --reason" in capsys.readouterr().err
