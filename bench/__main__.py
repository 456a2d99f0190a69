"""Run the benchmark and print it; JSON and Markdown go to build/bench/."""

import argparse
import os
import sys
import tempfile
from pathlib import Path

import msgspec

from bench.measure import FULL, QUICK, Line, OpenLine, closed, opened
from bench.report import Report, goals, markdown, place, text
from bench.request import now, samples
from bench.servers import LOAD_CORE, SERVER_CORE, VARIANTS, NotStarted
from bench.startup import startup

_OUT = Path("build/bench")
_WRONG_AT_MOST = 0.001  # of all calls; more, and the figures are not of the work that was asked for


def main() -> int:
    options = argparse.ArgumentParser(prog="python -m bench", description="Measure wardgate against floor and peers.")
    options.add_argument("--quick", action="store_true", help="short rounds, about a minute")
    chosen = options.parse_args()
    if SERVER_CORE == LOAD_CORE:
        print("the benchmark needs Linux and two cores: one for the server, one for its load", file=sys.stderr)
        return 2
    os.sched_setaffinity(0, {LOAD_CORE})
    try:
        report = _measure(chosen.quick)
    except NotStarted as error:
        print(f"a server did not start:\n{error}", file=sys.stderr)
        return 1
    print(text(report))
    _OUT.mkdir(parents=True, exist_ok=True)
    (_OUT / "bench.json").write_bytes(msgspec.json.format(msgspec.json.encode(report)))
    (_OUT / "bench.md").write_text(markdown(report))
    return _verdict(report)


def _measure(quick: bool) -> Report:
    plan = QUICK if quick else FULL
    calls = samples(now())
    with tempfile.TemporaryDirectory(prefix="wardgate-bench-") as name:
        folder = Path(name)
        _say("start-up times")
        times = startup(folder)
        lines = closed(plan, VARIANTS, calls, folder, _say)
        open_lines = opened(plan, calls, folder, _say)
    return Report(place(len(calls[0].body(0))), lines, open_lines, times, goals(lines, open_lines, times))


def _verdict(report: Report) -> int:
    """0 whatever the goals say: a machine's mood must not fail a build. 1 where answers were wrong."""
    lines: list[Line | OpenLine] = [*report.closed, *report.opened]
    wrong = [line for line in lines if line.wrong > _WRONG_AT_MOST * line.calls]
    for line in wrong:
        print(f"{line.variant}: {line.wrong} of {line.calls} answers were not 200 with one card", file=sys.stderr)
    return 1 if wrong else 0


def _say(what: str) -> None:
    print(what, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
