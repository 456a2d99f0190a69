"""A reload swaps the whole configuration or nothing, between two calls, and leaves nothing behind."""

import asyncio
import gc
import io
import tracemalloc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import msgspec

from tests.fakes.asgi import JSON, Reply, ask
from tests.fakes.config_tree import Edit, sound_config
from tests.fakes.kidney_calls import kidney_call
from tests.fakes.oip_server import OipServer, oip_server
from tests.fakes.processes import free_port
from tests.fakes.waiting import until
from wardgate.adapters.logs.events import EventLog
from wardgate.adapters.memory.hot import MemoryHotStore
from wardgate.bootstrap.configured import Configured
from wardgate.bootstrap.gateway import Gateway
from wardgate.cli.configured import read
from wardgate.domain.outcomes import Mode
from wardgate.web.admin import Circuit

PATH = "/cds-services/kidney-failure"


@dataclass
class Site:
    """A gateway that does not listen, the folder of its configuration, and its model."""

    folder: Path
    server: OipServer
    gateway: Gateway
    out: io.StringIO
    calls: int = 0

    def edit(self, **edits: Edit) -> None:
        _written(self.folder, self.server, **edits)

    async def call(self) -> Reply:
        self.calls += 1
        return await ask(self.gateway, "POST", PATH, msgspec.json.encode(kidney_call(self.calls)), JSON)

    def events(self) -> list[dict[str, Any]]:
        return [msgspec.json.decode(line) for line in self.out.getvalue().splitlines()]


def _written(folder: Path, server: OipServer, **edits: Edit) -> Path:
    places: dict[str, list[Edit]] = {
        "wardgate": [("127.0.0.1:8082", server.host)],
        "release": [("http://127.0.0.1:8082", f"http://{server.host}"), ("timeout: 200ms", "timeout: 2s")],
        "service": [("deadline: 500ms", "deadline: 5s")],
    }
    for name, edit in edits.items():
        places.setdefault(name, []).append(edit)
    return sound_config(folder, **places)


@asynccontextmanager
async def site(folder: Path, stored: bool = True) -> AsyncIterator[Site]:
    """Not `stored`: records stay on the spool."""

    def configured() -> Configured:
        found = read(config)
        return found if stored else replace(found, secrets=replace(found.secrets, durable=None))

    async with oip_server() as server:
        config, out = _written(folder, server), io.StringIO()
        gateway = Gateway(configured(), EventLog(out), asyncio.Event(), configured)
        try:
            await gateway.open()
            async with asyncio.TaskGroup() as tasks:
                gateway.begin(tasks)
                await until(lambda: _proof(gateway) == "passed")
                yield Site(folder, server, gateway, out)
                server.hold.set()
                gateway.rest()
        finally:
            await gateway.close()


def _proof(gateway: Gateway) -> str:
    return gateway.health()["kidney-failure"]["proof"]


def summary(reply: Reply) -> str:
    (card,) = reply.json()["cards"]
    return str(card["summary"])


async def test_an_edit_is_served_and_an_unchanged_model_keeps_its_proof(tmp_path: Path) -> None:
    """Another digest, another card; the endpoint and its probes are the same, so nothing is hidden meanwhile."""
    async with site(tmp_path) as here:
        before, (model,) = here.gateway.health()["kidney-failure"]["digest"], here.gateway.models.values()
        asked = len(here.server.raw.requests)
        here.edit(card=("Kidney failure risk in 2 years", "Two-year risk"))
        assert await here.gateway.reload() == ()
        assert summary(await here.call()).startswith("Two-year risk")
        assert here.gateway.health()["kidney-failure"]["digest"] != before
        assert list(here.gateway.models.values()) == [model]
        assert len(here.server.raw.requests) == asked + 1, "the model was probed again"
        assert here.events()[-1] == {"event": "reloaded", "services": 1}


async def test_a_reload_that_is_under_way_at_a_stop_begins_nothing_that_goes_on(tmp_path: Path) -> None:
    """Regression: its tasks came when those of before had been told to end; the process waited for them for ever, with
    its ports closed. (SIGHUP, and SIGTERM a moment later on a busy machine.)"""
    async with site(tmp_path) as here:
        here.edit(card=("Kidney failure risk in 2 years", "Two-year risk"))
        before = asyncio.all_tasks()
        here.gateway.rest()
        assert await here.gateway.reload() == ()
        assert asyncio.all_tasks() - before == set()


async def test_an_unsound_configuration_changes_nothing_and_says_why(tmp_path: Path) -> None:
    """Not even what is sound in it: the limits of the same file tree stay, too."""
    async with site(tmp_path) as here:
        here.edit(card=("Kidney failure risk", "Risk"), service=("indeterminate: 0.01", "indeterminate: soon"))
        errors = await here.gateway.reload()
        assert [error.key for error in errors] == ["threshold.indeterminate"]
        assert summary(await here.call()).startswith("Kidney failure risk")
        told = [event for event in here.events() if event["event"] in ("error", "reload_refused")]
        assert [event["event"] for event in told] == ["error", "reload_refused"]
        assert told[0]["key"] == "threshold.indeterminate" and told[0]["line"] > 0
        here.edit(card=("Kidney failure risk", "Risk"))
        assert await here.gateway.reload() == ()
        assert summary(await here.call()).startswith("Risk")


async def test_what_only_a_restart_can_change_is_refused(tmp_path: Path) -> None:
    """The address of a listener that stands already."""
    async with site(tmp_path) as here:
        here.edit(wardgate=("port: 8081", f"port: {free_port()}"))
        assert [error.key for error in await here.gateway.reload()] == ["admin.listen"]


async def test_a_fault_while_reading_changes_nothing(tmp_path: Path) -> None:
    """Whatever breaks, the old configuration answers on, and the fault is noted by class and place."""
    async with site(tmp_path) as here:

        def broken() -> Any:
            raise ZeroDivisionError

        here.gateway._read = broken
        assert len(await here.gateway.reload()) == 1
        assert [event["error_class"] for event in here.events() if event["event"] == "fault"] == ["ZeroDivisionError"]
        assert (await here.call()).status == 200


async def test_a_call_in_flight_ends_in_the_generation_in_which_it_began(tmp_path: Path) -> None:
    """It waits for its model during the swap, and still gets its card, as it was approved when it came."""
    async with site(tmp_path) as here, asyncio.TaskGroup() as group:
        here.server.hold.clear()
        call = group.create_task(here.call())
        await until(lambda: here.server.waiting == 1)
        here.edit(card=("Kidney failure risk in 2 years", "Two-year risk"))
        assert await here.gateway.reload() == ()
        here.server.hold.set()
        assert summary(await call).startswith("Kidney failure risk")
        assert summary(await here.call()).startswith("Two-year risk")


async def test_what_is_switched_off_hides_the_calls_in_flight_too(tmp_path: Path) -> None:
    """Visibility is read again just before a card leaves; also that of a service that is gone (law 2)."""
    for edit in ({"service": ("mode: active", 'mode: "off"')}, {"service": ("id: kidney-failure", "id: another")}):
        async with site(tmp_path) as here, asyncio.TaskGroup() as group:
            here.server.hold.clear()
            call = group.create_task(here.call())
            await until(lambda here=here: here.server.waiting == 1)  # type: ignore[misc]
            here.edit(**edit)
            before = here.gateway._now.snapshots
            assert await here.gateway.reload() == ()
            here.server.hold.set()
            assert (await call).body == b'{"cards":[]}'
            assert before.current().rollouts["kidney-failure"].mode is Mode.OFF
            assert not [event for event in here.events() if event["event"] == "fault"]


async def test_a_new_model_is_proven_before_it_is_asked(tmp_path: Path) -> None:
    """The first call after the swap shows its score; the old one's task and gauge are gone."""
    async with site(tmp_path) as here:
        (old,) = here.gateway.models.values()
        here.edit(release=("clip: {uacr: [1, 10000]}", "clip: {uacr: [1, 9000]}"))
        assert await here.gateway.reload() == ()
        (new,) = here.gateway.models.values()
        assert new is not old and new.proof == "passed"
        assert summary(await here.call())
        assert list(here.gateway.lasting.models._proving) == [new]
        labels = 'model_name="kidney-failure",model_version="1.0.0",service_id="kidney-failure"'
        assert f"wardgate_model_proven{{{labels}}} 1.0" in (here.gateway.lasting.meter.exposition()[0].decode())


async def test_what_is_out_of_use_stays_so_across_a_reload(tmp_path: Path) -> None:
    """Also where the reload makes another model of it; only `close` puts it back."""
    async with site(tmp_path) as here:
        circuit = ("kidney-failure", "1.0.0")
        assert await here.gateway.circuits.isolate("kidney-failure", "2.0.0", away=True) is None
        assert await here.gateway.circuits.isolate(*circuit, away=True) == Circuit("isolated")
        for edit in ({"card": ("risk in 2 years", "risk")}, {"release": ("uacr: [1, 10000]", "uacr: [1, 9000]")}):
            here.edit(**edit)
            assert await here.gateway.reload() == ()
            assert (await here.call()).body == b'{"cards":[]}'
            assert await here.gateway.circuits.all() == {circuit: Circuit("isolated")}
        assert 'reason="model_isolated"' in here.gateway.lasting.meter.exposition()[0].decode()
        assert await here.gateway.circuits.isolate(*circuit, away=False) == Circuit("closed")
        assert summary(await here.call())


async def test_a_model_that_cannot_prove_itself_does_not_hold_up_a_reload(tmp_path: Path) -> None:
    """A wrong pin: the swap happens, its score stays hidden, and that can be seen."""
    async with site(tmp_path) as here:
        here.edit(probes=("0.04732493292698903", "0.9"))
        assert await here.gateway.reload() == ()
        assert _proof(here.gateway) == "probe_failed"
        assert (await here.call()).body == b'{"cards":[]}'


async def test_reloads_come_one_after_another(tmp_path: Path) -> None:
    """Ten at once leave one generation, the newest."""
    async with site(tmp_path) as here:
        here.edit(card=("Kidney failure risk in 2 years", "Two-year risk"))
        async with asyncio.TaskGroup() as group:
            asked = [group.create_task(here.gateway.reload()) for _ in range(10)]
        assert [task.result() for task in asked] == [()] * 10
        assert len(here.gateway.lasting.models._proving) == 1
        assert summary(await here.call()).startswith("Two-year risk")


async def test_memory_is_flat_over_fifty_reloads(tmp_path: Path) -> None:
    """Each with another model, so that everything of the old generation has to go."""
    async with site(tmp_path, stored=False) as here:  # a database's driver fills its caches for a while
        sizes: list[int] = []

        async def reload(number: int) -> None:
            here.edit(release=("clip: {uacr: [1, 10000]}", f"clip: {{uacr: [1, {9000 + number}]}}"))
            assert await here.gateway.reload() == ()
            assert (await here.call()).status == 200

        for number in range(5):
            await reload(number)
        tracemalloc.start()
        try:
            for number in range(5, 55):
                await reload(number)
                if number in (14, 54):
                    here.out.seek(0)
                    here.out.truncate()
                    here.server.raw.requests.clear()
                    assert isinstance(here.gateway.lasting.hot.store, MemoryHotStore)
                    here.gateway.lasting.hot.store._entries.clear()
                    gc.collect()
                    sizes.append(tracemalloc.get_traced_memory()[0])
        finally:
            tracemalloc.stop()
        assert sizes[1] - sizes[0] < 50_000, sizes
        assert len(here.gateway.lasting.models._proving) == 1
        assert len(here.gateway.lasting.client._prepared) <= 2


async def test_nobody_waits_for_a_model_that_has_no_place(tmp_path: Path) -> None:
    """The one place of the gateway is taken by the call that has the one place of the model: the next is 503 within a
    few turns of the loop, and so by what its own model says. Where the model has two, it waits."""
    limits = ("insecure_demo", "limits: {concurrency: 1, queue: 8}\ninsecure_demo")
    async with site(tmp_path) as here:
        for places, ended in (1, True), (2, False):
            here.edit(wardgate=limits, release=("timeout: 2s", f"timeout: 2s\n  concurrency: {places}"))
            assert await here.gateway.reload() == ()
            here.server.hold.clear()
            async with asyncio.TaskGroup() as calls:
                first = calls.create_task(here.call())
                (policies,) = here.gateway.lasting.models._policies.values()
                await until(lambda policies=policies: policies.bulkhead.in_use == 1)  # type: ignore[misc]
                second = calls.create_task(here.call())
                for _ in range(20):
                    await asyncio.sleep(0)
                assert second.done() is ended
                here.server.hold.set()
            assert (first.result().status, second.result().status) == (200, 503 if ended else 200)
