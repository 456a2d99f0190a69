"""Deeds on the local disk until they are chained."""

import os
import stat
from pathlib import Path

import pytest

from tests.fakes.audit import event
from wardgate.adapters.files.pending import PendingFolder, PendingOptions
from wardgate.control.audit import Happened, Remark


def test_what_is_kept_is_given_oldest_first_until_it_is_done(tmp_path: Path) -> None:
    """By another process as well."""
    kept = [Happened(event(2)), Happened(event(1), Remark(b"s" * 32, "caf\u00e9\n\u2028")), Happened(event(3))]
    for happened in kept:
        PendingFolder(tmp_path / "audit").keep(happened)
    pending = PendingFolder(tmp_path / "audit")
    assert pending.waiting(10) == [kept[1], kept[0], kept[2]]
    assert pending.waiting(2) == [kept[1], kept[0]]
    pending.done(event(2).id)
    pending.done(event(2).id)
    assert pending.waiting(10) == [kept[1], kept[2]]


def test_nothing_is_kept_where_there_is_no_folder(tmp_path: Path) -> None:
    assert PendingFolder(tmp_path / "audit").waiting(10) == []


def test_so_many_wait_and_no_more(tmp_path: Path) -> None:
    """The oldest stay; there is room again when some are chained."""
    pending = PendingFolder(tmp_path / "audit", PendingOptions(most=2))
    assert pending.room() == 2
    pending.keep(Happened(event(1)))
    pending.keep(Happened(event(2)))
    with pytest.raises(OSError):
        pending.keep(Happened(event(3)))
    assert pending.waiting(9) == [Happened(event(1)), Happened(event(2))] and pending.room() == 0
    pending.done(event(1).id)
    pending.keep(Happened(event(3)))
    assert pending.waiting(9) == [Happened(event(2)), Happened(event(3))]


def test_only_its_user_can_read_it(tmp_path: Path) -> None:
    PendingFolder(tmp_path / "audit").keep(Happened(event(1)))
    (file,) = (tmp_path / "audit").iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "audit").stat().st_mode) == 0o700


@pytest.mark.parametrize("damage", [b"", b"{", b"\xff", b'{"event":{}}', b"[" * 100_000])
def test_a_damaged_file_is_set_aside_and_holds_up_no_other(tmp_path: Path, damage: bytes) -> None:
    pending = PendingFolder(tmp_path)
    for number in (1, 2):
        pending.keep(Happened(event(number)))
    first = min(tmp_path.iterdir())
    first.write_bytes(damage)
    assert pending.waiting(10) == [Happened(event(2))]
    assert [path.name for path in tmp_path.glob("*.aside")] == [f"{first.name}.aside"]
    assert pending.aside() == 1, "which is told: it is on no chain"


def test_a_file_under_the_name_of_another_is_set_aside(tmp_path: Path) -> None:
    """It would never be done with."""
    pending = PendingFolder(tmp_path)
    pending.keep(Happened(event(1)))
    pending.keep(Happened(event(2)))
    first, second = sorted(tmp_path.iterdir())
    first.write_bytes(second.read_bytes())
    assert pending.waiting(10) == [Happened(event(2))]


def test_a_disk_that_does_not_take_it_is_told_and_left_clean(tmp_path: Path) -> None:
    (tmp_path / "audit").write_bytes(b"a file where the folder should be")
    with pytest.raises(OSError):
        PendingFolder(tmp_path / "audit").keep(Happened(event(1)))


def test_what_was_half_written_at_a_crash_is_not_given(tmp_path: Path) -> None:
    pending = PendingFolder(tmp_path)
    pending.keep(Happened(event(1)))
    (file,) = tmp_path.iterdir()
    os.rename(file, tmp_path / f".{file.name}")
    assert pending.waiting(10) == []
