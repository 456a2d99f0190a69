"""docs/tutorial.md, followed as a newcomer follows it: every file, edit and command, in an empty folder.

What is not on the page is not done here, but for two things: ports that are free, and an end to the background.
A line of a `text` block must appear in what the commands before it printed; `…` stands for anything.
"""

import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.environments import python_of
from tests.fakes.processes import PATIENCE, ask, free_port, wait_until

PAGE = Path(__file__).parents[2] / "docs" / "tutorial.md"
_PORTS = ("8080", "8081", "8082", "8083", "8084", "8092", "8093")
_LISTENS = {"second": "8082", "third": "8083", "fifth": "8084"}
_TOO_BUSY = ("withheld / record_unavailable", "unavailable / model_timeout")
"""What a call of half a second may end with on a machine with other work; whoever reads the page asks again."""
_OTHERS = ("Other model servers", "MLServer", "MLflow")


@dataclass(frozen=True)
class Block:
    """`prose` is the line of text right before it."""

    section: str
    prose: str
    kind: str
    text: str


class Newcomer:
    """Stands in an empty folder; `said` is what the last commands printed."""

    def __init__(self, folder: Path, ports: dict[str, str]) -> None:
        self.folder = folder
        self.ports = ports
        self.said = ""
        self.terminals: dict[str, subprocess.Popen[str]] = {}
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.defpath}"
        self.environment = {
            "PATH": path,
            "HOME": str(folder),
            "TMPDIR": str(folder),
            "COLUMNS": "80",
            "LC_ALL": "C.UTF-8",
        }

    def follow(self, block: Block) -> None:
        terminal = re.search(r"\b(second|third|fourth|fifth) terminal\b", block.prose)
        match block.kind:
            case "python":
                name = block.text.partition("\n")[0].removeprefix("# ")
                (self.folder / name).write_text(self._here(block.text))
            case "diff":
                self._edit(block.text)
            case "text":
                self._see(block.text)
            case "sh" if terminal:
                self._start(terminal[1], block.text.strip())
            case "sh":
                self._run(block.text)
            case _:
                raise AssertionError(f"nobody knows how to follow a block of kind {block.kind}")

    def leave(self) -> None:
        for running in self.terminals.values():
            _end(running)

    def _here(self, text: str) -> str:
        for told, free in self.ports.items():
            text = re.sub(rf"\b{told}\b", free, text)
        return text

    def _run(self, text: str) -> None:
        there = self._here(" --gateway http://127.0.0.1:8080 --admin http://127.0.0.1:8081")
        there += self._here(" --fhir http://127.0.0.1:8083/fhir")
        command = re.sub(r"^wardgate call .*$", lambda call: call[0] + there, self._here(text), flags=re.MULTILINE)
        for _ in range(10):
            self.said = self._said(command)
            if not any(reason in self.said for reason in _TOO_BUSY):
                break
        assert "Traceback" not in self.said, self.said
        if "wardgate new " in text:
            gateway = self.folder / "config" / "wardgate.yaml"
            gateway.write_text(self._here(gateway.read_text()))

    def _said(self, command: str) -> str:
        done = subprocess.run(
            ["bash", "-c", command],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=2 * PATIENCE,
        )
        return done.stdout + done.stderr

    def _edit(self, text: str) -> None:
        """What the hunk removes, with what stands around it, is there exactly once."""
        head, *lines = self._here(text).splitlines()
        path = self.folder / head.removeprefix("--- ")
        old = "".join(f"{line[1:]}\n" for line in lines if line[0] in " -")
        new = "".join(f"{line[1:]}\n" for line in lines if line[0] in " +")
        before = path.read_text()
        assert before.count(old) == 1, f"{path.name} does not have the lines that the page changes:\n{old}"
        path.write_text(before.replace(old, new))

    def _see(self, text: str) -> None:
        said = " ".join(re.sub(r"[│╭╮╰╯─━]", " ", self.said).split())
        for line in self._here(re.sub(r"[│╭╮╰╯─━]", " ", text)).splitlines():
            pattern = ".*?".join(re.escape(" ".join(part.split())) for part in line.split("…"))
            assert re.search(pattern, said), f"the page says {line!r}; what came was:\n{self.said}"

    def _start(self, terminal: str, text: str) -> None:
        """In a session of its own; what ran in that terminal before is ended first."""
        if terminal in self.terminals:
            _end(self.terminals.pop(terminal))
        with (self.folder / f"{terminal}.log").open("w") as log:
            self.terminals[terminal] = subprocess.Popen(
                ["bash", "-c", f"exec {self._here(text)}"],
                cwd=self.folder,
                env=self.environment,
                stdout=log,
                stderr=log,
                text=True,
                start_new_session=True,
            )
        if terminal == "fourth":
            wait_until(self._proven, of=self.terminals[terminal])
        else:
            port = self.ports[_LISTENS[terminal]]
            wait_until(lambda: _listens(port), of=self.terminals[terminal])

    def _proven(self) -> bool:
        status, services = ask(f"http://127.0.0.1:{self.ports['8081']}/health/services")
        return status == 200 and all(service["proof"] == "passed" for service in services.values())


def _listens(port: str) -> bool:
    with socket.create_connection(("127.0.0.1", int(port)), timeout=1):
        return True


def _end(running: "subprocess.Popen[str]") -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(running.pid, signal.SIGTERM)
    try:
        running.wait(PATIENCE)
    except subprocess.TimeoutExpired:
        os.killpg(running.pid, signal.SIGKILL)
        running.wait()
        raise


def blocks(page: Path = PAGE) -> list[Block]:
    """All of the page; of the tutorial without the first one, which sets up the checkout: that is done."""
    found: list[Block] = []
    section, prose, kind, text = "", "", None, ""
    for line in page.read_text("utf-8").splitlines(keepends=True):
        if kind is None and line.startswith("```"):
            kind, text = line[3:].strip(), ""
        elif line.startswith("```"):
            assert kind is not None
            found.append(Block(section, prose, kind, text))
            prose, kind = "", None
        elif kind is not None:
            text += line
        elif line.startswith("#"):
            section, prose = line.strip("# \n"), ""
        elif line.strip():
            prose = line
    assert kind is None
    return found[found[0].text.startswith("make setup\n") :]


@pytest.fixture(scope="module")
def newcomer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Newcomer]:
    """Has followed the page up to its other model servers."""
    someone = Newcomer(tmp_path_factory.mktemp("newcomer"), {port: str(free_port()) for port in _PORTS})
    try:
        for block in blocks():
            if block.section not in _OTHERS:
                someone.follow(block)
        yield someone
    finally:
        someone.leave()


def test_the_tutorial_leads_to_a_card(newcomer: Newcomer) -> None:
    """From an empty folder, by what the page says and nothing else: it ends with a deferral after an edit."""
    assert "High potassium not calculated: potassium too old" in newcomer.said


@pytest.mark.parametrize(("server", "name"), [("MLServer", "mlserver"), ("MLflow", "mlflow")])
def test_a_real_model_server_serves_the_same_page(newcomer: Newcomer, server: str, name: str) -> None:
    """With its own environment first on the path, as the page has it, from where the page's main line ended."""
    environment = {**newcomer.environment, "PYTHONWARNINGS": "ignore"}
    newcomer.environment = {**environment, "PATH": f"{python_of(name).parent}{os.pathsep}{environment['PATH']}"}
    shutil.copytree(newcomer.folder / "config", newcomer.folder / "kept")
    try:
        for block in blocks():
            if block.section in (_OTHERS[0], server) and "pip install" not in block.text:
                newcomer.follow(block)
        assert "3 of 3 agree" in newcomer.said
    finally:
        shutil.rmtree(newcomer.folder / "config")
        (newcomer.folder / "kept").rename(newcomer.folder / "config")
        newcomer.environment = environment
