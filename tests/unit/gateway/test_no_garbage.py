"""However a call ends, nothing of it waits for the garbage collector: what does, is a pause for later calls (law 1)."""

import asyncio
import gc
from typing import Any

import pytest

from tests.fakes.charts import hook_body, lab, patient
from tests.fakes.gateway import FakeGateway
from tests.fakes.model import FakeModel
from wardgate.domain.outcomes import Reason

BODY = hook_body(patient(), [lab("33914-3", 20.0), lab("9318-7", 900.0)], [])
WITHOUT = {key: value for key, value in BODY.items() if key != "prefetch"}


@pytest.mark.parametrize(
    ("model", "body", "ends"),
    [
        (FakeModel(), BODY, Reason.THRESHOLD_MET),
        (FakeModel(broken=Reason.MODEL_REFUSED), BODY, Reason.MODEL_REFUSED),
        (FakeModel(broken=Reason.REPLY_RANGE), BODY, Reason.REPLY_RANGE),
        (FakeModel(broken=Reason.MODEL_ERROR), BODY, Reason.BREAKER_OPEN),
        (FakeModel(), WITHOUT, Reason.PREFETCH_REQUIRED),
        (FakeModel(), {**BODY, "hook": "order-sign"}, Reason.BAD_REQUEST),
    ],
)
async def test_a_call_leaves_no_garbage(model: FakeModel, body: dict[str, Any], ends: Reason) -> None:
    """Nothing that refers to itself, in particular no error that holds its own frames, and with them the request."""
    gateway, calls = FakeGateway(model=model), 30
    for _ in range(30):  # a circuit opens
        await gateway.call(body)
    gc.collect()
    gc.disable()
    try:
        for _ in range(calls):
            await gateway.call(body)
        await asyncio.sleep(0)
        assert gc.collect() < calls, "at least one object a call was left to the collector"
    finally:
        gc.enable()
    assert gateway.meter.calls[-1][5] == ends
