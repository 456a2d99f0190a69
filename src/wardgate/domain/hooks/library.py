"""The hooks of the CDS Hooks library and the context fields that each one carries.

Source: the CDS Hooks Hook Library (hook pages), as of 2026-04. `version` is the hookVersion metadata
string of the hook's page, used only where discovery speaks 3.0.
"""

from dataclasses import dataclass
from enum import StrEnum


class FieldKind(StrEnum):
    ID = "id"  # a bare FHIR id
    REFERENCE = "reference"  # `Type/id`
    RESOURCE = "resource"  # one resource or Bundle
    LIST = "list"


@dataclass(frozen=True, slots=True)
class ContextField:
    name: str
    kind: FieldKind
    required: bool
    token: bool  # may stand in a prefetch template


@dataclass(frozen=True, slots=True)
class HookDefinition:
    name: str
    version: str
    fields: tuple[ContextField, ...]

    def token_names(self) -> frozenset[str]:
        return frozenset(f.name for f in self.fields if f.token)


_USER = ContextField("userId", FieldKind.REFERENCE, required=True, token=True)
_USER_OPTIONAL = ContextField("userId", FieldKind.REFERENCE, required=False, token=True)
_PATIENT = ContextField("patientId", FieldKind.ID, required=True, token=True)
_ENCOUNTER = ContextField("encounterId", FieldKind.ID, required=False, token=True)
_ENCOUNTER_REQUIRED = ContextField("encounterId", FieldKind.ID, required=True, token=True)


def _resource(name: str) -> ContextField:
    return ContextField(name, FieldKind.RESOURCE, required=True, token=False)


def _hook(name: str, version: str, *fields: ContextField) -> HookDefinition:
    return HookDefinition(name, version, fields)


HOOKS: dict[str, HookDefinition] = {
    hook.name: hook
    for hook in (
        _hook("patient-view", "1.0", _USER, _PATIENT, _ENCOUNTER),
        _hook("order-sign", "1.0", _USER, _PATIENT, _ENCOUNTER, _resource("draftOrders")),
        _hook(
            "order-select",
            "1.0",
            _USER,
            _PATIENT,
            _ENCOUNTER,
            ContextField("selections", FieldKind.LIST, required=True, token=False),
            _resource("draftOrders"),
        ),
        _hook("appointment-book", "1.0", _USER, _PATIENT, _ENCOUNTER, _resource("appointments")),
        _hook("encounter-start", "1.0", _USER, _PATIENT, _ENCOUNTER_REQUIRED),
        _hook("encounter-discharge", "1.0", _USER, _PATIENT, _ENCOUNTER_REQUIRED),
        _hook(  # nobody signs a dispatch, so there is no userId (trap T-14)
            "order-dispatch",
            "1.1",
            _PATIENT,
            ContextField("dispatchedOrders", FieldKind.LIST, required=True, token=False),
            ContextField("performer", FieldKind.REFERENCE, required=True, token=True),
            ContextField("fulfillmentTasks", FieldKind.LIST, required=False, token=False),
        ),
        _hook("medication-refill", "0.1.0", _USER_OPTIONAL, _PATIENT, _ENCOUNTER, _resource("medications")),
        _hook("allergyintolerance-create", "0.1.0", _USER, _PATIENT, _ENCOUNTER, _resource("allergyIntolerance")),
        _hook("problem-list-item-create", "0.1.0", _USER, _PATIENT, _ENCOUNTER, _resource("conditions")),
        _hook("medication-verify", "0.1.0", _USER, _PATIENT, _ENCOUNTER, _resource("medication")),
        # Deprecated in favour of order-select and order-sign, and still sent.
        _hook("medication-prescribe", "1.0", _USER, _PATIENT, _ENCOUNTER, _resource("medications")),
        _hook("order-review", "1.0", _USER, _PATIENT, _ENCOUNTER, _resource("orders")),
    )
}
