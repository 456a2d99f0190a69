"""`wardgate new`: the files that connect a model, sound as they stand, and what to do next.

Nothing that exists is touched: either every file is new, or none is written. A `wardgate.yaml` that is there already
is read, obeyed and left alone; what it lacks is said as the line to add.
"""

import contextlib
import os
import re
import sys
from pathlib import Path
from typing import Annotated, TextIO
from urllib.parse import urlsplit

import msgspec
from pydantic import TypeAdapter, ValidationError

from wardgate.adapters.files.library import Ground, ground_of, shown
from wardgate.adapters.files.wire import SERVICE_ID
from wardgate.adapters.files.yaml_documents import read_yaml
from wardgate.cli import starter
from wardgate.domain.documents import Document, did_you_mean
from wardgate.domain.errors import ConfigurationError
from wardgate.domain.hooks import HOOKS
from wardgate.settings import is_loopback

_VERSION = "1.0.0"
_URL = re.compile(r"https?://(?:[a-z0-9.-]+|\[[0-9a-f:]+\])(?::[0-9]{1,5})?(?:/[A-Za-z0-9._~/-]*)?")
_REVERSE_DNS = re.compile(r"[a-z][a-z0-9-]*(?:\.[A-Za-z0-9][A-Za-z0-9-]*)+")


class CannotWrite(Exception):
    """Why nothing was written, and what to do about it."""

    def __init__(self, what: str, remedy: str) -> None:
        super().__init__(what)
        self.what = what
        self.remedy = remedy


class Planned(msgspec.Struct, frozen=True):
    path: Path
    text: str
    about: str


def run(service: str, folder: Path, protocol: str, hook: str, url: str, out: TextIO | None = None) -> int:
    """0: written; 1: nothing was."""
    out = sys.stdout if out is None else out
    config = folder / "wardgate.yaml"
    try:
        _require_sound(service, hook, url)
        ground = _ground(config)
        planned = plan(config, ground, starter.texts(service, hook, protocol, url.rstrip("/"), _mode(ground)), service)
        write(planned)
    except CannotWrite as error:
        print(f"{error.what}\n{error.remedy}", file=sys.stderr)
        return 1
    width = max(len(shown(each.path)) for each in planned)
    out.writelines(f"wrote {shown(each.path):<{width}}  {each.about}\n" for each in planned)
    out.write(_to_add(ground, url) + _next(config, service))
    return 0


def _require_sound(service: str, hook: str, url: str) -> None:
    try:
        TypeAdapter(Annotated[str, SERVICE_ID]).validate_python(service)
    except ValidationError as error:
        wrong = error.errors()[0]["ctx"]["error"]
        raise CannotWrite(f"{service!r} is {wrong.what}.", f"{_sentence(wrong.remedy)}") from None
    if hook not in HOOKS and not _REVERSE_DNS.fullmatch(hook):
        otherwise = f"use {', '.join(HOOKS)}, or a reverse domain name for a hook of your own"
        raise CannotWrite(f"No hook is called {hook!r}.", _sentence(did_you_mean(hook, list(HOOKS), otherwise)))
    host = _host(url)
    if host is None:
        remedy = f"Write scheme, host in lower case and port, and a path where there is one, such as {starter.URL}."
        raise CannotWrite(f"{url!r} is not the URL of a model server.", remedy)
    if url.startswith("http:") and not is_loopback(host):
        raise CannotWrite("The URL is plain http to another machine.", "Write https; plain http is for loopback only.")


def _host(url: str) -> str | None:
    """Of a URL that may stand in a release; None where it may not."""
    try:
        parts = urlsplit(url) if _URL.fullmatch(url) else None
        return parts.hostname if parts is not None and parts.port != 0 else None
    except ValueError:
        return None


def _sentence(remedy: str) -> str:
    return remedy[:1].upper() + remedy[1:] + ("" if remedy.endswith("?") else ".")


def _ground(config: Path) -> Ground | None:
    """What the `wardgate.yaml` that is there says; None where there is none."""
    if not os.path.lexists(config):
        return None
    try:
        document = read_yaml(config, shown(config))
    except ConfigurationError as error:
        first = error.findings[0]
        at = f"{first.file}:{first.line}" if first.line else first.file
        raise CannotWrite(f"{at}: {first.what}.", "Mend it first: it says where files go.") from None
    return ground_of(document, config)


def _mode(ground: Ground | None) -> str:
    """Above silent only where insecure_demo stands for the approvals."""
    return "active" if ground is None or ground.insecure_demo else "silent"


def plan(config: Path, ground: Ground | None, texts: dict[str, str], service: str) -> list[Planned]:
    """What to write where, `wardgate.yaml` first where there is none."""
    gateway = [] if ground is not None else [Planned(config, texts["gateway"], "the gateway: clients, model hosts")]
    place = ground or ground_of(Document(str(config), {"paths": {"cards": "cards"}}, {}), config)
    model = place.path("models") / service
    return [
        *gateway,
        Planned(place.path("services") / f"{service}.yaml", texts["service"], "when it answers, what it asks for"),
        Planned(model / "features.yaml", texts["features"], "what the model takes of a chart"),
        Planned(model / "releases" / f"{_VERSION}.yaml", texts["release"], "endpoint and pinned version"),
        Planned(model / "releases" / "probes.json", texts["probes"], "PLACEHOLDERS: what this very model answers"),
        Planned(place.path("cards") / f"{service}.yaml", texts["card"], "what the clinician reads"),
    ]


def write(planned: list[Planned]) -> None:
    """All or nothing; raises CannotWrite."""
    there = [shown(each.path) for each in planned if os.path.lexists(each.path)]
    if there:
        raise CannotWrite(f"Nothing was written, since there is already {', '.join(there)}.", "Choose another name.")
    written: list[Path] = []
    try:
        for each in planned:
            each.path.parent.mkdir(parents=True, exist_ok=True)
            with each.path.open("x", encoding="utf-8") as file:
                written.append(each.path)
                file.write(each.text)
    except OSError as error:
        for path in written:
            with contextlib.suppress(OSError):
                path.unlink()
        what = f"{shown(each.path)} cannot be written: {error.strerror or type(error).__name__}."
        raise CannotWrite(what, "Nothing was written. Name another folder with --dir.") from None


def _to_add(ground: Ground | None, url: str) -> str:
    """What the `wardgate.yaml` that was there already still lacks."""
    host = url.split("/")[2]
    if ground is None or ground.model_hosts is None or host in ground.model_hosts:
        return ""
    file, line = ground.document.file, ground.document.line(("model_hosts",))
    hosts = ", ".join(f'"{each}"' for each in [*ground.document.data["model_hosts"], host])
    return f"\n{file} is yours and was left alone. Change its line {line} to:\n  model_hosts: [{hosts}]\n"


def _next(config: Path, service: str) -> str:
    named = "" if config == Path("config/wardgate.yaml") else f" --config {shown(config)}"
    commands = [
        (f"wardgate check{named}", "prove that all files fit together"),
        (f"wardgate probes {service}{named}", "compare what the endpoint answers with probes.json"),
        (f"wardgate serve{named}", "run the gateway"),
    ]
    width = max(len(command) for command, _ in commands)
    return "\nNext:\n" + "".join(f"  {command:<{width}}  {about}\n" for command, about in commands)
