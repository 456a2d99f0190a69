"""One parsed hook request (CDS Hooks 2.0.1, "HTTP Request"), as the web ring hands it to the gateway."""

from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from wardgate.domain.clients import Client


@dataclass(frozen=True, slots=True)
class FhirAccess:
    """Where and with what the EHR lets us read. The token lives as long as the call and is never shown."""

    server: str  # FHIR base, no trailing slash
    token: str | None = field(repr=False)  # None: an open server, or a server that is not on the client's list


class HookRequest(msgspec.Struct, frozen=True):
    """What is known of a call once it is well formed.

    `tokens` are the context's string values that a prefetch template may name, by context field
    (`patientId`, `userId`, ...), plus the derived `userPractitionerId` and its siblings. Ids in it have
    been checked against the FHIR id grammar. `context` stays raw JSON, and `prefetch` where the pass over the body has
    not made a page of it: nothing is decoded that no feature reads, and no strict parser can refuse a draft order
    (trap T-7). `prefetch` is emptied once all is read of it: it need not live as long as the call.
    """

    service_id: str
    hook: str
    hook_instance: str
    client: Client
    patient_id: str
    encounter_id: str | None
    user_type: str | None  # Practitioner | PractitionerRole | Patient | RelatedPerson; None: absent or not `Type/id`
    user_id: str | None
    tokens: Mapping[str, str]
    context: msgspec.Raw
    prefetch: MutableMapping[str, Any]  # by key: `msgspec.Raw`, or a `context.resources.Page`
    fhir_server: str | None  # as named by the request, trailing slash removed; for references
    access: FhirAccess | None  # None: no FHIR read is possible or allowed
    size: int = 0  # bytes of the body

    def __repr__(self) -> str:
        """Nothing of the patient."""
        return f"HookRequest({self.service_id!r}, {self.hook!r})"
