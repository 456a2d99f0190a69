"""What a chaos run has shown, on a terminal."""

from collections.abc import Sequence

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from wardgate.lab.chaos.run import Result


def show(results: Sequence[Result], deadline: float, console: Console) -> None:
    console.print(_table(results))
    broken = [result for result in results if result.broken]
    for result in broken:
        for sentence in result.broken:
            console.print(Text.assemble((f"{result.name} on {result.target}: ", "bold"), sentence), soft_wrap=True)
    console.print(_sum(results, broken, deadline), soft_wrap=True)


def _table(results: Sequence[Result]) -> Table:
    table = Table(box=SIMPLE_HEAD, pad_edge=False, padding=0)
    table.add_column("fault", min_width=16)
    table.add_column("calls", justify="right", no_wrap=True)
    table.add_column("how they ended", no_wrap=True)
    for name in ("p50", "p99", "max", "late", "bad", "well in"):
        table.add_column(name, justify="right", no_wrap=True)
    target = ""
    for result in results:
        if result.target != target:
            target = result.target
            table.add_row(Text(f"on {target}, ms", style="bold"))
        table.add_row(
            Text(result.name, style="bold red" if result.broken else ""),
            f"{result.calls:,}",
            _endings(result),
            *(f"{value:.0f}" for value in (result.p50_ms, result.p99_ms, result.max_ms)),
            _count(result.late),
            _count(result.invalid),
            Text("never", style="bold red") if result.recovered_ms is None else f"{result.recovered_ms:,.0f}",
        )
    return table


def _endings(result: Result) -> str:
    ordered = sorted(result.endings.items(), key=lambda pair: -pair[1])
    lines = []
    for ending, count in ordered:
        outcome, reason, step = (*ending.split("/"), "", "")[:3]
        named = reason if outcome not in ("shown", "below_threshold") else f"{outcome} by {step}" if step else outcome
        lines.append(f"{count:,} {named}")
    return "\n".join(lines)


def _count(number: int) -> Text:
    return Text(f"{number:,}", style="bold red" if number else "dim")


def _sum(results: Sequence[Result], broken: Sequence[Result], deadline: float) -> Text:
    calls, late, invalid = (sum(each) for each in zip(*((r.calls, r.late, r.invalid) for r in results), strict=True))
    verdict = f"{len(broken)} not as expected" if broken else "all as expected"
    return Text.assemble(
        f"{len(results)} faults, {calls:,} calls: {late} beyond {deadline * 1000:.0f} + 50 ms, {invalid} invalid; ",
        (verdict, "bold red" if broken else "bold green"),
    )
