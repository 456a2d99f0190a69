"""Noting whom a pseudonym stands for, off the path."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.clock import FakeClock
from tests.fakes.waiting import wait_for
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


def test_a_patient_is_noted_once_a_day(scene: Scene) -> None:
    """Sealed by the thread that writes; a day later her time of keeping begins anew."""
    scene.custody.begin()
    scene.note("anna", "anna", "bert")
    wait_for(lambda: len(scene.kept("anna", "bert")) == 2)
    assert sorted(scene.kept("anna", "bert")) == [b"sealed anna", b"sealed bert"]
    assert len(scene.sealed) == 2
    scene.clock.advance(DAY)
    scene.note("anna")
    wait_for(lambda: len(scene.sealed) == 3)
    (identity,) = scene.archive.identities_of(["pseudonym of anna"])
    wait_for(lambda: scene.archive.identities_of(["pseudonym of anna"])[0].noted == scene.clock.now())
    assert identity.sealed == b"sealed anna"


def test_a_store_that_is_away_is_waited_for(scene: Scene) -> None:
    """Nothing is sealed twice for that; what there is no room for is counted, the oldest first."""
    scene.folder.write_bytes(b"")
    scene.custody.begin()
    scene.note("a", "b", "c")
    wait_for(lambda: len(scene.sealed) == 3)
    scene.note("d", "e", "f")
    wait_for(lambda: len(scene.sealed) == 6)
    wait_for(lambda: scene.lost == 1)
    scene.folder.unlink()
    wait_for(lambda: len(scene.kept(*"abcdef")) == 5)
    assert scene.kept("a") == [] and len(scene.sealed) == 6


def test_what_waits_at_the_end_is_written(scene: Scene) -> None:
    scene.custody.begin()
    scene.note("anna")
    scene.custody.end()
    assert scene.kept("anna") == [b"sealed anna"]
