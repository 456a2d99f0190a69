"""Digests. That of a release: one for each pair of service id and release, over all that decides what is shown.

SHA-256 over canonical JSON (RFC 8785) of the parsed data of the files, so that comments, order and spelling do not
count, and a default that wardgate adds later changes no digest.
"""

import hashlib
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import rfc8785

from wardgate.domain.documents import Document

NOT_DECIDING = frozenset({"rollout", "owner", "title", "description", "outcome"})


def release_digest(
    release: Any, probes: Any, features: Any, card: Any, rules: Mapping[str, Any], services: Sequence[Mapping[str, Any]]
) -> str:
    """`sha256:` and 64 hex digits. All arguments are the plain data of whole files; `services` are all of one id.

    Evidence and the model's artifact are covered by the digests that the release file states.
    """
    deciding = sorted((_deciding(service) for service in services), key=lambda service: str(service["hook"]))
    content = {
        "release": release,
        "probes": probes,
        "features": features,
        "card": card,
        "rules": dict(rules),
        "services": deciding,
    }
    return digest_of(content)


def config_digest(documents: Iterable[Document], folder: Path) -> str:
    """Of all files of a configuration, by their places seen from its folder: two replicas have the same."""
    return digest_of({os.path.relpath(document.file, folder): document.data for document in documents})


def digest_of(data: Any) -> str:
    """`sha256:` and 64 hex digits, of the plain data of a file."""
    return "sha256:" + hashlib.sha256(rfc8785.dumps(data)).hexdigest()


def _deciding(service: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in service.items() if key not in NOT_DECIDING}
