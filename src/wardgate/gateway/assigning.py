"""A call as a rollout sees it, and what follows from a snapshot for it."""

from wardgate.domain import record_names
from wardgate.domain.context.caller import Caller
from wardgate.domain.record_names import RecordNames
from wardgate.domain.rollout.assignment import Assignment, Occasion, assign
from wardgate.domain.rollout.rollouts import Snapshot
from wardgate.gateway.call import HookCall


def assigned(snapshot: Snapshot, call: HookCall, caller: Caller, names: RecordNames) -> Assignment:
    plan, request = call.plan, call.request
    users: tuple[str, ...] = ()
    rollout = snapshot.rollouts.get(plan.id)
    if rollout is not None and rollout.preview and request.user_type is not None and request.user_id is not None:
        user = record_names.user(request.client.name, request.fhir_server, request.user_type, request.user_id)
        users = names.all_of(user)  # under each key: it was named before they were rotated
    occasion = Occasion(
        plan.hook,
        caller,
        call.now,
        request.client.name,
        request.fhir_server,
        request.patient_id,
        request.encounter_id,
        users,
    )
    return assign(snapshot, plan.id, occasion, plan.names_sites)
