"""`wardgate new`: what it writes is sound, and what exists stays as it is."""

import io
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes.config_tree import FILES, sound_config
from wardgate.cli import app, new, starter
from wardgate.cli.check import examine
from wardgate.domain.hooks import HOOKS

_CONFIG = Path("config")


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that a user stands in."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def _new(
    service: str = "sepsis",
    folder: Path = _CONFIG,
    protocol: str = "oip",
    hook: str = "patient-view",
    url: str = starter.URL,
) -> tuple[int, str]:
    out = io.StringIO()
    return new.run(service, folder, protocol, hook, url, out), out.getvalue()


def _files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_an_empty_folder_becomes_a_configuration_without_a_finding(here: Path) -> None:
    """Not even a warning: the first one a newcomer reads is about something that she has changed."""
    code, said = _new("kidney-failure")

    assert code == 0
    assert examine(_CONFIG / "wardgate.yaml").findings == ()
    assert set(_files(here)) == {
        "config/wardgate.yaml",
        "config/services/kidney-failure.yaml",
        "config/models/kidney-failure/features.yaml",
        "config/models/kidney-failure/releases/1.0.0.yaml",
        "config/models/kidney-failure/releases/probes.json",
        "config/cards/kidney-failure.yaml",
    }
    assert all(f"wrote {file} " in said for file in _files(here))
    assert said.endswith(
        "Next:\n"
        "  wardgate check                  prove that all files fit together\n"
        "  wardgate probes kidney-failure  compare what the endpoint answers with probes.json\n"
        "  wardgate serve                  run the gateway\n"
    )


@pytest.mark.parametrize("hook", [*HOOKS, "com.example.my-hook"])
@pytest.mark.parametrize("protocol", starter.PROTOCOLS)
def test_every_hook_and_protocol_passes_check(here: Path, hook: str, protocol: str) -> None:
    """The prefetch uses only what every hook has."""
    assert _new(hook=hook, protocol=protocol)[0] == 0
    assert examine(_CONFIG / "wardgate.yaml").findings == ()


@given(
    st.from_regex(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,62}[A-Za-z0-9])?", fullmatch=True)
    | st.sampled_from(["1.0", "1e3", "0x1F", "true", "Null", "NO", "2026-03-01", "a..b", "score", "x" * 64])
)
def test_every_name_that_is_taken_passes_check(tmp_path_factory: pytest.TempPathFactory, service: str) -> None:
    """Also one that YAML would read as a number, a date or true."""
    folder = tmp_path_factory.mktemp("new")
    assert _new(service, folder)[0] == 0
    assert examine(folder / "wardgate.yaml").findings == ()


@pytest.mark.parametrize("service", ["", "a b", "../up", "a/b", "-x", "x-", "x" * 65, "käse", "a\nb", "{{x}}"])
def test_a_bad_name_is_a_sentence(here: Path, capsys: pytest.CaptureFixture[str], service: str) -> None:
    """And nothing is written."""
    assert _new(service)[0] == 1
    what, remedy = capsys.readouterr().err.splitlines()
    assert what == f"{service!r} is not an id that stands in a URL."
    assert "letters, digits" in remedy
    assert _files(here) == {}


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ({"hook": "patient-viw"}, "Did you mean `patient-view`?"),
        ({"hook": "Something"}, "reverse domain name"),
        ({"url": "127.0.0.1:8082"}, "not the URL of a model server"),
        ({"url": "http://user@host"}, "not the URL of a model server"),
        ({"url": "http://HOST"}, "lower case"),
        ({"url": "http://127.0.0.1:99999"}, "not the URL of a model server"),
        ({"url": "http://127.0.0.1:0"}, "not the URL of a model server"),
        ({"url": "http://[::1::2]"}, "not the URL of a model server"),
        ({"url": "http://model.internal:8080"}, "Write https"),
        ({"url": "http://h/x?y=1"}, "not the URL of a model server"),
        ({"url": 'http://h/"\n- x'}, "not the URL of a model server"),
    ],
)
def test_a_bad_option_is_a_sentence(
    here: Path, capsys: pytest.CaptureFixture[str], options: dict[str, str], word: str
) -> None:
    """And nothing is written."""
    assert _new(**options)[0] == 1  # type: ignore[arg-type]  # text for text
    assert word in capsys.readouterr().err
    assert _files(here) == {}


def test_nothing_is_overwritten(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Where one file exists, none is written; all that are in the way are named."""
    _new()
    before = _files(here)
    Path("config/services/sepsis.yaml").unlink()
    assert _new()[0] == 1
    del before["config/services/sepsis.yaml"]
    assert _files(here) == before
    said = capsys.readouterr().err
    assert "config/cards/sepsis.yaml" in said and "config/services/sepsis.yaml" not in said


def test_a_link_that_leads_nowhere_is_in_the_way_too(here: Path) -> None:
    """It would be written through."""
    Path("config/cards").mkdir(parents=True)
    Path("config/cards/sepsis.yaml").symlink_to("elsewhere.yaml")
    assert _new()[0] == 1
    assert not Path("config/cards/elsewhere.yaml").exists() and not Path("config/wardgate.yaml").exists()


def test_what_was_begun_is_taken_back(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A folder that is a file stops the third of six."""
    Path("config").mkdir()
    Path("config/models").write_text("no folder")
    assert _new()[0] == 1
    assert _files(here) == {"config/models": b"no folder"}
    assert "config/models/sepsis/features.yaml cannot be written" in capsys.readouterr().err


def test_a_second_service_stands_beside_the_first(here: Path) -> None:
    """Same folders, same gateway."""
    _new("first")
    gateway = Path("config/wardgate.yaml").read_bytes()
    assert _new("second")[0] == 0
    examination = examine(_CONFIG / "wardgate.yaml")
    assert examination.findings == () and examination.catalog is not None
    assert set(examination.catalog.services) == {"first", "second"}
    assert Path("config/wardgate.yaml").read_bytes() == gateway


def test_a_gateway_that_is_there_says_where_files_go(here: Path) -> None:
    """Its `paths`, here the default of cards in a folder beside it."""
    sound_config(here)
    before = _files(here)
    assert _new()[0] == 0
    assert Path("cards/sepsis.yaml").exists() and not Path("config/cards").exists()
    assert {name: text for name, text in _files(here).items() if name in before} == before
    assert not examine(_CONFIG / "wardgate.yaml").errors


def test_without_insecure_demo_a_service_begins_in_silence(here: Path) -> None:
    """Higher modes need approvals, and `check` would refuse them."""
    sound_config(here, wardgate=("insecure_demo: true\n", ""))
    assert _new()[0] == 0
    assert "mode: silent" in Path("config/services/sepsis.yaml").read_text()


def test_a_model_host_that_is_not_listed_is_a_line_to_change(here: Path) -> None:
    """Nobody's file is edited; with that line, the configuration is sound."""
    sound_config(here)
    gateway = Path("config/wardgate.yaml")
    code, said = _new(url="http://localhost:9000")
    assert code == 0 and gateway.read_text() == FILES["wardgate"][1]
    line = '  model_hosts: ["127.0.0.1:8082", "localhost:9000"]\n'
    assert f"config/wardgate.yaml is yours and was left alone. Change its line 11 to:\n{line}" in said
    assert len(examine(gateway).errors) == 1
    gateway.write_text(gateway.read_text().replace('model_hosts: ["127.0.0.1:8082"]', line.strip()))
    assert not examine(gateway).errors


@pytest.mark.parametrize("url", ["http://[::1]:8082", "http://localhost", "https://m.example/v1/", "https://m:8443"])
@pytest.mark.parametrize("protocol", starter.PROTOCOLS)
def test_every_url_that_is_taken_passes_check(here: Path, url: str, protocol: str) -> None:
    """Its host stands in `model_hosts` as the URL has it."""
    assert _new(url=url, protocol=protocol)[0] == 0
    assert examine(_CONFIG / "wardgate.yaml").findings == ()


def test_a_folder_in_the_place_of_the_gateway_is_a_sentence(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Never a traceback."""
    Path("config/wardgate.yaml").mkdir(parents=True)
    assert _new()[0] == 1
    assert "config/wardgate.yaml" in capsys.readouterr().err


@pytest.mark.parametrize("content", ["", "a: [", "- a list", "a: 1\na: 2\n"])
def test_a_gateway_that_cannot_be_read_stops_it(here: Path, capsys: pytest.CaptureFixture[str], content: str) -> None:
    """It would say where files go."""
    Path("config").mkdir()
    Path("config/wardgate.yaml").write_text(content)
    assert _new()[0] == 1
    assert "config/wardgate.yaml" in capsys.readouterr().err
    assert set(_files(here)) == {"config/wardgate.yaml"}


def test_another_folder_is_named_in_the_next_commands(here: Path) -> None:
    """They can be typed as they stand."""
    _, said = _new(folder=Path("elsewhere"))
    assert "  wardgate serve --config elsewhere/wardgate.yaml " in said


def test_the_command_line_reaches_it(here: Path) -> None:
    """`wardgate new`, then `wardgate check`."""
    assert app.run(["new", "sepsis", "--hook", "order-sign"]) == 0
    assert app.run(["check"]) == 0
    assert "hook: order-sign" in Path("config/services/sepsis.yaml").read_text()


@pytest.mark.skipif(os.getuid() == 0, reason="root may write everywhere")
def test_a_folder_that_may_not_be_written_is_a_sentence(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It names the file."""
    here.chmod(0o500)
    assert _new()[0] == 1
    assert "config/wardgate.yaml cannot be written" in capsys.readouterr().err
    here.chmod(0o700)
