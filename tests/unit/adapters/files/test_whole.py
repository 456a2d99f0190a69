"""A file is there whole or not at all, and takes nobody's place."""

import errno
import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from wardgate.adapters.files.whole import whole_file


def test_it_stands_under_its_name_when_it_is_whole(tmp_path: Path) -> None:
    """For its user alone, from its first byte on; nothing else is left in the folder."""
    path = tmp_path / "a.json"
    with whole_file(path) as file:
        file.write(b"half")
        file.flush()
        (part,) = tmp_path.iterdir()
        assert part.name.startswith(".a.json.") and stat.S_IMODE(part.stat().st_mode) == 0o600
        file.write(b" and half")
    assert [each.name for each in tmp_path.iterdir()] == ["a.json"]
    assert path.read_bytes() == b"half and half" and stat.S_IMODE(path.stat().st_mode) == 0o600


def test_what_breaks_in_the_middle_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), whole_file(tmp_path / "a") as file:
        file.write(b"half")
        raise ZeroDivisionError
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("links", [True, False])
def test_nothing_is_overwritten(tmp_path: Path, links: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither what is there, nor what came meanwhile, nor what a link points to; also where a file system has no hard
    links. The error names the file that was asked for."""
    if not links:
        monkeypatch.setattr(os, "link", _no_links)
    path, elsewhere = tmp_path / "a", tmp_path / "b"
    with pytest.raises(FileExistsError) as error, whole_file(path) as file:
        file.write(b"late")
        path.write_bytes(b"first")
    assert (path.read_bytes(), error.value.filename, error.value.strerror) == (b"first", str(path), "File exists")
    path.unlink()
    path.symlink_to(elsewhere)
    with pytest.raises(FileExistsError), whole_file(path):
        raise AssertionError("it is told before anything is written")
    assert not elsewhere.exists() and sorted(each.name for each in tmp_path.iterdir()) == ["a"]
    path.unlink()
    with whole_file(path) as file:
        file.write(b"now")
    assert path.read_bytes() == b"now" and len(list(tmp_path.iterdir())) == 1


def _no_links(*arguments: object, **named: object) -> None:
    raise OSError(errno.EOPNOTSUPP, "no links here")


def test_a_folder_that_is_not_there_is_told_by_the_name_that_was_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "none" / "a"
    with pytest.raises(FileNotFoundError) as error, whole_file(path):
        pass
    assert error.value.filename == str(path)


_WRITING = """
import sys, time
from pathlib import Path
from wardgate.adapters.files.whole import whole_file
with whole_file(Path(sys.argv[1])) as file:
    file.write(b"half" * 100_000)
    file.flush()
    print("half", flush=True)
    time.sleep(60)
"""


def test_a_process_that_dies_in_the_middle_leaves_nothing_under_its_name(tmp_path: Path) -> None:
    path = tmp_path / "a"
    with subprocess.Popen([sys.executable, "-c", _WRITING, str(path)], stdout=subprocess.PIPE) as writer:
        assert writer.stdout is not None and writer.stdout.readline() == b"half\n"
        os.kill(writer.pid, signal.SIGKILL)
    assert not path.exists()
    with whole_file(path) as file:
        file.write(b"whole")
    assert path.read_bytes() == b"whole"
