"""`wardgate demo`: a model server, a FHIR server with patients, the gateway and an EHR to look at, each a process.

Standard output is a contract: `gateway URL`, `admin URL`, `fhir URL`, `model URL`, `simulator URL`, `ready`, one
a line; what follows is for the reader. Logs go to standard error. SIGINT and SIGTERM stop everything; exit 0.
"""

import contextlib
import os
import re
import shutil
import signal
import socket
import sys
import tempfile
import webbrowser
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, NoReturn

import httpx2
import msgspec

from wardgate.cli import running
from wardgate.cli.ehr import CannotCall, Ehr
from wardgate.cli.processes import Child, DidNotStart
from wardgate.cli.running import Running
from wardgate.gateway.proof import Proof

if TYPE_CHECKING:
    from rich.console import Console

_PATIENCE = 60.0  # seconds for each process to come up; one that has ended is told at once
_PROOF = 30.0  # seconds for the gateway to ask the model
_SERVICE, _USER = "kidney-failure", "Practitioner/demo"
_SHOWN = ("advanced-05", "no-uacr", "on-dialysis", "ckd-03")
_FIRST = 4  # patients of a folder of one's own
_ADDRESS = re.compile(r"(127\.0\.0\.1:|localhost:|port: )(8080|8081|8082|8083)\b")


class _Stop(BaseException):
    """SIGINT or SIGTERM. Like KeyboardInterrupt no Exception, so that no library mistakes it for a failure."""


def run(port: int, browser: bool = True, config: Path | None = None, patients: Path | None = None) -> int:
    """`browser`: open the EHR's page, where somebody sits before a screen. `patients`: a folder of Bundles."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _on_signal)
    try:
        with contextlib.ExitStack() as stack:
            where, children = start(port, source(config), patients, stack)
            _talk(where)
            if browser and _at_a_desktop():
                webbrowser.open(where.simulator)
            _hold(children)
    except _Stop:
        return 0
    except DidNotStart as error:
        print(error, file=sys.stderr)
        return 1


def _on_signal(number: int, frame: object) -> None:
    # Once is enough: what follows is the orderly end, and a second Ctrl-C must not leave half of it.
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, signal.SIG_IGN)
    raise _Stop


def source(config: Path | None) -> Path:
    """The folder of the demo's wardgate.yaml: the one named, else `config/demo` of the checkout."""
    if config is not None:
        folder = config if config.is_dir() else config.parent
        if (folder / "wardgate.yaml").is_file():
            return folder.resolve()
        raise DidNotStart(f"There is no wardgate.yaml in {folder}.")
    for parent in Path(__file__).resolve().parents:
        if (parent / "config" / "demo" / "wardgate.yaml").is_file():
            return parent / "config" / "demo"
    raise DidNotStart("The demo's configuration (config/demo) is not beside this installation: name it with --config.")


def _at_a_desktop() -> bool:
    """A terminal with a screen of its own: a browser started elsewhere would open where nobody looks."""
    has = os.environ.keys()  # noqa: TID251 - what kind of terminal this is, no setting
    screen = sys.platform == "darwin" or not has.isdisjoint({"DISPLAY", "WAYLAND_DISPLAY"})
    return screen and "SSH_CONNECTION" not in has and sys.stdout.isatty()


def start(port: int, source: Path, patients: Path | None, stack: contextlib.ExitStack) -> tuple[Running, list[Child]]:
    """Everything up, and the model proven; whatever was started is undone by the stack."""
    gateway_url = f"http://127.0.0.1:{free_port(port)}"
    charts = [] if patients is None else ["--patients", str(patients.resolve())]
    model = stack.enter_context(Child("model", "wardgate.lab.model_server", "--port", "0"))
    fhir = stack.enter_context(Child("fhir", "wardgate.lab.fhir_server", "--port", "0", *charts))
    fhir_url = fhir.announced(_PATIENCE)
    page = ("--port", "0", "--gateway", gateway_url, "--fhir", fhir_url)
    simulator = stack.enter_context(Child("simulator", "wardgate.lab.ehr_server", *page))
    where = Running(
        pid=os.getpid(),
        gateway=gateway_url,
        admin=f"http://127.0.0.1:{free_port(0)}",
        fhir=fhir_url,
        model=model.announced(_PATIENCE),
        simulator=simulator.announced(_PATIENCE),
    )
    folder = stack.enter_context(copied(source, where))
    where = msgspec.structs.replace(where, config=str(folder / "wardgate.yaml"))
    gateway = stack.enter_context(Child("gateway", "wardgate", "serve", "--config", where.config))
    for url in (where.gateway, where.admin):
        wait_until_ready(gateway, f"{url}/health/ready")
    running.announce(where)
    stack.callback(running.withdraw, where.pid)
    wait_for_proof(where, gateway)
    return where, [model, fhir, gateway, simulator]


def _hold(children: list[Child]) -> NoReturn:
    """Until a signal; raises DidNotStart when one of the processes ends by itself."""
    while True:
        for child in children:
            child.pause(0.3, float("inf"))


def free_port(port: int) -> int:
    try:
        with socket.create_server(("127.0.0.1", port)) as listener:
            number: int = listener.getsockname()[1]
            return number
    except (OSError, OverflowError):
        raise DidNotStart(
            f"Port {port} of 127.0.0.1 cannot be had: stop what listens there, or choose another with --port."
        ) from None


@contextlib.contextmanager
def copied(source: Path, where: Running) -> Iterator[Path]:
    """The demo's configuration with this run's addresses, in a folder that goes away afterwards."""
    ports = {"8080": where.gateway, "8081": where.admin, "8082": where.model, "8083": where.fhir}
    actual = {port: url.split("/")[2].rpartition(":")[2] for port, url in ports.items()}
    with tempfile.TemporaryDirectory(prefix="wardgate-demo-") as name:
        folder = Path(name) / "config"
        shutil.copytree(source, folder)
        for path in folder.rglob("*.yaml"):
            text = path.read_text(encoding="utf-8")
            path.write_text(_ADDRESS.sub(lambda m: m[1] + actual[m[2]], text), encoding="utf-8")
        yield folder


def wait_until_ready(gateway: Child, url: str) -> None:
    until = monotonic() + _PATIENCE
    with httpx2.Client(timeout=1, trust_env=False) as http:
        while True:
            with contextlib.suppress(httpx2.TransportError):
                if http.get(url).status_code == 200:
                    return
            gateway.pause(0.05, until)


def wait_for_proof(where: Running, gateway: Child) -> None:
    """Until the gateway knows whether each endpoint runs its pinned model: before that, no score is shown.

    The demo goes on without it after a while, since a gateway that shows no score is worth a look too.
    """
    until = monotonic() + _PROOF
    with httpx2.Client(timeout=1, trust_env=False) as http:
        while monotonic() < until:
            with contextlib.suppress(httpx2.TransportError):
                services = http.get(f"{where.admin}/health/services").json()
                if all(service["proof"] != Proof.PENDING for service in services.values()):
                    return
            gateway.pause(0.05, until + 1)


def _talk(where: Running) -> None:
    """The addresses, then a few real calls, so that a newcomer sees cards at once."""
    try:
        for name in ("gateway", "admin", "fhir", "model", "simulator"):
            print(name, getattr(where, name), flush=True)
        print("ready", flush=True)
        _show(where)
    except CannotCall as error:
        print(f"{error.what} {error.remedy}", file=sys.stderr)
    except BrokenPipeError:
        _forget_stdout()


def _forget_stdout() -> None:
    """Whoever read the addresses has closed the pipe; the demo itself goes on."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _show(where: Running) -> None:
    from rich.console import Console

    from wardgate.cli.card_view import show

    class Screen(Console):
        def on_broken_pipe(self) -> None:  # rich would end the process
            raise BrokenPipeError

    console = Screen(highlight=False)
    today = datetime.now(UTC).date()  # noqa: TID251 - a person's age, on a terminal
    console.print()
    with Ehr(where.gateway, where.fhir, _USER, where.admin) as ehr:
        known = ehr.patients()
        for patient in [each for each in _SHOWN if each in known] or known[:_FIRST]:
            console.rule(style="dim")
            show(ehr.call(_SERVICE, patient), console, today)
    _hint(console, where, known)


def _hint(console: "Console", where: Running, known: list[str]) -> None:
    from rich.markup import escape

    from wardgate.cli.card_view import plain
    from wardgate.lab.cohort import PEOPLE

    console.rule(style="dim")
    people = [person for person in PEOPLE if person.id in known]
    for person in people:
        console.print(f"  [bold]{person.id:<14}[/] {person.shows}")
    console.print(f"\nThe EHR to look at, in a browser:  [bold]{where.simulator}[/]", soft_wrap=True)
    if known:
        patient = plain("advanced-03" if people else known[0])
        hint = f"In another terminal:  [bold]{_command()} call {_SERVICE} --patient {escape(patient)}[/]"
        console.print(hint, soft_wrap=True)
    console.print("Ctrl-C here stops everything.\n")


def _command() -> str:
    """How to type the command in the terminal that the demo was started from."""
    started = Path(sys.argv[0])
    if started.name != "wardgate":
        return f"{os.path.relpath(sys.executable)} -m wardgate"
    return "wardgate" if shutil.which("wardgate") == str(started) else os.path.relpath(started)
