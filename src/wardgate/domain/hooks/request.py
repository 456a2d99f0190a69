"""One parsed hook request (CDS Hooks 2.0.1, "HTTP Request"), as the web ring hands it to the gateway."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from wardgate.domain.clients import Client


@dataclass(frozen=True, slots=True)
class FhirAccess:
    """Where and with what the EHR lets us read. The token lives as long as the call and is never shown."""

    server: str  # FHIR base, no trailing slash
    token: str | None = field(repr=False)  # None: an open server, or a server that is not on the client's list


@dataclass(frozen=True, slots=True)
class HookRequest:
    """What is known of a call once it is well formed.

    `tokens` are the context's string values that a prefetch template may name, by context field
    (`patientId`, `userId`, ...), plus the derived `userPractitionerId` and its siblings. Ids in it have
    been checked against the FHIR id grammar. `context` stays raw JSON, and `prefetch` where the pass over the body has
    not made a page of it: nothing is decoded that no feature reads, and no strict parser can refuse a draft order
    (trap T-7).
    """

    service_id: str
    hook: str
    hook_instance: str = field(repr=False)
    client: Client
    patient_id: str = field(repr=False)
    encounter_id: str | None = field(repr=False)
    user_type: str | None  # Practitioner | PractitionerRole | Patient | RelatedPerson; None: absent or not `Type/id`
    user_id: str | None = field(repr=False)
    tokens: Mapping[str, str] = field(repr=False)
    context: msgspec.Raw = field(repr=False)
    prefetch: Mapping[str, Any] = field(repr=False)  # by key: `msgspec.Raw`, or a `context.resources.Page`
    fhir_server: str | None = field(repr=False)  # as named by the request, trailing slash removed; for references
    access: FhirAccess | None = field(repr=False)  # None: no FHIR read is possible or allowed
    size: int = 0  # bytes of the body
