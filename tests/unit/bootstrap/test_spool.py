"""What the log says of the spool."""

import asyncio
import io
import json
import time
from pathlib import Path

from tests.fakes.archive_rows import decision
from tests.fakes.waiting import until
from wardgate.adapters.logs.events import EventLog
from wardgate.adapters.prometheus.meter import PrometheusMeter
from wardgate.adapters.prometheus.spool import SpoolMeter
from wardgate.adapters.spool.writer import SpoolOptions
from wardgate.bootstrap.spool import Spool


async def test_a_disk_that_takes_no_records_is_told_once_and_that_it_does_again(tmp_path: Path) -> None:
    """Every card is withheld then; it was once in health and metrics alone."""
    out, faults = io.StringIO(), list[BaseException]()

    def told() -> list[str]:
        lines = [json.loads(line) for line in out.getvalue().splitlines()]
        return [line["state"] for line in lines if line["event"] == "spool"]

    room = 400_000
    spool = Spool(tmp_path, 0, room, time.monotonic, SpoolMeter(PrometheusMeter()), None, faults.append, EventLog(out))
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(spool.run(0.005))
        spool.sink.note(decision(1))
        await until(lambda: int(spool.health()["bytes"]) > 0)
        number = 1
        while spool.health()["state"] == "up":
            number += 1
            spool.sink.note(decision(number))
            await asyncio.sleep(0)
        await until(lambda: told() == ["full"])
        spool._writer._options = SpoolOptions(limit=2 * room)
        while told() == ["full"]:
            spool.sink.note(decision(number))
            await asyncio.sleep(0.001)
        assert told() == ["full", "up"]
        running.cancel()
    await spool.close()
    assert not faults
