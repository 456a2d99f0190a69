"""The file that tells `call` where the demo is."""

import os
import subprocess
import tempfile
from pathlib import Path

import msgspec
import pytest

from wardgate.cli import running
from wardgate.cli.running import Running


@pytest.fixture(autouse=True)
def scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def _demo(pid: int) -> Running:
    return Running(pid, *(f"http://127.0.0.1:{port}" for port in range(1, 6)))


def test_what_is_announced_is_found_and_withdrawn(scratch: Path) -> None:
    """For this user only, and nothing is left of it afterwards."""
    running.announce(_demo(os.getpid()))
    assert running.find() == _demo(os.getpid())
    assert running.path(os.getpid()).stat().st_mode & 0o777 == 0o600
    running.withdraw(os.getpid())
    assert running.find() is None
    assert list(scratch.iterdir()) == []


def test_a_demo_that_was_killed_is_not_found() -> None:
    """Its file outlives it; its process does not."""
    with subprocess.Popen(["true"]) as process:
        process.wait()
    running.announce(_demo(process.pid))
    assert running.find() is None


def test_a_second_demo_s_file_is_left_alone() -> None:
    """The first to stop does not withdraw the other's addresses."""
    running.announce(_demo(os.getpid()))
    running.withdraw(os.getpid() + 1)
    assert running.find() is not None


def test_a_demo_is_found_again_when_a_newer_one_has_ended() -> None:
    """A second demo on another port took the first one's file and removed it: `call` then found none."""
    first, second = os.getppid(), os.getpid()
    running.announce(_demo(first))
    running.announce(_demo(second))
    running.withdraw(second)
    assert running.find() == _demo(first)


def test_of_two_demos_the_one_whose_gateway_is_named_is_found() -> None:
    """`call --gateway` goes with the FHIR server beside that gateway; without it, with the newest demo."""
    first = msgspec.structs.replace(_demo(os.getppid()), gateway="http://127.0.0.1:5")
    running.announce(first)
    running.announce(_demo(os.getpid()))
    os.utime(running.path(first.pid), (1, 1))
    assert running.find() == _demo(os.getpid())
    assert running.find("http://127.0.0.1:5/") == first
    assert running.find("http://127.0.0.1:6") is None


def test_a_symlink_is_neither_followed_nor_written_through(scratch: Path) -> None:
    """The temporary folder is everybody's; nobody redirects this file."""
    target = scratch / "target"
    target.write_bytes(b'{"pid": 1, "gateway": "g", "admin": "a", "fhir": "f", "model": "m"}')
    running.path(os.getpid()).symlink_to(target)
    assert running.find() is None
    running.announce(_demo(os.getpid()))
    assert b'"pid": 1,' in target.read_bytes()


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"pid": "x"}', b'{"pid": -1}', b"\xff", b"[" * 5000])
def test_a_broken_file_is_no_demo(content: bytes) -> None:
    """Whatever lies there, `call` goes on with its defaults."""
    running.path(os.getpid()).write_bytes(content)
    assert running.find() is None


def test_no_signal_is_sent_to_a_group() -> None:
    """0 and negative numbers mean process groups to kill(2), and are never anybody's pid."""
    running.announce(_demo(0))
    assert running.find() is None
