"""`wardgate records requeue`: what was set aside on the way to the store, tried again. Exit 0: nothing is left; 1: some
is, or the store cannot be asked.

On the machine whose spool it is, as the gateway's user; the gateway may run.
"""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

from wardgate.adapters.spool.requeue import Requeued, counted, requeue
from wardgate.cli.check import examine, show_findings
from wardgate.domain import record_names
from wardgate.domain.attributes import class_of
from wardgate.domain.errors import ConfigurationError
from wardgate.domain.pseudonyms import KeyRing
from wardgate.domain.record_names import RecordNames
from wardgate.records.archive import ArchiveUnavailable
from wardgate.settings import Secrets, read_secrets

_NO_KEY = (
    "The names in these records were made with a key that their gateway drew for itself, and nobody has it any more: "
    "name a `pseudonym_key`."
)


def run(config: Path, dry: bool, out: TextIO | None = None) -> int:
    out = sys.stdout if out is None else out
    examination = examine(config)
    try:
        if examination.errors or examination.settings is None or examination.document is None:
            raise ConfigurationError(examination.errors)
        secrets = read_secrets(examination.settings, examination.document, config.parent)
    except ConfigurationError as error:
        show_findings(error.findings, sys.stderr)
        return 1
    if dry:
        return _shown(counted(secrets.spool), out, dry)
    if not secrets.pseudonym:
        print(_NO_KEY, file=sys.stderr)
        return 1
    try:
        return _shown(_requeued(secrets), out, dry)
    except ArchiveUnavailable as error:
        print(f"{error.trouble.sentence} What was not delivered is there for the next time.", file=sys.stderr)
    except OSError as error:
        print(f"{error.filename or secrets.spool}: {(error.strerror or 'cannot be used').lower()}", file=sys.stderr)
    return 1


def _requeued(secrets: Secrets) -> Iterator[Requeued]:
    from wardgate.bootstrap.durable import archive_of

    assert secrets.durable is not None
    names = RecordNames(KeyRing(secrets.pseudonym))
    archive = archive_of(secrets.durable, lambda uuid: names.of(record_names.card(uuid)))
    try:
        yield from requeue(secrets.spool, archive, _fault)
    finally:
        archive.close()


def _fault(error: BaseException) -> None:
    print(f"the store's driver breaks over some of them: {class_of(error)}", file=sys.stderr)


def _shown(files: Iterator[Requeued], out: TextIO, dry: bool) -> int:
    any_, left = False, False
    for each in files:
        any_ = True
        left = left or bool(each.refused or each.trouble)
        out.write(f"{each.path:<34} {_told(each, dry)}\n")
    if not any_:
        out.write("Nothing is set aside.\n")
    return int(left)


def _told(each: Requeued, dry: bool) -> str:
    if each.trouble:
        return (
            f"cannot be read ({each.trouble}), and stays as it is: copy what the disk gives back over it, and try again"
        )
    parts = (
        [f"{each.refused:,} {'entry' if each.refused == 1 else 'entries'}"]
        if dry
        else [f"{each.delivered:,} delivered"]
    )
    parts += [f"{each.refused:,} refused again, which stay"] if each.refused and not dry else []
    parts += [f"{each.damaged:,} places that are no entry"] if each.damaged else []
    return ", ".join(parts)
