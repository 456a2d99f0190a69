"""The environments of the real model servers: whole or not there."""

import sys
import threading
from pathlib import Path

import pytest

from tests import environments
from tests.environments import CannotBuild, build, folder_of


def _lock(folder: Path, text: str = "") -> Path:
    (folder / "some.lock").write_text(text)
    return folder / "some.lock"


def test_an_interrupted_environment_is_built_anew_and_a_whole_one_kept(tmp_path: Path) -> None:
    """What was left half-built has no mark."""
    folder = tmp_path / "envs" / "some-1"
    (folder / "bin").mkdir(parents=True)
    (folder / "bin" / "python").write_text("half")
    python = build(folder, sys.executable, _lock(tmp_path))
    assert python.resolve() != python and (folder / ".complete").exists(), "a real interpreter stands there"
    (folder / "kept").touch()
    assert build(folder, "no-such-python", _lock(tmp_path)) == python and (folder / "kept").exists()


def test_what_cannot_be_built_leaves_no_mark(tmp_path: Path) -> None:
    """The next build begins anew."""
    folder = tmp_path / "some-1"
    with pytest.raises(CannotBuild, match="install it"):
        build(folder, "false", _lock(tmp_path))
    assert not (folder / ".complete").exists()


def test_of_two_builders_one_waits(tmp_path: Path) -> None:
    """Two test runs may start at once."""
    folder = tmp_path / "some-1"
    folder.mkdir()
    (folder / ".complete").touch()
    builder = threading.Thread(target=build, args=(folder, sys.executable, _lock(tmp_path)))
    with environments._alone(folder.with_suffix(".lock")):
        builder.start()
        builder.join(timeout=0.2)
        assert builder.is_alive()
    builder.join(timeout=10)
    assert not builder.is_alive()


@pytest.mark.parametrize("candidate", ["no-such-python", "false", "true"])
def test_without_a_fitting_interpreter_the_sentence_says_which(candidate: str) -> None:
    """Rather than a failure deep inside pip."""
    with pytest.raises(CannotBuild, match=r"mlserver needs Python 3\.11 to 3\.12: install"):
        environments._interpreter("mlserver", [candidate])


def test_the_environment_is_another_one_when_its_lock_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its name holds the digest of the lock file; it stands in the user's cache."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    first, again, other = (folder_of(_lock(tmp_path, text), sys.executable) for text in ("one", "one", "two"))
    assert first == again != other and other.parent == tmp_path / "wardgate" / "envs"
