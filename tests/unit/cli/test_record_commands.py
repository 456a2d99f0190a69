"""The commands about records on a store of their own, without a gateway: what they print, and what they refuse."""

import base64
import json
import re
import stat
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import NamedTuple

import msgspec
import pytest

from tests.fakes.config_tree import sound_config
from tests.fakes.processes import free_port
from tests.fakes.stories import decision, decision_id
from tests.unit.gateway.test_replay import CAPTURE
from wardgate.adapters.spool.quarantine import frame_of
from wardgate.bootstrap.durable import archive_of
from wardgate.cli.app import run
from wardgate.cli.captures import NoCapture, configured_from, prepare, read, write
from wardgate.domain.pseudonyms import KeyRing
from wardgate.domain.record_names import RecordNames, card, hook_instance, patient
from wardgate.gateway.replay import FORMAT, Capture
from wardgate.records.archive import Archive

SECRET = b"k" * 32
NAMES = RecordNames(KeyRing([SECRET]))
FHIR = "http://127.0.0.1:8083/fhir"
ONE = decision(
    1,
    client="ehr",
    patient=NAMES.of(patient("ehr", FHIR, "p1")),
    hook_instance=NAMES.of(hook_instance("ehr", "00000000-0000-1000-8000-000000000001")),
)
HEAD = "patient,label,value,time\n"


class Store(NamedTuple):
    config: Path
    archive: Archive


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    """With one decision in it."""
    monkeypatch.setenv("WARDGATE_TEST_KEY", base64.b64encode(SECRET).decode())
    monkeypatch.setenv("COLUMNS", "100")
    config = sound_config(
        tmp_path,
        wardgate=("model_hosts:", "pseudonym_key: {env: WARDGATE_TEST_KEY}\nmodel_hosts:"),
        service=("rollout:", "outcome: {label: kidney_failure, within: 730d}\nrollout:"),
    )
    place = configured_from(config).secrets.durable
    assert place is not None
    archive = archive_of(place, lambda uuid: NAMES.of(card(uuid)))
    archive.add_decisions([ONE])
    return Store(config, archive)


@pytest.mark.parametrize("name", [ONE.decision_id, ONE.card_uuids[0], "00000000-0000-1000-8000-000000000001"])
def test_a_story_is_told_offline(store: Store, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """By all three names, and the look is on the access log with its user."""
    assert run(["trace", name, "--config", str(store.config)]) == 0
    assert ONE.decision_id in capsys.readouterr().out
    (look,) = store.archive.accesses(0, 1e12)
    assert (look.principal[:3], look.action, look.subject) == ("os:", "trace", ONE.decision_id)


def test_what_is_not_known_is_said(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    """On standard error, with exit 1."""
    assert run(["trace", decision_id(99), "--config", str(store.config)]) == 1
    assert "No record is kept" in capsys.readouterr().err


def test_the_affected_on_screen_and_in_a_file(store: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A summary and the first of them; all in a new file of this user alone."""
    csv, command = tmp_path / "a.csv", ["affected", "--release", "kidney-failure@1.0.0", "--config", str(store.config)]
    assert run([*command, "--csv", str(csv)]) == 0
    assert "cards      1 shown" in capsys.readouterr().out
    assert stat.S_IMODE(csv.stat().st_mode) == 0o600 and ONE.decision_id in csv.read_text()
    assert run([*command, "--csv", str(csv)]) == 1
    assert run([*command, "--to", "2026-01-01"]) == 0
    assert "cards      0 shown" in capsys.readouterr().out
    assert run([*command, "--from", "2026-02-01", "--to", "2026-01-01"]) == 1
    assert "`since` (--from) is not before `until` (--to)" in capsys.readouterr().err


@pytest.mark.parametrize(
    "command",
    [
        ["affected", "--release", "kidney-failure@1.0.0"],
        ["export", "decisions", "never.ndjson"],
        ["audit", "search"],
    ],
    ids=["affected", "export", "audit"],
)
def test_what_is_no_time_is_said_before_anybody_is_asked(
    command: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """By the name of the argument as it was typed, with one that would do; also where a gateway would be asked."""
    for flag in ("--from", "--to"):
        with pytest.raises(SystemExit):
            run([*command, flag, "yesterday"])
        told = capsys.readouterr().err
        assert f"argument {flag}: no date or time: write 2026-03-01, or 2026-03-01T08:00:00Z" in told
    assert not Path("never.ndjson").exists()


def test_an_export_is_whole_or_not_there(store: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A line a decision; a file that is there stays as it is."""
    file = tmp_path / "d.ndjson"
    command = ["export", "decisions", str(file), "--from", "2026-01-01", "--to", "2027-01-01"]
    assert run([*command, "--config", str(store.config)]) == 0
    assert json.loads(file.read_text())["decision_id"] == ONE.decision_id
    before = file.read_bytes()
    assert run([*command, "--config", str(store.config)]) == 1
    assert file.read_bytes() == before
    command[2] = str(tmp_path / "e.ndjson")
    assert run([*command[:3], "--from", "2999-01-01", "--config", str(store.config)]) == 1
    assert not (tmp_path / "e.ndjson").exists()
    assert "is not before now" in capsys.readouterr().err


def test_outcomes_are_loaded_once(store: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With the one client and the one FHIR server that there are; bad rows are named by file and line."""
    rows = tmp_path / "o.csv"
    earlier = msgspec.structs.replace(ONE, decision_id=decision_id(7), at=datetime(2026, 1, 2, tzinfo=UTC).timestamp())
    store.archive.add_decisions([earlier])
    command = ["outcomes", "load", str(rows), "--config", str(store.config)]
    rows.write_text(f"{HEAD}p1,kidney_failure,1,2026-01-05\nMr Smith,kidney_failure,1,2026-01-05\n")
    assert run(command) == 1
    assert f"{rows}:3: patient is no FHIR id\n" in capsys.readouterr().err
    assert run([*command, "--skip-bad"]) == 0
    assert "1 rows read, 1 new, 0 corrected, 1 left out" in capsys.readouterr().out
    assert run([*command, "--skip-bad"]) == 0
    assert re.search(r"already loaded on 20\d\d-\d\d-\d\d .* rows since corrected: 0\.$", capsys.readouterr().out)
    assert run(["trace", earlier.decision_id, "--config", str(store.config)]) == 0
    assert re.search(r"kidney_failure within .*: happened\b", capsys.readouterr().out)


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("o.xlsx", "", "let the name end in"),
        ("o.csv", "p1,kidney_failure,1,2026-01-05\n", "must name the columns"),
        ("o.csv", "", "must name the columns"),
    ],
)
def test_what_is_no_table_is_told(
    store: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, text: str, said: str
) -> None:
    """Before or instead of its rows."""
    (tmp_path / name).write_text(text)
    assert run(["outcomes", "load", str(tmp_path / name), "--config", str(store.config)]) == 1
    assert said in capsys.readouterr().err


def test_a_missing_file_is_told(store: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """In a sentence."""
    assert run(["outcomes", "load", str(tmp_path / "no.csv"), "--config", str(store.config)]) == 1
    assert "cannot be read" in capsys.readouterr().err


def test_two_ways_are_one_too_many(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    """The gateway or its store."""
    assert run(["trace", ONE.decision_id, "--config", str(store.config), "--admin", "http://127.0.0.1:1"]) == 1
    assert "Name one of them" in capsys.readouterr().err


def test_nobody_there(capsys: pytest.CaptureFixture[str]) -> None:
    """Where nothing listens, that is said, with what to do."""
    assert run(["trace", ONE.decision_id, "--admin", f"http://127.0.0.1:{free_port()}"]) == 1
    assert "No admin listener answers" in capsys.readouterr().err


@pytest.mark.parametrize(
    "command",
    [
        ["trace", "../../health/live?x=1"],
        ["affected", "--release", "a@1"],
        ["export", "decisions", "-"],
    ],
)
def test_somebody_else_there(command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Another server, which answers everything with a page of its own, or with nothing."""

    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if self.path.startswith("/admin/v1/trace/..%2F") else 404)
            self.end_headers()
            self.wfile.write(b"<html>")

        def log_message(self, format: str, *arguments: object) -> None: ...

    with HTTPServer(("127.0.0.1", 0), Page) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        code = run([*command, "--admin", f"http://127.0.0.1:{server.server_port}"])
        server.shutdown()
        thread.join()
    assert code == 1 and capsys.readouterr().err


def test_without_the_key_nothing_is_found_offline(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Names were made with a key that only their gateway had: better said than an empty answer."""
    assert run(["trace", ONE.decision_id, "--config", str(sound_config(tmp_path))]) == 1
    assert "drew for itself" in capsys.readouterr().err


def test_an_unsound_configuration_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`check` says why."""
    config = sound_config(tmp_path, wardgate=("environment: test", "environment: nowhere"))
    assert run(["trace", ONE.decision_id, "--config", str(config)]) == 1
    assert "wardgate check" in capsys.readouterr().err


def test_captures_are_private_and_overwrite_nothing(tmp_path: Path) -> None:
    """Also through a link; and a file that is none is told."""
    file = tmp_path / "c.json"
    write(file, CAPTURE)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600 and read(file) == CAPTURE
    (tmp_path / "link.json").symlink_to(tmp_path / "elsewhere")
    for taken in (file, tmp_path / "link.json"):
        with pytest.raises(NoCapture):
            prepare(taken, tmp_path)
        with pytest.raises(NoCapture):
            write(taken, CAPTURE)
    assert not (tmp_path / "elsewhere").exists()
    with pytest.raises(NoCapture):
        prepare(tmp_path / "no" / "c.json", tmp_path)
    with pytest.raises(NoCapture):
        prepare(tmp_path / "new.json", None)


@pytest.mark.parametrize("now", [-1.0, 1e12, 1e300])
def test_a_capture_of_no_time_is_none(tmp_path: Path, now: float, capsys: pytest.CaptureFixture[str]) -> None:
    """Its clock was edited to where no calendar goes."""
    file = tmp_path / "c.json"
    write(file, msgspec.structs.replace(CAPTURE, now=now))
    assert run(["replay", "--capture", str(file), "--config", str(sound_config(tmp_path))]) == 1
    assert "is no capture" in capsys.readouterr().err


@pytest.mark.parametrize("content", [b"", b"{}", b"[1]", b"\xff", b'{"format":9}', b"[" * 10_000])
def test_what_is_no_capture_is_told(tmp_path: Path, content: bytes, capsys: pytest.CaptureFixture[str]) -> None:
    """Without a traceback."""
    file = tmp_path / "c.json"
    file.write_bytes(content)
    assert run(["replay", "--capture", str(file), "--config", str(sound_config(tmp_path))]) == 1
    assert "is no capture" in capsys.readouterr().err


def test_a_capture_of_a_later_form_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It names what would read it."""
    file = tmp_path / "c.json"
    later: Capture = Capture(**{name: getattr(CAPTURE, name) for name in CAPTURE.__struct_fields__} | {"format": 9})
    write(file, later)
    assert run(["replay", "--capture", str(file), "--config", str(sound_config(tmp_path))]) == 1
    assert f"this version reads {FORMAT}" in capsys.readouterr().err


def test_what_was_set_aside_is_given_to_the_store_again(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    """With a line for each file; its card is found afterwards. What cannot be read is said, with exit 1."""
    command, folder = ["records", "requeue", "--config", str(store.config)], store.config.parent / "var/spool/worker-0"
    folder.mkdir(parents=True)
    late = msgspec.structs.replace(ONE, decision_id=decision_id(7), card_uuids=decision(7).card_uuids)
    (folder / "quarantine").write_bytes(frame_of(late))
    assert run([*command, "--dry-run"]) == 1
    assert re.fullmatch(r"worker-0/quarantine +1 entry\n", capsys.readouterr().out)
    (folder / "0000000002.unreadable").mkdir()
    assert run(command) == 1
    told = capsys.readouterr().out
    assert re.search(r"^worker-0/quarantine +1 delivered$", told, re.MULTILINE)
    assert re.search(r"^worker-0/0000000002.unreadable +cannot be read .is a directory., and stays", told, re.MULTILINE)
    assert run(["trace", late.card_uuids[0], "--config", str(store.config)]) == 0
    (folder / "0000000002.unreadable").rmdir()
    capsys.readouterr()
    assert run(command) == 0
    assert capsys.readouterr().out == "Nothing is set aside.\n"
