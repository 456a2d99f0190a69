"""A PostgreSQL that accepts and never answers, at each place where one can fall silent: bounded for whoever asks, and
no matter at all for a call whose records go there."""

import asyncio
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest

from tests.fakes.archive import FakeArchive
from tests.fakes.archive_rows import card_key
from tests.fakes.spool import Spooled, kept, record, spooled
from tests.fakes.waiting import until
from wardgate.adapters.spool.drainer import DrainerOptions
from wardgate.adapters.sql.archive import SqlArchive
from wardgate.adapters.sql.postgres import Postgres, PostgresOptions
from wardgate.domain.durable import PostgresPlace
from wardgate.records.archive import ArchiveUnavailable, Trouble

HASTY = PostgresOptions(connect=2, wait=0.5, limit=1)  # libpq waits for two seconds at least
NO_TLS = b"N"
LET_IN = b"R\0\0\0\x08\0\0\0\0" + b"Z\0\0\0\x05I"
"""AuthenticationOk, and ReadyForQuery (PostgreSQL, "Message Formats")."""
PLACES = {
    "at once": (),
    "before the login": (NO_TLS,),
    "in the middle of the login": (NO_TLS, LET_IN[:12]),
    "after the login": (NO_TLS, LET_IN),
    "in the middle of a reply": (NO_TLS, LET_IN, b"1\0\0\0\x04T\0\0\x10\0"),
}


class SilentServer:
    """Answers each message with the next of `says`, and then never again."""

    def __init__(self, *says: bytes) -> None:
        self._says = says
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.place = PostgresPlace("127.0.0.1", "wardgate", "gateway", self._listener.getsockname()[1], "word")
        self._taken: list[socket.socket] = []
        self._closing, self._lock = False, threading.Lock()
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def connections(self) -> int:
        return len(self._taken)

    def _accept(self) -> None:
        while True:
            try:
                taken, _ = self._listener.accept()
            except OSError:
                return
            with self._lock:
                if self._closing:
                    taken.close()
                    return
                self._taken.append(taken)
            threading.Thread(target=self._speak, args=(taken,), daemon=True).start()

    def _speak(self, taken: socket.socket) -> None:
        try:
            for said in self._says:
                if not taken.recv(65536):
                    return
                taken.sendall(said)
        except OSError:
            return

    def close(self) -> None:
        with self._lock:
            self._closing = True
            for each in (self._listener, *self._taken):
                with suppress(OSError):  # whoever waits for it on either side is woken
                    each.shutdown(socket.SHUT_RDWR)
                each.close()


@pytest.fixture
def silent(request: pytest.FixtureRequest) -> Iterator[SilentServer]:
    server = SilentServer(*PLACES[request.param])
    yield server
    server.close()


def test_whoever_asks_waits_for_a_bounded_time() -> None:
    """Also while the driver and SQLAlchemy find out whom they speak to."""

    def ask(said: tuple[bytes, ...]) -> tuple[Trouble, bool, bool]:
        server = SilentServer(*said)
        archive = SqlArchive(Postgres(server.place, HASTY), card_key)
        began = time.monotonic()
        with pytest.raises(ArchiveUnavailable) as unavailable:
            archive.ping()
        in_time = time.monotonic() - began < 2 * HASTY.connect + HASTY.wait + 5
        archive.close()
        server.close()
        return unavailable.value.trouble, in_time, server.connections > 0

    with ThreadPoolExecutor(len(PLACES)) as pool:
        asked = {name: pool.submit(ask, said) for name, said in PLACES.items()}
        assert {name: future.result(60) for name, future in asked.items()} == dict.fromkeys(
            PLACES, (Trouble.LATE, True, True)
        )


@pytest.mark.parametrize("silent", ["at once", "after the login"], indirect=True)
async def test_no_call_waits_for_it_and_nothing_is_lost(silent: SilentServer, tmp_path: Path) -> None:
    """Records are acknowledged as if the store were there; they stay on the spool, for whoever starts next. The end of
    the process waits for it no longer than it is told."""
    archive = SqlArchive(Postgres(silent.place, HASTY), card_key)
    spool = Spooled(tmp_path, archive, draining=DrainerOptions(every=0.01, hold=0.0, pause=0.01, longest_pause=0.01))
    slowest, number = 0.0, 0
    until_ = time.monotonic() + 1.0
    while time.monotonic() < until_ or not silent.connections:
        began = time.monotonic()
        await spool.sink.append(record(number), 5.0, 5.0)
        slowest = max(slowest, time.monotonic() - began)
        number += 1
        await asyncio.sleep(0.005)
    assert slowest < 0.5, "far above what a busy machine does, and below every patience of the store"
    assert number > 50 and spool.drainer is not None
    began = time.monotonic()
    assert not await asyncio.to_thread(spool.close, 0.5)
    assert time.monotonic() - began < 3
    assert len(kept(tmp_path)) == number
    silent.close()
    assert not spool.drainer.close(30)
    archive.close()
    following = FakeArchive()
    async with spooled(tmp_path, following):
        await until(lambda: len(following.decisions) == number)
