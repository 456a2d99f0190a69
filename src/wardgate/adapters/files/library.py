"""The folders of a configuration: which files there are, each read once, all findings kept."""

import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import msgspec
from pydantic import BaseModel

from wardgate.adapters.files.places import DISK, Files
from wardgate.adapters.files.wire import Sheet, sheet
from wardgate.adapters.files.yaml_documents import read_json, read_yaml_as_far_as_possible
from wardgate.domain.documents import Document, Place
from wardgate.domain.errors import ConfigurationError
from wardgate.domain.findings import Finding

W = TypeVar("W", bound=BaseModel)
Read = Callable[[Path, str], tuple[Document, Sequence[Finding]]]

DEFAULT_PATHS = {
    "services": "services",
    "models": "models",
    "rules": "rules",
    "cards": "../cards",
    "governance": "governance.yaml",
}


class Taker(msgspec.Struct, frozen=True):
    """A client, as far as cards are concerned."""

    name: str
    profile: str
    system_actions: bool


class Ground(msgspec.Struct, frozen=True):
    """What the other files need of `wardgate.yaml`. None: wrong there, so that nothing is proved from it here."""

    document: Document
    readable: bool
    folder: Path
    insecure_demo: bool
    model_hosts: frozenset[str] | None
    feeds: frozenset[str] | None
    """The names of `sources`; None where none are declared, and any may be used."""
    attributes: frozenset[str]
    sites_known: bool
    """Whether the site of every call can be determined."""
    takers: tuple[Taker, ...]
    paths: dict[str, str]
    cds_hooks: str
    """What discovery speaks; the newest where that is wrong."""

    def path(self, kind: str) -> Path:
        return self.folder / self.paths[kind]


def ground_of(document: Document, config: Path, readable: bool = True) -> Ground:
    """Leniently: what is wrong in `wardgate.yaml` is told by `settings`, and must not hide the other files.

    Where it is not `readable`, nothing is held against the others that it might have allowed.
    """
    data: dict[str, Any] = document.data
    hosts, paths, feeds = data.get("model_hosts"), data.get("paths"), data.get("sources")
    attributes, discovery = data.get("attributes"), data.get("discovery", {})
    clients = data.get("clients")
    sited = isinstance(clients, list) and all(isinstance(client, dict) and "site" in client for client in clients)
    named = paths if isinstance(paths, dict) else {}
    return Ground(
        document=document,
        readable=readable,
        folder=config.parent,
        insecure_demo=data.get("insecure_demo") is True or not readable,
        model_hosts=frozenset(filter(_is_text, hosts)) if isinstance(hosts, list) else None,
        feeds=frozenset(feeds) if isinstance(feeds, dict) else None,
        attributes=frozenset(attributes) if isinstance(attributes, dict) else frozenset(),
        sites_known=sited or not readable or (isinstance(attributes, dict) and "site" in attributes),
        takers=tuple(_taker(client) for client in clients if isinstance(client, dict))
        if isinstance(clients, list)
        else (),
        paths={kind: named[kind] if _is_text(named.get(kind)) else folder for kind, folder in DEFAULT_PATHS.items()},
        cds_hooks="2.0"
        if readable and isinstance(discovery, dict) and discovery.get("cds_hooks", "2.0") == "2.0"
        else "3.0",
    )


def _taker(client: dict[str, Any]) -> Taker:
    profile = client.get("profile")
    name = client["name"] if _is_text(client.get("name")) else "a client"
    return Taker(name, profile if isinstance(profile, str) else "standard", client.get("system_actions") is True)


def _is_text(value: object) -> bool:
    return isinstance(value, str) and bool(value.strip())


class Library:
    """Reads and remembers. A file of which too little is sound is None to all who ask; findings are kept once."""

    def __init__(self, files: Files = DISK) -> None:
        self.files = files
        self.findings: list[Finding] = []
        self.documents: list[Document] = []
        self._sheets: dict[tuple[Path, type[BaseModel]], Sheet[Any] | None] = {}

    def found(self, document: Document, place: Place, what: str, remedy: str, warning: bool = False) -> None:
        self.findings.append(document.finding(place, what, remedy, warning))

    def yaml(self, path: Path, kind: type[W]) -> Sheet[W] | None:
        return self._read(path, kind, lambda path, name: read_yaml_as_far_as_possible(path, name, self.files))

    def yaml_files(self, folder: Path) -> list[Path]:
        """The `.yaml` files of a folder by name; [] where there is none. Hidden ones are an editor's."""
        inside = self.files.inside(folder)
        return [path for path in inside if path.suffix == ".yaml" and not path.name.startswith(".")]

    def misnamed(self, folder: Path) -> list[Path]:
        """Files that were probably meant to be read, and are not, by the letters that their names end in."""
        found = (path for path in self.files.inside(folder) if path.suffix.lower() in (".yml", ".yaml"))
        return [path for path in found if path.suffix != ".yaml" and not path.name.startswith(".")]

    def json(self, path: Path, kind: type[W]) -> Sheet[W] | None:
        return self._read(path, kind, lambda path, name: (read_json(path, name, self.files), ()))

    def _read(self, path: Path, kind: type[W], read: Read) -> Sheet[W] | None:
        path = Path(os.path.normpath(path))
        if (path, kind) not in self._sheets:  # one file may be named as two kinds, and is then wrong as one of them
            self._sheets[path, kind] = None
            try:
                document, told = read(path, str(path))
            except ConfigurationError as error:
                self.findings += error.findings
            else:
                self.documents.append(document)
                self._sheets[path, kind], wrong = sheet(document, kind)
                self.findings += [*told, *untold(wrong, told)]
        return self._sheets[path, kind]


def untold(findings: Iterable[Finding], told: Iterable[Finding]) -> list[Finding]:
    """Without those about a key at or in which something was told already."""
    keys = {(finding.file, finding.key) for finding in told if not finding.warning}
    around = {(file, key[:end]) for file, key in keys for end, letter in enumerate(key) if letter == "."}
    return [finding for finding in findings if (finding.file, finding.key) not in keys | around]


def shown(path: Path) -> str:
    """A path as the user would type it."""
    return os.path.normpath(path)
