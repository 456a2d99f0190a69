"""Where features come from: for each `from`, what counts there, and which search parameters name its codes."""

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import NamedTuple

from wardgate.domain.context.drafts import SELECTIONS
from wardgate.domain.features.candidates import Code, Gather, conditions, observations
from wardgate.domain.features.events import EVENTS, EventKind, events
from wardgate.domain.hooks.library import HOOKS, ContextField, FieldKind

PATIENT, CONTEXT = "Patient", "context"


class Source(NamedTuple):
    gather: Callable[[frozenset[Code], Iterable[str] | None], Gather]
    statuses: frozenset[str]
    """Which ones a feature may declare."""
    parameters: frozenset[str]
    """Search parameters that name codes."""
    kind: EventKind | None = None
    """Of all but Observation and Condition, whose codes stand in `code`."""


def _event(name: str, statuses: str, *parameters: str) -> Source:
    kind = EVENTS[name]
    return Source(partial(events, kind), frozenset(statuses.split()), frozenset(parameters), kind)


SOURCES: Mapping[str, Source] = {
    "Observation": Source(
        observations,
        frozenset("registered preliminary final amended corrected unknown".split()),
        frozenset({"code", "combo-code", "component-code"}),
    ),
    "Condition": Source(
        conditions,
        frozenset("active recurrence relapse inactive remission resolved unknown".split()),
        frozenset({"code"}),
    ),
    "MedicationRequest": _event("MedicationRequest", "active on-hold completed ended stopped unknown", "code"),
    "MedicationStatement": _event("MedicationStatement", "active recorded completed stopped on-hold unknown", "code"),
    "Encounter": _event(
        "Encounter",
        "planned arrived triaged in-progress onleave on-hold discharged finished completed discontinued unknown",
        "class",
        "type",
    ),
    "DocumentReference": _event("DocumentReference", "current superseded", "type"),
    CONTEXT: _event(CONTEXT, ""),
}
"""All sources but the Patient, and the call's own Encounter, which are read by a path."""

FIELDS: frozenset[str] = frozenset(field.name for hook in HOOKS.values() for field in hook.fields)


def holds_resources(field: ContextField) -> bool:
    """Of itself, or, as `selections` do, by naming some of those in `draftOrders`."""
    return field.kind in (FieldKind.RESOURCE, FieldKind.LIST) or field.name == SELECTIONS


CARRIERS: frozenset[str] = frozenset(
    field.name for hook in HOOKS.values() for field in hook.fields if holds_resources(field)
)
"""The fields of the library's hooks that a feature can be read from."""
