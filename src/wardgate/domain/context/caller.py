"""Who asks and from where: site, unit, specialty and role, from configured attributes only."""

from collections.abc import Mapping

import msgspec

OTHER = "other"
"""What a value outside an attribute's configured map becomes."""


class AttributeSpec(msgspec.Struct, frozen=True):
    """`attributes.<name>` of wardgate.yaml: a dotted path into a Patient or Encounter, and its closed map."""

    name: str
    resource_type: str
    path: str
    map: Mapping[str, str]


class Caller(msgspec.Struct, frozen=True):
    """None: could not be determined; `other`: determined, and outside the configured map."""

    site: str | None
    unit: str | None
    specialty: str | None
    role: str | None
