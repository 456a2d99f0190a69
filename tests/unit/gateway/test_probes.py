"""The gate of a proven model: closed until the probes pass, closed again on suspicion."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from tests.fakes.clock import FakeClock
from tests.fakes.meter import FakeMeter
from tests.fakes.model import ENDPOINT, PROBES, FakeModel, kfre, model_ask
from wardgate.domain.errors import ModelUnavailable
from wardgate.domain.inference.endpoint import Endpoint, ModelReply
from wardgate.domain.inference.prediction import ModelInputs
from wardgate.domain.outcomes import Reason
from wardgate.gateway.model_call import ModelRequest
from wardgate.gateway.probes import ProbeOptions, Proof, ProvenModel

SUBJECT = ("ward-ehr", None, "p1")
ASK = ModelRequest(ENDPOINT, ModelInputs((70.0, 1.0, 30.0, 300.0), (), ()), 1000.4, SUBJECT)


def _proven(
    model: FakeModel,
    timeout: float = 2.0,
    retry: float = 0.001,
    clock: FakeClock | None = None,
    heartbeat: float = 60.0,
) -> ProvenModel:
    clock = clock or FakeClock()
    return ProvenModel(
        "kidney-failure",
        "1.0.0",
        ENDPOINT,
        PROBES,
        model,
        model_ask(model, clock),
        clock,
        FakeMeter(),
        ProbeOptions(timeout=timeout, retry=retry, heartbeat=heartbeat),
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


@pytest.mark.parametrize("times, proof, asked", [(1, Proof.PASSED, 2), (2, Proof.PENDING, 2)])
async def test_a_round_that_meets_a_closed_connection_is_begun_again_once(times: int, proof: Proof, asked: int) -> None:
    """Regression: MLServer closes its connection after each 500; the proof of another release on it was lost for
    seconds. A round that broke in its middle says nothing: another process may have answered the rest."""

    @dataclass
    class Closing(FakeModel):
        left: int = times

        async def infer(
            self, endpoint: Endpoint, inputs: ModelInputs, timeout: float, traceparent: str | None = None
        ) -> ModelReply:
            reply = await super().infer(endpoint, inputs, timeout)
            if self.left:
                self.left -= 1
                raise ModelUnavailable(Reason.MODEL_UNREACHABLE)
            return reply

    model = Closing()
    assert await _proven(model).check() is proof
    assert len(model.asked) == asked


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
    slow = ModelRequest(ENDPOINT, ASK.inputs, 1000.02, SUBJECT)
    with pytest.raises(ModelUnavailable, match="model_timeout"):
        await proven(slow)
    assert proven.proof is Proof.PASSED


async def test_a_reply_over_a_new_connection_is_believed_only_after_the_next_proof() -> None:
    """A process can be replaced between two calls, and no call breaks; its connections end with it, though."""
    model, clock = FakeModel(), FakeClock()
    proven = _proven(model, clock=clock)
    task = asyncio.get_running_loop().create_task(proven.run())
    await _turns(lambda: proven.proof is Proof.PASSED)
    ask = proven._ask

    async def over_a_new_connection(request: ModelRequest) -> ModelReply:
        reply = await ask(request)
        proven.reconnected(True)
        return reply

    proven._ask = over_a_new_connection
    clock.advance(60)
    probed = len(model.asked)
    assert (await proven(ModelRequest(ENDPOINT, ASK.inputs, clock.monotonic() + 0.4, SUBJECT))).score > 0
    assert len(model.asked) == probed + 2, "the call, and one probe after it"
    model.function = lambda *x: 0.5
    clock.advance(60)
    with pytest.raises(ModelUnavailable, match="probe_failed"):
        await proven(ModelRequest(ENDPOINT, ASK.inputs, clock.monotonic() + 0.4, SUBJECT))
    task.cancel()


async def test_a_heartbeat_meets_a_new_process_before_a_call_does() -> None:
    """A readiness check over a new connection is enough to probe again, also within the grace."""
    model = FakeModel()
    proven = _proven(model, heartbeat=0.001)
    readiness = model.ready

    async def ready(endpoint: Endpoint) -> bool:
        proven.reconnected(False)
        return await readiness(endpoint)

    proven._client = model
    task = asyncio.get_running_loop().create_task(proven.run())
    await _turns(lambda: proven.proof is Proof.PASSED)
    model.ready = ready  # type: ignore[method-assign]
    model.function = lambda *x: 0.5
    await _turns(lambda: proven.proof is Proof.FAILED)
    task.cancel()


async def test_a_heartbeat_that_finds_nobody_closes_the_gate() -> None:
    """The clinician's call does not have to find out."""
    model = FakeModel()
    proven = _proven(model, heartbeat=0.001)
    task = asyncio.get_running_loop().create_task(proven.run())
    await _turns(lambda: proven.proof is Proof.PASSED)
    model.broken = Reason.MODEL_UNREACHABLE
    await _turns(lambda: proven.proof is Proof.PENDING)
    task.cancel()


async def test_a_reply_is_not_believed_where_the_proof_was_lost_meanwhile() -> None:
    """Regression: a call on its way kept its score although the probes had failed before it came."""
    model = FakeModel()
    proven = _proven(model)
    proven.proof = Proof.PASSED

    async def lose(request: ModelRequest) -> ModelReply:
        proven.proof = Proof.FAILED
        return await model.infer(request.endpoint, request.inputs, 0.2)

    proven._ask = lose
    with pytest.raises(ModelUnavailable, match="probe_failed"):
        await proven(ASK)


async def test_half_a_reply_is_suspicious() -> None:
    """A process that died while it answered."""
    model = FakeModel(broken=Reason.REPLY_TRUNCATED)
    proven = _proven(model)
    proven.proof = Proof.PASSED
    with pytest.raises(ModelUnavailable, match="reply_truncated"):
        await proven(ASK)
    assert proven.proof is Proof.PENDING


async def test_a_connection_that_may_be_new_raises_no_doubt_on_the_path() -> None:
    """A client that cannot tell would have every call probed; heartbeats renew the proof instead."""
    model = FakeModel()
    proven = _proven(model)
    task = asyncio.get_running_loop().create_task(proven.run())
    await _turns(lambda: proven.proof is Proof.PASSED)
    for _ in range(20):
        proven.reconnected(False)
        await proven(ASK)
    assert proven.proof is Proof.PASSED and len(model.asked) == 21
    task.cancel()


async def test_a_probe_that_breaks_does_not_end_the_proving() -> None:
    """Regression: an exception that nobody expected would have ended the gateway's task group with it."""
    model = FakeModel()
    proven = _proven(model)
    breaks = ZeroDivisionError()

    def broken(*values: float) -> float:
        raise breaks

    model.function = broken
    task = asyncio.get_running_loop().create_task(proven.run())
    await _turns(lambda: len(model.asked) == 3)
    assert proven.proof is Proof.PENDING and not task.done()
    model.function = kfre
    await _turns(lambda: proven.proof is Proof.PASSED)
    task.cancel()


async def test_what_was_away_for_a_moment_is_asked_again_soon() -> None:
    """Regression: a connection that broke once shut the model out for two seconds."""
    waits: list[float] = []
    enough = asyncio.Event()

    class Noting(ProvenModel):
        async def _woken(self, seconds: float) -> bool:
            waits.append(seconds)
            if len(waits) == 7:
                enough.set()
            return await super()._woken(0)

    async def ask(request: ModelRequest) -> ModelReply:
        raise AssertionError("nobody calls")

    model = FakeModel(broken=Reason.MODEL_UNREACHABLE)
    proven = Noting("kidney-failure", "1.0.0", ENDPOINT, PROBES, model, ask, FakeClock(), FakeMeter())
    task = asyncio.get_running_loop().create_task(proven.run())
    await enough.wait()
    task.cancel()
    assert waits[:7] == [0.1, 0.2, 0.4, 0.8, 1.6, 2.0, 2.0]


async def _turns(condition: Callable[[], bool]) -> None:
    """Let the other tasks run until the condition holds."""
    async with asyncio.timeout(2):
        while not condition():  # noqa: ASYNC110 - the condition is the code's own state, which signals nobody
            await asyncio.sleep(0)


async def test_each_change_of_the_proof_is_told_once() -> None:
    """Whoever is on call reads when a model lost its proof and when it had it again; not each probe."""
    told: list[Proof] = []
    model, clock = FakeModel(), FakeClock()
    proven = ProvenModel(
        "kidney-failure",
        "1.0.0",
        ENDPOINT,
        PROBES,
        model,
        model_ask(model, clock),
        clock,
        FakeMeter(),
        told=told.append,
    )
    for proof in (Proof.PENDING, Proof.PASSED, Proof.PASSED, Proof.FAILED):
        proven.proof = proof
    proven.suspect()
    assert told == [Proof.PASSED, Proof.FAILED, Proof.PENDING]
