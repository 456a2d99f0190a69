"""A release as `control.ports.Content`: the files that its digest covers, taken whole, and compiled again from memory.

A place is seen from the folder of `wardgate.yaml` with its default paths, so that content can be compiled wherever the
files of today stand. What compiles it is what compiles folders, on the same `wardgate.yaml`; only the rollout of its
service files is put aside, since that is decided elsewhere and is no part of the digest.
"""

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from wardgate.adapters.files.catalog import catalog_of, compile_all, read_cards_and_rules
from wardgate.adapters.files.library import DEFAULT_PATHS, Ground, Library, ground_of
from wardgate.adapters.files.models import read_model
from wardgate.adapters.files.places import DISK, Held
from wardgate.adapters.files.wire import Sheet, sheet
from wardgate.adapters.files.wire_service import Service
from wardgate.adapters.files.yaml_documents import read_yaml_as_far_as_possible
from wardgate.control.ports import MAX_CONTENT, Content
from wardgate.domain.documents import Document
from wardgate.domain.errors import ConfigurationError
from wardgate.domain.findings import Finding
from wardgate.domain.plans import Catalog, ReleasePlan

MAX_FILES = 200
_CONFIG = "wardgate.yaml"


class ContentRefused(Exception):
    """Content that cannot be used; `findings` say why, at places of the content. Nothing of it in the message."""

    def __init__(self, findings: Iterable[Finding]) -> None:
        super().__init__("the content of a release cannot be used")
        self.findings = tuple(findings)


def compile_content(config: Document, content: Content) -> Catalog:
    """The catalog of that one service and that one release, at the place that its digest gives it. Raises
    ContentRefused, also where the digest is not that of the content. `config` is the `wardgate.yaml` in force."""
    catalog = _compiled(config, content)
    found = {release.digest for plan in catalog.plans() for release in plan.releases.values()}
    if found != {content.digest}:
        what = f"the content does not have the digest that it is kept under ({content.digest})"
        remedy = "somebody changed it: restore the store from a backup, or submit the release again from its files"
        raise ContentRefused([Finding("", 0, "", what, remedy)])
    return catalog


def content_of(config: Document, path: Path, service: str, version: str) -> tuple[Content, Catalog]:
    """What the files beside the `wardgate.yaml` at `path` give, whether or not a rollout names it. Raises
    ConfigurationError, which names the files as they stand there."""
    gathered = _Gathering(ground_of(config, path), service, version)
    content = gathered.content()
    try:
        catalog = _compiled(config, content)
    except ContentRefused as error:
        raise ConfigurationError([gathered.named(finding) for finding in error.findings]) from None
    return msgspec.structs.replace(content, digest=_release(catalog).digest), catalog


def _release(catalog: Catalog) -> ReleasePlan:
    return next(release for plan in catalog.plans() for release in plan.releases.values())


def _compiled(config: Document, content: Content) -> Catalog:
    data = {key: value for key, value in config.data.items() if key != "paths"}
    ground = ground_of(Document(config.file, data, config.lines), Path(_CONFIG))
    library = Library(Held(content.files))
    services = [_service(library, path, content) for path in library.yaml_files(ground.path("services"))]
    sheets = [service for service in services if service is not None]
    plans = []
    if not sheets or any(service.wire.id != content.service for service in sheets):
        library.findings.append(Finding("services", 0, "", "these are not the files of one service", "submit it again"))
    else:
        models = {content.model: read_model(ground, library, content.model)}
        read_cards_and_rules(ground, library)
        plans = compile_all(ground, library, sheets, models)
    wrong = [finding for finding in library.findings if not finding.warning]
    if wrong or not plans:
        raise ContentRefused(dict.fromkeys(wrong or library.findings))
    return catalog_of(sheets, plans, "")


def _service(library: Library, path: Path, content: Content) -> Sheet[Service] | None:
    """With a rollout that names this release alone, and shows nothing."""
    try:
        document, told = read_yaml_as_far_as_possible(path, str(path), library.files)
    except ConfigurationError as error:
        library.findings += error.findings
        return None
    data = {**document.data, "rollout": {"champion": content.version, "mode": "off"}}
    read, wrong = sheet(Document(document.file, data, document.lines), Service)
    library.findings += [*told, *wrong]
    return read


class _Gathering:
    """From files to content. What is wrong within a file is for whoever compiles it: here a key that is not there
    leads nowhere."""

    def __init__(self, ground: Ground, service: str, version: str) -> None:
        self._ground, self._service, self._version = ground, service, version
        self._library = Library()
        self._real: dict[str, Path] = {}
        self._files: dict[str, bytes] = {}
        self._size = 0

    def content(self) -> Content:
        services = self._services()
        model = str(services[0]["model"])
        for service in services:
            self._take("cards", f"{service.get('card')}.yaml")
            for step in _entries(service.get("fallback")):
                if "rule" in step:
                    self._take("rules", f"{step['rule']}.yaml")
        self._take_release(model)
        return Content("", self._service, model, self._version, self._files)

    def named(self, finding: Finding) -> Finding:
        real = self._real.get(os.path.normpath(finding.file))
        return finding if real is None else msgspec.structs.replace(finding, file=os.path.normpath(real))

    def _services(self) -> list[Mapping[str, Any]]:
        found = []
        for path in self._library.yaml_files(self._ground.path("services")):
            data = self._data(path)
            if data.get("id") == self._service:
                self._take("services", path.name)
                found.append(data)
        if not found or not isinstance(found[0].get("model"), str):
            what, remedy = f"there is no service {self._service}", "name one of those that `wardgate check` lists"
            raise ConfigurationError([Finding(self._ground.document.file, 0, "", what, remedy)])
        return found

    def _take_release(self, model: str) -> None:
        name = f"{model}/releases/{self._version}.yaml"
        if not self._take("models", name):
            what = f"there is no file {self._ground.path('models') / name}"
            remedy = "name a version that has a file in the model's folder `releases`"
            raise ConfigurationError([Finding(self._ground.document.file, 0, "", what, remedy)])
        release = self._data(self._ground.path("models") / name)
        self._take_features(model, str(release.get("features")))
        beside = [probes.get("file")] if isinstance(probes := release.get("probes"), dict) else []
        beside += [entry.get("path") for entry in _entries(release.get("evidence"))]
        for path in beside:
            if isinstance(path, str) and path.strip():
                self._take("models", f"{model}/releases", path)

    def _take_features(self, model: str, version: str) -> None:
        """`features.yaml` if that is its version, else the older one beside it."""
        current = self._ground.path("models") / model / "features.yaml"
        if DISK.is_file(current) and str(self._data(current).get("version")) == version:
            self._take("models", f"{model}/features.yaml")
        else:
            self._take("models", f"{model}/features/{version}.yaml")

    def _data(self, path: Path) -> Mapping[str, Any]:
        document, _ = read_yaml_as_far_as_possible(path, str(path))
        data: Mapping[str, Any] = document.data
        return data

    def _take(self, kind: str, *names: str) -> bool:
        """Whether there is such a file; raises ConfigurationError where it cannot be read, or is too much."""
        real = self._ground.path(kind).joinpath(*names)
        place = os.path.normpath(Path(DEFAULT_PATHS[kind]).joinpath(*names))
        if place in self._files or not DISK.is_file(real):
            return place in self._files
        try:
            with DISK.open(real) as file:
                content = file.read(MAX_CONTENT - self._size + 1)
        except (OSError, ValueError):
            what = "the file cannot be read"
            raise ConfigurationError([Finding(str(real), 0, "", what, "check its permissions")]) from None
        self._size += len(content)
        self._real[place], self._files[place] = real, content
        if self._size > MAX_CONTENT or len(self._files) > MAX_FILES:
            what = f"the files of a release are more than {MAX_CONTENT // 2**20} MiB, or more than {MAX_FILES}"
            remedy = "keep a digest of what is large (a manifest of a data set) in place of the thing itself"
            raise ConfigurationError([Finding(str(real), 0, "", what, remedy)])
        return True


def _entries(value: object) -> list[Mapping[str, Any]]:
    return [entry for entry in value if isinstance(entry, dict)] if isinstance(value, list) else []
