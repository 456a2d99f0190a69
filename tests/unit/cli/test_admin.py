"""What a person at a terminal is told by the commands that ask an admin listener: what, where, how to mend it."""

import re
import signal
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.fakes.certificates import Authority
from tests.fakes.processes import free_port
from wardgate.cli import admin, app
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

    do_POST = do_PATCH = do_GET

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
    for name in ("WARDGATE_TOKEN", "WARDGATE_ADMIN_CA", "WARDGATE_ADMIN_CERT"):
        monkeypatch.delenv(name, raising=False)


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


def test_a_site_that_nobody_calls_from_is_told(listener: Listener, capsys: pytest.CaptureFixture[str]) -> None:
    """A typing error in a cohort, which narrows it to nobody."""
    cohort = {"sites": ["hosptial_b"], "units": [], "roles": [], "hooks": [], "percent": None, "by": "patient"}
    rollout = {"service": "sepsis", "mode": "canary", "champion": {"version": "1.0.0", "digest": "sha256:0"}}
    rollout |= {"cohort": cohort, "unknown_sites": ["hosptial_b"], "etag": "0"}
    effect = {"epoch": 7, "verified": True, "done": ["a"], "silent": [], "waiting": []}
    listener.say(200, {**rollout, "dry_run": False, "epoch": 7, "stored": True, "rollout": rollout, "effect": effect})
    assert app.run(["rollout", "set", "sepsis", "--site", "hosptial_b", "--admin", listener.url]) == 0
    assert "No call of sepsis comes from hosptial_b" in capsys.readouterr().out


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


@pytest.mark.parametrize("body", [b"<html>Log in to the proxy</html>", b'{"ok": true}', b"[]", b"\xff"])
def test_whoever_else_answers_with_200_is_no_admin_listener(
    listener: Listener, capsys: pytest.CaptureFixture[str], body: bytes
) -> None:
    """A captive portal, another program: once forty lines of Python."""
    listener.answer = 200, body
    for command in (
        ["rollout", "show"],
        ["replicas"],
        ["rollout", "set", "sepsis", "--mode", "off"],
        ["kill", "service", "sepsis"],
        ["drill", "sepsis"],
        ["rollout", "watch", "sepsis"],
        ["circuits"],
        ["circuits", "isolate", "sepsis", "1.0.0"],
    ):
        assert "is no admin listener" in said(capsys, *command, "--admin", listener.url), command


KILL, ISOLATE = ("kill", "service", "sepsis"), ("circuits", "isolate", "sepsis", "1.0.0")


@pytest.mark.parametrize("command", [KILL, ISOLATE])
def test_an_answer_that_is_lost_is_not_taken_for_a_no(
    listener: Listener, capsys: pytest.CaptureFixture[str], command: tuple[str, ...]
) -> None:
    """A proxy that gave up, or a fault, after the gateway may have done it."""
    for status in (500, 502, 504):
        listener.answer = status, b"<html>Bad gateway</html>"
        assert app.run([*command, "--admin", listener.url]) == 3
        assert "MAY HAVE BEEN DONE" in capsys.readouterr().err
    assert app.run(["rollout", "show", "--admin", listener.url]) == 1
    assert "MAY HAVE BEEN DONE" not in capsys.readouterr().err


def test_a_gateway_that_took_the_question_and_hangs_may_have_done_it(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was once waited for five minutes, and then told that nobody answers."""
    monkeypatch.setattr(admin, "_SOON", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        assert app.run([*KILL, "--admin", url]) == 3
    told = capsys.readouterr().err
    assert "took the question, and does not answer" in told and "MAY HAVE BEEN DONE" in told


def test_tls_that_fails_says_what_helps(
    listener: Listener, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """An authority of the house, a certificate of one's own, and a listener that has none."""
    authority = Authority()
    certificate, key = authority.issue(tmp_path, "gateway")
    own = tmp_path / "own.pem"
    own.write_bytes(b"".join(file.read_bytes() for file in authority.issue(tmp_path, "olga")))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    context.load_verify_locations(cadata=authority.pem.decode())
    context.verify_mode = ssl.CERT_REQUIRED
    assert "write http://" in said(capsys, *KILL, "--admin", listener.url.replace("http:", "https:"))
    listener.say(422, WRONG)
    listener.socket = context.wrap_socket(listener.socket, server_side=True)
    url = listener.url.replace("http://127.0.0.1", "https://localhost")
    assert "WARDGATE_ADMIN_CA names" in said(capsys, *KILL, "--admin", url)
    monkeypatch.setenv("WARDGATE_ADMIN_CA", str(tmp_path / "none.pem"))
    assert "names no PEM file" in said(capsys, *ISOLATE, "--admin", url)
    monkeypatch.setenv("WARDGATE_ADMIN_CA", str(authority.file(tmp_path)))
    assert app.run([*KILL, "--admin", url]) == 3
    assert "WARDGATE_ADMIN_CERT names it" in capsys.readouterr().err
    monkeypatch.setenv("WARDGATE_ADMIN_CERT", str(own))
    for command in (KILL, ISOLATE):
        assert "not what the route takes" in said(capsys, *command, "--admin", url)


def test_a_model_that_one_gateway_alone_keeps_out_of_use(
    listener: Listener, capsys: pytest.CaptureFixture[str]
) -> None:
    listener.say(200, {"done": True, "stored": False, "epoch": None, "state": "isolated"})
    assert app.run([*ISOLATE, "--admin", listener.url]) == 3
    told = capsys.readouterr()
    assert told.out == "sepsis 1.0.0  isolated\n"
    assert "ONLY this gateway" in told.err and "wardgate kill release 1.0.0" in told.err


@pytest.mark.parametrize("heard", [["here"], ["here", "shared"]])
def test_a_kill_switch_that_no_store_has_says_why_and_who_obeys(
    listener: Listener, capsys: pytest.CaptureFixture[str], heard: list[str]
) -> None:
    """A store that can be read and takes no change keeps the lease of others alive: they go on to show."""
    kill = {"id": "608de2b7", "scope": "service", "name": "sepsis", "mode": "silent"}
    done = {"dry_run": False, "epoch": None, "stored": False, "rollout": None, "kill": kill, "heard": heard}
    listener.say(202, {**done, "trouble": "the durable store's disk is full: make room"})
    assert app.run([*KILL, "--admin", listener.url]) == 3
    told = capsys.readouterr().out
    assert "lowered service sepsis" in told and "disk is full: make room" in told
    assert ("ONLY the replicas of this gateway" in told) is ("EVERY OTHER gateway" in told) is (heard == ["here"])


def test_all_is_confirmed_by_typing_it(
    listener: Listener, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever ends the question has changed nothing."""
    listener.say(503, {"detail": "The store is away."})

    def ends(error: type[BaseException]) -> Callable[[str], str]:
        def typed(prompt: str) -> str:
            raise error

        return typed

    monkeypatch.setattr("sys.stdin.isatty", lambda: True)
    for error in (EOFError, KeyboardInterrupt):
        monkeypatch.setattr("builtins.input", ends(error))
        told = said(capsys, "kill", "all", "--admin", listener.url)
        assert "Whom it meets is not known" in told and "Nothing was changed." in told


def test_who_has_not_confirmed_is_told_with_what_to_do(
    listener: Listener, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full disk, a replica that died, one that hides; and who does not want to wait any longer sees that as well."""
    kill = {"id": "608de2b7", "scope": "service", "name": "sepsis", "mode": "off"}
    effect = {"epoch": 7, "verified": False, "done": ["d"], "silent": [], "waiting": ["a", "b", "c"]}
    rows = [
        {"name": name, "epoch": epoch, "hidden": hidden}
        for name, epoch, hidden in (("a", 7, ""), ("b", 6, ""), ("c", 7, "lease"), ("d", 7, ""))
    ]
    done = {"dry_run": False, "epoch": 7, "stored": True, "rollout": None, "kill": kill, "effect": effect}
    listener.say(200, {**done, **effect, "replicas": rows})
    assert app.run([*KILL, "--admin", listener.url, "--wait", "1ms"]) == 3
    told = capsys.readouterr().out
    assert "unconfirmed" in told and "a, b, c" in told and "in force on d" in told
    assert "  a obeys, and cannot confirm it" in told and "local_copy" in told
    assert "  b said last that it goes by snapshot 6, not 7." in told and "end its process" in told
    assert "  c shows nothing (lease)." in told and "  d " not in told
    assert "wardgate kill lift 608de2b7 --reason CODE" in told

    def interrupted(seconds: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("time.sleep", interrupted)
    assert app.run([*KILL, "--admin", listener.url]) == 3
    assert "unconfirmed" in capsys.readouterr().out
