"""`wardgate reidentify`: whom pseudonyms stand for, on the custodian's own machine, with her private key.

Named exception to law 4, as `features` and `call` are: it prints patients for its user. Every use is on the access log
before anything is printed.
"""

import csv
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import TextIO

from wardgate.cli.check import examine, show_findings
from wardgate.cli.principal import principal
from wardgate.domain.errors import ConfigurationError
from wardgate.records.archive import AccessEntry, ArchiveUnavailable, RecordRefused
from wardgate.settings import read_secrets


def run(config: Path, key: Path, names: Path, out: TextIO | None = None) -> int:
    """0: told, also where some could not be; 1: not."""
    out = sys.stdout if out is None else out
    examination = examine(config)
    try:
        if examination.errors or examination.settings is None or examination.document is None:
            raise ConfigurationError(examination.errors)
        secrets = read_secrets(examination.settings, examination.document, config.parent)
    except ConfigurationError as error:
        show_findings(error.findings, sys.stderr)
        return 1
    from wardgate.adapters.aead.custodian import NoCustodianKey, Opener
    from wardgate.bootstrap.durable import archive_of

    try:
        opener = Opener(key.read_bytes())
        with sys.stdin if str(names) == "-" else names.open(encoding="utf-8", newline="") as lines:
            wanted = pseudonyms(lines)
    except NoCustodianKey:
        return _told(f"{key}: no X25519 private key in PEM without a password (openssl genpkey -algorithm X25519)")
    except (OSError, UnicodeError, csv.Error):
        return _told("the key or the list of pseudonyms cannot be read")
    assert secrets.durable is not None
    archive = archive_of(secrets.durable, lambda uuid: uuid)  # adds no card
    try:
        now = time.time()  # noqa: TID251 - a command reads the clock once
        archive.note_access(AccessEntry(now, principal(), "custody", "pseudonyms", len(wanted)))
        found = {one.pseudonym: one.sealed for one in archive.identities_of(wanted)}
    except ArchiveUnavailable as error:
        return _told(error.trouble.meaning)
    except RecordRefused:
        return _told("the list holds what is no pseudonym")
    finally:
        archive.close()
    table = csv.writer(out, lineterminator="\n")
    table.writerow(("pseudonym", "client", "fhir_server", "id"))
    unknown = 0
    for name in wanted:
        named = opener.open(name, found[name]) if name in found else None
        if named is None:
            unknown += 1
        else:
            table.writerow((name, *named[1:]))
    if unknown:
        _told(f"{unknown} of {len(wanted)} cannot be told: not kept, kept no longer, or sealed for another key")
    return 0


def pseudonyms(lines: Iterable[str]) -> list[str]:
    """One a line, or the column `patient` of a CSV such as `wardgate affected --csv` writes; each once."""
    rows = [row for row in csv.reader(lines) if row]
    if rows and "patient" in rows[0]:
        column = rows[0].index("patient")
        rows = [row[column : column + 1] for row in rows[1:]]
    return list(dict.fromkeys(row[0].strip() for row in rows if row and row[0].strip()))


def _told(what: str) -> int:
    print(what, file=sys.stderr)
    return 1
