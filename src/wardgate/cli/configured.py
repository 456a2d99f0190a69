"""From files to what can be started: read at start, by each worker, and again at every reload."""

from pathlib import Path
from typing import TYPE_CHECKING

from wardgate.cli.check import Examination, examine, unusable_key_sets
from wardgate.domain.documents import Document, Place
from wardgate.domain.errors import ConfigurationError
from wardgate.settings import Secrets, read_secrets
from wardgate.web.tls import CertificateError, Certificates

if TYPE_CHECKING:
    from wardgate.bootstrap.configured import Configured


def read(config: Path) -> "Configured":
    """Raises ConfigurationError with everything that is wrong."""
    return configured_of(examine(config), config.parent)


def configured_of(examination: Examination, folder: Path) -> "Configured":
    """Raises ConfigurationError where it could not be started."""
    from wardgate.bootstrap.configured import (
        Configured,  # only now: the server's libraries take longer to import than a check
    )

    settings, catalog, document = examination.settings, examination.catalog, examination.document
    if examination.errors or settings is None or catalog is None or document is None:
        raise ConfigurationError(examination.errors)
    secrets = read_secrets(settings, document, folder)
    unusable = unusable_key_sets(settings, secrets.key_sets, document)
    if unusable:
        raise ConfigurationError(unusable)
    _require_certificates(secrets, document)
    return Configured(settings, secrets, catalog, examination.findings, document)


def _require_certificates(secrets: Secrets, document: Document) -> None:
    """Raises ConfigurationError for files that make no TLS."""
    findings = []
    places: tuple[Place, Place] = (("listen", "tls"), ("admin", "listen", "tls"))
    for place, tls in zip(places, secrets.tls, strict=True):
        try:
            if tls is not None:
                Certificates(tls.cert, tls.key, tls.client_ca)
        except CertificateError:
            what = "these files hold no certificate with its own key"
            remedy = "write PEM: the certificate with those above it, its key without a password, authorities"
            findings.append(document.finding(place, what, remedy))
    if findings:
        raise ConfigurationError(findings)
