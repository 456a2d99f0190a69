"""Noting whom a pseudonym stands for, off the path."""

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.fakes.clock import FakeClock
from wardgate.adapters.sql.archive import SqlArchive
from wardgate.adapters.sql.sqlite import Sqlite
from wardgate.domain.durable import SqlitePlace
from wardgate.domain.record_names import Named, patient
from wardgate.records.custody import Custody, CustodyOptions

DAY = 86400.0
QUICK = CustodyOptions(every=0.01, waiting=5)


class Scene:
    """A custody over a store that is missing until its folder is there."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.clock, self.lost = folder / "var", FakeClock(), 0
        self.sealed: list[str] = []
        self.archive = SqlArchive(Sqlite(SqlitePlace(str(self.folder / "wardgate.db"))), str)
        self.custody = Custody(self.archive, self._seal, self.clock.now, self._told, QUICK)

    def _seal(self, pseudonym: str, named: Named) -> bytes:
        self.sealed.append(pseudonym)
        return f"sealed {named[3]}".encode()

    def _told(self, count: int) -> None:
        self.lost += count

    def note(self, *ids: str) -> None:
        for id_ in ids:
            self.custody.note(f"pseudonym of {id_}", patient("ward-ehr", None, id_))

    def kept(self, *ids: str) -> list[bytes]:
        return [one.sealed for one in self.archive.identities_of([f"pseudonym of {id_}" for id_ in ids])]


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    scene = Scene(tmp_path)
    yield scene
    scene.custody.end()
    scene.archive.close()


def eventually(condition: Callable[[], object]) -> None:
    until = time.monotonic() + 15
    while not condition():
        assert time.monotonic() < until
        threading.Event().wait(0.005)


def test_a_patient_is_noted_once_a_day(scene: Scene) -> None:
    """Sealed by the thread that writes; a day later her time of keeping begins anew."""
    scene.custody.begin()
    scene.note("anna", "anna", "bert")
    eventually(lambda: len(scene.kept("anna", "bert")) == 2)
    assert sorted(scene.kept("anna", "bert")) == [b"sealed anna", b"sealed bert"]
    assert len(scene.sealed) == 2
    scene.clock.advance(DAY)
    scene.note("anna")
    eventually(lambda: len(scene.sealed) == 3)
    (identity,) = scene.archive.identities_of(["pseudonym of anna"])
    eventually(lambda: scene.archive.identities_of(["pseudonym of anna"])[0].noted == scene.clock.now())
    assert identity.sealed == b"sealed anna"


def test_a_store_that_is_away_is_waited_for(scene: Scene) -> None:
    """Nothing is sealed twice for that; what there is no room for is counted, the oldest first."""
    scene.folder.write_bytes(b"")
    scene.custody.begin()
    scene.note("a", "b", "c")
    eventually(lambda: len(scene.sealed) == 3)
    scene.note("d", "e", "f")
    eventually(lambda: len(scene.sealed) == 6)
    eventually(lambda: scene.lost == 1)
    scene.folder.unlink()
    eventually(lambda: len(scene.kept(*"abcdef")) == 5)
    assert scene.kept("a") == [] and len(scene.sealed) == 6


def test_what_waits_at_the_end_is_written(scene: Scene) -> None:
    scene.custody.begin()
    scene.note("anna")
    scene.custody.end()
    assert scene.kept("anna") == [b"sealed anna"]
