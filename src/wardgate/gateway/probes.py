"""The proof that an endpoint runs the pinned model, and the gate that it opens.

Law 2: a score is shown only while its endpoint proves itself. Probe vectors run at start, every N minutes,
and after anything that could mean another process behind the same address: a broken connection, a reply of
another version. Until they pass, the release answers `probe_pending` or `probe_failed`.

A process can be replaced between two calls, and then no call breaks. So one connection is held open besides, on
which nothing is ever asked: a process that ends takes it along, and the gate closes before the next one answers.
(Of several processes behind one address it sees one; for the others there is the interval.)
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum

from wardgate.domain.errors import ModelUnavailable
from wardgate.domain.inference.endpoint import Endpoint, ModelReply, ProbePlan
from wardgate.domain.inference.probes import agrees, probe_inputs
from wardgate.domain.outcomes import Reason
from wardgate.gateway.model_call import ModelRequest
from wardgate.gateway.ports import Clock, Meter, ModelClient
from wardgate.resilience.stack import Handler


class Proof(StrEnum):
    PENDING = "probe_pending"  # not run yet, or the endpoint could not be asked
    FAILED = "probe_failed"  # it answered, and not as the pinned model does
    PASSED = "passed"


@dataclass(frozen=True, slots=True)
class ProbeOptions:
    timeout: float = 2.0
    """Seconds for the readiness check and for each probe; off the path of any call, so it may be patient."""
    retry: float = 2.0
    """Seconds until a probe that did not pass is repeated."""


_SUSPICIOUS = frozenset({Reason.MODEL_UNREACHABLE, Reason.REPLY_VERSION, Reason.REPLY_TRUNCATED})
"""What a call may meet that could mean that another process answers now."""

Close = Callable[[], None]
Hold = Callable[[Endpoint, Callable[[], None]], Awaitable[Close]]
"""Holds a connection to an endpoint and calls back, once, when it ends; raises ModelUnavailable where there is none.
What it returns lets go of the connection, without calling back."""


async def hold_nothing(endpoint: Endpoint, lost: Callable[[], None]) -> Close:
    """For endpoints that are not processes."""
    return lambda: None


class ProvenModel:
    """The model stack of one release, closed until its probes pass. `run` keeps the proof fresh."""

    def __init__(
        self,
        name: str,
        version: str,
        endpoint: Endpoint,
        plan: ProbePlan,
        client: ModelClient,
        ask: Handler[ModelRequest, ModelReply],
        clock: Clock,
        meter: Meter,
        options: ProbeOptions | None = None,
        hold: Hold = hold_nothing,
        told: Callable[[Proof], None] = lambda proof: None,
    ) -> None:
        """`told` hears of each change of the proof, for the log and the gauge."""
        self.name = name
        self.version = version
        self._proof = Proof.PENDING
        self._told = told
        self._endpoint = endpoint
        self._plan = plan
        self._client = client
        self._ask = ask
        self._clock = clock
        self._meter = meter
        self._options = options or ProbeOptions()
        self._hold = hold
        self._close: Close | None = None
        self._held_since = 0.0
        self._wake = asyncio.Event()
        self._settled = asyncio.Event()
        self._settled.set()

    @property
    def proof(self) -> Proof:
        return self._proof

    @proof.setter
    def proof(self, proof: Proof) -> None:
        if proof is not self._proof:
            self._proof = proof
            self._told(proof)

    async def __call__(self, request: ModelRequest) -> ModelReply:
        if self.proof is not Proof.PASSED:
            await self._be_sure(request)
        try:
            reply = await self._ask(request)
        except ModelUnavailable as error:
            if error.reason in _SUSPICIOUS:
                self.suspect()
            raise
        if self.proof is not Proof.PASSED:  # it may be another process that has answered
            await self._be_sure(request)
        return reply

    async def _be_sure(self, request: ModelRequest) -> None:
        """Where a proof was lost a moment ago, the next one is worth waiting for: it takes milliseconds."""
        left = request.expires - self._clock.monotonic()
        try:
            async with asyncio.timeout(min(self._endpoint.timeout, left / 2)):
                await self._settled.wait()
        except TimeoutError:
            pass
        if self.proof is not Proof.PASSED:
            raise ModelUnavailable(Reason(self.proof.value))

    def suspect(self) -> None:
        """Close the gate and probe again now."""
        self.proof = Proof.PENDING
        self._settled.clear()
        self._wake.set()

    async def run(self) -> None:
        """Until cancelled: probe, then wait for the interval, the retry, or a suspicion."""
        try:
            while True:
                await self._renew()
        finally:
            self._let_go()

    async def _renew(self) -> None:
        self._wake.clear()
        proof = await self._prove()
        if not self._wake.is_set():  # a suspicion that arose meanwhile is not overwritten by an older proof
            self.proof = proof
            self._settled.set()
            every = self._plan.every
            try:
                async with asyncio.timeout(every if proof is Proof.PASSED else min(self._options.retry, every)):
                    await self._wake.wait()
            except TimeoutError:
                return
        if self._close is None and self._clock.monotonic() - self._held_since < self._options.retry:
            self._settled.set()  # an endpoint that drops what it has just accepted is not asked without end
            await asyncio.sleep(self._options.retry)

    async def _prove(self) -> Proof:
        """One round that cannot fail: whatever breaks, nothing is proven."""
        try:
            if self._close is None:
                async with asyncio.timeout(self._options.timeout):
                    self._close = await self._hold(self._endpoint, self._lost)
                    self._held_since = self._clock.monotonic()
            return await self.check()
        except TimeoutError:
            self._meter.probe_ended(self.name, self.version, Reason.MODEL_TIMEOUT)
        except ModelUnavailable as error:
            self._meter.probe_ended(self.name, self.version, error.reason)
        except Exception:  # the task group of the whole gateway would end with it
            self._meter.probe_ended(self.name, self.version, Reason.INTERNAL)
        return Proof.PENDING

    def _lost(self) -> None:
        self._close = None
        self.suspect()

    def _let_go(self) -> None:
        if self._close is not None:
            self._close()
            self._close = None

    async def check(self) -> Proof:
        """Readiness, then every probe vector, once."""
        try:
            async with asyncio.timeout(self._options.timeout):
                if not await self._client.ready(self._endpoint):
                    raise ModelUnavailable(Reason.MODEL_ERROR)
            for probe in self._plan.probes:
                async with asyncio.timeout(self._options.timeout):
                    reply = await self._client.infer(self._endpoint, probe_inputs(probe, self._endpoint))
                if not agrees(reply, probe, self._plan.tolerance):
                    self._meter.probe_ended(self.name, self.version, Reason.PROBE_FAILED)
                    return Proof.FAILED
        except TimeoutError:
            self._meter.probe_ended(self.name, self.version, Reason.MODEL_TIMEOUT)
            return Proof.PENDING
        except ModelUnavailable as error:
            self._meter.probe_ended(self.name, self.version, error.reason)
            return Proof.FAILED if error.reason.value.startswith("reply_") else Proof.PENDING
        self._meter.probe_ended(self.name, self.version, None)
        return Proof.PASSED
