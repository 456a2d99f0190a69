"""The gate of a proven model: closed until the probes pass, closed again on suspicion."""

import asyncio
from collections.abc import Callable

import pytest

from tests.fakes.clock import FakeClock
from tests.fakes.meter import FakeMeter
from tests.fakes.model import ENDPOINT, PROBES, FakeModel
from wardgate.domain.errors import ModelUnavailable
from wardgate.domain.inference.prediction import ModelInputs
from wardgate.domain.outcomes import Reason
from wardgate.gateway.model_call import ModelRequest
from wardgate.gateway.probes import ProbeOptions, Proof, ProvenModel
from wardgate.gateway.stacks import model_stack

ASK = ModelRequest(ENDPOINT, ModelInputs((70.0, 1.0, 30.0, 300.0), (), ()), expires=1000.4)


def _proven(model: FakeModel, timeout: float = 2.0) -> ProvenModel:
    clock = FakeClock()
    return ProvenModel(
        "kidney-failure",
        "1.0.0",
        ENDPOINT,
        PROBES,
        model,
        model_stack(model, ENDPOINT, clock),
        clock,
        FakeMeter(),
        ProbeOptions(timeout=timeout, retry=0.001),
    )


async def test_a_model_that_answers_as_pinned_passes() -> None:
    """Every probe vector within the tolerance opens the gate."""
    proven = _proven(FakeModel())
    assert await proven.check() is Proof.PASSED


@pytest.mark.parametrize(
    "model, proof",
    [
        (FakeModel(function=lambda *x: 0.5), Proof.FAILED),
        (FakeModel(broken=Reason.REPLY_VERSION), Proof.FAILED),
        (FakeModel(broken=Reason.REPLY_SHAPE), Proof.FAILED),
        (FakeModel(broken=Reason.MODEL_UNREACHABLE), Proof.PENDING),
        (FakeModel(broken=Reason.MODEL_ERROR), Proof.PENDING),
        (FakeModel(is_ready=False), Proof.PENDING),
        (FakeModel(hang=True), Proof.PENDING),
    ],
)
async def test_what_does_not_pass_is_told_apart(model: FakeModel, proof: Proof) -> None:
    """A wrong answer has failed; a model that cannot be asked has proven nothing yet."""
    assert await _proven(model, timeout=0.01).check() is proof


async def test_before_the_probes_passed_no_call_reaches_the_model() -> None:
    """Law 2: a score only while the endpoint proves itself."""
    model = FakeModel()
    with pytest.raises(ModelUnavailable) as caught:
        await _proven(model)(ASK)
    assert caught.value.reason is Reason.PROBE_PENDING and model.asked == []


async def test_a_broken_connection_closes_the_gate_until_it_is_proven_again() -> None:
    """Another process may stand behind the address after a reconnect, so the proof starts over."""
    model = FakeModel()
    proven = _proven(model)
    task = asyncio.get_running_loop().create_task(proven.run())
    await _turns(lambda: proven.proof is Proof.PASSED)
    assert (await proven(ASK)).score > 0
    model.broken = Reason.MODEL_UNREACHABLE
    with pytest.raises(ModelUnavailable, match="model_unreachable"):
        await proven(ASK)
    with pytest.raises(ModelUnavailable, match="probe_pending"):
        await proven(ASK)
    model.broken, model.function = None, lambda *x: 0.5
    await _turns(lambda: proven.proof is Proof.FAILED)
    with pytest.raises(ModelUnavailable, match="probe_failed"):
        await proven(ASK)
    task.cancel()


async def test_slowness_does_not_close_the_gate() -> None:
    """A time-out says nothing about which model answers."""
    model = FakeModel(hang=True)
    proven = _proven(model)
    proven.proof = Proof.PASSED
    slow = ModelRequest(ENDPOINT, ASK.inputs, expires=1000.02)
    with pytest.raises(ModelUnavailable, match="model_timeout"):
        await proven(slow)
    assert proven.proof is Proof.PASSED


async def _turns(condition: Callable[[], bool]) -> None:
    """Let the other tasks run until the condition holds."""
    async with asyncio.timeout(2):
        while not condition():  # noqa: ASYNC110 - the condition is the code's own state, which signals nobody
            await asyncio.sleep(0)
