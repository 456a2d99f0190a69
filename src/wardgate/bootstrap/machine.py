"""The machine itself: its clocks, what it draws by chance, its memory, its descriptors."""

import ctypes
import os
import resource
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial


class SystemClock:
    """Meets `gateway.ports.Clock`; the only place where the machine's clocks are read."""

    now = staticmethod(time.time)  # noqa: TID251 - this is the Clock
    monotonic = staticmethod(time.monotonic)


sleepless: Callable[[], float] = partial(time.clock_gettime, getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))
"""Seconds that go on while the machine sleeps, as the monotonic clock does not: what was decided meanwhile, a machine
that wakes up has not heard of."""


class DecisionIds:
    """Random UUIDs (RFC 9562, version 4), their bytes drawn from the system in batches: a draw is a system call."""

    _BATCH = 256

    def __init__(self) -> None:
        self._bytes = b""
        self._used = 0

    def __call__(self) -> str:
        if self._used == len(self._bytes):
            self._bytes, self._used = os.urandom(16 * self._BATCH), 0
        drawn = self._bytes[self._used : self._used + 16].hex()
        self._used += 16
        variant = "89ab"[int(drawn[16], 16) & 3]
        return f"{drawn[:8]}-{drawn[8:12]}-4{drawn[13:16]}-{variant}{drawn[17:20]}-{drawn[20:]}"


class TraceIds:
    """Random, 32 bytes as digits for each call, drawn from the system in batches."""

    _BATCH = 128

    def __init__(self) -> None:
        self._digits = ""
        self._used = 0

    def __call__(self) -> str:
        if self._used == len(self._digits):
            self._digits, self._used = os.urandom(32 * self._BATCH).hex(), 0
        self._used += 64
        return self._digits[self._used - 64 : self._used]


_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # malloc.h
_LARGE = 1024 * 1024
"""Bytes of a block that comes from the system; what a call takes is smaller, as a rule."""


def keep_large_blocks_apart() -> None:
    """Segments of the spool and the tables of full caches are allocated anew again and again, several megabytes each.
    By itself glibc takes such blocks from its heap, once one has been given back: the small ones that stay grow into
    the holes, and what is resident grows for days. Here they come from the system, and go back whole. Another C library
    does as it likes."""
    with suppress(AttributeError):
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(_M_MMAP_THRESHOLD, _LARGE)
        mallopt(_M_TRIM_THRESHOLD, 32 * _LARGE)  # to set either ends the other's growth, too


_DESCRIPTORS = 8192
_OWN = 256
"""Descriptors of the process itself: files, stores, models, FHIR servers."""


def room_for_connections() -> int:
    """So many clients may be connected. Many systems give a process 1,024 descriptors, and more to one that asks."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = _DESCRIPTORS if hard == resource.RLIM_INFINITY else min(hard, _DESCRIPTORS)
    if soft != resource.RLIM_INFINITY and soft < most:
        with suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
            soft = most
    given = _DESCRIPTORS if soft == resource.RLIM_INFINITY else min(soft, _DESCRIPTORS)
    return max(given - _OWN, given // 2)
