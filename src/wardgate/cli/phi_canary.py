"""`wardgate phi-canary`: whether a mark in the place of a patient's data turns up where none may be.

Exit 0: nowhere; 1: it does; 2: it cannot be run.
"""

import asyncio
import signal
import sys
from pathlib import Path

from wardgate.cli.canary.house import Plan
from wardgate.cli.canary.run import Extent, Found
from wardgate.cli.canary.run import run as drive
from wardgate.cli.check import show_findings
from wardgate.cli.processes import DidNotStart
from wardgate.domain.errors import ConfigurationError

_SHOWN = 10


def run(config: Path, calls: int) -> int:
    try:
        found = asyncio.run(_driven(config, calls))
    except ConfigurationError as error:
        show_findings(error.findings, sys.stderr)
        return 2
    except DidNotStart as error:
        print(error, file=sys.stderr)
        return 2
    except (KeyboardInterrupt, asyncio.CancelledError):
        return 130
    _show(found)
    return 1 if found.leaks else 0


async def _driven(config: Path, calls: int) -> Found:
    task = asyncio.current_task()
    if task is not None:  # SIGTERM leaves no folder and no process behind either
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    return await drive(config, Extent(calls), Plan())


def _show(found: Found) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    table.add_column("sink")
    table.add_column("bytes searched", justify="right")
    table.add_column("marks found", justify="right")
    for name, sink in found.sinks.items():
        table.add_row(name, f"{sink.searched:,}", f"[bold red]{len(sink.leaks)}[/]" if sink.leaks else "0")
    console = Console(highlight=False)
    console.print(table)
    answered = ", ".join(f"{count:,} {status or 'broken off'}" for status, count in sorted(found.answered.items()))
    console.print(f"\n{found.marks:,} marks planted; answers: {answered}; {found.cards:,} cards.", soft_wrap=True)
    if not found.cards:
        console.print("No card was shown: look whether the made-up patients fit (docs/canary.md).", soft_wrap=True)
    for name, sink in found.sinks.items():
        for leak in sink.leaks[:_SHOWN]:
            place = f" (planted at {leak.where})" if leak.where else ""
            console.print(f"{name}: {leak.around!r}{place}", markup=False, soft_wrap=True)
