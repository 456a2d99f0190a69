"""`wardgate affected`: who was shown a card of a release. Exit 0: told; 1: not.

Patients, encounters and users appear as pseudonyms. Whom they stand for, the EHR alone can say: docs/story.md.
"""

import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path

from wardgate.adapters.files.whole import whole_file
from wardgate.cli.admin import CannotAsk
from wardgate.cli.records import reached
from wardgate.records import tables
from wardgate.records.archive import AffectedRow
from wardgate.records.desk import AffectedSummary

_ON_SCREEN = 20
_STEPS = {"model": "by the model", "cached": "by its last score", "rule": "by a rule", "none": "without a score"}
_SHORT = 12
"""Of the digits of a pseudonym: to compare by eye; --csv has all of them."""


def run(
    release: str,
    since: str | None = None,
    until: str | None = None,
    csv: Path | None = None,
    admin: str | None = None,
    config: Path | None = None,
    json_output: bool = False,
) -> int:
    try:
        summary, rows = reached(admin, config).affected(release, since, until)
        if json_output:
            sys.stdout.buffer.writelines(tables.ndjson([tables.encode({"summary": summary})]))
            sys.stdout.buffer.writelines(tables.ndjson(map(tables.encode, rows)))
            return 0
        print("\n".join(_told(summary)))
        if csv is None:
            _list(list(islice(rows, _ON_SCREEN)), summary.decisions)
        else:
            with whole_file(csv) as file:
                file.writelines(tables.csv_of(rows))
            print(f"\nAll of them: {csv} (0600)")
    except CannotAsk as error:
        print(f"{error.what}\n{error.remedy}".rstrip(), file=sys.stderr)
        return 1
    except OSError as error:
        print(f"{csv} cannot be written: {error.strerror}.", file=sys.stderr)
        return 1
    return 0


def _told(summary: AffectedSummary) -> list[str]:
    lines = [f"release    {digest}" for digest in summary.digests] or ["release    none of this name was ever recorded"]
    lines.append(f"cards      {summary.decisions:,} shown")
    if summary.first is not None and summary.last is not None:
        lines.append(f"from, to   {_moment(summary.first)}, {_moment(summary.last)}")
    people = {"patients": summary.patients, "encounters": summary.encounters, "users": summary.users}
    steps = {_STEPS.get(step, step): number for step, number in summary.steps.items()}
    named = {"people": people, "services": summary.services, "sites": summary.sites, "units": summary.units}
    named["answered"] = steps
    lines += [f"{name:<11}{_counts(counts)}" for name, counts in named.items() if counts]
    return lines


def _counts(counts: Mapping[str, int]) -> str:
    return " · ".join(f"{name} {number:,}" for name, number in counts.items())


def _list(rows: list[AffectedRow], total: int) -> None:
    if not rows:
        return
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for name in ("when", "decision", "patient", "site", "unit"):
        table.add_column(name, overflow="ellipsis", no_wrap=True)
    for row in rows:
        patient = (row.patient or "").rpartition(":")[2][:_SHORT]
        table.add_row(_moment(row.at)[len("2026-") :], row.decision_id, patient, row.site_id or "", row.unit or "")
    console = Console(highlight=False)
    console.print()
    console.print(table)
    if total > len(rows):
        print(f"… and {total - len(rows):,} more: --csv FILE has all of them.")


def _moment(at: float) -> str:
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M:%S}"
