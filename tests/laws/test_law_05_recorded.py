"""Law 5. Nothing is shown unrecorded: the record is on the spool before the card leaves.

Shown against the gateway itself, killed under load (SIGKILL) at random moments, and against disks that are full or
hang, and stores that are down or hang. `make proof` (--hypothesis-profile proof) kills ten times as often, and what
lasts a minute there lasts a second here.
"""

import asyncio
import random
import shutil
import sqlite3
import subprocess
import threading
import time
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager, closing, contextmanager
from multiprocessing.process import BaseProcess
from pathlib import Path

import msgspec
import pytest
from hypothesis import settings

from tests.fakes.archive import FakeArchive
from tests.fakes.config_tree import sound_config
from tests.fakes.gateway import FakeGateway
from tests.fakes.gateway_process import ended, start_gateway
from tests.fakes.kidney_calls import kidney_call
from tests.fakes.oip_server import oip_server
from tests.fakes.processes import free_port
from tests.fakes.spool import HungDisk, Spooled, kept, segments, spooled
from tests.fakes.two_releases import BODY
from tests.fakes.waiting import until
from wardgate.adapters.spool.frames import Gap, entries
from wardgate.adapters.spool.writer import SpoolOptions, create
from wardgate.adapters.sql.archive import SqlArchive
from wardgate.adapters.sql.sqlite import Sqlite
from wardgate.domain.durable import SqlitePlace
from wardgate.domain.records import DecisionRecord
from wardgate.domain.spool import SpoolEvent, SpoolState

DAY_OF_LABS = 1_794_300_000.0
IN_TIME = 0.55
"""Seconds: law 1."""
TOGETHER = 8


def tenths(proof: int) -> int:
    """So many under `make proof`; a tenth in `make check`."""
    return proof * settings().max_examples // 1000


def a_minute() -> float:
    """A minute under `make proof`; a second in `make check`."""
    return 60.0 if tenths(10) >= 10 else 1.0


# --- killed ---------------------------------------------------------------------------------------------------------


async def test_no_card_is_shown_whose_record_a_killed_gateway_has_lost(tmp_path: Path) -> None:
    """kill -9 under load at random moments: every card that a client has received has its record, in the spool or in
    the store; and the next process on the same folders delivers them all."""
    dice = random.Random(5)
    shown: set[str] = set()
    async with oip_server() as server:
        port = free_port()
        places = [("127.0.0.1:8082", server.host), ("port: 8080}", f"port: {port}}}"), ("port: 8081", "port: 0")]
        release = ("http://127.0.0.1:8082", f"http://{server.host}")
        config = sound_config(tmp_path, wardgate=places, release=release)
        for number in range(tenths(50)):
            async with _killed(config, port) as gateway:
                cards = await _load(port, number, gateway, dice.uniform(0.02, 0.6))
            assert cards, "it was killed before anybody was shown anything"
            shown |= cards
            recorded = _recorded(config.parent)
            assert not cards - recorded, f"{len(cards - recorded)} of {len(cards)} cards are not recorded"
    assert not shown - _recorded(config.parent)


@asynccontextmanager
async def _killed(config: Path, port: int) -> AsyncIterator[BaseProcess]:
    """A gateway that shows cards; killed at the end, whatever it is doing."""
    process = start_gateway(config)
    try:
        end = time.monotonic() + 60
        while not await _cards(port, 0):
            assert process.is_alive() and time.monotonic() < end
            await asyncio.sleep(0.02)
        yield process
    finally:
        process.kill()
        await ended(process)


async def _load(port: int, number: int, gateway: BaseProcess, seconds: float) -> set[str]:
    """The cards that came whole until the gateway was killed."""
    shown: set[str] = set()
    first_card = asyncio.Event()

    async def client(first: int) -> None:
        for call in range(first, 10**6, TOGETHER):
            cards = await _cards(port, (number + 1) * 10**6 + call)
            if cards is None and not gateway.is_alive():
                return
            if cards:
                shown.update(cards)
                first_card.set()

    async with asyncio.TaskGroup() as tasks:
        for first in range(TOGETHER):
            tasks.create_task(client(first))
        await first_card.wait()
        await asyncio.sleep(seconds)
        gateway.kill()
        await ended(gateway)
    return shown


async def _cards(port: int, number: int) -> set[str] | None:
    """Of one call: the UUIDs of its cards; None where no whole answer came."""
    body = msgspec.json.encode(kidney_call(number))
    head = "POST /cds-services/kidney-failure HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return None
    try:
        writer.write(f"{head}Connection: close\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
        reply = await reader.read()
    except OSError:
        return None
    finally:
        writer.close()
    answer = reply.partition(b"\r\n\r\n")[2]
    try:
        return {card["uuid"] for card in msgspec.json.decode(answer)["cards"]}
    except msgspec.DecodeError:
        return None


def _recorded(folder: Path) -> set[str]:
    """The cards that left, by what is in the spool and in the store."""
    records = list(kept(folder).values())
    if (folder / "var" / "wardgate.db").exists():
        records += _archive(folder).decisions(0.0, 1e12)
    return {uuid for record in records if record.visible for uuid in record.card_uuids}


def _archive(folder: Path) -> SqlArchive:
    return SqlArchive(Sqlite(SqlitePlace(str(folder / "var" / "wardgate.db"))), lambda uuid: uuid)


# --- disks and stores -----------------------------------------------------------------------------------------------


class Stalls:
    """How long this machine stood still, by a thread that does nothing but look: what it missed, the gateway did too,
    and no disk was to blame. (A gateway that waits for a disk does not hold this thread up.)"""

    def __init__(self) -> None:
        self.seconds = 0.0
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)

    def __enter__(self) -> "Stalls":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()

    def _look(self) -> None:
        before = time.monotonic()
        while not self._done.wait(0.005):
            now = time.monotonic()
            self.seconds = max(self.seconds, now - before - 0.005)
            before = now


class House:
    """The demo's gateway, whose records go to a spool on a real disk."""

    def __init__(self, spool: Spooled) -> None:
        self.spool = spool
        self.gateway = FakeGateway(now=DAY_OF_LABS, records=spool.sink)
        self.shown: list[str] = []
        self.withheld = 0
        self.longest = 0.0
        self.stalls = Stalls()

    async def call(self) -> None:
        before = time.monotonic()
        reply = await self.gateway.call(BODY)
        self.longest = max(self.longest, time.monotonic() - before)
        assert reply.status == 200
        cards = reply.json()["cards"]
        self.shown += [card["uuid"] for card in cards]
        self.withheld += not cards

    async def load(self, seconds: float) -> None:
        """A closed loop of some clients; no answer comes late."""
        end = time.monotonic() + seconds

        async def client() -> None:
            while time.monotonic() < end:
                await self.call()
                await asyncio.sleep(0.001)

        with self.stalls:
            async with asyncio.TaskGroup() as tasks:
                for _ in range(TOGETHER):
                    tasks.create_task(client())
        assert self.longest < IN_TIME + 4 * self.stalls.seconds

    def reasons(self) -> set[str]:
        return {counted[5] for counted in self.gateway.meter.calls}


def _shown_by(records: Iterable[DecisionRecord]) -> set[str]:
    return {uuid for record in records if record.visible for uuid in record.card_uuids}


async def test_the_record_is_there_when_the_card_is(tmp_path: Path) -> None:
    """Not a moment later."""
    async with spooled(tmp_path) as spool:
        house = House(spool)
        for _ in range(20):
            await house.call()
            assert _shown_by(kept(tmp_path).values()) == set(house.shown)
        assert house.shown


async def test_a_hung_disk_withholds_cards_and_holds_up_nobody(tmp_path: Path) -> None:
    """The writes of a segment hang; answers come in time, without cards, and say why in the metrics."""
    disk, hang = HungDisk(), False

    def opened(path: Path) -> int:
        return disk.open(path) if hang else create(path)

    options = SpoolOptions(segment=1, reserve=0)  # a segment for each group, so that the next one hangs
    async with spooled(tmp_path, opened=opened, options=options) as spool:
        house = House(spool)
        await house.call()
        hang = True
        await house.load(a_minute())
        assert len(house.shown) <= 1 < house.withheld
        assert house.reasons() <= {"threshold_met", "record_unavailable"}
        hang = False
        disk.answer()
        await until(lambda: spool.writer.waiting == 0)
        await house.call()
        disk.close()
    assert set(house.shown) <= _shown_by(kept(tmp_path).values())


async def test_a_full_disk_withholds_cards_and_tears_nothing(tmp_path: Path) -> None:
    """A file system of one megabyte where that may be mounted (else a spool of that size): what was shown before it was
    full is there to its end, and once there is room again, cards are shown again."""
    with _small_disk(tmp_path / "disk") as (disk, options):
        async with spooled(disk, options=options) as spool:
            house = House(spool)
            while not house.withheld and len(house.shown) < 2000:
                await house.call()
            assert house.withheld and house.shown
            for _ in range(20):
                await house.call()
            assert house.withheld > 10
            assert spool.writer.state is SpoolState.FULL
            oldest = segments(disk)[0]
            removed = list(kept(disk).values())
            spool.writer.removed(oldest.stat().st_size)
            oldest.unlink()
            before = len(house.shown)
            await house.call()
            assert len(house.shown) == before + 1
        assert set(house.shown) <= _shown_by([*removed, *kept(disk).values()])
        assert not [gap for path in segments(disk) for gap in entries(path.read_bytes()) if isinstance(gap, Gap)]


@contextmanager
def _small_disk(folder: Path) -> Iterator[tuple[Path, SpoolOptions]]:
    """Of a megabyte."""
    folder.mkdir()
    mount = ("mount", "-t", "tmpfs", "-o", "size=1m", "none", str(folder))
    mounted = shutil.which("mount") and subprocess.run(mount, capture_output=True, check=False).returncode == 0
    small = SpoolOptions(segment=64 * 1024, reserve=0, limit=1 << 30 if mounted else 1024**2)
    try:
        yield folder, small
    finally:
        if mounted:
            subprocess.run(("umount", "-l", str(folder)), check=True)


@pytest.mark.parametrize("how", ["down", "hung"])
async def test_a_store_that_is_away_costs_nothing_and_gets_everything(tmp_path: Path, how: str) -> None:
    """Down or hung for a minute under load: no late answer, no card withheld for it, and all records afterwards."""
    archive = FakeArchive(down=how == "down")
    if how == "hung":
        archive.open.clear()
    async with spooled(tmp_path, archive, options=SpoolOptions(reserve=0)) as spool:
        house = House(spool)
        await house.load(a_minute())
        assert house.shown and not archive.decisions
        archive.down = False
        archive.open.set()
        calls = len(house.gateway.meter.calls)
        await until(lambda: len(archive.decisions) == calls, 60.0)
    assert _shown_by(archive.decisions.values()) == set(house.shown)


async def test_a_locked_database_costs_nothing_and_gets_everything(tmp_path: Path) -> None:
    """The same with SQLite, while another program holds its lock."""
    path = tmp_path / "wardgate.db"
    archive = SqlArchive(Sqlite(SqlitePlace(str(path))), lambda uuid: uuid)
    assert list(archive.decisions(0.0, 1e12)) == []  # it opens, and makes its tables
    async with spooled(tmp_path / "spool", archive) as spool:
        house = House(spool)
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("begin exclusive")
            await house.load(a_minute())
            assert house.shown
            other.execute("rollback")
        calls = len(house.gateway.meter.calls)
        # at some thousand calls a second the spool is full before the minute is over: from then on cards are withheld
        await until(lambda: spool.events[SpoolEvent.DELIVERED] + spool.events[SpoolEvent.LOST] >= calls, 60.0)
    assert _shown_by(archive.decisions(0.0, 1e12)) == set(house.shown)
    archive.close()
