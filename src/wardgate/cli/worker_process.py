"""One of the workers, as its parent has it: its process from start to end, and what is asked over its channel."""

import asyncio
import contextlib
import mmap
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

import msgspec

from wardgate.cli.channel import Channel, Gone, send_secret
from wardgate.cli.worker import PAGE

PATIENCE = 5.0
"""Seconds for an answer of a worker; more for one that reads its files."""


def pause(deaths: int) -> float:
    """Seconds until a worker that died for the nth time in a row is replaced."""
    return min(0.1 * (1 << min(deaths - 1, 10)), 10.0)


class Worker:
    """One place of the N, and the process that holds it now."""

    def __init__(self, number: int, config: Path, listener: socket.socket, secret: bytes) -> None:
        self.number = number
        self._config, self._listener, self._secret = config, listener, secret
        self._file: IO[bytes] = tempfile.TemporaryFile()
        self._file.truncate(PAGE)
        self._seen = memoryview(mmap.mmap(self._file.fileno(), PAGE)).cast("q")
        self.channel: Channel | None = None
        self.process: asyncio.subprocess.Process | None = None
        self.up = asyncio.Event()
        self.stood = False
        """Whether it was ever up."""
        self.differs = False
        """Whether the process that ended last had not read what the others have."""

    async def live(
        self,
        isolated: Callable[[], list[list[str]]],
        lowered: Callable[[], list[bytes]],
        fits: Callable[[str], bool],
    ) -> int:
        """From its start to its end; the exit code, below 0 that of the signal that ended it. `isolated`: the circuits
        that are out of use now, in JSON's terms; `lowered`: ceilings, sealed, that no store may have yet. `fits`:
        whether a worker with files of this digest may stand."""
        ours, theirs = socket.socketpair()
        send_secret(ours, self._secret)
        self._seen[0] = 0
        self.differs = False
        begun = isolated()
        passed = [self._listener.fileno(), theirs.fileno(), self._file.fileno()]
        arguments = [str(self._config), str(self.number), *map(str, passed), msgspec.json.encode(begun).decode()]
        try:
            self.process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "wardgate.cli.worker",
                *arguments,
                stdin=subprocess.DEVNULL,
                pass_fds=passed,
                start_new_session=True,  # a Ctrl-C is the parent's, which then stops its workers in order
            )
        finally:
            theirs.close()
        self.channel = await Channel.over(ours)
        try:
            with contextlib.suppress(Gone):
                said = await self.channel.hear()
                self.differs = not fits(said["up"])
                if self.differs:
                    self.stop(signal.SIGTERM)
                else:
                    while begun != isolated():  # changed by hand while it started
                        begun = isolated()
                        await self.channel.ask({"isolated": begun}, PATIENCE)
                    told: set[bytes] = set()
                    while left := [sealed for sealed in lowered() if sealed not in told]:
                        await self.channel.ask({"lower": msgspec.to_builtins(left[0])}, PATIENCE)
                        told.add(left[0])
                    self.stood = True
                    self.up.set()
            return await self.process.wait()
        finally:
            self.up.clear()
            self.channel.close()

    def calls(self) -> int:
        """Under way now, or when it ended."""
        return int(self._seen[0])

    def beats(self) -> int:
        """How often its loop has come round."""
        return int(self._seen[1])

    def stop(self, number: int) -> None:
        with contextlib.suppress(ProcessLookupError):
            if self.process is not None and self.process.returncode is None:
                self.process.send_signal(number)

    async def ask(self, what: Any, seconds: float = PATIENCE) -> Any:
        """Raises Gone; a worker that does not answer its parent is stopped, and replaced."""
        if self.channel is None or not self.up.is_set():
            raise Gone
        try:
            return await self.channel.ask(what, seconds)
        except Gone:
            self.stop(signal.SIGTERM)
            raise
