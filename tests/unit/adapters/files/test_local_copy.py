"""A replica's own file: whole or not there, believed only as this deployment wrote it, and as old as it is."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.fakes.snapshots import OTHERS, SEALER, ceiling, kept, snapshot
from wardgate.adapters.files.local_copy import FileLocalCopy
from wardgate.control.ports import LocalSeen
from wardgate.control.snapshots import Unsound


def copy(folder: Path, now: Callable[[], float] = lambda: 1000.0) -> FileLocalCopy:
    return FileLocalCopy(folder / "snapshot", SEALER, now)


def test_there_is_none_at_first(tmp_path: Path) -> None:
    assert copy(tmp_path).load() is None


def test_what_was_saved_is_there_after_a_restart(tmp_path: Path) -> None:
    copy(tmp_path).save(kept(3), [ceiling(1), ceiling(2)], 990.0)
    assert copy(tmp_path).load() == LocalSeen(snapshot(3), (ceiling(1), ceiling(2)), 10.0)
    copy(tmp_path).save(kept(4), [], 1000.0)
    assert copy(tmp_path, lambda: 1007.5).load() == LocalSeen(snapshot(4), (), 7.5)
    assert [path.name for path in tmp_path.iterdir()] == ["snapshot"]
    assert (tmp_path / "snapshot").stat().st_mode & 0o077 == 0


def test_after_a_start_of_the_machine_nobody_knows_how_old_it_is(tmp_path: Path) -> None:
    """Its clock began anew: a file may seem to be of the future, too."""
    copy(tmp_path).save(kept(3), [], 990.0)
    assert copy(tmp_path, lambda: 5.0).load() == LocalSeen(snapshot(3), (), None)
    another = copy(tmp_path)
    another._boot = "another start"
    assert another.load() == LocalSeen(snapshot(3), (), None)


def test_damage_is_not_believed(tmp_path: Path) -> None:
    """Wherever it is cut off, and whichever byte was changed in what is sealed."""
    copy(tmp_path).save(kept(3), [ceiling(1)], 990.0)
    path = tmp_path / "snapshot"
    whole = path.read_bytes()
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        with pytest.raises(Unsound):
            copy(tmp_path).load()
    for place in range(0, whole.index(b"rollouts"), 3):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0x10]) + whole[place + 1 :])
        with pytest.raises(Unsound):
            copy(tmp_path).load()


def test_another_deployments_file_is_not_believed(tmp_path: Path) -> None:
    FileLocalCopy(tmp_path / "snapshot", OTHERS, lambda: 1.0).save(OTHERS.seal(snapshot(3)), [], 0.0)
    with pytest.raises(Unsound):
        copy(tmp_path).load()
    FileLocalCopy(tmp_path / "snapshot", OTHERS, lambda: 1.0).save(kept(3), [ceiling(1)], 0.0)
    with pytest.raises(Unsound):
        copy(tmp_path).load()


def test_a_disk_that_takes_nothing_says_so_and_keeps_what_was_there(tmp_path: Path) -> None:
    copy(tmp_path).save(kept(3), [], 990.0)
    (tmp_path / "snapshot.new").mkdir()
    with pytest.raises(OSError):
        copy(tmp_path).save(kept(4), [], 995.0)
    seen = copy(tmp_path).load()
    assert seen is not None and seen.snapshot == snapshot(3)


SAVING = """
import sys
from pathlib import Path
from tests.fakes.snapshots import SEALER, ceiling, kept
from wardgate.adapters.files.local_copy import FileLocalCopy

copy = FileLocalCopy(Path(sys.argv[1]) / "snapshot", SEALER, lambda: 0.0)
for epoch in range(1, 100_000):
    copy.save(kept(epoch), [ceiling(1)], 0.0)
    print(epoch, flush=True)
"""


def test_killed_while_it_saves_it_has_what_was_acknowledged(tmp_path: Path) -> None:
    for life in range(3):
        acknowledged = 0
        with subprocess.Popen([sys.executable, "-c", SAVING, str(tmp_path)], stdout=subprocess.PIPE, text=True) as run:
            assert run.stdout is not None
            for line in run.stdout:
                acknowledged = int(line) if line.endswith("\n") else acknowledged
                if acknowledged == 20 + life * 7 and run.poll() is None:
                    os.kill(run.pid, 9)
        seen = copy(tmp_path).load()
        assert seen is not None and acknowledged <= seen.snapshot.epoch <= acknowledged + 1
