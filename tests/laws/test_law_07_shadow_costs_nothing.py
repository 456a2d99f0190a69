"""Law 7. Shadow never costs the clinician: off the response path, bounded, and the first to be shed."""

import asyncio
import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fakes.two_releases import BODY, TwoModels, gateway
from tests.unit.gateway.test_shadow import pool_of, settled
from wardgate.domain.outcomes import Mode, Reason
from wardgate.gateway.shadow import ShadowOptions

DAY_OF_LABS = 1_794_300_000.0


async def test_a_shadow_model_that_hangs_delays_no_answer(tmp_path: Path) -> None:
    """Each worker hangs in it and the queue is full: every call gets its card, as with no shadow at all. Counted by
    turns of the loop, not timed."""
    quiet = await _turns(tmp_path / "quiet", 0.9, calls=0)
    hung = await _turns(tmp_path / "hung", None, calls=12)
    assert hung == quiet


async def _turns(folder: Path, score: float | None, calls: int) -> int:
    """How many turns of the loop a call takes, after `calls` of them with the pool at work."""
    house = gateway(
        folder, TwoModels({"1": 0.3, "2": score}), now=DAY_OF_LABS, shadow=ShadowOptions(workers=2, queue=4)
    )
    async with pool_of(house), asyncio.TaskGroup() as group:
        for _ in range(calls):
            assert len((await house.call(BODY)).json()["cards"]) == 1
            await asyncio.sleep(0)
        asked = group.create_task(house.call(BODY))
        turns = 0
        while not asked.done() and turns < 1000:
            turns += 1
            await asyncio.sleep(0)
        assert len(asked.result().json()["cards"]) == 1
    assert house.meter.shed > 0 or not calls, "the queue was full"
    return turns


async def test_a_shadow_run_that_hangs_ends_in_its_own_time(tmp_path: Path) -> None:
    """By a real clock: the attempt's timeout frees the worker for the next run."""
    house = gateway(
        tmp_path, TwoModels({"1": 0.3, "2": None}), now=DAY_OF_LABS, shadow=ShadowOptions(workers=1, queue=4)
    )
    for _ in range(2):
        await house.call(BODY)
    await settled(house, 2, pause=0.01)
    assert {run[4] for run in house.meter.shadow} == {"model_timeout"}


ANSWERS = st.sampled_from([0.05, 0.3, 0.9, Reason.MODEL_ERROR, Reason.REPLY_VERSION])


@settings(max_examples=25, deadline=None)
@given(champion=ANSWERS, shadow=ANSWERS, mode=st.sampled_from([Mode.SHADOW, Mode.SILENT, Mode.ACTIVE]))
async def test_no_answer_depends_on_what_is_in_shadow(
    champion: float | Reason, shadow: float | Reason, mode: Mode
) -> None:
    """Byte for byte the answer of a gateway without it; and nothing that is in shadow is visible or acts."""
    bodies = []
    for rollout in ('shadow: ["1.1.0"]', "shadow: []"):
        with tempfile.TemporaryDirectory() as name:
            house = gateway(Path(name), TwoModels({"1": champion, "2": shadow}), rollout, now=DAY_OF_LABS)
            house.mode(mode)
            async with pool_of(house):
                bodies.append((await house.call(BODY)).body)
                for _ in range(20):
                    await asyncio.sleep(0)
            for record in house.sink.newest(9):
                assert record.arm != "shadow" or not (record.visible or record.system_actions)
    assert bodies[0] == bodies[1]
