"""What a gateway is built from."""

from collections.abc import Callable
from dataclasses import dataclass

from wardgate.domain.documents import Document
from wardgate.domain.findings import Finding
from wardgate.domain.plans import Catalog
from wardgate.settings import Secrets, Settings


@dataclass(frozen=True, slots=True)
class Configured:
    """A sound configuration that can be started. `catalog`: what its files give; `document`: `wardgate.yaml`, under
    which what was kept of a release is compiled."""

    settings: Settings
    secrets: Secrets
    catalog: Catalog
    warnings: tuple[Finding, ...] = ()
    document: Document | None = None
    """`wardgate.yaml`; None: it comes from no file, and nothing can be compiled under it."""
    answering: Catalog | None = None

    @property
    def answers(self) -> Catalog:
        """What calls are answered from: the files, with what people decided on beside them (`bootstrap.editions`)."""
        return self.catalog if self.answering is None else self.answering


Read = Callable[[], Configured]
"""Reads all files; raises ConfigurationError."""
