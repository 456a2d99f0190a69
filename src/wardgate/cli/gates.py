"""`wardgate gate`: what stands between a release and a mode, each gate with what it needs and what was found."""

import json
import sys
from collections.abc import Sequence
from pathlib import Path

import msgspec
from rich.console import Console
from rich.table import Table
from rich.text import Text

from wardgate.cli.approving import Open, opened
from wardgate.cli.audit import os_principal, told
from wardgate.domain.approvals import Charter
from wardgate.domain.gates import GateLine, Verdict
from wardgate.domain.governance import BUILT_IN, EYES, digest_of
from wardgate.domain.outcomes import Mode
from wardgate.domain.releases import short

_WIDEST = 120
_NARROW = 60
_MARKS = {
    Verdict.PASS: ("pass", "green"),
    Verdict.FAIL: ("FAIL", "bold red"),
    Verdict.UNKNOWN: ("UNKNOWN", "bold yellow"),
    Verdict.EXCEPTED: ("excepted", "yellow"),
}


def run(config: Path, service: str, release: str, mode: str, as_json: bool) -> int:
    """0: nothing is in the way; 1: something is, or it cannot be told."""
    with told() as result, opened(config) as here:
        known = here.release(service, release)
        step = Mode(mode)
        lines = here.governed.gates.gates_of(service, known.digest, step, who=os_principal())
        holds = all(line.holds for line in lines)
        if as_json:
            said = {"service": service, "release": known.version, "digest": known.digest, "mode": mode}
            print(json.dumps({**said, "passes": holds, "gates": msgspec.to_builtins(lines)}, indent=2))
        else:
            console = _console()
            heading = f"{service} {known.version} ({short(known.digest)}) to {mode}"
            _show(console, here, heading, service, known.digest, lines)
        result.code = 0 if holds else 1
    return result.code


def _console() -> Console:
    """Elsewhere than on a terminal, a line stays a line."""
    return Console(highlight=False) if sys.stdout.isatty() else Console(highlight=False, width=400)


def _show(console: Console, here: Open, heading: str, service: str, digest: str, lines: Sequence[GateLine]) -> None:
    console.print(Text(heading, style="bold"))
    if here.configured.settings.insecure_demo:
        console.print("insecure_demo: nothing is asked.")
        return
    tier = here.governed.book.tier(service, digest)
    if not any(line.name == "audit chain" for line in lines):
        for text in _policy(here, tier or "high"):
            console.print(Text(text, style="dim"))
    if lines:
        console.print()
        console.print(table_of(lines), width=min(console.width, _WIDEST) if console.is_terminal else None)
        console.print()
    console.print(_last_word(lines))


def table_of(lines: Sequence[GateLine]) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), show_edge=False, header_style="dim")
    for column in ("", "gate", "needed", "found", ""):
        table.add_column(column, overflow="fold", no_wrap=column in ("gate", "needed"))
    for line in lines:
        word, style = _MARKS[line.verdict]
        table.add_row(Text(word, style=style), line.name, line.needed, line.found, Text(line.reason, style="dim"))
    return table


def _policy(here: Open, tier: str) -> list[str]:
    proposed = here.governed.desk.proposed(here.configured.catalog.policy)
    told = [f"tier {tier}, {policy_named(proposed.charter)}"]
    if proposed.waits:
        missing = f"{len(proposed.people)} of {EYES} have approved it"
        told.append(f"governance.yaml ({short(proposed.proposed)}) does not hold yet: {missing}")
    return told


def policy_named(charter: Charter) -> str:
    if charter.digest == digest_of(BUILT_IN) and not charter.approved:
        return "by the built-in policy"
    return f"by policy {short(charter.digest)}, approved by {' and '.join(charter.approved)}"


def _last_word(lines: Sequence[GateLine]) -> Text:
    if not lines:
        return Text("Nothing is demanded.", style="green")
    missing = sum(not line.holds for line in lines)
    excepted = sum(line.verdict is Verdict.EXCEPTED for line in lines)
    gates = "1 gate" if len(lines) == 1 else f"{len(lines)} gates"
    if missing:
        return Text(f"NOT YET: {missing} of {gates} {'is' if missing == 1 else 'are'} in the way.", style="bold red")
    besides = f", {excepted} of them by exception" if excepted else ""
    return Text(f"READY: {gates} passed{besides}.", style="bold green")
