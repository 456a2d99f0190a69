"""`wardgate load`: hook calls at a steady rate. Exit 0: every call had an answer; 1: not; 2: it cannot be run."""

import asyncio
import contextlib
import itertools
import json
import os
import random
import signal
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import yaml

from wardgate.cli import demo, running
from wardgate.cli.ehr import CannotCall, Ehr
from wardgate.cli.hook_calls import pieces
from wardgate.cli.processes import DidNotStart
from wardgate.lab.load.engine import Call, Generator, Pieces, address_of, precise_loop
from wardgate.lab.load.plot import svg
from wardgate.lab.load.tally import QUANTILES, Tally

_USER = "Practitioner/load"
_GATEWAY, _FHIR = "http://127.0.0.1:8080", "http://127.0.0.1:8083/fhir"
_FASTEST = 50_000  # calls a second: beyond what one generator sends, and with it late for every call
_WARM = 20  # calls before the first one that counts: connections are made, code is loaded


@dataclass(frozen=True)
class Plan:
    """`duration` and `limit` in seconds; `patients` empty: all that the FHIR server has; `out`: .json and .svg."""

    url: str | None
    demo: bool
    rate: float
    duration: float
    mix: Path | None
    service: str
    patients: tuple[str, ...]
    prefetch: bool
    fhir: str | None
    in_flight: int
    cpu: int | None
    limit: float | None
    out: tuple[Path, ...]


class _Kind(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One kind of call of a mix: of patients, or a recorded `body` (a JSON file beside the mix)."""

    service: str
    patients: tuple[str, ...] = ()
    prefetch: bool = True
    body: str | None = None
    weight: float = 1.0


class CannotLoad(Exception):
    """Why nothing was sent, in a sentence."""


def run(plan: Plan) -> int:
    try:
        _check(plan)
        with contextlib.ExitStack() as stack:
            gateway, fhir = _where(plan, stack)
            many = _mixed(plan, gateway, fhir)
            if plan.cpu is not None:
                os.sched_setaffinity(0, {plan.cpu})
            tally, seconds = _measure(plan, gateway, many)
    except (CannotLoad, DidNotStart, ValueError) as error:
        print(error, file=sys.stderr)
        return 2
    except CannotCall as error:
        print(f"{error.what} {error.remedy}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    for path in plan.out:
        _write(path, plan, tally, seconds)
    _show(plan, tally, seconds)
    return 1 if tally.unanswered else 0


def _check(plan: Plan) -> None:
    if plan.rate > _FASTEST:
        raise CannotLoad(
            f"--rate {plan.rate:g}: one generator sends at most {_FASTEST:,} calls a second, and not even these "
            "to most gateways: write less, or start several on cores of their own (--cpu)"
        )
    for path in plan.out:
        if path.suffix not in (".json", ".svg"):
            raise CannotLoad(f"{path}: write .json or .svg")
        if not os.access(path.parent, os.W_OK):
            raise CannotLoad(f"{path} cannot be written: name a folder that is there and yours")
    cores = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set()
    if plan.cpu is not None and plan.cpu not in cores:
        raise CannotLoad(f"there is no core {plan.cpu} to run on; there are {', '.join(map(str, sorted(cores)))}")


def _where(plan: Plan, stack: contextlib.ExitStack) -> tuple[str, str]:
    """The gateway and the FHIR base, of the demo that runs, that is started here, or as they are named."""
    if plan.demo:
        parts, _ = demo.start(0, demo.source(None), None, stack)
        return parts.gateway, parts.fhir
    found = running.find(plan.url) or (running.find() if plan.url is None else None)
    gateway = plan.url or (found.gateway if found is not None else _GATEWAY)
    return gateway.rstrip("/"), plan.fhir or (found.fhir if found is not None else _FHIR)


def _mixed(plan: Plan, gateway: str, fhir: str) -> Pieces:
    """Call number n, of kinds by their weights and of each kind's patients in turns; the same for the same numbers."""
    kinds = [_Kind(plan.service, plan.patients, plan.prefetch)] if plan.mix is None else _read_mix(plan.mix)
    with Ehr(gateway, fhir, _USER) as ehr:
        made = [(kind.weight, _of_kind(kind, plan, gateway, ehr)) for kind in kinds]
    if len(made) == 1 and len(made[0][1]) == 1:
        return made[0][1][0]
    dice = random.Random(1)
    order = [dice.choices(range(len(made)), [weight for weight, _ in made])[0] for _ in range(4096)]
    turns = [itertools.cycle(requests) for _, requests in made]
    return lambda number: next(turns[order[number % len(order)]])(number)


def _read_mix(path: Path) -> list[_Kind]:
    try:
        kinds = msgspec.convert(yaml.safe_load(path.read_text(encoding="utf-8")), list[_Kind])
    except (OSError, UnicodeDecodeError, yaml.YAMLError, msgspec.ValidationError) as error:
        raise CannotLoad(f"{path}: {error}") from None
    if not kinds or any(kind.weight <= 0 for kind in kinds):
        raise CannotLoad(f"{path}: write at least one kind of call, with weights above 0")
    return kinds


def _of_kind(kind: _Kind, plan: Plan, gateway: str, ehr: Ehr) -> Sequence[Pieces]:
    if kind.body is not None:
        path = (plan.mix.parent if plan.mix is not None else Path()) / kind.body
        return [pieces(gateway, kind.service, _recorded(path))]
    patients = kind.patients or tuple(ehr.patients())
    if not patients:
        raise CannotLoad("the FHIR server has no patients: name them with --patient")
    return [pieces(gateway, kind.service, ehr.request(kind.service, each, kind.prefetch)) for each in patients]


def _recorded(path: Path) -> dict[str, Any]:
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CannotLoad(f"{path}: {error}") from None
    if not isinstance(document, dict):
        raise CannotLoad(f"{path}: not the body of a hook call")
    return document


def _measure(plan: Plan, gateway: str, many: Pieces) -> tuple[Tally, float]:
    tally = Tally(plan.limit)
    count = max(1, round(plan.rate * plan.duration))

    async def run() -> float:
        # The clock of the loop starts before the task does, so a stop by SIGTERM finds something to cancel.
        loop, task = asyncio.get_running_loop(), asyncio.current_task()
        if task is not None:
            loop.add_signal_handler(signal.SIGTERM, task.cancel)
        warm: list[Call] = []
        generator = Generator(address_of(gateway), many, warm.append, plan.in_flight)
        await generator.run(min(plan.rate, 100), _WARM)
        generator.close()
        if not any(call.status for call in warm):
            raise CannotLoad(f"No gateway answers at {gateway}.")
        generator = Generator(address_of(gateway), many, tally.add, plan.in_flight)
        begin = loop.time()
        try:
            await generator.run(plan.rate, count, first=_WARM)
        finally:
            generator.close()
        return loop.time() - begin

    with asyncio.Runner(loop_factory=precise_loop) as runner:
        return tally, runner.run(run())


def _write(path: Path, plan: Plan, tally: Tally, seconds: float) -> None:
    if path.suffix == ".json":
        path.write_text(json.dumps(tally.document(plan.rate, seconds), indent=1) + "\n", encoding="utf-8")
        return
    title = f"{tally.statuses.total():,} calls, {plan.rate:g} a second"
    series = {"from when a call was due": tally.latencies, "from when it was sent": tally.service_times}
    path.write_text(svg(title, series, plan.limit), encoding="utf-8")


def _show(plan: Plan, tally: Tally, seconds: float) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table

    console = Console(highlight=False)
    calls = tally.statuses.total()
    console.print(f"{calls:,} calls in {seconds:.1f} s: {calls / seconds:,.0f} a second, {plan.rate:g} were wanted")
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    table.add_column("ms")
    for name in ("mean", *(f"p{q * 100:g}" for q in QUANTILES), "max"):
        table.add_column(name, justify="right")
    for name, each in (("from when it was due", tally.latencies), ("from when it was sent", tally.service_times)):
        figures = (each.mean, *(each.quantile(q) for q in QUANTILES), each.largest)
        table.add_row(name, *(f"{figure * 1000:.1f}" for figure in figures))
    console.print(table)
    for line in _counts(tally):
        console.print(f"  {line}")
    if plan.limit is not None:
        console.print(f"  {tally.beyond:>9,}  took longer than {plan.limit * 1000:g} ms")


def _counts(tally: Tally) -> Iterator[str]:
    for status, count in tally.statuses.most_common():
        yield f"{count:>9,}  {f'status {status}' if status else 'without an answer'}"
    for outcome, count in tally.outcomes.most_common():
        yield f"{count:>9,}  {outcome}"
