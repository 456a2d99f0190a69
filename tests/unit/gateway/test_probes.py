"""The gate of a proven model: closed until the probes pass, closed again on suspicion."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import msgspec
import pytest

from tests.fakes.clock import FakeClock
from tests.fakes.meter import FakeMeter
from tests.fakes.model import ENDPOINT, PROBES, FakeModel, kfre, model_ask, told_to_be
from wardgate.domain.errors import ModelUnavailable
from wardgate.domain.inference.endpoint import Endpoint, ModelReply
from wardgate.domain.inference.prediction import ModelInputs
from wardgate.domain.outcomes import Reason
from wardgate.gateway.model_call import ModelRequest
from wardgate.gateway.probes import ProbeOptions, ProvenModel
from wardgate.gateway.proof import Proof

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


async def _proof(model: FakeModel, timeout: float = 2.0) -> Proof:
    """What one round finds."""
    proven = _proven(model, timeout)
    await proven.prove()
    return proven.proof


async def test_a_model_that_answers_as_pinned_passes() -> None:
    """Every probe vector within the tolerance opens the gate."""
    assert await _proof(FakeModel()) is Proof.PASSED


@pytest.mark.parametrize(
    "model, proof",
    [
        (FakeModel(function=lambda *x: 0.5), Proof.FAILED),
        (FakeModel(broken=Reason.REPLY_VERSION), Proof.FAILED),
        (FakeModel(broken=Reason.REPLY_SHAPE), Proof.FAILED),
        (FakeModel(broken=Reason.MODEL_UNREACHABLE), Proof.PENDING),
        (FakeModel(broken=Reason.REPLY_MALFORMED), Proof.FAILED),
        (FakeModel(broken=Reason.REPLY_TRUNCATED), Proof.PENDING),
        (FakeModel(broken=Reason.REPLY_MISMATCHED), Proof.PENDING),
        (FakeModel(broken=Reason.MODEL_ERROR), Proof.PENDING),
        (FakeModel(is_ready=False), Proof.PENDING),
        (FakeModel(hang=True), Proof.PENDING),
    ],
)
async def test_what_does_not_pass_is_told_apart(model: FakeModel, proof: Proof) -> None:
    """A wrong answer has failed; a model that cannot be asked, or says half of it, has proven nothing yet."""
    assert await _proof(model, timeout=0.01) is proof


@pytest.mark.parametrize(
    "times, connection, proof", [(1, 1, Proof.PASSED), (2, 1, Proof.PENDING), (1, None, Proof.PENDING)]
)
async def test_a_probe_that_meets_a_closed_connection_is_asked_again_over_a_new_one(
    times: int, connection: int | None, proof: Proof
) -> None:
    """Regression: MLServer closes its connection after each 500; the proof of another release on it was lost for
    seconds. Once, and not where nobody could tell that another process has answered the rest."""

    @dataclass
    class Closing(FakeModel):
        left: int = times

        async def infer(
            self,
            endpoint: Endpoint,
            inputs: ModelInputs,
            timeout: float,
            oldest: int = 0,
            traceparent: str | None = None,
        ) -> ModelReply:
            reply = await super().infer(endpoint, inputs, timeout, oldest)
            if self.left:
                self.left -= 1
                raise ModelUnavailable(Reason.MODEL_UNREACHABLE)
            return reply

    model = Closing(connection=connection)
    assert await _proof(model) is proof
    assert len(model.asked) == 2 and model.connection == (None if connection is None else 2)


async def test_a_probe_that_meets_a_busy_server_is_asked_again() -> None:
    """Regression: a server that was busy for one request in four was never proven, nor was a new connection to it."""

    class Busy(FakeModel):
        async def infer(
            self,
            endpoint: Endpoint,
            inputs: ModelInputs,
            timeout: float,
            oldest: int = 0,
            traceparent: str | None = None,
        ) -> ModelReply:
            reply = await super().infer(endpoint, inputs, timeout, oldest)
            if len(self.asked) % 4 == 1:
                raise ModelUnavailable(Reason.MODEL_BUSY)
            return reply

    assert await _proof(Busy()) is Proof.PASSED


async def test_what_a_round_met_first_is_all_that_it_proves() -> None:
    """A connection that broke in its middle may have broken with its process: the second vector asked another one."""
    plan = msgspec.structs.replace(PROBES, probes=PROBES.probes * 2)

    class Replaced(FakeModel):
        async def infer(
            self,
            endpoint: Endpoint,
            inputs: ModelInputs,
            timeout: float,
            oldest: int = 0,
            traceparent: str | None = None,
        ) -> ModelReply:
            if len(self.asked) == 1:
                self.asked.append(())
                raise ModelUnavailable(Reason.MODEL_UNREACHABLE)
            return await super().infer(endpoint, inputs, timeout, oldest)

    model, clock = Replaced(connection=1), FakeClock()
    ask = model_ask(model, clock)
    proven = ProvenModel("kidney-failure", "1.0.0", ENDPOINT, plan, model, ask, clock, FakeMeter())
    await proven.prove()
    assert model.connection == 2
    assert proven.evidence.believes(1) and not proven.evidence.believes(2)


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
    await _turns(lambda: not proven.evidence.doubted)
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
    told_to_be(proven, Proof.PASSED)
    slow = ModelRequest(ENDPOINT, ASK.inputs, 1000.02, SUBJECT)
    with pytest.raises(ModelUnavailable, match="model_timeout"):
        await proven(slow)
    assert proven.proof is Proof.PASSED


# --- new connections ------------------------------------------------------------------------------------------------


@asynccontextmanager
async def _running(model: FakeModel, **options: Any) -> AsyncIterator[ProvenModel]:
    """Proven, and kept so."""
    proven = _proven(model, **options)
    task = asyncio.get_running_loop().create_task(proven.run())
    await _turns(lambda: proven.proof is Proof.PASSED)
    yield proven
    task.cancel()


async def test_a_reply_over_a_new_connection_is_believed_only_after_the_next_proof() -> None:
    """A process can be replaced between two calls, and no call breaks; its connections end with it, though."""
    model = FakeModel(connection=1)
    async with _running(model) as proven:
        assert (await proven(ASK)).score > 0 and len(model.asked) == 2, "an old connection: believed at once"
        model.connection = 2
        assert (await proven(ASK)).score > 0 and len(model.asked) == 4, "a new one: one probe after it"
        assert (await proven(ASK)).score > 0 and len(model.asked) == 5
        model.connection, model.function = 3, lambda *x: 0.5
        with pytest.raises(ModelUnavailable, match="probe_failed"):
            await proven(ASK)


async def test_an_old_process_does_not_prove_a_new_one() -> None:
    """Regression: a process that is replaced may go on to answer on its connections. A round over one of those would
    prove its successor; it has to come over the very connection of the reply, or a newer one."""

    class Replaced(FakeModel):
        """The pool hands out its oldest connection, which the good process still answers, to whoever does not mind."""

        async def infer(
            self,
            endpoint: Endpoint,
            inputs: ModelInputs,
            timeout: float,
            oldest: int = 0,
            traceparent: str | None = None,
        ) -> ModelReply:
            number = max(oldest, 1)
            return ModelReply(kfre(*inputs.values) if number == 1 else 0.5, None, {}, number)

    async with _running(Replaced()) as proven:

        async def over_a_new_connection(request: ModelRequest) -> ModelReply:
            return ModelReply(0.5, None, {}, 2)

        proven._ask = over_a_new_connection
        with pytest.raises(ModelUnavailable, match="probe_failed"):
            await proven(ASK)


async def test_replies_over_old_connections_do_not_wait_for_new_ones() -> None:
    """Under load the pool grows by one connection after the other: nobody else pays for that."""
    model = FakeModel(connection=1)
    async with _running(model) as proven, asyncio.TaskGroup() as group:
        model.connection = 2
        model.hang = True
        old = ModelReply(0.25, None, {}, 1)
        new = ModelReply(0.25, None, {}, 2)
        replies = [new, old]

        async def answer(request: ModelRequest) -> ModelReply:
            return replies.pop(0)

        proven._ask = answer
        waits = group.create_task(proven(ASK))
        await _turns(lambda: len(model.asked) == 2)
        assert await proven(ASK) is old and not waits.done()
        waits.cancel()


async def test_calls_that_wait_share_a_round() -> None:
    """However many come over new connections at once."""
    model = FakeModel(connection=1)
    async with _running(model) as proven:
        numbers = iter(range(2, 42))

        async def answer(request: ModelRequest) -> ModelReply:
            return ModelReply(0.25, None, {}, next(numbers))

        proven._ask = answer
        replies = await asyncio.gather(*(proven(ASK) for _ in range(40)))
        assert [reply.connection for reply in replies] == list(range(2, 42))
        assert len(model.asked) <= 3


async def test_where_a_new_connection_cannot_be_proven_the_old_ones_still_are() -> None:
    """It hangs, or has no time: that says nothing about who answers over the others. Its own reply is not believed."""
    for wrong in ({"hang": True}, {"broken": Reason.MODEL_BUSY}):
        model = FakeModel(connection=1)
        async with _running(model) as proven:

            async def answer(request: ModelRequest) -> ModelReply:
                return ModelReply(0.25, None, {}, int(request.inputs.values[0]))

            proven._ask = answer
            for name, value in wrong.items():
                setattr(model, name, value)
            for over, believed in ((2, False), (1, True)):
                inputs = ModelInputs((float(over),), (), ())
                asked = proven(ModelRequest(ENDPOINT, inputs, 1000.05, SUBJECT))
                if believed:
                    assert (await asked).connection == over
                else:
                    with pytest.raises(ModelUnavailable, match="probe_pending"):
                        await asked
            assert proven.proof is Proof.PASSED


async def test_a_heartbeat_meets_a_new_process_before_a_call_does() -> None:
    """A readiness check over a new connection is enough to probe again."""
    model = FakeModel(connection=1)
    async with _running(model, heartbeat=0.001) as proven:
        model.connection, model.function = 2, lambda *x: 0.5
        await _turns(lambda: proven.proof is Proof.FAILED)


async def test_a_client_that_cannot_tell_is_probed_at_each_heartbeat() -> None:
    """It would have every call probed; heartbeats renew the proof instead."""
    model = FakeModel()
    async with _running(model) as proven:
        for _ in range(20):
            await proven(ASK)
        assert proven.proof is Proof.PASSED and len(model.asked) == 21
    async with _running(model, heartbeat=0.001) as proven:
        model.function = lambda *x: 0.5
        await _turns(lambda: proven.proof is Proof.FAILED)


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
    told_to_be(proven, Proof.PASSED)

    async def lose(request: ModelRequest) -> ModelReply:
        told_to_be(proven, Proof.FAILED)
        return await model.infer(request.endpoint, request.inputs, 0.2)

    proven._ask = lose
    with pytest.raises(ModelUnavailable, match="probe_failed"):
        await proven(ASK)


async def test_half_a_reply_is_suspicious() -> None:
    """A process that died while it answered."""
    model = FakeModel(broken=Reason.REPLY_TRUNCATED)
    proven = _proven(model)
    told_to_be(proven, Proof.PASSED)
    with pytest.raises(ModelUnavailable, match="reply_truncated"):
        await proven(ASK)
    assert proven.proof is Proof.PENDING


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
        told_to_be(proven, proof)
    proven.suspect()
    assert told == [Proof.PASSED, Proof.FAILED, Proof.PENDING]
