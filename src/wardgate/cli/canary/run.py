"""What is driven through a house, and what is searched afterwards."""

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from wardgate.cli.canary.charts import base_of
from wardgate.cli.canary.house import House, Plan, house_of, until_ready
from wardgate.lab.asgi import Reply
from wardgate.lab.canary.drive import Base, Driver
from wardgate.lab.canary.marks import Marks
from wardgate.lab.canary.sweep import Sink, Sweep
from wardgate.lab.canary.ways import every_way, read_from_the_fhir_server, whole
from wardgate.lab.chaos.kinds import EXCHANGES, Kind
from wardgate.lab.chaos.kinds.connections import Hang, NotAccepted, Refused
from wardgate.lab.chaos.proxy import Fault

MODES = ("off", "shadow", "silent", "canary", "active")
FAULTS: dict[str, Kind] = {**EXCHANGES, "refused": Refused(), "not_accepted": NotAccepted()}
"""What is done to the models and to the FHIR server, by the names of `wardgate chaos`."""
_TOGETHER = 8


@dataclass(frozen=True)
class Extent:
    """`calls` at least, besides the ways, modes and faults, which are each taken once."""

    calls: int = 200
    faults: Sequence[str] = tuple(FAULTS)
    modes: Sequence[str] = MODES
    commands: bool = True


@dataclass
class Found:
    """`answered`: calls by HTTP status; 0: no answer."""

    sinks: dict[str, Sink] = field(default_factory=dict)
    answered: dict[int, int] = field(default_factory=dict)
    cards: int = 0
    marks: int = 0

    @property
    def leaks(self) -> int:
        return sum(len(sink.leaks) for sink in self.sinks.values())


@dataclass(frozen=True)
class Around:
    """Stores that are not in the house: `disturb` does to them what may happen, and makes calls meanwhile by what it is
    given; `search` looks through them once the gateway has stopped."""

    async def disturb(self, calls: Callable[[], Awaitable[None]]) -> None: ...

    def search(self, sweep: Sweep) -> None: ...


async def run(config: Path, extent: Extent, plan: Plan, around: Around | None = None) -> Found:
    """Raises ConfigurationError, DidNotStart."""
    around = around or Around()
    marks = Marks()
    sweep = Sweep(marks)
    async with house_of(config, sweep, plan) as house:
        driver = _driver(house, marks, sweep)
        await until_ready(house, driver.ask)
        bases = [base_of(plan, datetime.now(UTC)) for plan in house.catalog.plans()]  # noqa: TID251 - a chart of today
        for base in bases:
            await every_way(driver, base)
        for mode in extent.modes:
            await _mode(house, driver, bases, mode)
        for name in extent.faults:
            await _fault(house, driver, bases, FAULTS[name])
        if extent.faults:
            await _burst(house, driver, bases)
            await _talk(house, driver, bases)
            await around.disturb(lambda: _calls(driver, bases, _TOGETHER))
        await _broken_reloads(house, driver)
        await until_ready(house, driver.ask)
        await _calls(driver, bases, extent.calls)
        for base in bases:
            await every_way(driver, base)
        if extent.commands:
            await _commands(house, driver)
        _status, metrics = await driver.ask(house.metrics)
        sweep.look("metrics", metrics)
        assert house.process is not None
        sweep.process("processes", house.process.pid)
        _stores(house, sweep)
        await house.stop()
        _stores(house, sweep)
        around.search(sweep)
        sweep.folder("temporary files", house.folder / "tmp")
        sweep.file("standard output", house.folder / "out")
        sweep.file("standard error", house.folder / "err")
    sweep.settle()
    return Found(sweep.sinks, driver.answered, driver.cards, len(marks))


def _driver(house: House, marks: Marks, sweep: Sweep) -> Driver:
    def publish(resources: Iterable[dict[str, Any]]) -> None:
        for resource in resources:
            house.store.change(resource["resourceType"], resource["id"], resource)

    return Driver(house.gateway, house.admin, house.fhir, marks, sweep, publish, house.store.reset)


async def _mode(house: House, driver: Driver, bases: Sequence[Base], mode: str) -> None:
    house.set_mode(mode)
    await driver.ask("/admin/v1/reload", b"")
    await until_ready(house, driver.ask)
    for base in bases:
        await whole(driver, driver.planted(base), base)
        await read_from_the_fhir_server(driver, driver.planted(base), base)


async def _fault(house: House, driver: Driver, bases: Sequence[Base], kind: Kind) -> None:
    for target, way in (("model", whole), ("fhir", read_from_the_fhir_server)):
        for proxy in house.proxies[target]:
            proxy.begin(Fault(kind))
        await asyncio.gather(*[way(driver, driver.planted(base), base) for base in bases for _ in range(2)])
        for proxy in house.proxies[target]:
            proxy.end()
    driver.withdraw()


async def _burst(house: House, driver: Driver, bases: Sequence[Base]) -> None:
    """More calls at a time than there are places, while the models answer nothing."""
    for proxy in house.proxies["model"]:
        proxy.begin(Fault(Hang()))
    calls = [bases[number % len(bases)] for number in range(house.places + _TOGETHER)]
    await asyncio.gather(*[whole(driver, driver.planted(base), base) for base in calls])
    for proxy in house.proxies["model"]:
        proxy.end()


async def _talk(house: House, driver: Driver, bases: Sequence[Base]) -> None:
    """Servers that say what nobody may repeat: in errors, in answers, in heads."""
    for base in bases:
        said = driver.planted(base)
        moved = {"location": f"http://127.0.0.1/{driver.marks.text('location')}", "x": driver.marks.text("header")}
        outcome = {"resourceType": "OperationOutcome", "issue": [{"diagnostics": driver.marks.text("diagnostics")}]}
        named = {
            "model_name": driver.marks.text("name"),
            "model_version": driver.marks.text("version"),
            "outputs": [said],
        }
        for says in (
            Reply(500, said),
            Reply(200, said),
            Reply(302, said, moved),
            Reply(401, outcome),
            Reply(200, named),
        ):
            for stand_in in house.models.values():
                stand_in.says = says
            await whole(driver, driver.planted(base), base)
            for stand_in in house.models.values():
                stand_in.says = None
            house.fhir_says = says
            await read_from_the_fhir_server(driver, driver.planted(base), base)
            house.fhir_says = None
    driver.withdraw()
    await until_ready(house, driver.ask)


async def _broken_reloads(house: House, driver: Driver) -> None:
    """Configurations in which a value is somebody's; each is refused, and the old one answers on. (Names that one file
    gives and another looks for, of files, features and keys, are the author's own, and findings say them.)"""
    path = house.services()[0]
    sound = path.read_text(encoding="utf-8")
    service, mark = json.loads(sound), driver.marks.text
    broken = [{**service, key: mark(key)} for key in ("deadline", "hook", "rollout", "threshold", "title", "risk_tier")]
    broken += [{**service, "rollout": {**service["rollout"], "mode": mark("mode")}}]
    broken += [{**service, "population": f"age >= '{mark('text')}"}, {**service, "prefetch": {"a": mark("template")}}]
    torn = (f"id: [{mark('id')}", f"id: '{mark('text')}", f"a: *x\n# {mark('comment')}")
    for text in (*map(json.dumps, broken), *torn):
        path.write_text(text, encoding="utf-8")
        await driver.ask("/admin/v1/reload", b"")
    path.write_text(sound, encoding="utf-8")


async def _calls(driver: Driver, bases: Sequence[Base], calls: int) -> None:
    left = iter(range(calls))

    async def caller() -> None:
        for number in left:
            await whole(driver, driver.planted(bases[number % len(bases)]), bases[number % len(bases)])

    await asyncio.gather(*[caller() for _ in range(_TOGETHER)])


async def _commands(house: House, driver: Driver) -> None:
    """Those about records, asked of the gateway: what they print is for a person who may not know whose it is."""
    base, mark = driver.uuids[-1:], driver.marks.text
    rows = house.folder / "rows.csv"
    rows.write_text(f"patient,label,value,time\n{mark('patient')},{mark('label')},{mark('value')},{mark('time')}\n")
    release = next(iter(next(iter(house.catalog.plans())).releases.values()))
    admin = ("--admin", house.admin)
    for command in (
        *[("trace", uuid, *admin) for uuid in base],
        ("affected", "--release", f"{release.model}@{release.version}", "--json", *admin),
        ("export", "decisions", "-", *admin),
        ("outcomes", "load", str(rows), *admin),
    ):
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "wardgate", *command),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        said, _ = await process.communicate()
        driver.sweep.hear("commands about records", said)


def _stores(house: House, sweep: Sweep) -> None:
    for path in sorted((house.folder / "var").iterdir()):
        if path.is_dir():
            sweep.folder("spool", path)
        else:
            sweep.file("durable store", path)
