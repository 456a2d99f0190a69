"""Who asks and from where: site, unit, specialty, role and kind of encounter, from configured attributes only."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import msgspec

from wardgate.domain.context.paths import compile_path
from wardgate.domain.context.record import PatientRecord
from wardgate.domain.hooks import HookRequest

OTHER = "other"
"""What a value outside an attribute's configured map becomes."""

ROLES = {
    "Practitioner": "practitioner",
    "PractitionerRole": "practitioner_role",
    "Patient": "patient",
    "RelatedPerson": "related_person",
}
"""What a user is, by the type of resource that stands for her."""


class AttributeSpec(msgspec.Struct, frozen=True):
    """`attributes.<name>` of wardgate.yaml: a dotted path into a Patient or Encounter, and its closed map."""

    name: str
    resource_type: str
    path: str
    map: Mapping[str, str]


class CompiledAttribute(msgspec.Struct, frozen=True):
    """`from_encounter`: read in the Encounter of the context, else in the Patient."""

    from_encounter: bool
    read: Callable[[Mapping[str, Any]], Any]
    map: Mapping[str, str]

    def of(self, record: PatientRecord) -> str | None:
        document = record.encounter if self.from_encounter else record.patient
        value = None if document is None else self.read(document)
        if value is None:
            return None
        return self.map.get(_text(value), OTHER)


class Caller(msgspec.Struct, frozen=True):
    """None: could not be determined; `other`: determined, and outside the configured map."""

    site: str | None
    unit: str | None
    specialty: str | None
    role: str | None
    encounter_type: str | None = None


def sites_of(sites: Iterable[str | None], specs: Iterable[AttributeSpec]) -> frozenset[str]:
    """All that a call can come from; `sites` are those of the clients."""
    for spec in specs:
        if spec.name == "site":
            return frozenset({*spec.map.values(), OTHER})
    return frozenset(site for site in sites if site is not None)


def compile_attributes(specs: Iterable[AttributeSpec]) -> dict[str, CompiledAttribute]:
    """By name. ValueError for a path that does not parse or a resource that is not the call's own."""
    compiled = {}
    for spec in specs:
        if spec.resource_type not in ("Patient", "Encounter"):
            raise ValueError("an attribute is read from Patient or Encounter")
        compiled[spec.name] = CompiledAttribute(spec.resource_type == "Encounter", compile_path(spec.path), spec.map)
    return compiled


def locate(request: HookRequest, record: PatientRecord, attributes: Mapping[str, CompiledAttribute]) -> Caller:
    """Never raises. A declared attribute speaks alone: where it finds nothing, nothing stands in for it."""
    role = None if request.user_type is None else ROLES.get(request.user_type, OTHER)
    if not attributes:
        return Caller(request.client.site, None, None, role)
    site, unit = attributes.get("site"), attributes.get("unit")
    specialty, declared_role = attributes.get("specialty"), attributes.get("role")
    encounter_type = attributes.get("encounter_type")
    return Caller(
        site=request.client.site if site is None else site.of(record),
        unit=None if unit is None else unit.of(record),
        specialty=None if specialty is None else specialty.of(record),
        role=role if declared_role is None else declared_role.of(record),
        encounter_type=None if encounter_type is None else encounter_type.of(record),
    )


def _text(value: object) -> str:
    """A map's keys are text, as YAML writes them; what is no single value matches none of them."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, str | int | float) else ""
