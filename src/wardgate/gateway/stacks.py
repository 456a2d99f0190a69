"""The two stacks: what a hook call and a model call pass through, outermost first.

These two lists are the architecture. Each line says why it stands where it stands; a test asserts the order.
"""

from collections.abc import Callable, Hashable
from dataclasses import dataclass

import msgspec

from wardgate.domain.inference.endpoint import Endpoint, ModelReply
from wardgate.gateway.call import HookCall
from wardgate.gateway.in_flight import InFlight
from wardgate.gateway.layers import (
    idempotency,
    may_be_gone,
    noticed,
    recalled,
    record,
    rescue,
    shadowed,
    telemetry,
    too_late,
    translate_model_errors,
    verdict_of,
)
from wardgate.gateway.model_call import ModelRequest
from wardgate.gateway.notices import Notices
from wardgate.gateway.outcome import HookOutcome
from wardgate.gateway.ports import Clock, FaultLog, Meter, ModelClient, RecordSink
from wardgate.gateway.recall import Recall
from wardgate.gateway.recording import Recorder
from wardgate.gateway.shadow import Shadow
from wardgate.gateway.telemetry import Telemetry
from wardgate.gateway.tracing import Tracing
from wardgate.gateway.twins import Twins
from wardgate.resilience.breaker import Breaker, BreakerOptions, State, circuit_breaker
from wardgate.resilience.bulkhead import Bulkhead, BulkheadOptions, bulkhead
from wardgate.resilience.coalesce import Spawn, coalesce
from wardgate.resilience.retry import RetryBudget, RetryOptions, retry
from wardgate.resilience.stack import Handler, Layer, stack
from wardgate.resilience.timeouts import AttemptTimeoutOptions, attempt_timeout, deadline

HookHandler = Handler[HookCall, HookOutcome]
ModelHandler = Handler[ModelRequest, ModelReply]


def hook_layers(
    clock: Clock,
    meter: Meter,
    recorder: Recorder,
    sink: RecordSink,
    faults: FaultLog,
    recall: Recall,
    notices: Notices,
    shadow: Shadow,
    tracing: Tracing | None = None,
    in_flight: InFlight | None = None,
) -> list[Layer[HookCall, HookOutcome]]:
    def left(call: HookCall) -> float:
        return call.budget.work - clock.monotonic()

    return [
        *([] if in_flight is None else [in_flight.layer()]),  # outermost: a call is over once its answer can leave
        shadowed(shadow),  # sees how the call ended, and takes nothing of its time
        telemetry(Telemetry(clock, meter, tracing), faults),  # must see refusals and rescued failures too
        recalled(recall, faults),  # one read for all below; outside record, since only what was recorded was shown
        record(
            recorder, sink, clock, faults
        ),  # records what the clinician got, so outside rescue; its own failure withholds the card
        noticed(notices, faults),  # outside rescue, to speak of what it rescued; recorded like any card
        rescue(faults),  # every failure becomes a safe outcome, by one table
        deadline(left),  # the EHR never waits
        idempotency(recall, Twins(left)),  # a repeat costs nothing; inside the deadline, since it may wait for its twin
    ]


def hook_stack(
    flow: HookHandler,
    clock: Clock,
    meter: Meter,
    recorder: Recorder,
    sink: RecordSink,
    faults: FaultLog,
    recall: Recall,
    notices: Notices,
    shadow: Shadow,
    tracing: Tracing | None = None,
    in_flight: InFlight | None = None,
) -> HookHandler:
    return stack(hook_layers(clock, meter, recorder, sink, faults, recall, notices, shadow, tracing, in_flight), flow)


@dataclass(frozen=True, slots=True)
class ReleaseName:
    """What the policies of one release's endpoint are counted under."""

    service_id: str
    model: str
    version: str


class ModelPolicies:
    """The policies of one release's endpoint: what they are set to, and the state that they keep, in this process."""

    def __init__(
        self, endpoint: Endpoint, name: ReleaseName, meter: Meter, told: Callable[[State], None] = lambda state: None
    ) -> None:
        """`told` hears of each change of the circuit, for the log."""
        self._told = told
        self.name = name
        self._label = (name.service_id, name.model, name.version)
        self._meter = meter
        self.breaker = Breaker(breaker_options(endpoint), self._changed)
        self.bulkhead = Bulkhead(BulkheadOptions(endpoint.concurrency, endpoint.queue))
        self.retry = RetryOptions(share=endpoint.retry)
        self.retries = RetryBudget(self.retry)
        self.attempt = AttemptTimeoutOptions(endpoint.timeout)

    def _changed(self, state: State) -> None:
        self._meter.breaker_changed(*self._label, state)
        self._told(state)

    @property
    def isolated(self) -> bool:
        return self.breaker.state is State.ISOLATED

    def isolate(self, away: bool) -> None:
        """By hand: keep all calls away, or do so no longer. A circuit that is open by itself closes by itself."""
        if away and not self.isolated:
            self.breaker.isolate()
        elif self.isolated and not away:
            self.breaker.close()

    def retried(self) -> None:
        self._meter.model_retried(*self._label)

    def coalesced(self) -> None:
        self._meter.model_coalesced(*self._label)


def breaker_options(endpoint: Endpoint) -> BreakerOptions:
    spec = endpoint.breaker
    slow_after = 0.9 * endpoint.timeout if spec.slow_after is None else spec.slow_after
    return BreakerOptions(**{**msgspec.structs.asdict(spec), "slow_after": slow_after})


def model_layers(policies: ModelPolicies, clock: Clock, spawn: Spawn) -> list[Layer[ModelRequest, ModelReply]]:
    def left(request: ModelRequest) -> float:
        return request.expires - clock.monotonic()

    return [
        coalesce(_twin, spawn, left, too_late, policies.coalesced),  # twins share one attempt
        translate_model_errors,  # resilience errors become domain errors, here and nowhere else
        bulkhead(policies.bulkhead, left),  # refuse before waiting
        retry(policies.retries, policies.retry, left, may_be_gone, policies.retried),  # outside the breaker
        circuit_breaker(policies.breaker, clock.monotonic, left, verdict_of),  # counts every attempt
        attempt_timeout(left, policies.attempt),  # innermost, so that slowness is a failure of this attempt
    ]


def _twin(request: ModelRequest) -> Hashable:
    """Within one release: the same numbers for the same patient (law 11)."""
    return request.subject, request.inputs.values


def model_stack(client: ModelClient, policies: ModelPolicies, clock: Clock, spawn: Spawn) -> ModelHandler:
    timeout = policies.attempt.timeout

    async def ask(request: ModelRequest) -> ModelReply:
        left = request.expires - clock.monotonic()
        return await client.infer(request.endpoint, request.inputs, min(timeout, left), traceparent=request.traceparent)

    return stack(model_layers(policies, clock, spawn), ask)
