"""The proof that an endpoint runs the pinned model, and the gate that it opens.

Law 2: a score is shown only while its endpoint proves itself. Probe vectors run at start, every N minutes,
and after anything that could mean another process behind the same address: a broken connection, a reply of
another version. Until they pass, the release answers `probe_pending` or `probe_failed`.
"""

import asyncio
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


_SUSPICIOUS = frozenset({Reason.MODEL_UNREACHABLE, Reason.REPLY_VERSION})
"""What a call may meet that could mean that another process answers now."""


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
    ) -> None:
        self.name = name
        self.version = version
        self.proof = Proof.PENDING
        self._endpoint = endpoint
        self._plan = plan
        self._client = client
        self._ask = ask
        self._clock = clock
        self._meter = meter
        self._options = options or ProbeOptions()
        self._wake = asyncio.Event()

    async def __call__(self, request: ModelRequest) -> ModelReply:
        if self.proof is not Proof.PASSED:
            raise ModelUnavailable(Reason(self.proof.value))
        try:
            return await self._ask(request)
        except ModelUnavailable as error:
            if error.reason in _SUSPICIOUS:
                self.suspect()
            raise

    def suspect(self) -> None:
        """Close the gate and probe again now."""
        self.proof = Proof.PENDING
        self._wake.set()

    async def run(self) -> None:
        """Until cancelled: probe, then wait for the interval, the retry, or a suspicion."""
        while True:
            self._wake.clear()
            proof = await self.check()
            if not self._wake.is_set():  # a suspicion that arose meanwhile is not overwritten by an older proof
                self.proof = proof
            wait = self._plan.every if proof is Proof.PASSED else min(self._options.retry, self._plan.every)
            try:
                async with asyncio.timeout(wait):
                    await self._wake.wait()
            except TimeoutError:
                continue

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
