"""`wardgate purge`: remove what has been kept for its time, or say how much that would be."""

import sys
import time
from pathlib import Path
from typing import TextIO

from wardgate.cli.check import examine, show_findings
from wardgate.domain.errors import ConfigurationError
from wardgate.records.archive import ArchiveUnavailable, Kind
from wardgate.records.retention import expired, purge
from wardgate.settings import read_secrets


def run(config: Path, dry: bool, out: TextIO | None = None) -> int:
    """0: done, or told; 1: not."""
    out = sys.stdout if out is None else out
    examination = examine(config)
    try:
        if examination.errors or examination.settings is None or examination.document is None:
            raise ConfigurationError(examination.errors)
        secrets = read_secrets(examination.settings, examination.document, config.parent)
    except ConfigurationError as error:
        show_findings(error.findings, sys.stderr)
        return 1
    from wardgate.bootstrap.durable import archive_of

    assert secrets.durable is not None
    retention = examination.settings.retention
    archive = archive_of(secrets.durable, lambda uuid: uuid)  # adds no card
    now = time.time()  # noqa: TID251 - a command reads the clock once
    counts = dict.fromkeys(Kind, 0)

    def count(kind: Kind, rows: int) -> None:
        counts[kind] += rows

    try:
        if dry:
            counts.update(expired(archive, retention, now))
        else:
            purge(archive, retention, now, count)
    except ArchiveUnavailable as error:
        print(error.trouble.meaning, file=sys.stderr)
        return 1
    finally:
        archive.close()
    verb = "would go" if dry else "removed"
    for kind in Kind:
        days = f"{retention[kind] / 86400:g}"
        out.write(f"{kind.value:<10} {counts[kind]:>10,} {verb}, kept for {days} days\n")
    return 0
