"""`wardgate probes`: both numbers side by side, and a pin that is only moved when asked to."""

import asyncio
import io
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.config_tree import sound_config
from tests.fakes.processes import line_from, process
from tests.fakes.raw_server import http_answer, raw_server
from wardgate.cli import app, new, probes, starter
from wardgate.cli.check import examine

_PROBES = Path("config/models/kidney-failure/releases/probes.json")
_CONFIG = Path("config/wardgate.yaml")
_TRUE, _WRONG = "0.04732493292698903", "0.047"


@pytest.fixture(scope="module")
def model() -> Iterator[str]:
    """The lab's model server, as host:port."""
    with process("wardgate.lab.model_server", "--port", "0") as running:
        yield line_from(running, r"model http://(\S+)")


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def _configured(here: Path, host: str, score: str = _TRUE) -> None:
    address = ("127.0.0.1:8082", host)
    sound_config(here, wardgate=address, release=address, probes=(_TRUE, score))


def _run(version: str | None = None, write: bool = False, service: str = "kidney-failure") -> tuple[int, str]:
    out = io.StringIO()
    return probes.run(service, _CONFIG, version, write, out), out.getvalue()


def test_an_endpoint_that_agrees(here: Path, model: str) -> None:
    """What stands in the file, what was answered, and the verdict."""
    _configured(here, model)
    code, said = _run()
    assert code == 0
    assert said == (
        f"kidney-failure 1.0.0, asked at http://{model}\n"
        "\n"
        "  age=70 male=1 egfr=30 uacr=300\n"
        f"    score in the file   {_TRUE}\n"
        f"          answered      {_TRUE}\n"
        "\n"
        "1 of 1 agree within 1e-06.\n"
    )


def test_an_endpoint_that_differs(here: Path, model: str) -> None:
    """It says what the gateway would do, and touches nothing."""
    _configured(here, model, _WRONG)
    before = _PROBES.read_bytes()
    code, said = _run()
    assert code == 1
    assert f"answered      {_TRUE}   <- differs\n" in said
    assert "0 of 1 agree within 1e-06. The gateway would show no score (probe_failed).\n" in said
    assert _PROBES.read_bytes() == before


def test_answers_are_written_only_on_request(here: Path, model: str) -> None:
    """Then the file says what was answered, the digest is another one, and the file's mode is kept."""
    _configured(here, model, _WRONG)
    _PROBES.chmod(0o640)
    digest = _digest()
    code, said = _run(write=True)
    assert code == 0 and f"wrote {_PROBES}" in said and "offline" in said
    assert json.loads(_PROBES.read_text()) == [
        {"inputs": {"age": 70, "male": 1, "egfr": 30, "uacr": 300}, "outputs": {"score": float(_TRUE)}}
    ]
    assert _PROBES.stat().st_mode & 0o777 == 0o640
    assert list(_PROBES.parent.glob(".probes-*")) == []
    assert _run()[0] == 0 and _digest() != digest


def _digest() -> str:
    catalog = examine(_CONFIG).catalog
    assert catalog is not None
    return catalog.plans()[0].version("1.0.0").digest


def test_contributions_are_compared_and_written_too(here: Path, model: str) -> None:
    """Whichever outputs the file names."""
    address = ("127.0.0.1:8082", model)
    outputs = ('{"score": 0.04732493292698903}', '{"contributions": [0, 0, 0, 0], "score": 0.04732493292698903}')
    sound_config(here, wardgate=address, release=address, probes=outputs)
    assert "contributions in the file   0.0, 0.0, 0.0, 0.0\n" in _run()[1]
    assert _run(write=True)[0] == 0
    (probe,) = json.loads(_PROBES.read_text())
    assert probe["outputs"]["contributions"][2] == pytest.approx(0.6802874)
    assert _run()[0] == 0


def test_no_endpoint_is_a_sentence(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The reason by its name, and what to look at."""
    _configured(here, "127.0.0.1:1")
    assert _run(write=True)[0] == 1
    said = capsys.readouterr().err
    assert "http://127.0.0.1:1 gave no usable answer to age=70 male=1 egfr=30 uacr=300 (model_unreachable)." in said
    assert "Is it running" in said
    assert json.loads(_PROBES.read_text())[0]["outputs"] == {"score": float(_TRUE)}


@pytest.mark.parametrize(
    ("status", "body", "reason"),
    [
        ("500 Internal Server Error", b"Traceback: age=70", "model_error"),
        ("400 Bad Request", b"{}", "model_refused"),
        ("200 OK", b'{"model_version": "2", "outputs": []}', "reply_version"),
        ("200 OK", b'{"model_version": "1", "outputs": []}', "reply_shape"),
        ("200 OK", b"<html>", "reply_malformed"),
    ],
)
async def test_a_reply_that_cannot_be_used_is_named(
    here: Path, capsys: pytest.CaptureFixture[str], status: str, body: bytes, reason: str
) -> None:
    """And never repeated: a server's error may say anything."""
    async with raw_server(http_answer(status, body)) as server:
        _configured(here, f"127.0.0.1:{server.port}")
        assert (await asyncio.to_thread(_run))[0] == 1
    said = capsys.readouterr().err
    assert f"({reason})" in said and "Traceback" not in said


_REPLIES = {
    "oip": (
        b'{"model_name": "sepsis", "model_version": "1", '
        b'"outputs": [{"name": "score", "shape": [1], "datatype": "FP64", "data": [0.25]}]}'
    ),
    "mlflow": b'{"predictions": [[0.75, 0.25]]}',
    "json": b'{"version": 1, "score": 0.25}',
}


@pytest.mark.parametrize("protocol", starter.PROTOCOLS)
async def test_what_new_writes_asks_an_endpoint_of_its_protocol(here: Path, protocol: str) -> None:
    """The placeholders differ from any answer; written, they agree."""
    async with raw_server(http_answer("200 OK", _REPLIES[protocol])) as server:
        new.run("sepsis", Path("config"), protocol, "patient-view", server.url, io.StringIO())
        differs = await asyncio.to_thread(_run, service="sepsis")
        written = await asyncio.to_thread(_run, write=True, service="sepsis")
        agrees = await asyncio.to_thread(_run, service="sepsis")
    assert differs[0] == 1 and "0 of 3 agree" in differs[1]
    assert written[0] == 0
    assert agrees[0] == 0 and "3 of 3 agree" in agrees[1]


def test_an_unsound_configuration_is_told_first(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """As `check` tells it; nothing is asked."""
    sound_config(here, service=("patient-view", "patient-viw"))
    assert _run()[0] == 1
    assert "Nothing was asked. config/wardgate.yaml: 1 error in 1 file" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("service", "version", "word"),
    [("kidney", None, "There is: kidney-failure."), ("kidney-failure", "9", "It names: 1.0.0.")],
)
def test_an_unknown_name_lists_those_there_are(
    here: Path, capsys: pytest.CaptureFixture[str], service: str, version: str | None, word: str
) -> None:
    """A typing error costs one look."""
    sound_config(here)
    assert _run(version, service=service)[0] == 1
    assert word in capsys.readouterr().err


def test_a_probe_file_that_cannot_be_written_stays(
    here: Path, model: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half a probe file would stop the next start."""

    def full(source: str, target: Path) -> None:
        raise OSError(28, "No space left on device")

    _configured(here, model, _WRONG)
    before = _PROBES.read_bytes()
    monkeypatch.setattr("os.replace", full)
    assert _run(write=True)[0] == 1
    assert "probes.json cannot be written: No space left on device." in capsys.readouterr().err
    assert _PROBES.read_bytes() == before and list(_PROBES.parent.glob(".probes-*")) == []


def test_the_command_line_reaches_it(here: Path, model: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A folder stands for the wardgate.yaml in it, as everywhere."""
    _configured(here, model)
    assert app.run(["probes", "kidney-failure", "--config", "config", "--release", "1.0.0"]) == 0
    assert "1 of 1 agree" in capsys.readouterr().out
