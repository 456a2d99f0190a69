"""A replica that is gone for good is forgotten by a person, one that may be alive is not."""

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from tests.fakes.rollout_house import ADMIN, OPERATOR, SERVICE, VIEWER, House
from tests.fakes.rollout_stores import FakeReplicas
from tests.fakes.snapshots import replica
from wardgate.control.askers import Asker, ChangeRefused, Why
from wardgate.control.confirmation import effect_of
from wardgate.control.replicas import ReplicaDesk

SILENCE = 30.0
NOW = 1000.0
"""Of `FakeReplicas`."""


class Scene:
    def __init__(self, folder: Path) -> None:
        self.house = House(folder)
        self.replicas = FakeReplicas(replica("a", 1, seen=NOW - 1), replica("b", 1, seen=NOW - 3600))
        desk = self.house.desk
        self.desk = ReplicaDesk(
            self.replicas, desk.settling, desk.permits, self.house.decided.last_seen, lambda: SILENCE
        )

    def refused(self, name: str, asker: Asker = OPERATOR) -> ChangeRefused:
        before = self.house.epoch
        with pytest.raises(ChangeRefused) as refused:
            self.desk.forget(asker, name)
        assert self.house.epoch == before
        return refused.value


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    scene = Scene(tmp_path)
    yield scene
    scene.house.audit.close()


@pytest.mark.parametrize("name", ["host/b", "b"], ids=["by name", "by id"])
def test_one_that_is_silent_is_forgotten_by_an_operator(scene: Scene, name: str) -> None:
    done = scene.desk.forget(OPERATOR, name)
    assert done.epoch == 2 and scene.house.snapshot.forgotten == {"b": 2} and done.raised == ()
    assert [(each.replica.id, each.silent, each.forgotten) for each in scene.desk.all()] == [
        ("a", False, False),
        ("b", True, True),
    ]
    assert scene.house.said() == [("replica.forget", "done", "alert_rate")]
    (entry,) = scene.house.audit.said()
    assert (entry["subject"], entry["to"]) == (name, "replica b forgotten")


def test_one_that_is_alive_is_not_and_it_is_said_when_it_was_seen(scene: Scene) -> None:
    refused = scene.refused("host/a")
    assert refused.why is Why.ALIVE and "seen 1 s ago" in refused.what
    scene.replicas.beat(replica("a", 1, seen=NOW - SILENCE))
    assert scene.refused("host/a", ADMIN).why is Why.ALIVE


def test_of_two_of_one_name_the_silent_one_is_forgotten(scene: Scene) -> None:
    """A container that lost its folder came back under another id."""
    scene.replicas.beat(replica("c", 1, name="host/b", seen=NOW))
    scene.desk.forget(OPERATOR, "host/b")
    assert scene.house.snapshot.forgotten == {"b": 2}
    assert scene.refused("host/b").why is Why.ALIVE


def test_what_is_not_there_or_forgotten_already_is_told(scene: Scene) -> None:
    assert scene.refused("host/z").why is Why.UNKNOWN
    scene.desk.forget(OPERATOR, "host/b")
    assert scene.refused("host/b").why is Why.NOTHING
    assert scene.refused("a name with spaces").why is Why.INVALID


@pytest.mark.parametrize("asker", [VIEWER, msgspec.structs.replace(OPERATOR, services=frozenset({SERVICE}))])
def test_it_is_an_operators_for_all_services(scene: Scene, asker: Asker) -> None:
    assert scene.refused("host/b", asker).why is Why.ROLE
    assert scene.house.said() == [("replica.forget", "denied", "role")]


def test_who_left_the_table_leaves_the_snapshot_with_the_next_one(scene: Scene) -> None:
    """A week after it was heard of last, or once it has come back under another id."""
    scene.desk.forget(OPERATOR, "host/b")
    scene.replicas.leave("b")
    scene.replicas.beat(replica("d", 1))
    scene.desk.forget(OPERATOR, "host/d")
    assert scene.house.snapshot.forgotten == {"d": 3}


def test_no_change_waits_for_it_once_every_copy_has_said_so_for_long_enough() -> None:
    """Until then it may be alive, and read the shared copy as it was."""
    replicas = [replica("a", 7, seen=NOW), replica("b", 5, seen=NOW - 3600)]
    held = 0.5
    assert effect_of(7, replicas, NOW, SILENCE, held).waiting == ("host/b",)
    assert effect_of(7, replicas, NOW, SILENCE, held, {"b": SILENCE}).waiting == ("host/b",)
    assert effect_of(7, replicas, NOW, SILENCE, held, {"b": -1.0}).waiting == ("host/b",)
    gone = effect_of(7, replicas, NOW, SILENCE, held, {"b": SILENCE + 0.1})
    assert gone.verified and (gone.done, gone.silent) == (("host/a",), ())
    back = [replicas[0], replica("b", 5, seen=NOW - 1)]
    assert effect_of(7, back, NOW, SILENCE, held, {"b": SILENCE + 0.1}).waiting == ("host/b",)
    assert not effect_of(7, replicas[1:], NOW, SILENCE, held, {"b": SILENCE + 0.1}).verified, "nobody is there"
