"""`wardgate check`: prove that a configuration is sound, or list all that is wrong with it."""

import os
import shutil
import sys
import textwrap
from collections.abc import Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import TextIO

import msgspec

from wardgate.adapters.files.catalog import survey
from wardgate.adapters.files.library import untold
from wardgate.cli.clock import today
from wardgate.cli.governance_view import demands_of
from wardgate.domain.documents import Document
from wardgate.domain.errors import ConfigurationError
from wardgate.domain.findings import Finding
from wardgate.domain.plans import Catalog
from wardgate.records.archive import Kind
from wardgate.settings import Settings, read_key_sets, read_settings, seen_unsafe

_DAY = 86400.0
_WIDEST_KEY = 34
_NARROWEST = 40


class Examination(msgspec.Struct, frozen=True):
    """Everything that is said about a configuration. `settings` and `catalog` are None where theirs is unsound."""

    settings: Settings | None
    catalog: Catalog | None
    findings: tuple[Finding, ...]
    document: Document | None = None

    @property
    def errors(self) -> tuple[Finding, ...]:
        return tuple(finding for finding in self.findings if not finding.warning)


def examine(config: Path) -> Examination:
    """Reads every file once; what is wrong in `wardgate.yaml` does not hide what is wrong in the others."""
    found = survey(config, today())
    if found.document is None:
        return Examination(None, None, found.findings)
    try:
        settings = read_settings(found.document)
    except ConfigurationError as error:
        return Examination(
            None, found.catalog, (*untold(error.findings, found.findings), *found.findings), found.document
        )
    seen = seen_unsafe(settings.durable, found.document, config.parent)
    gone = [] if found.catalog is None else _gone_before(settings, found.catalog, found.document)
    return Examination(settings, found.catalog, (*found.findings, *seen, *gone), found.document)


def _with_key_sets(examination: Examination, folder: Path) -> Examination:
    """The files of keys that a start reads, too; other commands do without them."""
    settings, document = examination.settings, examination.document
    if settings is None or document is None:
        return examination
    held, unread = read_key_sets(settings, document, folder)
    amiss = (*unread, *unusable_key_sets(settings, held, document))
    return msgspec.structs.replace(examination, findings=(*examination.findings, *amiss))


def unusable_key_sets(settings: Settings, held: Mapping[str, bytes], document: Document) -> list[Finding]:
    """Errors: the files that hold no key of their client's algorithms. `held`: what stands in them, by client."""
    if not held:
        return []
    from wardgate.adapters.jwt.keys import UnusableKeySet, read_key_set  # takes long to import

    findings = []
    for number, registered in enumerate(settings.registered):
        registration = registered.registration
        try:
            if registration.client.name in held:
                read_key_set(held[registration.client.name], registration.algorithms)
        except UnusableKeySet:
            what = "no key in this file can verify the client's tokens"
            remedy = "write a JSON Web Key Set with `kid`, and keys of `algorithms` (RSA of 2048 bits or more)"
            findings.append(document.finding(("clients", number, "keys", "jwks_file"), what, remedy))
    return findings


def _gone_before(settings: Settings, catalog: Catalog, document: Document) -> list[Finding]:
    """Warnings: services whose decisions are purged before their outcome can be known."""
    kept = settings.retention[Kind.DECISIONS]
    return [
        document.finding(
            ("retention", "decisions"),
            f"decisions are kept for {kept / _DAY:g} days, and an outcome of {service} counts for "
            f"{rule.within / _DAY:g}: what comes after that joins to nothing",
            f"write retention: {{decisions: …d}} with more than {rule.within / _DAY:g}d, and time to load it",
            warning=True,
        )
        for service, rule in sorted(catalog.follow_ups().items())
        if rule.within >= kept
    ]


def run(config: Path, out: TextIO | None = None) -> int:
    """0: sound; 1: not."""
    out = sys.stdout if out is None else out
    examination = _with_key_sets(examine(config), config.parent)
    show_findings(examination.findings, out)
    if examination.findings:
        out.write("\n")
    out.write(summary(os.path.normpath(config), examination))
    return 1 if examination.errors else 0


def show_findings(findings: Sequence[Finding], out: TextIO) -> None:
    """Warnings, then errors, so that these stand last. On a terminal errors are grouped by file, coloured and
    wrapped; elsewhere each is one line, `file:line: key: what -> remedy`, that can be searched for and sent on."""
    errors = [finding for finding in findings if not finding.warning]
    warnings = [finding for finding in findings if finding.warning]
    width = max(shutil.get_terminal_size().columns, _NARROWEST) if out.isatty() else None
    lines: list[tuple[str, str]] = []
    if warnings:
        lines += [("bold", "warnings"), *_warning_lines(warnings, width)]
        lines += [("", "")] if errors else []
    if width is None:
        lines += [("", f"{_told(finding)} -> {finding.remedy}") for finding in _by_file(errors)]
    else:
        lines += _grouped(errors, width)
    _write(lines, out)


def _grouped(errors: Sequence[Finding], width: int) -> list[tuple[str, str]]:
    lines: list[tuple[str, str]] = []
    for number, (file, group) in enumerate(groupby(_by_file(errors), key=lambda finding: finding.file)):
        lines += [("", "")] if number else []
        lines += [("bold", file), *_lines_of(list(group), "red", width)]
    return lines


def _told(finding: Finding) -> str:
    at = f"{finding.file}:{finding.line}" if finding.line else finding.file
    return ": ".join(part for part in (at, finding.key, finding.what) if part)


def _by_file(findings: Sequence[Finding]) -> list[Finding]:
    """Files in the order in which they were read, each file's findings from top to bottom."""
    order = {finding.file: number for number, finding in reversed(list(enumerate(findings)))}
    return sorted(findings, key=lambda finding: (order[finding.file], finding.line))


def _lines_of(findings: Sequence[Finding], style: str, width: int) -> list[tuple[str, str]]:
    """`   27  defer.0.when   what is wrong`, and the remedy under it."""
    column = min(max(len(finding.key) for finding in findings), _WIDEST_KEY)
    lines = []
    for finding in findings:
        head = f"{finding.line or '':>6}  {finding.key:<{column}}  " if column else f"{finding.line or '':>6}  "
        indent = " " * (8 + column + (2 if column else 0))
        if len(head) > len(indent):  # a key that is longer than its column stands on a line of its own
            lines.append((style, head.rstrip()))
            head = indent
        lines += [(style, line) for line in _wrapped(finding.what, head, indent, width)]
        lines += [("", line) for line in _wrapped(finding.remedy, indent + "-> ", indent + "   ", width)]
    return lines


def _warning_lines(findings: Sequence[Finding], width: int | None) -> list[tuple[str, str]]:
    """A warning is a line: it names its file itself, so that it can be searched for and sent on."""
    lines = []
    for finding in _by_file(findings):
        told = finding.what if finding.what.startswith("not active yet") else _told(finding)
        lines += [("yellow", line) for line in _wrapped(f"{told} ({finding.remedy})", "  ", "      ", width)]
    return lines


def _wrapped(text: str, head: str, indent: str, width: int | None) -> list[str]:
    if width is None:
        return [head + text]
    return textwrap.wrap(
        text,
        max(width, len(indent) + _NARROWEST),
        initial_indent=head,
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
    )


def _write(lines: Sequence[tuple[str, str]], out: TextIO) -> None:
    if not out.isatty():
        out.writelines(f"{text}\n" for _, text in lines)
        return
    from rich.console import Console
    from rich.text import Text

    console = Console(file=out, highlight=False)
    for style, text in lines:
        console.print(Text(text, style=style), soft_wrap=True)


def summary(config: str, examination: Examination) -> str:
    """The last word: how many errors in how many files, or what is sound, by service, release and digest."""
    errors = examination.errors
    if errors:
        files = len({finding.file for finding in errors})
        return f"{config}: {_count(len(errors), 'error')} in {_count(files, 'file')}\n"
    warnings = len(examination.findings)
    sound = f"{config}: sound" + (f", with {_count(warnings, 'warning')}" if warnings else "")
    if examination.catalog is None:
        return f"{sound}\n"
    releases = _releases(examination.catalog)
    services = len(examination.catalog.services)
    lines = [f"{sound}: {_count(services, 'service')}, {_count(len(releases), 'release')}", *releases]
    if examination.settings is not None:
        lines += demands_of(examination.catalog, examination.settings.insecure_demo)
    return "\n".join(lines) + "\n"


def _releases(catalog: Catalog) -> list[str]:
    rows = dict.fromkeys(
        (id_, release.version, catalog.rollouts[id_].mode.value, release.digest)
        for id_, by_hook in catalog.services.items()
        for plan in by_hook.values()
        for release in plan.releases.values()
    )
    return [f"  {id_} {version} ({mode}) {digest}" for id_, version, mode, digest in rows]


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
