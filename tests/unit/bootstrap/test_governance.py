"""How the policy stands is seen without being asked: in health, a metric and the log."""

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import generate_latest

from tests.fakes.approving import JON, MIRA, POLICY, Approving
from tests.fakes.audit import MemoryChain
from wardgate.adapters.logs.events import EventLog
from wardgate.adapters.prometheus.instruments import Instruments
from wardgate.bootstrap.governance import GovernanceWatch
from wardgate.domain.governance import BUILT_IN, Policy


class Scene:
    def __init__(self, folder: Path) -> None:
        self.chain = MemoryChain()
        self.ground = Approving(folder, store=self.chain)
        self.out, self.meter, self.demo = io.StringIO(), Instruments(), False
        self.files: Policy = POLICY
        self.watch = GovernanceWatch(
            self.ground.desk, lambda: self.files, lambda: self.demo, self.meter, EventLog(self.out)
        )

    def told(self) -> list[Any]:
        return [json.loads(line) for line in self.out.getvalue().splitlines()]

    def figure(self, name: str) -> bool:
        return f"{name} 1.0" in generate_latest(self.meter.registry).decode()


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    made = Scene(tmp_path)
    yield made
    made.ground.close()


def test_an_edited_policy_that_waits_is_told_until_it_holds(scene: Scene) -> None:
    """Once a line, however often it is looked at; and again when somebody has approved it."""
    scene.watch.look()
    assert scene.watch.health()["state"] == "holds" and scene.told() == []
    scene.files = BUILT_IN
    for _ in range(3):
        scene.watch.look()
    (line,) = scene.told()
    assert (line["event"], line["key"]) == ("warning", "governance") and "0 of 2 people" in line["what"]
    assert scene.watch.health()["state"] == "waits" and scene.figure("wardgate_policy_waiting")
    for who in (MIRA, JON):
        scene.ground.desk.approve_policy(who, BUILT_IN)
        scene.watch.look()
    assert [line["what"].partition(":")[2][:7] for line in scene.told()] == [" 0 of 2", " 1 of 2"]
    assert scene.watch.health()["state"] == "holds" and not scene.figure("wardgate_policy_waiting")


def test_a_chain_that_is_away_takes_nothing_back(scene: Scene) -> None:
    scene.files = BUILT_IN
    scene.watch.look()
    scene.chain.down_at = scene.chain.last().number
    scene.watch.look()
    assert scene.watch.health()["state"] == "unknown" and scene.figure("wardgate_policy_waiting")


def test_under_insecure_demo_nothing_waits(scene: Scene) -> None:
    scene.files, scene.demo = BUILT_IN, True
    scene.watch.look()
    assert scene.watch.health()["state"] == "not_asked" and scene.told() == []
    assert not scene.figure("wardgate_policy_waiting")
