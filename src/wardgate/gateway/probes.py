"""The proof that an endpoint runs the pinned model, and the gate that it opens.

Law 2: a score is shown only while its endpoint proves itself. Probe vectors run at start, every N minutes,
and after anything that could mean another process behind the same address: a broken connection, a reply of
another version. Until they pass, the release answers `probe_pending` or `probe_failed`.

A process can be replaced between two calls, and then no call breaks. But its connections end with it, so whatever
follows comes over a new one: such a reply is believed only after the next proof. A heartbeat keeps a connection in
use, so that this is rare, and meets the new process before a call does. Where the HTTP client cannot tell whether a
connection is new, each heartbeat is followed by a proof, and the interval of heartbeats is how long a replaced
process could pass.
"""

import asyncio
from collections.abc import Callable
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
    """Seconds, at most, until a probe that did not pass is repeated: the wait doubles from `first_retry` on, so that
    what was away for a moment is not shut out for long."""
    first_retry: float = 0.1
    heartbeat: float = 2.0
    """Seconds between readiness checks while the proof holds; below the keep-alive of common servers (5 s)."""


_SUSPICIOUS = frozenset({Reason.MODEL_UNREACHABLE, Reason.REPLY_VERSION, Reason.REPLY_TRUNCATED})
"""What a call may meet that could mean that another process answers now."""

Watch = Callable[[Endpoint, Callable[[bool], None]], None]
"""Asks to be called back whenever a reply of the endpoint's host came over a new connection (True), or may have
(False)."""


def watch_nothing(endpoint: Endpoint, reconnected: Callable[[bool], None]) -> None:
    """For endpoints that are not processes."""


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
        watch: Watch = watch_nothing,
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
        self._probing = False
        self._beating = False
        watch(endpoint, self.reconnected)
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
            await self._be_sure(request, share=0.5)  # the model still has to be asked
        try:
            reply = await self._ask(request)
        except ModelUnavailable as error:
            if error.reason in _SUSPICIOUS:
                self.suspect()
            raise
        if self.proof is not Proof.PASSED:  # it may be another process that has answered
            await self._be_sure(request, share=0.9)
        return reply

    async def _be_sure(self, request: ModelRequest, share: float) -> None:
        """Where a proof was lost a moment ago, the next one is worth waiting for: it takes milliseconds."""
        left = request.expires - self._clock.monotonic()
        try:
            async with asyncio.timeout(left * share):
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

    def reconnected(self, surely: bool) -> None:
        """A reply came, or may have come, over a new connection, hence from a process that has proven nothing."""
        if not self._probing and self.proof is Proof.PASSED and (surely or self._beating):
            self.suspect()

    async def run(self) -> None:
        """Until cancelled: probe, then wait for the interval, the retry, or a suspicion."""
        wait = self._options.first_retry
        while True:
            self._wake.clear()
            proof = await self._prove()
            if self._wake.is_set():
                continue  # a suspicion that arose meanwhile is not overwritten by an older proof
            self.proof = proof
            self._settled.set()
            if proof is Proof.PASSED:
                await self._watch_over()
                wait = self._options.first_retry
            else:
                await self._woken(min(wait, self._options.retry, self._plan.every))
                wait = min(wait * 2, self._options.retry)

    async def _watch_over(self) -> None:
        """Until the proof has to be renewed, or is in doubt."""
        left = self._plan.every
        while left > 0 and not await self._woken(min(self._options.heartbeat, left)):
            left -= self._options.heartbeat
            await self._beat()

    async def _woken(self, seconds: float) -> bool:
        try:
            async with asyncio.timeout(seconds):
                await self._wake.wait()
        except TimeoutError:
            return False
        return True

    async def _beat(self) -> None:
        """Slowness, or not being ready for a moment, says nothing about which model answers."""
        self._beating = True
        try:
            async with asyncio.timeout(self._options.timeout):
                await self._client.ready(self._endpoint)
        except TimeoutError:
            pass
        except ModelUnavailable as error:
            if error.reason in _SUSPICIOUS:
                self.suspect()
        finally:
            self._beating = False

    async def prove(self) -> None:
        """One proof, before `run` has begun."""
        self.proof = await self._prove()

    async def _prove(self) -> Proof:
        """One round that cannot fail: whatever breaks, nothing is proven."""
        self._probing = True
        try:
            return await self.check()
        except Exception:  # the task group of the whole gateway would end with it
            self._meter.probe_ended(self.name, self.version, Reason.INTERNAL)
            return Proof.PENDING
        finally:
            self._probing = False

    async def check(self) -> Proof:
        """One proof, told to the meter."""
        try:
            agreed = await self._rounds()
        except TimeoutError:
            self._meter.probe_ended(self.name, self.version, Reason.MODEL_TIMEOUT)
            return Proof.PENDING
        except ModelUnavailable as error:
            self._meter.probe_ended(self.name, self.version, error.reason)
            return Proof.FAILED if error.reason.value.startswith("reply_") else Proof.PENDING
        self._meter.probe_ended(self.name, self.version, None if agreed else Reason.PROBE_FAILED)
        return Proof.PASSED if agreed else Proof.FAILED

    async def _rounds(self) -> bool:
        """A server may close a connection that it promised to keep, as uvicorn does after an unhandled exception.
        Whoever uses it next finds nobody; so a broken round is begun again, at once and from its beginning."""
        try:
            return await self._round()
        except ModelUnavailable as error:
            if error.reason is not Reason.MODEL_UNREACHABLE:
                raise
        return await self._round()

    async def _round(self) -> bool:
        """Readiness, then every probe vector, once: whether all agree."""
        async with asyncio.timeout(self._options.timeout):
            if not await self._client.ready(self._endpoint):
                raise ModelUnavailable(Reason.MODEL_ERROR)
        for probe in self._plan.probes:
            async with asyncio.timeout(self._options.timeout):
                reply = await self._client.infer(
                    self._endpoint, probe_inputs(probe, self._endpoint), self._options.timeout
                )
            if not agrees(reply, probe, self._plan.tolerance):
                return False
        return True
