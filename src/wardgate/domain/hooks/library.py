"""The hooks of the CDS Hooks library and the context fields that each one carries.

Source: the CDS Hooks Hook Library (hook pages), as of 2026-04. `version` is the hookVersion metadata
string of the hook's page, used only where discovery speaks 3.0. order-discontinue has no page yet.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum


class FieldKind(StrEnum):
    ID = "id"  # a bare FHIR id
    REFERENCE = "reference"  # `Type/id`
    REFERENCES = "references"  # an array of them
    RESOURCE = "resource"  # one resource or Bundle
    LIST = "list"  # an array of resources


@dataclass(frozen=True, slots=True)
class ContextField:
    """`formerly`: names under which clients still send it, those of older versions and of the pages' own examples."""

    name: str
    kind: FieldKind
    required: bool
    token: bool  # may stand in a prefetch template
    formerly: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """Where to look for it, in this order."""
        return (self.name, *self.formerly)


@dataclass(frozen=True, slots=True)
class HookDefinition:
    name: str
    version: str
    fields: tuple[ContextField, ...]

    def tokens(self) -> Mapping[str, FieldKind]:
        """What a prefetch template may name."""
        return tokens_of(self.fields)


def tokens_of(fields: Iterable[ContextField]) -> Mapping[str, FieldKind]:
    return {field.name: field.kind for field in fields if field.token}


_USER = ContextField("userId", FieldKind.REFERENCE, required=True, token=True)
_USER_OPTIONAL = ContextField("userId", FieldKind.REFERENCE, required=False, token=True)
_PATIENT = ContextField("patientId", FieldKind.ID, required=True, token=True)
_ENCOUNTER = ContextField("encounterId", FieldKind.ID, required=False, token=True)
_ENCOUNTER_REQUIRED = ContextField("encounterId", FieldKind.ID, required=True, token=True)


_OF_ANY_HOOK = (
    ContextField("patientId", FieldKind.ID, required=True, token=True),
    ContextField("encounterId", FieldKind.ID, required=False, token=True),
    ContextField("userId", FieldKind.REFERENCE, required=False, token=True),
)


def custom_fields(declared: Iterable[tuple[str, FieldKind, bool]]) -> tuple[ContextField, ...]:
    """The context of a hook that no library has, as a service declares it: (name, kind, required).

    Every hook has the patient, since there is no score without one; encounter and user may come in any.
    """
    fields = {field.name: field for field in _OF_ANY_HOOK}
    tokens = (FieldKind.ID, FieldKind.REFERENCE, FieldKind.REFERENCES)
    for name, kind, required in declared:
        fields[name] = ContextField(name, kind, required, kind in tokens)
    return tuple(fields.values())


def _resource(name: str, *formerly: str) -> ContextField:
    return ContextField(name, FieldKind.RESOURCE, required=True, token=False, formerly=formerly)


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
            ContextField("selections", FieldKind.REFERENCES, required=True, token=False),
            _resource("draftOrders"),
        ),
        _hook("appointment-book", "1.0", _USER, _PATIENT, _ENCOUNTER, _resource("appointments")),
        _hook("encounter-start", "1.0", _USER, _PATIENT, _ENCOUNTER_REQUIRED),
        _hook("encounter-discharge", "1.0", _USER, _PATIENT, _ENCOUNTER_REQUIRED),
        # Nobody signs a dispatch, so there is no userId. Version 1.0 had one `order` and one `task`; the example of
        # the page of 1.1 writes its fields with hyphens (trap T-14).
        _hook(
            "order-dispatch",
            "1.1",
            _PATIENT,
            ContextField("dispatchedOrders", FieldKind.REFERENCES, True, True, ("dispatched-orders", "order")),
            ContextField("performer", FieldKind.REFERENCE, required=True, token=True),
            ContextField("fulfillmentTasks", FieldKind.LIST, False, False, ("fulfillment-tasks", "task")),
        ),
        _hook("medication-refill", "0.1.0", _USER_OPTIONAL, _PATIENT, _ENCOUNTER, _resource("medications")),
        _hook("allergyintolerance-create", "0.1.0", _USER, _PATIENT, _ENCOUNTER, _resource("allergyIntolerance")),
        _hook("problem-list-item-create", "0.1.0", _USER, _PATIENT, _ENCOUNTER, _resource("conditions")),
        # The table of its page says `medication`, the examples below it `order`.
        _hook("medication-verify", "0.1.0", _USER, _PATIENT, _ENCOUNTER, _resource("medication", "order")),
        _hook("order-verify", "0.1.0", _USER, _PATIENT, _ENCOUNTER, _resource("order")),
        # Deprecated in favour of order-select and order-sign, and still sent.
        _hook("medication-prescribe", "1.0", _USER, _PATIENT, _ENCOUNTER, _resource("medications")),
        _hook("order-review", "1.0", _USER, _PATIENT, _ENCOUNTER, _resource("orders")),
    )
}

FORMER_NAMES: Mapping[str, tuple[str, ...]] = {
    field.name: field.formerly for hook in HOOKS.values() for field in hook.fields if field.formerly
}
"""By field, where else to look for it."""
