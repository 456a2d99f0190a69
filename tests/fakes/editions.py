"""Editions of the kidney-failure service, each read from files of its own and kept whole."""

from collections.abc import Sequence
from pathlib import Path

from tests.fakes.config_tree import FILES, Edit, sound_config
from wardgate.adapters.files.content import compile_content, content_of
from wardgate.adapters.files.yaml_documents import read_yaml
from wardgate.control.ports import Content
from wardgate.domain.documents import Document
from wardgate.domain.plans import Catalog

SERVICE = "kidney-failure"


class Edition:
    """`files`: what `load` gives of them; `content`: what a store keeps of one release."""

    def __init__(
        self, folder: Path, version: str = "1.0.0", hooks: Sequence[str] = (), **edits: Edit | list[Edit]
    ) -> None:
        """`hooks`: beside patient-view."""
        self.config = sound_config(folder, **edits)
        if version != "1.0.0":
            rename_release(folder, version)
        for hook in hooks:
            add_hook(folder, hook)
        self.document: Document = read_yaml(self.config, str(self.config))
        self.content: Content
        self.files: Catalog
        self.content, self.files = content_of(self.document, self.config, SERVICE, version)

    @property
    def digest(self) -> str:
        return self.content.digest

    @property
    def kept(self) -> Catalog:
        return compile_content(self.document, self.content)


def rename_release(folder: Path, version: str) -> None:
    """The files of 1.0.0 become those of another version."""
    path = folder / FILES["release"][0]
    text = path.read_text("utf-8").replace('version: "1.0.0"', f'version: "{version}"')
    path.unlink()
    path.with_name(f"{version}.yaml").write_text(text, "utf-8")
    service = folder / FILES["service"][0]
    service.write_text(service.read_text("utf-8").replace('champion: "1.0.0"', f'champion: "{version}"'), "utf-8")


def add_hook(folder: Path, hook: str) -> None:
    """The service under another hook as well."""
    service = folder / FILES["service"][0]
    text = service.read_text("utf-8").replace("hook: patient-view", f"hook: {hook}")
    service.with_name(f"kidney-failure-{hook}.yaml").write_text(text, "utf-8")
