"""Starting, pinning, pausing and reading the processes of the benchmark."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, NamedTuple

import httpx2
import msgspec

from bench.request import Sample


def _cores() -> tuple[int, int]:
    """One for the server, another one for all else, where there are two."""
    allowed = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else [0]
    return allowed[0], allowed[-1]


SERVER_CORE, LOAD_CORE = _cores()
_CONFIG = Path(__file__).parent / "config"
_SUMMARY = re.compile(r"([0-9.]+) ?%")
_START_SECONDS = 20.0


class Variant(NamedTuple):
    """A gateway to measure; `module` takes --port, --model, --collector, or is wardgate with that client."""

    name: str
    module: str
    client: str | None = None


FLOOR = Variant("floor", "bench.peers.floor")
AIOHTTP = Variant("wardgate, aiohttp", "wardgate", "aiohttp")
PYREQWEST = Variant("wardgate, pyreqwest", "wardgate", "pyreqwest")
NAIVE = Variant("FastAPI + pydantic + httpx", "bench.peers.naive")
FHIR = Variant("the same + fhir.resources", "bench.peers.fhir")
VARIANTS = (FLOOR, PYREQWEST, AIOHTTP, NAIVE, FHIR)


class NotStarted(Exception):
    """A server died or did not answer in time; the text is the end of what it said."""


class Server:
    """A running process, pinned to one core."""

    def __init__(self, name: str, arguments: Sequence[str], core: int, folder: Path) -> None:
        self.name = name
        self._log = folder / f"{re.sub('[^a-z]+', '-', name.lower())}.log"
        with self._log.open("wb") as log:
            self._process = start(arguments, core, log)

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def running(self) -> bool:
        return self._process.poll() is None

    def said(self) -> str:
        return f"{self.name}: {self._log.read_text(errors='replace')[-2000:]}"

    def cpu(self) -> float:
        """Seconds of CPU so far, user and system, all threads: the clock that clock_getcpuclockid(3) names."""
        return time.clock_gettime(~self._process.pid << 3 | 2)

    def reload(self) -> None:
        self._process.send_signal(signal.SIGHUP)

    def pause(self) -> None:
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        self._process.send_signal(signal.SIGCONT)

    def stop(self) -> None:
        self.resume()
        self._process.terminate()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def start(arguments: Sequence[str], core: int, log: IO[bytes]) -> subprocess.Popen[bytes]:
    """Run Python on one core: a child that has hardly begun passes its affinity on to every later thread.

    Children may keep compiled modules, whatever this environment says: start-up times depend on it.
    """
    command = ["env", "-u", "PYTHONDONTWRITEBYTECODE", sys.executable, *arguments]
    process = subprocess.Popen(command, stdout=log, stderr=log)
    os.sched_setaffinity(process.pid, {core})
    return process


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def wait_for(port: int, server: Server) -> None:
    """Until somebody listens."""
    end = time.monotonic() + _START_SECONDS
    while time.monotonic() < end and server.running:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except ConnectionRefusedError:
            time.sleep(0.01)
    raise NotStarted(server.said())


@contextmanager
def stub(latency: float, folder: Path) -> Iterator[int]:
    """The model and the collector, on the generator's core; yields their port."""
    port = free_port()
    arguments = ["-m", "bench.stubs", "--port", str(port), "--latency", str(latency)]
    server = Server(f"stub {'slow' if latency else 'fast'}", arguments, LOAD_CORE, folder)
    try:
        wait_for(port, server)
        yield port
    finally:
        server.stop()


@contextmanager
def gateway(
    variant: Variant,
    model: int,
    folder: Path,
    samples: Sequence[Sample],
    change: Callable[[Path], None] = lambda folder: None,
) -> Iterator[tuple[Server, int]]:
    """One variant, running, and seen to answer each sample with one card that shows that patient's risk. `change` gets
    the folder of wardgate's configuration before it starts."""
    port = free_port()
    address = f"127.0.0.1:{model}"
    if variant.client is None:
        url = f"http://{address}"
        arguments = ["-m", variant.module, "--port", str(port), "--model", url, "--collector", url]
    else:
        config = write_config(folder / variant.client / str(model), port, address, variant.client)
        change(config.parent)
        arguments = ["-m", "wardgate", "serve", "--config", str(config)]
    server = Server(f"{variant.name} {model}", arguments, SERVER_CORE, folder)
    try:
        wait_for(port, server)
        verify(port, server, samples)
        yield server, port
    finally:
        server.stop()


def write_config(folder: Path, port: int, model: str, client: str) -> Path:
    """The files under `bench/config` with this run's addresses; returns the path of wardgate.yaml."""
    words = {
        "LISTEN_PORT": str(port),
        "ADMIN_PORT": str(free_port()),
        "MODEL_HOST": model,
        "HTTP_CLIENT": client,
    }
    for source in _CONFIG.rglob("*.*"):
        target = folder / source.relative_to(_CONFIG)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(re.sub("|".join(words), lambda match: words[match[0]], source.read_text()))
    return folder / "wardgate.yaml"


class _Card(msgspec.Struct):
    summary: str


class _Answer(msgspec.Struct):
    cards: list[_Card]


def verify(port: int, server: Server, samples: Sequence[Sample]) -> None:
    """Raise NotStarted unless every sample gets one card with the right risk; the first may take a while to come."""
    end = time.monotonic() + _START_SECONDS
    with httpx2.Client(base_url=f"http://127.0.0.1:{port}", timeout=10) as client:
        while not _shows_risk(client, samples[0]):
            if time.monotonic() > end or not server.running:
                raise NotStarted(server.said())
            time.sleep(0.05)
        for sample in samples:
            if not _shows_risk(client, sample):
                raise NotStarted(f"{server.name} answers with another card than the one that was asked for")


def _shows_risk(client: httpx2.Client, sample: Sample) -> bool:
    reply = client.post(
        "/cds-services/kidney-failure", content=sample.body(1), headers={"Content-Type": "application/json"}
    )
    if reply.status_code != 200:
        return False
    cards = msgspec.json.decode(reply.content, type=_Answer).cards
    shown = _SUMMARY.search(cards[0].summary) if len(cards) == 1 else None
    return shown is not None and abs(float(shown[1]) - sample.risk * 100) < 0.011
