"""`wardgate audit`: the chain verified, exported, searched, anchored; a remark erased. In the store itself, offline."""

import os
import pwd
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from wardgate.adapters.aead.anchors import AnchorKey, NoAnchor, NoAnchorKey, unproven_anchor
from wardgate.adapters.files.anchors import anchors_in, write_anchor
from wardgate.adapters.files.whole import whole_file
from wardgate.cli.audit_view import EMPTY, entry_line, show, show_beside
from wardgate.cli.check import examine, show_findings
from wardgate.cli.clock import now as now
from wardgate.cli.configs import CONFIG
from wardgate.control.audit import AuditUnavailable, Wanted
from wardgate.control.chain_reader import ChainBroken
from wardgate.domain.audit import Action, Anchor, Deed, SealedEntry, moment
from wardgate.domain.audit_beside import Judge
from wardgate.domain.audit_verification import Verifier
from wardgate.domain.errors import ConfigurationError
from wardgate.records.desk import ALWAYS, NoTime, span_of
from wardgate.settings import Secrets, read_secrets

if TYPE_CHECKING:
    from wardgate.adapters.sql.chain import SqlAuditStore


class CannotTell(Exception):
    """Why not, for a person."""


def verify(export: Path | None, config: Path | None, anchors: list[Path] | None, key: Path | None) -> int:
    """0: sound; 1: not, or it cannot be read."""
    with told() as result:
        secrets = secrets_of(config or CONFIG) if export is None or config is not None else None
        known = _key(key, secrets)
        places = anchors or ([secrets.anchors] if secrets is not None and secrets.anchors is not None else [])
        verifier = Verifier(_anchors(places, known))
        if export is None:
            assert secrets is not None
            beside = _judge_store(verifier, secrets)
        else:
            beside = None
            with export.open("rb") as lines:
                _judge(verifier, (line.removesuffix(b"\n") for line in lines))
        verdict = verifier.verdict()
        show(verdict, bool(places), known is not None)
        sound = beside is None or show_beside(beside, verdict.sound and verdict.entries > 0)
        result.code = 0 if verdict.sound and verdict.entries and sound else 1
    return result.code


def export(file: Path, config: Path) -> int:
    with told() as result:
        entries = _entries(secrets_of(config))
        if file == Path("-"):
            for entry in entries:
                sys.stdout.buffer.write(entry.line + b"\n")
        else:
            number = 0
            with whole_file(file) as written:
                for number, entry in enumerate(entries, 1):  # noqa: B007 - how many, in the end
                    written.write(entry.line + b"\n")
            print(f"{file}: {number:,} entries (0600)")
        result.code = 0
    return result.code


def search(config: Path, named: Mapping[str, str], since: str | None, until: str | None, as_json: bool) -> int:
    with told() as result:
        span = span_of(since, until, now(), ALWAYS)
        times = {"since": moment(span.since) if since else "", "until": moment(span.until) if until else ""}
        with _store(secrets_of(config)) as store:
            found = False
            for entry in store.search(Wanted(**named, **times)):
                found = True
                print(entry_line(entry, store, as_json))
            if not found:
                print(EMPTY if store.last().number == 0 else "No entry is like that.", file=sys.stderr)
        result.code = 0
    return result.code


def anchor(config: Path) -> int:
    from wardgate.bootstrap.audit import newest_anchor, signer_of

    with told() as result:
        secrets = secrets_of(config)
        signer = signer_of(secrets)
        if signer is None or secrets.anchors is None:
            raise CannotTell("no key signs anchors: add `audit: {anchor_key: FILE}` to wardgate.yaml (docs/audit.md)")
        with _store(secrets) as store:
            link, seen = store.last(), newest_anchor(signer, secrets.anchors)
            entry = None if seen is None else next(store.entries(seen.number - 1), None)
        if seen is not None and (entry is None or entry.link != seen):
            what = f"entry {seen.number} is gone or another one than the newest anchor saw, so nothing was signed"
            raise CannotTell(f"{what}: `wardgate audit verify` says more")
        if link.number == 0:
            raise CannotTell("the chain has no entry yet")
        path = write_anchor(secrets.anchors, link, signer.sign(link, now()))
        print(f"entry {link.number}: {path or 'anchored already'}")
        result.code = 0
    return result.code


def erase(config: Path, event: str, reason: str, ticket: str) -> int:
    """With its entry on the chain, or not at all."""
    from wardgate.bootstrap.audit import audit_trail

    with told() as result:
        if not re.fullmatch(r"[0-9a-f-]{36}", event):
            raise CannotTell("that is no id of an entry: `wardgate audit search --json` shows them")
        secrets = secrets_of(config)
        with _store(secrets) as store:
            if store.remark(event) is None:
                raise CannotTell("there is no remark beside such an entry, or it has been erased")
            what = Action.REMARK_ERASE
            try:
                deed = Deed(who=os_principal(), what=what, subject=event, reason=reason, ticket=ticket)
                store.erase_remark(event, audit_trail(secrets, store).entry(deed))
            except ValueError:
                raise CannotTell("--reason takes a code such as names_a_patient, --ticket a ticket's name") from None
            gone = store.forget()
        print("erased; the entry stays, with a hash that nobody can guess at")
        if not gone:
            print("Somebody reads the store just now, so its write-ahead log has the text still, until it begins anew.")
        result.code = 0
    return result.code


def os_principal() -> str:
    """The user of the operating system, as the chain names her."""
    try:
        name = pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        name = ""
    return f"os:{name}" if re.fullmatch(r"[A-Za-z0-9_.-]{1,64}", name) else f"os:{os.getuid()}"


class Result:
    code = 1


@contextmanager
def told() -> Iterator[Result]:
    from wardgate.bootstrap.durable import StoreRefused

    result = Result()
    try:
        yield result
    except ConfigurationError as error:
        show_findings(error.findings, sys.stderr)
    except (AuditUnavailable, ChainBroken) as error:
        print(error.meaning, file=sys.stderr)
    except StoreRefused as error:
        print(error, file=sys.stderr)
    except NoTime as error:
        print(error.what, file=sys.stderr)
    except CannotTell as error:
        print(error, file=sys.stderr)
    except OSError as error:
        print(f"{error.filename or 'a file'}: {(error.strerror or 'cannot be used').lower()}", file=sys.stderr)


def secrets_of(config: Path) -> Secrets:
    """Raises ConfigurationError."""
    examination = examine(config)
    if examination.errors or examination.settings is None or examination.document is None:
        raise ConfigurationError(examination.errors)
    return read_secrets(examination.settings, examination.document, config.parent)


@contextmanager
def _store(secrets: Secrets) -> Iterator["SqlAuditStore"]:
    from wardgate.bootstrap.audit import audit_store_of

    assert secrets.durable is not None
    store = audit_store_of(secrets.durable)
    try:
        yield store
    finally:
        store.close()


def _entries(secrets: Secrets) -> Iterator[SealedEntry]:
    with _store(secrets) as store:
        yield from store.entries()


def _key(path: Path | None, secrets: Secrets | None) -> AnchorKey | None:
    """The one given, else that of the configuration."""
    from wardgate.bootstrap.audit import signer_of

    if path is not None:
        try:
            return AnchorKey.of(path.read_bytes())
        except NoAnchorKey:
            raise CannotTell(f"{path}: no Ed25519 public key in PEM (openssl pkey -in PRIVATE -pubout)") from None
    signer = None if secrets is None else signer_of(secrets)
    return None if signer is None else signer.public


def _anchors(places: Iterable[Path], key: AnchorKey | None) -> list[Anchor]:
    found = []
    for path in [path for place in places for path in anchors_in(place)]:
        try:
            signed = path.read_bytes()
            found.append(unproven_anchor(signed) if key is None else key.read(signed))
        except NoAnchor as error:
            raise CannotTell(f"{path}: {error.why}") from None
    return found


def _judge_store(verifier: Verifier, secrets: Secrets) -> Judge:
    from wardgate.bootstrap.audit import deed_seal

    seal = deed_seal(secrets)
    judge = Judge(None if seal is None else seal.is_of)
    with _store(secrets) as store:
        for row in store.rows():
            verifier.take(row.entry.line)
            judge.take(row)
            if verifier.full:
                break
    return judge


def _judge(verifier: Verifier, lines: Iterable[bytes]) -> None:
    for line in lines:
        verifier.take(line)
        if verifier.full:
            return
