"""From files to what can be started: read at start, by each worker, and again at every reload."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from wardgate.cli.check import Examination, examine
from wardgate.domain.documents import Document, Place
from wardgate.domain.errors import ConfigurationError
from wardgate.settings import Secrets, Settings, read_secrets
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
    _require_keys(settings, secrets.key_sets, document)
    _require_certificates(secrets, document)
    return Configured(settings, secrets, catalog, examination.findings, document)


def _require_keys(settings: Settings, key_sets: Mapping[str, bytes], document: Document) -> None:
    """Raises ConfigurationError for a file that holds no key of its client's algorithms."""
    if not key_sets:
        return
    from wardgate.adapters.jwt.keys import UnusableKeySet, read_key_set  # takes long to import, too

    findings = []
    for number, registered in enumerate(settings.registered):
        registration = registered.registration
        held = key_sets.get(registration.client.name)
        try:
            if held is not None:
                read_key_set(held, registration.algorithms)
        except UnusableKeySet:
            what = "no key in this file can verify the client's tokens"
            remedy = "write a JSON Web Key Set with `kid`, and keys of `algorithms` (RSA of 2048 bits or more)"
            findings.append(document.finding(("clients", number, "keys", "jwks_file"), what, remedy))
    if findings:
        raise ConfigurationError(findings)


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
