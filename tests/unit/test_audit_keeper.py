"""The audit chain looked after, in a thread of its own: what was spooled is chained, and anchors are exported."""

import io
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from tests.fakes.audit import AuditGround
from tests.fakes.clock import FakeClock
from tests.fakes.waiting import wait_for
from wardgate.adapters.aead.anchors import AnchorSigner
from wardgate.adapters.files.anchors import write_anchor
from wardgate.adapters.logs.events import EventLog
from wardgate.bootstrap.audit import AuditKeeper, KeeperOptions
from wardgate.domain.audit import Action, Deed, Link
from wardgate.domain.audit_verification import Verifier

DEED = Deed(who="operator-1", what=Action.CIRCUIT_ISOLATE, subject="kidney-failure/1.0.0")
KEY = Ed25519PrivateKey.generate()
REWRITTEN = "UPDATE audit_chain SET seal = replace(seal, substr(seal, 1, 1), 'x') WHERE number = 2"


class Scene:
    def __init__(self, folder: Path) -> None:
        self.ground, self.clock, self.written = AuditGround(folder), FakeClock(), io.StringIO()
        self.folder, self.broken = folder / "anchors", list[bool]()
        self.signer = AnchorSigner(KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        log, options = EventLog(self.written), KeeperOptions(look=0.02)
        self.keeper = AuditKeeper(
            self.ground.trail,
            self.ground.tokens,
            self.signer,
            self.folder,
            3600.0,
            self.clock,
            log,
            options,
            self.broken.append,
        )

    @property
    def events(self) -> list[dict[str, object]]:
        return [msgspec.json.decode(line) for line in self.written.getvalue().splitlines()]

    def anchored(self) -> list[int]:
        return [self.signer.public.read(path.read_bytes()).number for path in sorted(self.folder.glob("*.json"))]


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    scene = Scene(tmp_path)
    yield scene
    scene.keeper.end(30)


def test_what_was_spooled_is_chained(scene: Scene) -> None:
    """Also what an earlier process left behind."""
    scene.ground.trail.keep(DEED)
    scene.keeper.begin()
    wait_for(lambda: len(scene.ground.said()) == 1)
    scene.ground.trail.keep(DEED)
    wait_for(lambda: len(scene.ground.said()) == 2)


def test_an_anchor_is_exported_when_it_is_due_and_there_is_something_new(scene: Scene) -> None:
    """Signed, in the folder and in the log; it proves the chain up to there."""
    scene.ground.trail.require(DEED)
    scene.keeper.begin()
    wait_for(lambda: scene.anchored() == [1])
    scene.ground.trail.require(DEED)
    scene.clock.advance(3500)
    time.sleep(0.1)
    assert scene.anchored() == [1]
    scene.clock.advance(200)
    wait_for(lambda: scene.anchored() == [1, 2])
    scene.clock.advance(4000)
    time.sleep(0.1)
    assert scene.anchored() == [1, 2]
    verifier = Verifier([scene.signer.public.read(path.read_bytes()) for path in scene.folder.glob("*.json")])
    entries = list(scene.ground.store.entries())
    for entry in entries:
        verifier.take(entry.line)
    assert verifier.verdict().sound and verifier.verdict().unproven == 0
    told = [(event["entry"], event["seal"]) for event in scene.events if event["event"] == "audit_anchor"]
    assert told == [(entry.number, entry.seal) for entry in entries]


@pytest.mark.parametrize("change", ["DELETE FROM audit_chain WHERE number = 2", REWRITTEN], ids=["cut off", "anew"])
def test_a_chain_that_was_cut_off_or_written_anew_is_told_and_not_signed(scene: Scene, change: str) -> None:
    """While it runs. A new anchor over it would make the insider's chain the proven one."""
    scene.ground.trail.require(DEED)
    scene.ground.trail.require(DEED)
    scene.keeper.begin()
    wait_for(lambda: scene.anchored() == [2])
    with sqlite3.connect(scene.ground.path, timeout=10) as store:
        for verb in ("update", "delete"):
            store.execute(f"DROP TRIGGER audit_chain_no_{verb}")
        store.execute(change)
    store.close()
    wait_for(lambda: [event.get("state") for event in scene.events][-1] == "rewritten")
    assert scene.broken[-1] is True
    scene.ground.trail.require(DEED)
    scene.ground.trail.require(DEED)
    scene.clock.advance(4000)
    time.sleep(0.1)
    assert scene.anchored() == [2]


def test_what_an_anchor_saw_before_the_start_must_be_there(scene: Scene) -> None:
    """Also where it was changed while no gateway ran."""
    scene.ground.trail.require(DEED)
    write_anchor(scene.folder, Link(1, "0" * 64), scene.signer.sign(Link(1, "0" * 64), 1.0))
    scene.keeper.begin()
    wait_for(lambda: [event.get("state") for event in scene.events] == ["rewritten"])


def test_a_store_that_goes_and_comes_is_told_once_each(scene: Scene) -> None:
    """What was done meanwhile is chained when it is back."""
    scene.ground.cut()
    scene.ground.trail.keep(DEED)
    scene.keeper.begin()
    wait_for(lambda: [event["state"] for event in scene.events] == ["down"])
    time.sleep(0.1)
    scene.ground.mend()
    wait_for(lambda: len(scene.events) >= 2)
    assert [event["state"] for event in scene.events if "state" in event] == ["down", "up"]
    assert len(scene.ground.said()) == 1


def test_it_chains_what_there_is_before_it_ends(scene: Scene) -> None:
    scene.keeper.begin()
    scene.ground.trail.keep(DEED)
    scene.keeper.end(30)
    assert len(scene.ground.said()) == 1
