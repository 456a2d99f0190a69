"""The report: where it ran, the tables, the goals; as text, as JSON and as Markdown."""

import hashlib
import importlib.metadata
import os
import platform
import sysconfig
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from bench import FLOOR_SHA256
from bench.measure import CONCURRENCIES, Line, OpenLine
from bench.servers import AIOHTTP, FHIR, LOAD_CORE, NAIVE, PYREQWEST, SERVER_CORE
from bench.startup import GOAL, Startup

_LIBRARIES = (
    "uvicorn",
    "uvloop",
    "httptools",
    "msgspec",
    "aiohttp",
    "pyreqwest",
    "fastapi",
    "pydantic",
    "httpx",
    "fhir.resources",
    "opentelemetry-sdk",
    "opentelemetry-instrumentation-fastapi",
)
_AT = 16  # the concurrency at which the goals are read


class Place(msgspec.Struct, frozen=True):
    interpreter: str
    optimised: bool
    cpu: str
    cores: int
    kernel: str
    request_bytes: int
    libraries: dict[str, str]
    floor_sha256: str


class Goal(msgspec.Struct, frozen=True):
    what: str
    measured: float
    limit: float
    met: bool


class Report(msgspec.Struct, frozen=True):
    place: Place
    closed: list[Line]
    opened: list[OpenLine]
    startup: Startup
    goals: list[Goal]


def floor_digest() -> str:
    return hashlib.sha256((Path(__file__).parent / "peers" / "floor.py").read_bytes()).hexdigest()


def place(request_bytes: int) -> Place:
    return Place(
        f"{platform.python_implementation()} {platform.python_version()} ({platform.python_compiler()})",
        "--enable-optimizations" in str(sysconfig.get_config_var("CONFIG_ARGS")),
        _cpu_name(),
        os.cpu_count() or 0,
        platform.release(),
        request_bytes,
        {name: importlib.metadata.version(name) for name in _LIBRARIES},
        floor_digest(),
    )


def _cpu_name() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def goals(closed: Sequence[Line], opened: Sequence[OpenLine], startup: Startup) -> list[Goal]:
    """The goals of the design, each with its figure: CPU a call at 16 connections, latency of the open loop."""
    ratio = {line.variant: line.ratio for line in closed if line.concurrency == _AT}
    pyreqwest, aiohttp = ratio[PYREQWEST.name], ratio[AIOHTTP.name]
    found = [
        _at_most("CPU over the floor, pyreqwest, the path", pyreqwest, 1.55),
        _at_most("CPU over the floor, aiohttp, the path", aiohttp, 1.70),
        _at_most("CPU over the floor, pyreqwest, all layers", pyreqwest, 2.00),
        _at_most("CPU over the floor, aiohttp, all layers", aiohttp, 2.15),
        _at_least("CPU of FastAPI + pydantic + httpx over wardgate, aiohttp", ratio[NAIVE.name] / aiohttp, 8),
        _at_least("CPU of that with fhir.resources over wardgate, aiohttp", ratio[FHIR.name] / aiohttp, 30),
    ]
    for line in opened:
        if line.variant in (PYREQWEST.name, AIOHTTP.name):
            found.append(_at_most(f"added p50 at 1,000/s, ms: {line.variant}", line.added_p50_ms, 1))
            found.append(_at_most(f"added p99 at 1,000/s, ms: {line.variant}", line.added_p99_ms, 3))
    found.append(_at_most("wardgate check, s", startup.check, GOAL))
    found.append(_at_most("wardgate serve until ready, s", startup.ready, GOAL))
    return found


def _at_most(what: str, measured: float, limit: float) -> Goal:
    return Goal(what, measured, limit, measured <= limit)


def _at_least(what: str, measured: float, limit: float) -> Goal:
    return Goal(what, measured, limit, measured >= limit)


def text(report: Report) -> str:
    return "\n\n".join((_place_text(report.place), *_sections(report, _plain)))


def markdown(report: Report) -> str:
    return "\n\n".join((_place_text(report.place), *_sections(report, _piped))) + "\n"


def _place_text(at: Place) -> str:
    build = "optimised build" if at.optimised else "a build without PGO"
    known = "the pinned one" if at.floor_sha256 == FLOOR_SHA256 else "NOT the pinned one: ratios are not comparable"
    return "\n".join(
        (
            f"{at.interpreter}, {build}; {at.cpu}, {at.cores} cores; Linux {at.kernel}.",
            f"Server on core {SERVER_CORE}; generator, model and collector on core {LOAD_CORE}.",
            f"Request {at.request_bytes:,} bytes. " + ", ".join(f"{k} {v}" for k, v in at.libraries.items()) + ".",
            f"Floor: bench/peers/floor.py, SHA-256 {at.floor_sha256} ({known}).",
        )
    )


def _sections(report: Report, table: Callable[[str, Sequence[str], Sequence[Sequence[str]]], str]) -> list[str]:
    return [
        *(table(f"{c} at a time", _CLOSED_HEAD, _closed_rows(report.closed, c)) for c in CONCURRENCIES),
        table("1,000 calls a second, a model of 20 ms", _OPEN_HEAD, [_open_row(line) for line in report.opened]),
        table("Goals", ("", "measured", "goal", ""), [_goal_row(goal) for goal in report.goals]),
    ]


_CLOSED_HEAD = ("closed loop", "µs CPU/call", "x floor", "calls/s", "p50 ms", "p99 ms", "calls", "wrong")
_OPEN_HEAD = ("open loop", "p50 ms", "p99 ms", "added p50", "added p99", "core busy", "calls", "wrong")


def _closed_rows(lines: Sequence[Line], concurrency: int) -> list[Sequence[str]]:
    return [
        (
            line.variant,
            f"{line.cpu_us:,.0f}",
            f"{line.ratio:.2f}",
            f"{line.rate:,.0f}",
            f"{line.p50_ms:.2f}",
            f"{line.p99_ms:.2f}",
            f"{line.calls:,}",
            str(line.wrong),
        )
        for line in lines
        if line.concurrency == concurrency
    ]


def _open_row(line: OpenLine) -> Sequence[str]:
    figures = (line.p50_ms, line.p99_ms, line.added_p50_ms, line.added_p99_ms)
    busy = f"{line.busy:.0%}" if line.busy else ""
    return (line.variant, *(f"{figure:.2f}" for figure in figures), busy, f"{line.calls:,}", str(line.wrong))


def _goal_row(goal: Goal) -> Sequence[str]:
    return (goal.what, f"{goal.measured:.2f}", f"{goal.limit:g}", "met" if goal.met else "missed")


def _plain(title: str, head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    widths = [max(len(row[i]) for row in (head, *rows)) for i in range(len(head))]
    lines = [
        "  ".join((row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:]))).rstrip() for row in (head, *rows)
    ]
    return "\n".join((title, "─" * len(lines[0]), *lines))


def _piped(title: str, head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    rule = ["---", *["---:"] * (len(head) - 1)]
    return "\n".join((f"**{title}**", "", *(f"| {' | '.join(row)} |" for row in (head, rule, *rows))))
