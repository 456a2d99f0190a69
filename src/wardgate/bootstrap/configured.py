"""What a gateway is built from."""

from collections.abc import Callable
from dataclasses import dataclass

from wardgate.domain.documents import Document
from wardgate.domain.findings import Finding
from wardgate.domain.plans import Catalog
from wardgate.settings import Secrets, Settings


@dataclass(frozen=True, slots=True)
class Configured:
    """A sound configuration that can be started."""

    settings: Settings
    secrets: Secrets
    catalog: Catalog
    warnings: tuple[Finding, ...] = ()
    document: Document | None = None
    """`wardgate.yaml`; None: it comes from no file, and nothing can be compiled under it."""


Read = Callable[[], Configured]
"""Reads all files; raises ConfigurationError."""
