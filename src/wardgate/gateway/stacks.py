"""The two stacks: what a hook call and a model call pass through, outermost first.

These two lists are the architecture. Each line says why it stands where it stands; a test asserts the order.
"""

from wardgate.domain.inference.endpoint import Endpoint, ModelReply
from wardgate.gateway.call import HookCall
from wardgate.gateway.layers import (
    idempotency,
    noticed,
    recalled,
    record,
    rescue,
    shadowed,
    telemetry,
    translate_model_errors,
)
from wardgate.gateway.model_call import ModelRequest
from wardgate.gateway.notices import Notices
from wardgate.gateway.outcome import HookOutcome
from wardgate.gateway.ports import Clock, FaultLog, Meter, ModelClient, RecordSink
from wardgate.gateway.recall import Recall
from wardgate.gateway.shadow import Shadow
from wardgate.gateway.twins import Twins
from wardgate.resilience.stack import Handler, Layer, stack
from wardgate.resilience.timeouts import AttemptTimeoutOptions, attempt_timeout, deadline

HookHandler = Handler[HookCall, HookOutcome]
ModelHandler = Handler[ModelRequest, ModelReply]


def hook_layers(
    clock: Clock,
    meter: Meter,
    sink: RecordSink,
    faults: FaultLog,
    recall: Recall,
    notices: Notices,
    shadow: Shadow,
) -> list[Layer[HookCall, HookOutcome]]:
    def left(call: HookCall) -> float:
        return call.expires - clock.monotonic()

    return [
        shadowed(shadow),  # sees how the call ended, and takes nothing of its time
        telemetry(clock, meter),  # must see refusals and rescued failures too
        recalled(recall, faults),  # one read for all below; outside record, since only what was recorded was shown
        record(sink),  # records what the clinician got, so outside rescue; its own failure withholds the card
        noticed(notices, faults),  # outside rescue, to speak of what it rescued; recorded like any card
        rescue(faults),  # every failure becomes a safe outcome, by one table
        deadline(left),  # the EHR never waits
        idempotency(recall, Twins(left)),  # a repeat costs nothing; inside the deadline, since it may wait for its twin
    ]


def hook_stack(
    flow: HookHandler,
    clock: Clock,
    meter: Meter,
    sink: RecordSink,
    faults: FaultLog,
    recall: Recall,
    notices: Notices,
    shadow: Shadow,
) -> HookHandler:
    return stack(hook_layers(clock, meter, sink, faults, recall, notices, shadow), flow)


def model_layers(endpoint: Endpoint, clock: Clock) -> list[Layer[ModelRequest, ModelReply]]:
    return [
        translate_model_errors,  # resilience errors become domain errors, here and nowhere else
        attempt_timeout(  # innermost, so that slowness is a failure of this attempt
            lambda request: request.expires - clock.monotonic(), AttemptTimeoutOptions(timeout=endpoint.timeout)
        ),
    ]


def model_stack(client: ModelClient, endpoint: Endpoint, clock: Clock) -> ModelHandler:
    async def ask(request: ModelRequest) -> ModelReply:
        return await client.infer(request.endpoint, request.inputs)

    return stack(model_layers(endpoint, clock), ask)
