"""The proof that an endpoint runs the pinned model, and the gate that it opens.

Law 2: a score is shown only while its endpoint proves itself. Probe vectors run at start, every N minutes,
and after anything that could mean another process behind the same address: a broken connection, a reply of
another version. Until they pass, the release answers `probe_pending` or `probe_failed`.

A process can be replaced between two calls, and then no call breaks. But its connections end with it, so whatever
follows comes over a new one: a reply over a connection that is newer than the last proof waits for a round over that
one, or a newer one (`gateway/proof.py`). The others go on meanwhile, and calls that wait share the round. A heartbeat
keeps a connection in use, so that this is rare, and meets a new process before a call does. Where the HTTP client
cannot number its connections, each heartbeat is followed by a proof, and the interval of heartbeats is how long a
replaced process could pass.
"""

import asyncio
import dataclasses
from collections.abc import Callable
from dataclasses import dataclass

from wardgate.domain.errors import ModelUnavailable
from wardgate.domain.inference.endpoint import Endpoint, ModelReply, ProbePlan
from wardgate.domain.inference.prediction import ModelInputs
from wardgate.domain.inference.probes import agrees, probe_inputs
from wardgate.domain.outcomes import Reason
from wardgate.gateway.model_call import ModelRequest
from wardgate.gateway.ports import NEW_CONNECTION, Clock, Meter, ModelClient
from wardgate.gateway.proof import Evidence, Proof
from wardgate.resilience.stack import Handler


@dataclass(frozen=True, slots=True)
class ProbeOptions:
    timeout: float = 2.0
    """Seconds for the readiness check and for each probe; off the path of any call, so it may be patient. (Calls wait
    for a proof over a new connection: there a probe gets no more time than a call, `endpoint.timeout`.)"""
    retry: float = 2.0
    """Seconds, at most, until a probe that did not pass is repeated: the wait doubles from `first_retry` on, so that
    what was away for a moment is not shut out for long."""
    first_retry: float = 0.1
    heartbeat: float = 2.0
    """Seconds between readiness checks while the proof holds; below the keep-alive of common servers (5 s)."""


_BROKEN = frozenset({Reason.MODEL_UNREACHABLE, Reason.REPLY_TRUNCATED, Reason.REPLY_MISMATCHED})
"""The connection is of no use any more: perhaps its process has ended."""
_SUSPICIOUS = frozenset({Reason.MODEL_UNREACHABLE, Reason.REPLY_TRUNCATED, Reason.REPLY_VERSION})
"""What a call may meet that could mean that another process answers now."""
_SHARE = 0.9
"""Of the time that a call has left, the part for which its reply may wait to be believed."""


@dataclass(frozen=True, slots=True)
class _Found:
    """What a round has found. `reason` None: all probes agreed. `connection`: as in `Evidence.end`."""

    reason: Reason | None
    connection: int | None = None

    @property
    def proof(self) -> Proof:
        """Half a reply, and the reply to another request, say no more than none."""
        if self.reason is None:
            return Proof.PASSED
        wrong = self.reason.value.startswith("reply_") and self.reason not in _BROKEN
        return Proof.FAILED if wrong or self.reason is Reason.PROBE_FAILED else Proof.PENDING


@dataclass(frozen=True, slots=True)
class _Waiting:
    """A reply that waits to be believed."""

    connection: int | None
    settled: asyncio.Future[Proof]

    def settle(self, proof: Proof) -> None:
        if not self.settled.done():
            self.settled.set_result(proof)


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
        told: Callable[[Proof], None] = lambda proof: None,
        isolated: Callable[[], bool] = lambda: False,
        room: Callable[[], int] | None = None,
    ) -> None:
        """`told` hears of each change of the proof, for the log and the gauge. `isolated`: whether somebody has taken
        the endpoint out of use, which is then the reason that calls are told, proven or not. `room`: for
        how many more calls the endpoint has a place, where that is bounded."""
        self.name = name
        self.version = version
        self._endpoint = endpoint
        self._plan = plan
        self._client = client
        self._ask = ask
        self._clock = clock
        self._meter = meter
        self._options = options or ProbeOptions()
        self._isolated = isolated
        self._room = room
        self.evidence = Evidence(told)
        self._owed = 0
        """The newest connection that was met: rounds come over this one or a newer one."""
        self._waiting: list[_Waiting] = []
        """For whom no round has been begun."""
        self._wake = asyncio.Event()

    @property
    def proof(self) -> Proof:
        return self.evidence.proof

    def has_room(self, calls: int) -> bool:
        """Whether one more call would have a place at the endpoint, behind so many that are on their way to it."""
        return self._room is None or self._room() > calls

    @property
    def trouble(self) -> Reason | None:
        """Why what this model says, or said a moment ago, does not count now; None: it does."""
        if self._isolated():
            return Reason.MODEL_ISOLATED
        return None if self.proof is Proof.PASSED else Reason(self.proof.value)

    async def __call__(self, request: ModelRequest) -> ModelReply:
        evidence = self.evidence
        if not evidence.doubted and (trouble := self.trouble) is not None:
            raise ModelUnavailable(trouble)
        try:
            reply = await self._ask(request)
        except ModelUnavailable as error:
            if error.reason in _SUSPICIOUS:
                self.suspect()
            raise
        if not evidence.believes(reply.connection):
            await self._be_sure(request, reply.connection)
        return reply

    async def _be_sure(self, request: ModelRequest, connection: int | None) -> None:
        """It may be another process that has answered. The round that tells takes milliseconds, and is worth waiting
        for; not where the last one has just told that there is no proof."""
        evidence = self.evidence
        proof = evidence.proof
        if proof is Proof.PASSED or evidence.doubted:
            proof = await self._settled(request, connection)
        if not evidence.believes(connection):
            raise ModelUnavailable(Reason.PROBE_FAILED if proof is Proof.FAILED else Reason.PROBE_PENDING)

    async def _settled(self, request: ModelRequest, connection: int | None) -> Proof:
        """What a round has found over this connection or a newer one, or in doubt over any."""
        self._owed = max(self._owed, connection or 0)
        waiting = _Waiting(connection, asyncio.get_running_loop().create_future())
        self._waiting.append(waiting)
        self._wake.set()
        try:
            async with asyncio.timeout((request.expires - self._clock.monotonic()) * _SHARE):
                return await waiting.settled
        except TimeoutError:
            return Proof.PENDING

    def suspect(self) -> None:
        """Believe nothing, and probe again now."""
        self.evidence.doubt()
        self._wake.set()

    async def run(self) -> None:
        """Until cancelled: probe, then wait for the interval, the retry, a suspicion, or a new connection."""
        wait = self._options.first_retry
        while True:
            self._wake.clear()
            await self.prove()
            if self.proof is Proof.PASSED:
                await self._watch_over()
                wait = self._options.first_retry
            else:
                await self._woken(min(wait, self._options.retry, self._plan.every))
                wait = min(wait * 2, self._options.retry)

    async def _watch_over(self) -> None:
        """Until the proof has to be renewed, or is lost. Where a new connection has been met, it is extended."""
        left = self._plan.every
        while left > 0 and self.proof is Proof.PASSED:
            if await self._woken(min(self._options.heartbeat, left)):
                self._wake.clear()
                await self._extend()
            else:
                left -= self._options.heartbeat
                if await self._met_another():
                    await self._extend()

    async def _woken(self, seconds: float) -> bool:
        try:
            async with asyncio.timeout(seconds):
                await self._wake.wait()
        except TimeoutError:
            return False
        return True

    async def _met_another(self) -> bool:
        """A heartbeat: whether somebody answers, or may answer, who has proven nothing. Slowness, or not being ready
        for a moment, says nothing about which model answers."""
        try:
            async with asyncio.timeout(self._options.timeout):
                connection = (await self._client.ready(self._endpoint)).connection
        except TimeoutError:
            return False
        except ModelUnavailable as error:
            if error.reason in _SUSPICIOUS:
                self.suspect()
            return False
        self._owed = max(self._owed, connection or 0)
        return connection is None or not self.evidence.believes(connection)

    async def prove(self) -> None:
        """One round. Where it does not pass, nothing is believed."""
        await self._round(self._options.timeout)

    async def _extend(self) -> None:
        """One round over the newest connections. Where it could not be made, which breaks none of the older ones, those
        stay proven. Calls wait for it, so no probe gets more time than they have."""
        if self.proof is Proof.PASSED:  # else it is for `run` to prove again
            await self._round(min(self._options.timeout, self._endpoint.timeout), extends=True)

    async def _round(self, patience: float, extends: bool = False) -> None:
        begun, waiting, self._waiting = self.evidence.begin(), self._waiting, []
        found = await self._found(patience, self._owed, asks_readiness=not extends)
        if found.proof is Proof.FAILED:
            found = dataclasses.replace(found, connection=self._client.renew(self._endpoint))
        changes_nothing = extends and found.proof is Proof.PENDING and found.reason not in _BROKEN
        if not changes_nothing and not self.evidence.end(begun, found.proof, found.connection):
            self._waiting[:0] = waiting
            return
        for each in waiting:
            each.settle(found.proof)
        for each in self._waiting:  # came meanwhile
            if self.evidence.believes(each.connection):
                each.settle(Proof.PASSED)
        self._waiting = [each for each in self._waiting if not each.settled.done()]

    async def _found(self, patience: float, oldest: int, asks_readiness: bool) -> _Found:
        """One round that cannot fail, told to the meter: whatever breaks, nothing is proven."""
        found = await self._asked(patience, oldest, asks_readiness)
        self._meter.probe_ended(self.name, self.version, found.reason)
        return found

    async def _asked(self, patience: float, oldest: int, asks_readiness: bool) -> _Found:
        """Every probe vector, once; before them whether anybody is ready, where no reply has just said so."""
        connections: list[int] = []
        try:
            if asks_readiness:
                async with asyncio.timeout(patience):
                    if not (await self._client.ready(self._endpoint)).ready:
                        return _Found(Reason.MODEL_ERROR)
            for probe in self._plan.probes:
                reply = await self._probed(probe_inputs(probe, self._endpoint), patience, oldest)
                if not agrees(reply, probe, self._plan.tolerance):
                    return _Found(Reason.PROBE_FAILED)
                if reply.connection is not None:
                    connections.append(reply.connection)
        except TimeoutError:
            return _Found(Reason.MODEL_TIMEOUT)
        except ModelUnavailable as error:
            return _Found(error.reason)
        except Exception:  # the task group of the whole gateway would end with it
            return _Found(Reason.INTERNAL)
        return _Found(None, min(connections, default=None))

    async def _probed(self, inputs: ModelInputs, patience: float, oldest: int) -> ModelReply:
        """Asked again, once, where a call would be. A server may close a connection that it promised to keep, as
        uvicorn does after an unhandled exception, or leave something on it: whoever uses it next finds nobody, and asks
        over a new one. That may be another process; where connections have no numbers, nobody would know."""
        try:
            return await self._answer(inputs, patience, oldest)
        except ModelUnavailable as error:
            if error.reason is Reason.MODEL_BUSY:
                return await self._answer(inputs, patience, oldest)
            if error.reason not in _BROKEN:
                raise
        reply = await self._answer(inputs, patience, NEW_CONNECTION)
        if reply.connection is None:
            raise ModelUnavailable(Reason.MODEL_UNREACHABLE)
        return reply

    async def _answer(self, inputs: ModelInputs, patience: float, oldest: int) -> ModelReply:
        async with asyncio.timeout(patience):
            return await self._client.infer(self._endpoint, inputs, patience, oldest)
