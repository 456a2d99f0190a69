"""Law 5: every decision can be explained. The same inputs, clock and id give the same answer, byte for byte.

Beside it `tests/e2e/test_story.py`, where a gateway of its own gives the answer that is compared.
"""

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.fakes.config_tree import sound_config
from tests.fakes.kidney_calls import kidney_call
from tests.fakes.oip_server import OipServer, oip_server
from wardgate.bootstrap.configured import Configured
from wardgate.bootstrap.replaying import Moment, capture, moment_of, replay
from wardgate.cli.configured import read
from wardgate.domain.rollout.rollouts import Snapshot
from wardgate.gateway.replay import Capture

SERVICE = "kidney-failure"
Edit = Callable[[dict[str, Any]], None]


def _no_labs(call: dict[str, Any]) -> None:
    call["prefetch"]["labs"]["entry"] = []


def _a_child(call: dict[str, Any]) -> None:
    call["prefetch"]["patient"]["birthDate"] = "2020-03-01"


def _on_dialysis(call: dict[str, Any]) -> None:
    code = {"coding": [{"system": "http://snomed.info/sct", "code": "265764009"}]}
    condition = {"resourceType": "Condition", "id": "c1", "subject": {"reference": "Patient/p0"}, "code": code}
    call["prefetch"]["problems"]["entry"] = [{"resource": condition}]


def _somebody_else(call: dict[str, Any]) -> None:
    call["prefetch"]["patient"]["id"] = "p999"


def _no_prefetch(call: dict[str, Any]) -> None:
    del call["prefetch"]


def _as_it_is(call: dict[str, Any]) -> None: ...


def _configured(folder: Path, server: OipServer) -> Configured:
    return read(
        sound_config(
            folder,
            wardgate=('["127.0.0.1:8082"]', f'["{server.host}"]'),
            release=("127.0.0.1:8082", server.host),
        )
    )


def _captured(configured: Configured, edit: Edit, moment: Moment | None = None) -> Capture:
    call = kidney_call()
    edit(call)
    pinned = moment or moment_of(configured, SERVICE, None)
    made = capture(configured, SERVICE, msgspec.json.encode(call), pinned, b"", None)
    return msgspec.json.decode(msgspec.json.encode(made), type=Capture)


@pytest.mark.parametrize(
    ("edit", "ends"),
    [
        (_as_it_is, b'"cards":[{'),
        (_no_labs, b'"cards":['),
        (_a_child, b'{"cards":[]}'),
        (_on_dialysis, b'{"cards":[]}'),
        (_somebody_else, b"OperationOutcome"),
        (_no_prefetch, b"OperationOutcome"),
    ],
)
async def test_the_same_inputs_give_the_same_answer(tmp_path: Path, edit: Edit, ends: bytes) -> None:
    """Whichever way a call ends: with a card, without one, refused."""
    async with oip_server() as server:
        configured = _configured(tmp_path, server)
        captured = await asyncio.to_thread(_captured, configured, edit)
    assert ends in captured.answer
    replayed = await asyncio.to_thread(replay, configured, captured)
    assert (replayed.same, replayed.release, replayed.first) == (True, None, None)


async def test_a_model_that_hangs_hangs_again(tmp_path: Path) -> None:
    """What it did not say belongs to what came in."""
    async with oip_server() as server:
        server.hold.clear()
        configured = _configured(tmp_path, server)
        captured = await asyncio.to_thread(_captured, configured, _as_it_is)
        server.hold.set()
    assert captured.steps["decide"]["reason"] == "model_timeout"
    assert (await asyncio.to_thread(replay, configured, captured)).same


@pytest.mark.parametrize("change", ["id", "clock"])
async def test_another_id_or_clock_is_another_card(tmp_path: Path, change: str) -> None:
    """Else a replay would prove nothing."""
    async with oip_server() as server:
        configured = _configured(tmp_path, server)
        captured = await asyncio.to_thread(_captured, configured, _as_it_is)
    other: dict[str, dict[str, Any]] = {
        "id": {"decision_id": "0b7e1b5a-93c7-4b0e-8d52-5a1f6b0f2a11"},
        "clock": {"now": captured.now + 86_400},
    }
    changed = msgspec.structs.replace(captured, **other[change])
    assert not (await asyncio.to_thread(replay, configured, changed)).same


async def test_the_moment_is_the_recorded_one(tmp_path: Path) -> None:
    """Mode and snapshot of then, whatever the files say by now."""
    async with oip_server() as server:
        configured = _configured(tmp_path, server)
        now = time.time()  # noqa: TID251
        moment = Moment("0b7e1b5a-93c7-4b0e-8d52-5a1f6b0f2a11", now, Snapshot(7, configured.catalog.rollouts))
        captured = await asyncio.to_thread(_captured, configured, _as_it_is, moment)
    assert (captured.epoch, captured.now, captured.versions[captured.rollout.champion]) == (7, now, "1.0.0")
    assert captured.steps["assign"]["epoch"] == 7
