"""From the spool to the store: everything, in order, at least once, whatever the store does meanwhile."""

import asyncio
import time
from pathlib import Path

import msgspec
import pytest

from tests.fakes.archive import FakeArchive
from tests.fakes.spool import QUICK, HungDisk, Spooled, record, segments, size, spooled
from tests.fakes.waiting import until
from wardgate.adapters.spool.drainer import DrainerOptions
from wardgate.adapters.spool.frames import Entry, Found, entries, framed
from wardgate.adapters.spool.quarantine import QUARANTINE
from wardgate.adapters.spool.writer import Slip, SpoolOptions
from wardgate.domain.errors import RecordUnavailable
from wardgate.domain.feedback import FeedbackEntry
from wardgate.domain.records import DecisionRecord
from wardgate.domain.spool import SpoolEvent

SECONDS = 5.0
SMALL = SpoolOptions(segment=2000, reserve=0)


async def filled(root: Path, numbers: range) -> None:
    """A spool as a process that died has left it."""
    spool = Spooled(root, options=SMALL)
    for number in numbers:
        await spool.sink.append(record(number), SECONDS, SECONDS)
    spool.close()


def ids(numbers: range) -> list[str]:
    return [record(number).decision_id for number in numbers]


async def test_everything_arrives_in_order_and_leaves_no_segment_behind(tmp_path: Path) -> None:
    """What was left, and what comes; feedback too. Only the segment that is written now stays."""
    await filled(tmp_path, range(50))
    archive = FakeArchive()
    async with spooled(tmp_path, archive, SMALL) as spool:
        for number in range(50, 100):
            await spool.sink.append(record(number), SECONDS, SECONDS)
        entry = FeedbackEntry("card:0:1", "kidney-failure", "ehr", "accepted", 1.0, 2.0)
        await spool.sink.add([entry], SECONDS)
        await until(
            lambda: len(archive.decisions) == 100 and len(archive.feedback) == 1 and len(segments(tmp_path)) == 1
        )
        assert list(archive.decisions) == ids(range(100)) and list(archive.feedback) == [entry]
        assert archive.decisions[record(7).decision_id] == record(7)
        assert spool.events[SpoolEvent.DELIVERED] == 101 and spool.drainer and spool.drainer.up
        await until(lambda: spool.writer.size == size(tmp_path))


async def test_a_restart_goes_on_where_the_store_was(tmp_path: Path) -> None:
    """What it has is not sent again; where the place is lost, all of it is, and changes nothing."""
    archive = FakeArchive()
    async with spooled(tmp_path, archive) as spool:
        await spool.sink.append(record(1), SECONDS, SECONDS)
        await until(lambda: len(archive.decisions) == 1)
        await until(lambda: (tmp_path / "worker-0" / "position").exists())
    archive.decisions.clear()
    async with spooled(tmp_path, archive) as spool:
        await spool.sink.append(record(2), SECONDS, SECONDS)
        await until(lambda: record(2).decision_id in archive.decisions)
    assert list(archive.decisions) == ids(range(2, 3))
    (tmp_path / "worker-0" / "position").write_text("half a pl")
    async with spooled(tmp_path, archive) as spool:
        await until(lambda: spool.reader.read(1) == [])


@pytest.mark.parametrize("position", ["99999 0", "1 999999999", "1 -5", "-1 0", "once upon a time"])
async def test_a_position_that_cannot_be_one_loses_nothing(tmp_path: Path, position: str) -> None:
    """It was flipped, or put back from a backup: everything is sent once more, and the store knows what it has."""
    await filled(tmp_path, range(30))
    (tmp_path / "worker-0" / "position").write_text(position)
    archive = FakeArchive()
    async with spooled(tmp_path, archive, SMALL) as spool:
        await until(lambda: len(archive.decisions) == 30)
    assert not spool.faults


async def test_room_comes_back_also_where_the_position_cannot_be_kept(tmp_path: Path) -> None:
    """On a full disk there may be no room for it; then some are sent twice after a restart."""
    await filled(tmp_path, range(50))
    (tmp_path / "worker-0" / "position.new").mkdir()
    archive = FakeArchive()
    async with spooled(tmp_path, archive) as spool:
        await until(lambda: len(archive.decisions) == 50 and not segments(tmp_path) and bool(spool.faults))
        assert spool.writer.size == 0


async def test_a_store_that_is_down_gets_everything_later(tmp_path: Path) -> None:
    """It is asked ever more rarely; calls go on meanwhile; `behind` tells how long."""
    archive = FakeArchive(down=True)
    async with spooled(tmp_path, archive, SMALL) as spool:
        for number in range(40):
            await spool.sink.append(record(number), SECONDS, SECONDS)
        await until(lambda: archive.asked > 3)
        assert spool.drainer is not None and not spool.drainer.up and spool.drainer.behind() > 0
        assert archive.decisions == {} and len(segments(tmp_path)) > 3
        archive.down = False
        await until(lambda: list(archive.decisions) == ids(range(40)))
        assert spool.drainer.up


async def test_a_store_that_hangs_holds_up_nobody(tmp_path: Path) -> None:
    """Neither calls nor the end of the process."""
    archive = FakeArchive()
    archive.open.clear()
    spool = Spooled(tmp_path, archive)
    for number in range(20):
        await spool.sink.append(record(number), SECONDS, SECONDS)
    assert not await asyncio.to_thread(spool.close, 0.2)
    archive.open.set()
    async with spooled(tmp_path, archive):
        await until(lambda: list(archive.decisions) == ids(range(20)))


@pytest.mark.parametrize("error", [None, ZeroDivisionError])
async def test_what_the_store_refuses_is_set_aside_alone(tmp_path: Path, error: type[Exception] | None) -> None:
    """By saying so, or by breaking over it; the others arrive."""
    poison = record(5).decision_id
    archive = FakeArchive(refuses=lambda entry: isinstance(entry, DecisionRecord) and entry.decision_id == poison)
    if error is not None:
        archive.error = error
    async with spooled(tmp_path, archive) as spool:
        for number in range(10):
            await spool.sink.append(record(number), SECONDS, SECONDS)
        await until(lambda: len(archive.decisions) == 9)
        await until(lambda: spool.events[SpoolEvent.QUARANTINED] == 1)
        await until(lambda: spool.drainer is not None and spool.drainer.behind() == 0.0)
    (aside,) = entries((tmp_path / "worker-0" / QUARANTINE).read_bytes())
    assert isinstance(aside, Found) and msgspec.msgpack.decode(aside.payload, type=DecisionRecord) == record(5)
    assert [type(fault) for fault in spool.faults] == ([] if error is None else [error])


async def test_a_store_that_breaks_over_everything_is_asked_again(tmp_path: Path) -> None:
    """Then it is not the entries that are wrong, and none is set aside."""
    archive = FakeArchive(refuses=lambda entry: True, error=ZeroDivisionError)
    async with spooled(tmp_path, archive) as spool:
        await asyncio.gather(*[spool.sink.append(record(number), SECONDS, SECONDS) for number in range(10)])
        await until(lambda: archive.asked > 30)
        assert spool.events[SpoolEvent.QUARANTINED] == 0 and spool.faults
        archive.refuses = lambda entry: False
        await until(lambda: len(archive.decisions) == 10)


async def test_the_quarantine_is_bounded(tmp_path: Path) -> None:
    """Beyond it, what is refused is counted and gone."""
    archive = FakeArchive(refuses=lambda entry: True)
    draining = DrainerOptions(every=0.01, hold=0.0, quarantine=500)
    async with spooled(tmp_path, archive, draining=draining) as spool:
        for number in range(20):
            await spool.sink.append(record(number), SECONDS, SECONDS)
        await until(lambda: spool.events[SpoolEvent.QUARANTINED] + spool.events[SpoolEvent.DROPPED] == 20)
        assert spool.events[SpoolEvent.DROPPED] > 0
    assert (tmp_path / "worker-0" / QUARANTINE).stat().st_size < 700


async def test_what_a_later_version_wrote_is_set_aside(tmp_path: Path) -> None:
    """A kind that is not known, and a record that cannot be read."""
    archive = FakeArchive()
    async with spooled(tmp_path, archive) as spool:
        for kind, payload in (
            (77, b"?"),
            (Entry.DECISION, b"\xc1"),
            (Entry.FEEDBACK, msgspec.msgpack.encode({"a": 1})),
        ):
            spool.writer.put(Slip(kind, payload, 0.0))
        await spool.sink.append(record(1), SECONDS, SECONDS)
        await until(lambda: len(archive.decisions) == 1)
        await until(lambda: spool.events[SpoolEvent.QUARANTINED] == 3)


async def test_damage_is_counted_and_costs_what_it_hit(tmp_path: Path) -> None:
    """A flipped byte in the middle, and a torn tail."""
    await filled(tmp_path, range(5))
    (segment,) = segments(tmp_path)
    data = bytearray(segment.read_bytes())
    data[len(data) // 2] ^= 0xFF
    segment.write_bytes(bytes(data) + framed(1, b"half of it")[:-3])
    archive = FakeArchive()
    async with spooled(tmp_path, archive) as spool:
        await until(lambda: spool.events[SpoolEvent.TORN] == 1 and not segments(tmp_path))
    assert spool.events[SpoolEvent.DAMAGED] == 1 and len(archive.decisions) == 4


def broken(segment: Path) -> Path:
    """The disk does not give it back: what stands there cannot be read as a file. What it was, under another name."""
    away = segment.with_suffix(".away")
    segment.rename(away)
    segment.mkdir()
    return away


async def test_a_segment_that_cannot_be_read_holds_up_no_other(tmp_path: Path) -> None:
    """It is named at once, tried again, set aside in the end, and nothing of it is lost; all the others arrive."""
    await filled(tmp_path, range(50))
    first, second, *_ = segments(tmp_path)
    away = broken(second)
    archive = FakeArchive()
    async with spooled(tmp_path, archive, SMALL) as spool:
        await spool.sink.append(record(99), SECONDS, SECONDS)
        await until(lambda: spool.events[SpoolEvent.UNREADABLE] == 1)
        await until(lambda: record(99).decision_id in archive.decisions)
        assert spool.drainer is not None and spool.drainer.reads and spool.drainer.up and not spool.faults
        assert spool.drainer.unreadable_segments == 1
        number = int(second.stem)
        assert [(told[0], type(told[1]), told[2]) for told in spool.unread] == [
            (number, IsADirectoryError, False),
            (number, IsADirectoryError, True),
        ]
    aside = second.with_suffix(".unreadable")
    assert aside.exists() and not second.exists() and not first.exists()
    lost = [entry for entry in entries(away.read_bytes()) if isinstance(entry, Found)]
    assert len(archive.decisions) == 51 - len(lost) and len(lost) > 3


async def test_a_segment_that_can_be_read_again_is_delivered(tmp_path: Path) -> None:
    """A disk may hiccup; what was read before it is not lost by that."""
    await filled(tmp_path, range(50))
    second = segments(tmp_path)[1]
    away = broken(second)
    archive = FakeArchive()
    draining = DrainerOptions(every=0.01, hold=0.0, pause=0.05, longest_pause=0.05, tries=100)
    async with spooled(tmp_path, archive, SMALL, draining=draining) as spool:
        await until(lambda: len(spool.unread) == 1)
        assert spool.drainer is not None and not spool.drainer.reads
        second.rmdir()
        away.rename(second)
        await until(lambda: list(archive.decisions) == ids(range(50)))
        assert spool.drainer.reads and spool.events[SpoolEvent.UNREADABLE] == 0


async def test_a_segment_that_is_being_written_is_left_first(tmp_path: Path) -> None:
    """Else the writer would go on in a file that nobody reads."""
    archive = FakeArchive()
    async with spooled(tmp_path, archive) as spool:
        await spool.sink.append(record(1), SECONDS, SECONDS)
        await until(lambda: len(archive.decisions) == 1)
        (live,) = segments(tmp_path)
        away = broken(live)
        await spool.sink.append(record(2), SECONDS, SECONDS)
        await until(lambda: len(spool.unread) == 1)
        await spool.sink.append(record(3), SECONDS, SECONDS)
        await until(lambda: record(3).decision_id in archive.decisions)
        assert live.with_suffix(".unreadable").exists() and record(3).decision_id not in kept_in(away)
        assert record(2).decision_id in kept_in(away)


def kept_in(segment: Path) -> set[str]:
    found = [each for each in entries(segment.read_bytes()) if isinstance(each, Found)]
    return {msgspec.msgpack.decode(each.payload, type=DecisionRecord).decision_id for each in found}


async def test_a_card_that_did_not_leave_is_not_told_to_have_left(tmp_path: Path) -> None:
    """Its record came too late, and is corrected on its way; also where a great many others come with it."""
    archive = FakeArchive()
    spool = Spooled(tmp_path, archive, draining=DrainerOptions(every=0.01), running=False)
    for number in range(500):
        spool.sink.note(record(number, visible=False))
    with pytest.raises(RecordUnavailable):
        await spool.sink.append(record(1000), 0.0, 0.0)
    for number in range(500, 2000):
        if number != 1000:
            spool.sink.note(record(number, visible=False))
    spool.start()
    await until(lambda: len(archive.decisions) == 2000)
    await asyncio.to_thread(spool.close)
    late = archive.decisions[record(1000).decision_id]
    assert (late.outcome, late.reason, late.visible) == ("withheld", "record_unavailable", False)
    assert archive.decisions[record(999).decision_id] == record(999, visible=False)


async def test_it_does_not_wait_for_a_disk_that_hangs(tmp_path: Path) -> None:
    """What is there is delivered."""
    await filled(tmp_path, range(5))
    archive, disk = FakeArchive(), HungDisk()
    async with spooled(tmp_path, archive, opened=disk.open, draining=QUICK) as spool:
        spool.sink.note(record(9))
        await until(lambda: len(archive.decisions) == 5)
        disk.close()


async def test_what_comes_one_by_one_is_delivered_together(tmp_path: Path) -> None:
    """The processor that a batch costs is the calls' as well, however small it is."""
    archive = FakeArchive()
    began = time.monotonic()
    async with spooled(tmp_path, archive, draining=DrainerOptions(every=0.001, hold=0.0, rest=0.05)) as spool:
        for number in range(60):
            await spool.sink.append(record(number), SECONDS, SECONDS)
            await asyncio.sleep(0.002)
        await until(lambda: len(archive.decisions) == 60)
        assert archive.asked <= (time.monotonic() - began) / 0.05 + 1
