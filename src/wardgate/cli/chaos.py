"""`wardgate chaos`: do to the gateway's dependencies what happens to them, and see what it answers.

Exit 0: everything was as the scenario expects; 1: it was not; 2: the scenario cannot be run.
"""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import httpx2
import msgspec

from wardgate.cli import demo
from wardgate.cli.ehr import CannotCall, Ehr
from wardgate.cli.hook_calls import endings, pieces
from wardgate.cli.processes import Child, DidNotStart
from wardgate.cli.running import Running
from wardgate.domain.outcomes import Reason
from wardgate.lab.chaos.proxy import Proxy
from wardgate.lab.chaos.run import Chaos, Ending, Result, Unhealthy
from wardgate.lab.chaos.scenario import Gateway, Scenario, ScenarioError, Trial, read_scenario
from wardgate.lab.load.engine import Generator, Pieces, address_of

if TYPE_CHECKING:
    from rich.console import Console

_PATIENCE = 60.0  # seconds for each of the demo's processes to come up
_USER = "Practitioner/chaos"
_PARTS = ("fhir", "model")

_Asked = tuple[str, str, bool | tuple[str, ...]]


def run(scenario: Path, calls: int | None = None, json_file: Path | None = None, only: Sequence[str] = ()) -> int:
    """`only`: the names of the faults that are tried."""
    from rich.console import Console

    try:
        if json_file is not None and not os.access(json_file.parent, os.W_OK):
            raise ScenarioError(f"{json_file} cannot be written: name a folder that is there and yours")
        plan = read_scenario(scenario, list(Reason), calls)
        if only:
            plan = msgspec.structs.replace(plan, trials=_chosen(plan, only))
        results = asyncio.run(_run(plan, Console(stderr=True, highlight=False)))
    except (ScenarioError, DidNotStart, Unhealthy) as error:
        print(error, file=sys.stderr)
        return 2
    except CannotCall as error:
        print(f"{error.what} {error.remedy}", file=sys.stderr)
        return 2
    except (KeyboardInterrupt, asyncio.CancelledError):
        return 130
    if json_file is not None:
        json_file.write_bytes(msgspec.json.format(msgspec.json.encode(results)) + b"\n")
    from wardgate.cli.chaos_view import show

    show(results, plan.deadline, Console(highlight=False))
    return 1 if any(result.broken for result in results) else 0


def _chosen(plan: Scenario, only: Sequence[str]) -> tuple[Trial, ...]:
    names = {trial.name for trial in plan.trials}
    strange = [name for name in only if name not in names]
    if strange:
        raise ScenarioError(f"there is no fault named {', '.join(strange)}; there are {', '.join(sorted(names))}")
    return tuple(trial for trial in plan.trials if trial.name in only)


async def _run(plan: Scenario, progress: "Console") -> list[Result]:
    task = asyncio.current_task()
    if task is not None:
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    async with contextlib.AsyncExitStack() as stack:
        with progress.status("starting") as status:
            where, proxies = await (_own if plan.gateway is not None else _demo)(plan, stack)
            chaos = await _chaos(plan, where, proxies, stack)
            results = []
            for number, trial in enumerate(plan.trials, 1):
                status.update(f"{number} of {len(plan.trials)}: {trial.name} on {trial.target}")
                results.append(await chaos.run(trial))
            return results


async def _own(plan: Scenario, stack: contextlib.AsyncExitStack) -> tuple[Gateway, dict[str, Proxy]]:
    """A gateway that runs already, and reaches its dependencies through these ports."""
    assert plan.gateway is not None
    proxies = {}
    for name, target in plan.targets.items():
        proxies[name] = await _proxy(stack, target.to, plan.seed, target.listen)
    return plan.gateway, proxies


async def _demo(plan: Scenario, stack: contextlib.AsyncExitStack) -> tuple[Gateway, dict[str, Proxy]]:
    """The demo's parts, each behind a proxy."""
    parts = {name: stack.enter_context(Child(name, f"wardgate.lab.{name}_server", "--port", "0")) for name in _PARTS}
    if plan.redis:
        parts["redis"] = stack.enter_context(Child("redis", "wardgate.lab.redis_server"))
    urls = {name: await asyncio.to_thread(part.announced, _PATIENCE) for name, part in parts.items()}
    proxies = {name: await _proxy(stack, url, plan.seed) for name, url in urls.items()}
    free = demo.free_port
    where = Running(
        pid=os.getpid(),
        gateway=f"http://127.0.0.1:{free(0)}",
        admin=f"http://127.0.0.1:{free(0)}",
        fhir=f"{proxies['fhir'].url}/fhir",
        model=proxies["model"].url,
        simulator="",
    )
    folder = stack.enter_context(demo.copied(demo.source(plan.config), where))
    if plan.redis:
        _use(folder / "wardgate.yaml", proxies["redis"].url)
    command = ("serve", "--config", str(folder / "wardgate.yaml"))
    gateway = stack.enter_context(Child("gateway", "wardgate", *command))
    # In a thread: meanwhile the proxies, which live in this loop, have to let the gateway's probes pass.
    for url in (where.gateway, where.admin):
        await asyncio.to_thread(demo.wait_until_ready, gateway, f"{url}/health/ready")
    await asyncio.to_thread(demo.wait_for_proof, where, gateway)
    return Gateway(where.gateway, where.fhir, where.admin), proxies


def _use(config: Path, redis: str) -> None:
    text = config.read_text(encoding="utf-8")
    if "\nstores:" in text:
        raise ScenarioError("the configuration names its own stores: a scenario with `redis: true` needs one without")
    config.write_text(f"{text}\nstores: {{hot: {redis}}}\n", encoding="utf-8")


async def _proxy(stack: contextlib.AsyncExitStack, upstream: str, seed: int, port: int = 0) -> Proxy:
    try:
        return await stack.enter_async_context(Proxy(upstream, port, seed))
    except ValueError as error:
        raise ScenarioError(str(error)) from None
    except OSError as error:
        raise DidNotStart(f"The proxy's port {port} of 127.0.0.1 cannot be had: {error.strerror}.") from None


async def _chaos(
    plan: Scenario, where: Gateway, proxies: Mapping[str, Proxy], stack: contextlib.AsyncExitStack
) -> Chaos:
    try:
        address = address_of(where.url)
    except ValueError as error:
        raise ScenarioError(str(error)) from None
    requests = await asyncio.to_thread(_requests, plan, where)
    http = await stack.enter_async_context(httpx2.AsyncClient(timeout=5, trust_env=False))

    async def counters(service: str) -> dict[Ending, int] | None:
        if where.admin is None:
            return None
        try:
            return endings((await http.get(f"{where.admin}/metrics")).text, service)
        except httpx2.TransportError:
            return None

    return Chaos(
        plan,
        proxies,
        lambda many, answered: Generator(address, many, answered),
        lambda service, patient, prefetch: requests[service, patient, prefetch],
        counters,
    )


def _requests(plan: Scenario, where: Gateway) -> dict[_Asked, Pieces]:
    """What every call of the scenario sends, read from the FHIR server while it is well."""
    found: dict[_Asked, Pieces] = {}
    with Ehr(where.url, where.fhir, _USER) as ehr:
        for trial in plan.trials:
            for patient in trial.patients:
                for prefetch in (True, trial.prefetch):
                    asked = (trial.service, patient, prefetch)
                    if asked not in found:
                        found[asked] = pieces(where.url, trial.service, ehr.request(*asked))
    return found
