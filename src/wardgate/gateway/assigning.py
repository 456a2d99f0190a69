"""A call as a rollout sees it, and what follows from a snapshot for it."""

from wardgate.domain import record_names
from wardgate.domain.context.caller import Caller
from wardgate.domain.outcomes import Arm, Mode, Reason
from wardgate.domain.record_names import RecordNames
from wardgate.domain.rollout.assignment import Assignment, Occasion, assign, draw
from wardgate.domain.rollout.rollouts import Snapshot
from wardgate.gateway.call import HookCall


def assigned(snapshot: Snapshot, call: HookCall, caller: Caller, names: RecordNames) -> Assignment:
    plan, request = call.plan, call.request
    users: tuple[str, ...] = ()
    rollout = snapshot.rollouts.get(plan.id)
    if rollout is not None and rollout.preview and request.user_type is not None and request.user_id is not None:
        user = record_names.user(request.client.name, request.fhir_server, request.user_type, request.user_id)
        users = names.all_of(user)  # under each key: it was named before they were rotated
    return assign(snapshot, plan.id, _occasion(call, caller, users), plan.names_sites)


def in_shadow(snapshot: Snapshot, call: HookCall, caller: Caller, release: str, epoch: int) -> Assignment:
    """Of a release that is asked after the response. The bucket says whom a percentage would have met."""
    by, drawn = draw(snapshot, call.plan.id, _occasion(call, caller, ()))
    return Assignment(epoch, release, Mode.SHADOW, Arm.SHADOW, Reason.SHADOW, bucket=drawn, bucket_by=by)


def _occasion(call: HookCall, caller: Caller, users: tuple[str, ...]) -> Occasion:
    request = call.request
    return Occasion(
        call.plan.hook,
        caller,
        call.now,
        request.client.name,
        request.fhir_server,
        request.patient_id,
        request.encounter_id,
        users,
    )
