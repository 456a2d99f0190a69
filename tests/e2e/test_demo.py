"""`wardgate demo` as a newcomer and as a script meet it: real processes, real HTTP."""

import contextlib
import json
import queue
import signal
import socket
import subprocess
import sys
import threading
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.fakes.processes import PATIENCE, free_port, wait_until
from tests.fakes.served import children


class Demo:
    """The process, with what it said on standard output; its temporary files are under `scratch`."""

    def __init__(self, port: int, scratch: Path, *more: str) -> None:
        command = [sys.executable, "-m", "wardgate", "demo", "--port", str(port), "--no-browser", *more]
        self.errors = scratch.parent / "stderr"
        with self.errors.open("wb") as errors:
            self.process = subprocess.Popen(
                ["env", f"TMPDIR={scratch}", *command], stdout=subprocess.PIPE, stderr=errors, text=True
            )
        self._lines: queue.SimpleQueue[str] = queue.SimpleQueue()
        threading.Thread(target=self._read, daemon=True).start()
        self.head = [self.line() for _ in range(6)]
        self.urls = dict(line.split(" ", 1) for line in self.head[:5])

    def _read(self) -> None:
        with contextlib.suppress(ValueError):  # closed by the test
            for line in self.process.stdout or ():
                self._lines.put(line.rstrip("\n"))

    def line(self) -> str:
        try:
            return self._lines.get(timeout=2 * PATIENCE)
        except queue.Empty:
            self.process.kill()
            raise AssertionError(f"the demo says nothing more; its log: {self.errors.read_text()[-2000:]}") from None

    def output_until(self, text: str) -> str:
        lines = [self.line()]
        while text not in lines[-1]:
            lines.append(self.line())
        return "\n".join(lines)

    def stop(self, number: signal.Signals) -> int:
        self.process.send_signal(number)
        return self.process.wait(PATIENCE)

    def gone(self) -> bool:
        return not any(_listens(url) for url in self.urls.values())


def _listens(url: str) -> bool:
    host, _, port = url.split("/")[2].partition(":")
    with contextlib.suppress(OSError), socket.create_connection((host, int(port)), 1):
        return True
    return False


@pytest.fixture
def scratch(tmp_path: Path) -> Path:
    folder = tmp_path / "scratch"
    folder.mkdir()
    return folder


@pytest.fixture
def start(scratch: Path) -> Iterator[Any]:
    running: list[Demo] = []

    def begin(port: int, *more: str) -> Demo:
        running.append(Demo(port, scratch, *more))
        return running[-1]

    yield begin
    for demo in running:
        demo.process.kill()
        demo.process.wait()
        if demo.process.stdout is not None:
            demo.process.stdout.close()


def _call(demo: Demo, patient: str, fhir: str | None = None) -> list[dict[str, Any]]:
    request = {
        "hook": "patient-view",
        "hookInstance": str(uuid.uuid4()),
        "fhirServer": fhir or demo.urls["fhir"],
        "context": {"userId": "Practitioner/demo", "patientId": patient},
    }
    reply = httpx2.post(f"{demo.urls['gateway']}/cds-services/kidney-failure", json=request, trust_env=False)
    assert reply.status_code == 200
    cards: list[dict[str, Any]] = reply.json()["cards"]
    return cards


def test_the_demo_shows_cards_and_leaves_nothing_behind(start: Any, scratch: Path) -> None:
    """Addresses and `ready` as the contract says, a scored card at once, cards on the terminal, a clean end."""
    port = free_port()
    demo = start(port)
    assert [line.split(" ")[0] for line in demo.head] == ["gateway", "admin", "fhir", "model", "simulator", "ready"]
    assert demo.urls["gateway"] == f"http://127.0.0.1:{port}"
    assert not any(url.endswith("/") for url in demo.urls.values())
    shown = demo.output_until("Ctrl-C")  # its own calls are done: on two busy cores they compete with ours
    [card] = _call(demo, "advanced-05")
    assert "49" in card["summary"]
    assert card["indicator"] == "warning"
    assert _call(demo, "advanced-05", demo.urls["fhir"].replace("127.0.0.1", "localhost"))  # as an EHR may write it
    [deferred] = _call(demo, "no-uacr")
    assert "not calculated" in deferred["summary"]
    for patient in ("on-dialysis", "child", "deceased", "ckd-03"):
        assert _call(demo, patient) == []
    assert card["summary"] in shown
    assert "wardgate call kidney-failure" in shown
    assert [path.stat().st_mode & 0o777 for path in scratch.glob("*.json")] == [0o600]
    assert demo.stop(signal.SIGTERM) == 0
    assert demo.gone()
    assert list(scratch.iterdir()) == []


def test_a_killed_demo_takes_its_processes_along(start: Any) -> None:
    """kill -9 leaves no time for an orderly end; the children see their leash cut and end by themselves."""
    demo = start(free_port())
    demo.process.kill()
    demo.process.wait(PATIENCE)
    wait_until(demo.gone)


def test_a_busy_port_is_a_sentence(scratch: Path) -> None:
    """Who starts it twice learns what to do, and nothing is left running."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = str(listener.getsockname()[1])
        done = subprocess.run(
            ["env", f"TMPDIR={scratch}", sys.executable, "-m", "wardgate", "demo", "--port", port],
            capture_output=True,
            text=True,
            timeout=PATIENCE,
        )
    assert done.returncode == 1
    assert done.stdout == ""
    assert f"Port {port}" in done.stderr
    assert "Traceback" not in done.stderr
    assert list(scratch.iterdir()) == []


def test_an_interrupt_during_the_start_ends_everything(scratch: Path) -> None:
    """Ctrl-C before `ready` is an orderly end as well."""
    process = subprocess.Popen(
        ["env", f"TMPDIR={scratch}", sys.executable, "-m", "wardgate", "demo", "--port", str(free_port())],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        wait_until(lambda: len(children(process.pid)) >= 2, of=process)  # its FHIR server is about to read the patients
        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE) == 0
    assert list(scratch.iterdir()) == []


def test_a_folder_of_one_s_own_patients(start: Any, tmp_path: Path) -> None:
    """`--patients DIR`: whoever is in the Bundles is shown, and the command to type next names one of them."""
    patient = {"resourceType": "Patient", "id": "my-own", "gender": "female", "birthDate": "1950-01-01"}
    folder = tmp_path / "bundles"
    folder.mkdir()
    (folder / "one.json").write_text(json.dumps({"resourceType": "Bundle", "entry": [{"resource": patient}]}))
    demo = start(free_port(), "--patients", str(folder))
    shown = demo.output_until("Ctrl-C")
    assert "my-own (female" in shown
    assert "--patient my-own" in shown
    assert "advanced-03" not in shown
    assert demo.stop(signal.SIGTERM) == 0


def test_patients_that_cannot_be_read_are_a_sentence(tmp_path: Path) -> None:
    """The FHIR server's own words, and nothing left running."""
    command = [sys.executable, "-m", "wardgate", "demo", "--port", str(free_port()), "--patients", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == 1
    assert done.stdout == ""
    assert "there is no patient" in done.stderr
    assert "Traceback" not in done.stderr
