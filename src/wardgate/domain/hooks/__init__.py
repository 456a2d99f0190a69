"""The wire side of a hook call: what the EHR asked, as far as wardgate reads it."""

from wardgate.domain.hooks.library import HOOKS, ContextField, FieldKind, HookDefinition
from wardgate.domain.hooks.request import FhirAccess, HookRequest

__all__ = ["HOOKS", "ContextField", "FhirAccess", "FieldKind", "HookDefinition", "HookRequest"]
