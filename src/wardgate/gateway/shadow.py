"""Shadow: what other releases would have answered, asked after the response (law 7).

A bounded pool of workers runs the spine from extract for each release that the rollout names and that did not answer,
with that release's own schema, model stack and proof, on the chart that the call has gathered; in mode shadow on what
the EHR has sent. No FHIR server is asked. What does not fit (a full queue, a busy gateway, a loop that
lags) is given up and counted.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import msgspec

from wardgate.domain.cards.identity import shadow_id
from wardgate.domain.context.caller import CompiledAttribute, locate
from wardgate.domain.context.record import PatientRecord
from wardgate.domain.errors import Refusal
from wardgate.domain.outcomes import OUTCOME_OF, Mode, Reason
from wardgate.domain.plans import ReleasePlan
from wardgate.domain.rollout.assignment import beside, closed
from wardgate.gateway.budget import Budget
from wardgate.gateway.call import HookCall, Memory
from wardgate.gateway.hook_flow import HookFlow
from wardgate.gateway.outcome import HookOutcome
from wardgate.gateway.ports import Clock, FaultLog, Meter, RecordSink, Snapshots
from wardgate.gateway.recording import Recorder


@dataclass(frozen=True, slots=True)
class ShadowOptions:
    workers: int = 4
    """Runs at the same time."""
    queue: int = 64
    """Runs that wait; each holds one call's chart."""
    lag: float = 0.02
    """Seconds that the loop may be late for its next turn; beyond, whoever waits for an answer comes first."""


@dataclass(frozen=True, slots=True)
class _Run:
    call: HookCall
    release: str  # by digest
    record: PatientRecord | None  # None: what the EHR has sent
    epoch: int


class Shadow:
    def __init__(
        self,
        flow: HookFlow,
        given: Callable[[HookCall], PatientRecord],
        attributes: Mapping[str, CompiledAttribute],
        snapshots: Snapshots,
        recorder: Recorder,
        sink: RecordSink,
        clock: Clock,
        meter: Meter,
        faults: FaultLog,
        busy: Callable[[], bool] = lambda: False,
        options: ShadowOptions | None = None,
    ) -> None:
        """`busy`: whether calls wait already; then nothing is begun here."""
        self._flow = flow
        self._given = given
        self._attributes = attributes
        self._snapshots = snapshots
        self._recorder = recorder
        self._sink = sink
        self._clock = clock
        self._meter = meter
        self._faults = faults
        self._busy = busy
        self._options = options or ShadowOptions()
        self._waiting: asyncio.Queue[_Run] = asyncio.Queue(self._options.queue)

    def follow(self, outcome: HookOutcome) -> None:
        """Take note of a call that has ended; nothing of it is run here."""
        call, assignment, snapshot = outcome.call, outcome.assignment, self._snapshots.current()
        if assignment is None or assignment.mode is Mode.OFF or outcome.repeats is not None:
            return
        in_shadow = outcome.reason is Reason.SHADOW
        if not in_shadow and (outcome.record is None or outcome.record.let_go):
            return  # refused, or cut off before there was a chart; or nobody was in shadow while there was
        shut = closed(snapshot, call.plan.id, call.now)
        if shut is not None and shut.mode is Mode.OFF:
            return
        releases = beside(snapshot, call.plan.id, None if in_shadow else assignment.release)
        for release in (each for each in releases if each in call.plan.releases):
            self._put(_Run(call, release, outcome.record, snapshot.epoch))

    def _put(self, run: _Run) -> None:
        if self._busy():
            self._shed(run)
            return
        try:
            self._waiting.put_nowait(run)
        except asyncio.QueueFull:
            self._shed(run)

    def _shed(self, run: _Run) -> None:
        self._meter.shadow_shed(run.call.plan.id, 1)

    async def run(self) -> None:
        """Until cancelled."""
        async with asyncio.TaskGroup() as workers:
            for _ in range(self._options.workers):
                workers.create_task(self._work())

    async def _work(self) -> None:
        while True:
            run = await self._waiting.get()
            before = self._clock.monotonic()
            await asyncio.sleep(0)
            if self._busy() or self._clock.monotonic() - before > self._options.lag:
                self._shed(run)
                continue
            try:
                await self._ask(run)
            except Exception as error:  # the task group of the whole gateway would end with it
                self._faults.fault("shadow", error)

    async def _ask(self, run: _Run) -> None:
        plan = run.call.plan
        release = plan.releases[run.release]
        now = self._clock.monotonic()
        call = msgspec.structs.replace(
            run.call,
            decision_id=shadow_id(run.call.decision_id, release.digest),
            budget=Budget.of(now, plan.deadline),
            stages=[],
            memory=Memory(run.call.memory.traces),
            trace=None,
        )
        try:
            async with asyncio.timeout(plan.deadline):
                record = self._given(call) if run.record is None else run.record
                caller = locate(call.request, record, self._attributes)
                outcome = await self._flow.in_shadow(call, release, record, caller, run.epoch)
        except TimeoutError:
            self._ended(release, run, Reason.DEADLINE)
            return
        except Refusal as refusal:
            self._ended(release, run, refusal.reason)
            return
        self._sink.note(self._recorder.shadow(outcome, run.call.decision_id))
        self._ended(release, run, outcome.reason)

    def _ended(self, release: ReleasePlan, run: _Run, reason: Reason) -> None:
        self._meter.shadow_ended(release.service_id, release.model, release.version, OUTCOME_OF[reason], reason)
