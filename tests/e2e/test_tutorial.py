"""docs/tutorial.md, followed as a newcomer follows it: every file, edit and command, in an empty folder.

What is not on the page is not done here, but for two things: ports that are free, and an end to the background.
A line of a `text` block must appear in what the commands before it printed; `…` stands for anything.
"""

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.processes import ask, free_port, wait_until

PAGE = Path(__file__).parents[2] / "docs" / "tutorial.md"
_PORTS = ("8080", "8081", "8082", "8083")


class Newcomer:
    """Stands in an empty folder; `said` is what the last commands printed."""

    def __init__(self, folder: Path, ports: dict[str, str]) -> None:
        self.folder = folder
        self.ports = ports
        self.said = ""
        self.running: dict[str, subprocess.Popen[str]] = {}
        bin_ = str(Path(sys.executable).parent)
        path = f"{bin_}{os.pathsep}{os.defpath}"
        self.environment = {
            "PATH": path,
            "HOME": str(folder),
            "TMPDIR": str(folder),
            "COLUMNS": "80",
            "LC_ALL": "C.UTF-8",
        }

    def follow(self, kind: str, text: str, before: str) -> None:
        match kind:
            case "python":
                (self.folder / text.partition("\n")[0].removeprefix("# ")).write_text(self._here(text))
            case "diff":
                self._edit(text)
            case "text":
                self._see(text)
            case "sh" if "terminal" in before:
                self._start(text.strip())
            case "sh":
                self.said = "".join(self._run(line) for line in text.splitlines())
            case _:
                raise AssertionError(f"nobody knows how to follow a block of kind {kind}")

    def _here(self, text: str) -> str:
        for told, free in self.ports.items():
            text = re.sub(rf"\b{told}\b", free, text)
        return text

    def _run(self, line: str) -> str:
        command = self._here(line)
        if command.startswith("wardgate call"):
            command += self._here(" --gateway http://127.0.0.1:8080 --admin http://127.0.0.1:8081")
            command += self._here(" --fhir http://127.0.0.1:8083/fhir")
        done = subprocess.run(
            ["bash", "-c", command], cwd=self.folder, env=self.environment, capture_output=True, text=True, timeout=60
        )
        assert "Traceback" not in done.stderr, done.stderr
        if line.startswith("wardgate new"):
            gateway = self.folder / "config" / "wardgate.yaml"
            gateway.write_text(self._here(gateway.read_text()))
        return done.stdout + done.stderr

    def _edit(self, text: str) -> None:
        """What the hunk removes, with what stands around it, is there exactly once."""
        head, *lines = text.splitlines()
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

    def _start(self, text: str) -> None:
        """In the background, in a session of its own; the same command again ends the earlier one first."""
        if text in self.running:
            _end(self.running[text])
        log = (self.folder / f"background-{len(self.running)}.log").open("w")
        with log:
            self.running[text] = subprocess.Popen(
                ["bash", "-c", self._here(text)],
                cwd=self.folder,
                env=self.environment,
                stdout=log,
                stderr=log,
                text=True,
                start_new_session=True,
            )
        if "wardgate serve" in text:
            wait_until(self._proven)
        else:
            wait_until(lambda: all(_listens(self.ports[port]) for port in ("8082", "8083")))

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
        running.wait(10)
    except subprocess.TimeoutExpired:
        os.killpg(running.pid, signal.SIGKILL)
        running.wait()
        raise


def blocks() -> list[tuple[str, str, str]]:
    """Kind, text, and the line of prose before it. The first one sets up the checkout, which is done."""
    found: list[tuple[str, str, str]] = []
    prose, kind, text = "", None, ""
    for line in PAGE.read_text("utf-8").splitlines(keepends=True):
        if kind is None and line.startswith("```"):
            kind, text = line[3:].strip(), ""
        elif line.startswith("```"):
            assert kind is not None
            found.append((kind, text, prose))
            kind = None
        elif kind is not None:
            text += line
        elif line.strip():
            prose = line
    assert kind is None and found[0][1].startswith("make setup\n")
    return found[1:]


@pytest.fixture
def newcomer(tmp_path: Path) -> Iterator[Newcomer]:
    someone = Newcomer(tmp_path, {port: str(free_port()) for port in _PORTS})
    yield someone
    for running in someone.running.values():
        _end(running)


def test_the_tutorial_leads_to_a_card(newcomer: Newcomer) -> None:
    """From an empty folder, by what the page says and nothing else."""
    for kind, text, before in blocks():
        newcomer.follow(kind, text, before)
