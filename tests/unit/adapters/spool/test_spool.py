"""The spool on a real disk: acknowledged, full, hung, broken, locked, taken over."""

import asyncio
import errno
import fcntl
import os
import shutil
import threading
import time
from pathlib import Path

import msgspec
import pytest

from tests.fakes.spool import ROOMY, HungDisk, Spooled, kept, record, segments, size, spooled
from tests.fakes.waiting import until
from wardgate.adapters.spool.folder import LOCK, SpoolFolder, SpoolUnusable
from wardgate.adapters.spool.frames import LARGEST, framed
from wardgate.adapters.spool.writer import SpoolOptions, create
from wardgate.domain.errors import RecordUnavailable
from wardgate.domain.feedback import FeedbackEntry
from wardgate.domain.spool import SpoolEvent, SpoolState

SECONDS = 5.0  # far above what an acknowledgement takes: these tests are not about the time


async def test_what_is_acknowledged_is_on_the_disk(tmp_path: Path) -> None:
    """Before `append` returns; files and folders are the owner's alone."""
    async with spooled(tmp_path / "spool") as spool:
        for number in range(3):
            await spool.sink.append(record(number), SECONDS, SECONDS)
            assert kept(tmp_path)[record(number).decision_id] == record(number)
        assert spool.writer.state is SpoolState.UP and spool.writer.waiting == 0
        assert len(spool.waits) == 3
    (segment,) = segments(tmp_path)
    assert segment.stat().st_mode & 0o777 == 0o600
    assert [path.stat().st_mode & 0o777 for path in segment.parents[:2]] == [0o700, 0o700]


async def test_what_comes_together_is_one_group(tmp_path: Path) -> None:
    """All are acknowledged, with one turn of the loop for a group."""
    async with spooled(tmp_path) as spool:
        await asyncio.gather(*[spool.sink.append(record(number), SECONDS, SECONDS) for number in range(200)])
        assert len(spool.waits) < 200
    assert len(kept(tmp_path)) == 200


async def test_it_is_flushed_soon_after(tmp_path: Path) -> None:
    """What a power cut may cost has an end."""
    async with spooled(tmp_path) as spool:
        await spool.sink.append(record(1), SECONDS, SECONDS)
        await until(lambda: spool.writer.unflushed_for() == 0.0)


async def test_a_segment_follows_another(tmp_path: Path) -> None:
    """By size."""
    async with spooled(tmp_path, options=SpoolOptions(segment=1000, reserve=0)) as spool:
        for number in range(30):
            await spool.sink.append(record(number), SECONDS, SECONDS)
    assert len(kept(tmp_path)) == 30 and len(segments(tmp_path)) > 3


async def test_a_full_spool_takes_nothing_and_says_so(tmp_path: Path) -> None:
    """By the limit; and when there is room again, it goes on."""
    async with spooled(tmp_path, options=SpoolOptions(limit=4000, reserve=0)) as spool:
        with pytest.raises(RecordUnavailable):
            for number in range(100):
                await spool.sink.append(record(number), SECONDS, SECONDS)
        assert spool.writer.state is SpoolState.FULL
        assert 3000 < size(tmp_path) <= 4000
        spool.writer.removed(3000)
        await spool.sink.append(record(100), SECONDS, SECONDS)


async def test_a_disk_that_is_nearly_full_is_left_alone(tmp_path: Path) -> None:
    """Other programs need it too."""
    async with spooled(tmp_path, options=SpoolOptions(reserve=1 << 62)) as spool:
        with pytest.raises(RecordUnavailable):
            await spool.sink.append(record(1), SECONDS, SECONDS)
        assert spool.writer.state is SpoolState.FULL and kept(tmp_path) == {}


async def test_a_full_disk_leaves_no_half_entry_behind(tmp_path: Path) -> None:
    """ENOSPC in the middle of a write, as /dev/full and a file size limit give it: what was written is cut off."""
    broken = False

    def opened(path: Path) -> int:
        return os.open("/dev/full", os.O_WRONLY) if broken else create(path)

    async with spooled(tmp_path, opened=opened, options=SpoolOptions(segment=1, reserve=0)) as spool:
        await spool.sink.append(record(1), SECONDS, SECONDS)
        broken = True
        with pytest.raises(RecordUnavailable):
            await spool.sink.append(record(2), SECONDS, SECONDS)
        assert spool.writer.state in (SpoolState.FULL, SpoolState.FAILED)
        broken = False
        await until(lambda: spool.writer.unflushed_for() == 0.0)
        await spool.sink.append(record(3), SECONDS, SECONDS)
    assert sorted(kept(tmp_path)) == [record(1).decision_id, record(3).decision_id]


async def test_a_disk_that_cannot_be_opened_is_a_failure(tmp_path: Path) -> None:
    """Each record is tried anew."""
    broken = True

    def opened(path: Path) -> int:
        if broken:
            raise OSError(errno.EIO, "broken")
        return create(path)

    async with spooled(tmp_path, opened=opened) as spool:
        with pytest.raises(RecordUnavailable):
            await spool.sink.append(record(1), SECONDS, SECONDS)
        assert spool.writer.state is SpoolState.FAILED
        broken = False
        await spool.sink.append(record(2), SECONDS, SECONDS)
    assert list(kept(tmp_path)) == [record(2).decision_id]


class BadDisk:
    """fdatasync on a disk that fails: an error is told once for each descriptor, as Linux does; then all seems well."""

    def __init__(self) -> None:
        self.fails, self.told, self.synced = True, set[int](), list[int]()
        self.asked = 0

    def sync(self, descriptor: int) -> None:
        self.asked += 1
        file = os.fstat(descriptor).st_ino
        if self.fails and file not in self.told:
            self.told.add(file)
            raise OSError(errno.EIO, "broken")
        os.fdatasync(descriptor)
        self.synced.append(file)


async def test_what_a_failed_flush_was_about_is_written_again_elsewhere(tmp_path: Path) -> None:
    """The kernel drops what it could not write, and says so once: another fdatasync of the same file says nothing. So
    the store gets everything from another segment; meanwhile there are no cards, and then there are again."""
    disk = BadDisk()
    async with spooled(tmp_path, sync=disk.sync, options=SpoolOptions(reserve=0, flush=0.02)) as spool:
        await asyncio.gather(*[spool.sink.append(record(number), SECONDS, SECONDS) for number in range(3)])
        await until(lambda: spool.writer.state is SpoolState.FAILED)
        with pytest.raises(RecordUnavailable):
            await spool.sink.append(record(9), SECONDS, SECONDS)
        await until(lambda: len(segments(tmp_path)) >= 2)
        disk.fails = False
        await until(lambda: spool.writer.state is SpoolState.UP)
        await until(lambda: spool.writer.unflushed_for() == 0.0)
        assert spool.events[SpoolEvent.REWRITTEN] >= 3 and spool.events[SpoolEvent.LOST] == 1 and spool.faults
        first, *_, last = segments(tmp_path)
        assert first.stat().st_ino in disk.told and first.stat().st_ino not in disk.synced
        assert last.stat().st_ino in disk.synced
        first.write_bytes(bytes(first.stat().st_size))  # as it may look after a power cut
        await spool.sink.append(record(4), SECONDS, SECONDS)
        assert sorted(kept(tmp_path)) == [record(number).decision_id for number in (0, 1, 2, 4)]


async def test_what_is_flushed_is_not_written_again(tmp_path: Path) -> None:
    """Of many records only those since the last good flush."""
    disk = BadDisk()
    disk.fails = False
    async with spooled(tmp_path, sync=disk.sync, options=SpoolOptions(reserve=0, flush=0.01)) as spool:
        for number in range(20):
            await spool.sink.append(record(number), SECONDS, SECONDS)
        await until(lambda: spool.writer.unflushed_for() == 0.0)
        disk.fails = True
        await spool.sink.append(record(20), SECONDS, SECONDS)
        await until(lambda: bool(spool.faults))
        disk.fails = False
        await until(lambda: spool.writer.state is SpoolState.UP)
        assert spool.events[SpoolEvent.REWRITTEN] == 1
    assert len(kept(tmp_path)) == 21


async def test_a_disk_that_goes_on_failing_is_not_filled_with_attempts(tmp_path: Path) -> None:
    """Ever more rarely; each with another segment, and nothing is taken meanwhile."""
    disk = BadDisk()
    async with spooled(tmp_path, sync=disk.sync, options=SpoolOptions(reserve=0, flush=0.01)) as spool:
        await spool.sink.append(record(1), SECONDS, SECONDS)
        await asyncio.sleep(1.0)
        assert 2 <= disk.asked <= 5 and spool.writer.state is not SpoolState.UP
    assert len(segments(tmp_path)) <= 6


async def test_a_failed_flush_where_no_segment_can_be_made_is_tried_again(tmp_path: Path) -> None:
    disk, broken = BadDisk(), False
    disk.fails = False

    def opened(path: Path) -> int:
        if broken:
            raise OSError(errno.EROFS, "read-only by now")
        return create(path)

    async with spooled(tmp_path, opened=opened, sync=disk.sync, options=SpoolOptions(reserve=0, flush=0.01)) as spool:
        await spool.sink.append(record(1), SECONDS, SECONDS)
        await until(lambda: spool.writer.unflushed_for() == 0.0)
        broken = disk.fails = True
        await spool.sink.append(record(2), SECONDS, SECONDS)
        await until(lambda: bool(spool.faults))
        disk.fails = False
        await asyncio.sleep(0.3)
        assert spool.writer.state is SpoolState.FAILED
        broken = False
        await until(lambda: spool.writer.state is SpoolState.UP)
        await spool.sink.append(record(3), SECONDS, SECONDS)
        assert spool.events[SpoolEvent.REWRITTEN] == 1
    assert len(segments(tmp_path)) >= 2 and len(kept(tmp_path)) == 3


async def test_what_no_flush_covers_is_bounded(tmp_path: Path) -> None:
    """It is held in memory, so a disk that takes writes and never flushes them is not written to for ever."""
    hung = threading.Event()
    options = SpoolOptions(reserve=0, unflushed_bytes=2000, unflushed=60)

    def sync(descriptor: int) -> None:
        hung.wait()
        os.fdatasync(descriptor)

    async with spooled(tmp_path, sync=sync, options=options) as spool:
        with pytest.raises(RecordUnavailable):
            for number in range(100):
                await spool.sink.append(record(number), SECONDS, SECONDS)
        assert size(tmp_path) <= 2000 and spool.writer.state is SpoolState.STUCK
        hung.set()
        await until(lambda: spool.writer.unflushed_for() == 0.0)
        spool.sink.note(record(100, visible=False))
        await until(lambda: spool.writer.state is SpoolState.UP)
        await spool.sink.append(record(101), SECONDS, SECONDS)


async def test_a_full_spool_counts_what_it_does_not_take(tmp_path: Path) -> None:
    """Also what nobody waits for."""
    async with spooled(tmp_path, options=SpoolOptions(limit=4000, reserve=0)) as spool:
        for number in range(100):
            spool.sink.note(record(number, visible=False))
        await until(lambda: spool.writer.waiting == 0)
        assert len(kept(tmp_path)) + spool.events[SpoolEvent.LOST] == 100 and spool.events[SpoolEvent.LOST] > 0


async def test_a_segment_that_was_taken_away_is_not_written_to_any_longer(tmp_path: Path) -> None:
    """What is written there, nobody would ever read: the next record has a new one; without a folder, none is taken."""
    async with spooled(tmp_path) as spool:
        await spool.sink.append(record(1), SECONDS, SECONDS)
        segments(tmp_path)[0].unlink()
        await spool.sink.append(record(2), SECONDS, SECONDS)
        assert list(kept(tmp_path)) == [record(2).decision_id]
        shutil.rmtree(tmp_path / "worker-0")
        with pytest.raises(RecordUnavailable):
            await spool.sink.append(record(3), SECONDS, SECONDS)
        assert spool.writer.state is SpoolState.FAILED


async def test_what_could_not_be_read_again_is_not_acknowledged(tmp_path: Path) -> None:
    """An entry that is longer than the reader takes; its card is withheld."""
    async with spooled(tmp_path) as spool:
        huge = msgspec.structs.replace(record(1), dropped={"x" * LARGEST: 1})
        with pytest.raises(RecordUnavailable):
            await spool.sink.append(huge, SECONDS, SECONDS)
        assert spool.events == {SpoolEvent.LOST: 1} and not segments(tmp_path)


async def test_a_hung_disk_costs_each_call_its_wait_at_most(tmp_path: Path) -> None:
    """Withheld after the wait; once that is known, at once; and nothing is lost of it when the disk answers."""
    disk = HungDisk()
    async with spooled(tmp_path, opened=disk.open, options=SpoolOptions(stuck=0.05, reserve=0)) as spool:
        began = time.monotonic()
        with pytest.raises(RecordUnavailable):
            await spool.sink.append(record(1), 0.02, 0.02)
        assert time.monotonic() - began < 1.0
        await until(lambda: spool.writer.state is SpoolState.STUCK)
        with pytest.raises(RecordUnavailable):
            await spool.sink.append(record(2), 3600.0, 3600.0)
        spool.sink.note(record(3, visible=False))
        assert spool.events == {SpoolEvent.LATE: 1} and spool.writer.waiting > 0
        disk.answer()
        await until(lambda: spool.writer.waiting == 0)
        await spool.sink.append(record(4), SECONDS, SECONDS)
        disk.close()


async def test_what_waits_is_bounded(tmp_path: Path) -> None:
    """Beyond, entries are lost, and counted; memory is not."""
    for options in (SpoolOptions(waiting=10, reserve=0), SpoolOptions(waiting_bytes=3000, reserve=0)):
        disk = HungDisk()
        async with spooled(tmp_path, opened=disk.open, options=options) as spool:
            for number in range(100):
                spool.sink.note(record(number, visible=False))
            assert spool.events[SpoolEvent.LOST] >= 80
            with pytest.raises(RecordUnavailable):
                await spool.sink.append(record(100), 3600.0, 3600.0)
            with pytest.raises(RecordUnavailable):
                await spool.sink.add([_feedback(1), _feedback(2)], 3600.0)
            disk.close()


async def test_an_answer_that_was_there_in_time_counts_for_a_loop_that_is_late(tmp_path: Path) -> None:
    """The timer is found first: a busy loop must not withhold a card whose record is there."""
    async with spooled(tmp_path) as spool:
        waiting = asyncio.ensure_future(spool.sink.append(record(1), 0.01, 0.01))  # noqa: TID251 - no task group to fail
        await asyncio.sleep(0)
        until_written = time.monotonic() + 5
        while record(1).decision_id not in kept(tmp_path) and time.monotonic() < until_written:
            time.sleep(0.01)  # noqa: ASYNC251 - this is the busy loop
        time.sleep(0.05)  # noqa: ASYNC251
        await waiting


async def test_a_machine_that_is_too_busy_is_no_hung_disk(tmp_path: Path) -> None:
    """The spool's thread gets its turn late, and the disk is not to blame: the card waits on, within its deadline."""
    spool = Spooled(tmp_path, running=False)
    waiting = asyncio.ensure_future(spool.sink.append(record(1), 0.01, SECONDS))  # noqa: TID251 - none to fail
    await asyncio.sleep(0.1)
    assert not waiting.done()
    spool.start()
    await waiting
    await asyncio.to_thread(spool.close)
    late = Spooled(tmp_path, running=False)
    with pytest.raises(RecordUnavailable):
        await late.sink.append(record(2), 0.01, 0.05)
    assert late.events == {SpoolEvent.LATE: 1}
    late.start()
    await asyncio.to_thread(late.close)


async def test_feedback_is_acknowledged_as_a_whole(tmp_path: Path) -> None:
    async with spooled(tmp_path) as spool:
        await spool.sink.add([_feedback(number) for number in range(5)], SECONDS)
        assert spool.writer.waiting == 0


async def test_a_second_process_is_refused(tmp_path: Path) -> None:
    """Two writers in one folder would take each other's segments for those of a dead one."""
    async with spooled(tmp_path / "spool"):
        with pytest.raises(SpoolUnusable, match="worker-0 belongs to another process"):
            SpoolFolder(tmp_path / "spool")
        async with spooled(tmp_path / "spool", worker=1):
            pass
    SpoolFolder(tmp_path / "spool").close()


def test_one_that_only_looks_into_the_folder_costs_no_start(tmp_path: Path) -> None:
    """A worker that begins holds the lock of each other's folder for a moment, to see whether somebody left something
    there: one that began at the same time once ended on it, and the gateway with it."""
    (tmp_path / "worker-2").mkdir(parents=True)
    looking = os.open(tmp_path / "worker-2" / LOCK, os.O_RDWR | os.O_CREAT)
    fcntl.flock(looking, fcntl.LOCK_EX)
    timer = threading.Timer(0.1, os.close, [looking])
    timer.start()
    SpoolFolder(tmp_path, 2).close()
    timer.join()


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    """Where, why, and what to do."""
    (tmp_path / "spool").write_text("a file")
    with pytest.raises(SpoolUnusable, match="cannot be used .file exists.: name a folder that can be written"):
        SpoolFolder(tmp_path / "spool")


async def test_what_a_dead_process_left_is_taken_over(tmp_path: Path) -> None:
    """By whoever starts next: its own folder's, and those of others that nobody holds any more."""
    for worker in (0, 3):
        left = Spooled(tmp_path, worker=worker)
        await left.sink.append(record(worker), SECONDS, SECONDS)
        left.close()
    async with spooled(tmp_path, worker=0) as spool:
        assert spool.adopted == 2, "worker 3 had taken over worker 0's"
        assert len(spool.reader.read(9)) == 2
        await spool.sink.append(record(9), SECONDS, SECONDS)
    assert len(kept(tmp_path / "worker-0")) == 3 and kept(tmp_path / "worker-3") == {}


async def test_a_process_does_not_go_on_with_the_segment_of_another(tmp_path: Path) -> None:
    """Whose last entry may be torn."""
    left = Spooled(tmp_path)
    await left.sink.append(record(1), SECONDS, SECONDS)
    left.close()
    (segment,) = segments(tmp_path)
    with segment.open("ab") as file:
        file.write(framed(1, b"half of it")[:-3])
    async with spooled(tmp_path) as spool:
        await spool.sink.append(record(2), SECONDS, SECONDS)
    assert sorted(kept(tmp_path)) == [record(1).decision_id, record(2).decision_id]


async def test_the_end_waits_for_what_was_put_and_not_for_a_hung_disk(tmp_path: Path) -> None:
    spool = Spooled(tmp_path)
    for number in range(500):
        spool.sink.note(record(number, visible=False))
    assert await asyncio.to_thread(spool.close)
    assert len(kept(tmp_path)) == 500
    disk = HungDisk()
    hung = Spooled(tmp_path, opened=disk.open, options=ROOMY)
    hung.sink.note(record(1, visible=False))
    assert not await asyncio.to_thread(hung.close, 0.1)
    disk.close()


def _feedback(number: int) -> FeedbackEntry:
    return FeedbackEntry(f"card:0:{number}", "kidney-failure", "ehr", "accepted", float(number), 0.0)
