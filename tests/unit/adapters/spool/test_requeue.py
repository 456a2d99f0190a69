"""What was set aside on its way to the store, tried again."""

import fcntl
import os
import threading
from pathlib import Path

import msgspec
import pytest

from tests.fakes.archive import FakeArchive
from tests.fakes.spool import QUICK, Spooled, record, segments, spooled
from tests.fakes.waiting import until
from wardgate.adapters.spool.frames import Entry, Found, entries, framed
from wardgate.adapters.spool.quarantine import QUARANTINE, appended, frame_of
from wardgate.adapters.spool.requeue import Requeued, counted, requeue
from wardgate.adapters.spool.writer import Slip
from wardgate.domain.feedback import FeedbackEntry
from wardgate.domain.records import DecisionRecord
from wardgate.domain.spool import SpoolEvent
from wardgate.records.archive import ArchiveUnavailable

SECONDS = 5.0


def again(root: Path, archive: FakeArchive) -> list[Requeued]:
    return list(requeue(root, archive, lambda error: None))


def aside(root: Path, name: str, *frames: bytes) -> Path:
    path = root / "worker-0" / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"".join(frames))
    return path


async def test_what_the_store_takes_by_now_arrives_and_the_rest_stays(tmp_path: Path) -> None:
    """Decisions and feedback that it refused; beside the gateway, which sets aside more meanwhile."""
    archive = FakeArchive(refuses=lambda entry: True)
    async with spooled(tmp_path, archive) as spool:
        for number in range(3):
            await spool.sink.append(record(number), SECONDS, SECONDS)
        await spool.sink.add([FeedbackEntry("card:0:1", "kidney-failure", "ehr", "accepted", 1.0, 2.0)], SECONDS)
        await until(lambda: spool.events[SpoolEvent.QUARANTINED] == 4)
        assert [each.refused for each in counted(tmp_path)] == [4]
        poison = record(1).decision_id
        archive.refuses = lambda entry: isinstance(entry, DecisionRecord) and entry.decision_id in (poison, "later")
        assert again(tmp_path, archive) == [Requeued("worker-0/quarantine", delivered=3, refused=1)]
        assert sorted(archive.decisions) == [record(0).decision_id, record(2).decision_id]
        assert len(archive.feedback) == 1
        await spool.sink.append(msgspec.structs.replace(record(9), decision_id="later"), SECONDS, SECONDS)
        await until(lambda: spool.events[SpoolEvent.QUARANTINED] == 5)
        archive.refuses = lambda entry: False
        assert again(tmp_path, archive) == [Requeued("worker-0/quarantine", delivered=2)]
        assert again(tmp_path, archive) == []
    assert len(archive.decisions) == 4


async def test_a_card_that_did_not_leave_is_not_told_to_have_left(tmp_path: Path) -> None:
    """What corrects a record is set aside with it: in its own entry, or beside a segment that cannot be read."""
    refusing = FakeArchive(refuses=lambda entry: isinstance(entry, DecisionRecord))
    spool = Spooled(tmp_path, refusing, draining=QUICK, running=False)
    spool.sink.note(record(1))
    spool.writer.put(_late(1))
    spool.start()
    await until(lambda: spool.events[SpoolEvent.QUARANTINED] == 1)
    spool.close()
    aside(tmp_path, "0000000009.unreadable", frame_of(record(2)))
    archive = FakeArchive()
    spool = Spooled(tmp_path, archive, draining=QUICK)
    spool.writer.put(_late(2))
    await until(lambda: spool.events[SpoolEvent.QUARANTINED] == 1)
    spool.close()
    assert sum(each.delivered for each in again(tmp_path, archive)) == 2
    assert [(each.visible, each.reason) for each in archive.decisions.values()] == [(False, "record_unavailable")] * 2
    assert again(tmp_path, archive) in ([], [Requeued("worker-0/quarantine")])


def _late(number: int) -> Slip:
    return Slip(Entry.WITHHELD, record(number).decision_id.encode(), 0.0)


async def test_a_segment_that_can_be_read_by_now_arrives(tmp_path: Path) -> None:
    """What is damaged in it costs no other; one that still cannot be read stays as it is."""
    frames = [frame_of(record(number)) for number in range(5)]
    frames[2] = frames[2][:-1] + bytes([frames[2][-1] ^ 0xFF])
    aside(tmp_path, "0000000003.unreadable", *frames)
    still = tmp_path / "worker-0" / "0000000004.unreadable"
    still.mkdir()
    archive = FakeArchive()
    first, second = again(tmp_path, archive)
    assert first == Requeued("worker-0/0000000003.unreadable", delivered=4, damaged=1)
    assert (second.path, second.trouble) == ("worker-0/0000000004.unreadable", "is a directory")
    assert len(archive.decisions) == 4 and still.exists() and not segments(tmp_path)


def test_a_store_that_is_down_loses_nothing(tmp_path: Path) -> None:
    """What was taken away for it is found the next time; so is what a process left that died."""
    aside(tmp_path, QUARANTINE, *[frame_of(record(number)) for number in range(3)])
    archive = FakeArchive(down=True)
    with pytest.raises(ArchiveUnavailable):
        again(tmp_path, archive)
    archive.down = False
    (told,) = again(tmp_path, archive)
    assert told.delivered == 3 and len(archive.decisions) == 3 and not list((tmp_path / "worker-0").iterdir())


def test_what_a_later_version_wrote_stays(tmp_path: Path) -> None:
    aside(tmp_path, QUARANTINE, framed(77, b"?"), frame_of(record(1)))
    assert [(told.delivered, told.refused) for told in again(tmp_path, FakeArchive())] == [(1, 1)]
    (left,) = entries((tmp_path / "worker-0" / QUARANTINE).read_bytes())
    assert isinstance(left, Found) and (left.kind, left.payload) == (77, b"?")


def test_who_waits_for_the_lock_writes_to_the_file_that_stands_there_then(tmp_path: Path) -> None:
    """Not to the one that was taken away meanwhile, which nobody would look at again."""
    path, opened = tmp_path / QUARANTINE, threading.Event()
    held = os.open(path, os.O_RDWR | os.O_CREAT)
    fcntl.flock(held, fcntl.LOCK_EX)

    def write() -> None:
        opened.set()
        with appended(path) as descriptor:
            os.write(descriptor, b"entry")

    writer = threading.Thread(target=write)
    writer.start()
    assert opened.wait(5)
    threading.Event().wait(0.1)
    path.rename(tmp_path / "taken")
    os.close(held)
    writer.join(5)
    assert path.read_bytes() == b"entry" and (tmp_path / "taken").read_bytes() == b""
