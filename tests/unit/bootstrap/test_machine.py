"""What a process asks of the machine."""

import ctypes
import subprocess
import sys

import pytest

_LARGE_BLOCKS = """
import ctypes
from wardgate.bootstrap.machine import keep_large_blocks_apart

class Info(ctypes.Structure):
    _fields_ = [(name, ctypes.c_size_t) for name in
                "arena ordblks smblks hblks hblkhd usmblks fsmblks uordblks fordblks keepcost".split()]

info = ctypes.CDLL(None).mallinfo2
info.restype = Info
keep_large_blocks_apart()

before = info().hblkhd
bytes(16 << 20)  # given back at once: glibc would take the next ones from its heap
held = [bytes(size << 20) for size in (2, 8)]
print(info().hblkhd - before >> 20)
del held
print(info().hblkhd - before >> 20)
"""


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "mallinfo2"), reason="needs glibc 2.33")
def test_large_blocks_come_from_the_system_and_go_back() -> None:
    """Regression: holes that they left in the heap were grown over, and memory grew for days."""
    run = subprocess.run([sys.executable, "-c", _LARGE_BLOCKS], capture_output=True, text=True, check=True, timeout=60)
    assert run.stdout.split() == ["10", "0"]


@pytest.mark.parametrize(("soft", "hard", "room", "after"), [(256, 1024, 768, 1024), (200, 200, 100, 200)])
def test_room_for_connections_is_what_the_system_gives_at_most(soft: int, hard: int, room: int, after: int) -> None:
    """What the process itself must open has its own share."""
    code = (
        "import resource; from wardgate.bootstrap.machine import room_for_connections as room;"
        f"resource.setrlimit(resource.RLIMIT_NOFILE, ({soft}, {hard}));"
        "print(room(), resource.getrlimit(resource.RLIMIT_NOFILE)[0])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert run.stdout.split() == [str(room), str(after)]
