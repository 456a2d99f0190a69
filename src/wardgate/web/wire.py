"""Bytes → `HookRequest`: each check once, and nothing decoded that nobody reads.

First what makes a body JSON, then the elements as CDS Hooks 2.0.1 lists them ("HTTP Request").
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from wardgate.domain.clients import Client
from wardgate.domain.context.lenient import UNDECODABLE
from wardgate.domain.context.resources import PrefetchReader
from wardgate.domain.errors import BadRequest, PatientMismatch
from wardgate.domain.hooks import FhirAccess, HookRequest
from wardgate.domain.plans import ServicePlan
from wardgate.web.context_fields import ContextReader
from wardgate.web.json_body import decode_body

_UUID = re.compile(r"[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")  # any version: Epic sends 1 (trap T-25)
_BASE_URL = re.compile(r"https?://[A-Za-z0-9.\-_\[\]:%]+(?:/[\x21-\x7e]*)?", re.IGNORECASE)


class _Authorization(msgspec.Struct):
    access_token: str | None = None
    token_type: str | None = None
    patient: str | None = None


class _Body(msgspec.Struct, rename="camel"):
    hook: str | None = None
    hook_instance: str | None = None
    fhir_server: str | None = None
    fhir_authorization: _Authorization | None = None
    context: msgspec.Raw = msgspec.Raw()
    prefetch: Any = None


class _RawBody(_Body):
    prefetch: dict[str, msgspec.Raw] | None = None


_decode: Callable[[bytes], _Body] = msgspec.json.Decoder(_RawBody).decode

_TYPES = {
    "hook": "a string",
    "hookInstance": "a string",
    "fhirServer": "a string",
    "fhirAuthorization": "an object",
    "fhirAuthorization.access_token": "a string",
    "fhirAuthorization.token_type": "a string",
    "fhirAuthorization.patient": "a string",
    "prefetch": "an object",
}


Decode = Callable[[bytes], _Body]


@dataclass(frozen=True, slots=True)
class WireService:
    """What parsing needs to know of one service id: how each hook's context under it is read, and the body."""

    id: str
    readers: Mapping[str, ContextReader]
    decode: Decode = _decode


def decoder_of(plans: Iterable[ServicePlan]) -> Decode:
    """One pass over a body for all hooks of a service, its prefetch included.

    What does not fit costs a second pass, and is then looked at key by key.
    """
    reader = PrefetchReader(key for plan in plans for key in plan.prefetch)
    shape = msgspec.defstruct("Body", [("prefetch", reader.type | None, None)], bases=(_Body,), rename="camel")
    in_one_pass: Callable[[bytes], Any] = msgspec.json.Decoder(shape).decode

    def decode(body: bytes) -> _Body:
        try:
            wire: _Body = in_one_pass(body)
        except UNDECODABLE:
            return _decode(body)
        if wire.prefetch is not None:
            read = reader.read(wire.prefetch)
            if None in read.values():
                raw = _decode(body).prefetch or {}
                read = {name: raw[name] if page is None else page for name, page in read.items()}
            wire.prefetch = read
        return wire

    return decode


def parse(body: bytes, service: WireService, client: Client, max_depth: int) -> HookRequest:
    """Raises BadRequest or PatientMismatch, naming the first element at fault."""
    wire = decode_body(body, max_depth, service.decode, _TYPES)
    hook = _hook(wire, service)
    instance = wire.hook_instance
    if instance is None:
        raise BadRequest("hookInstance is required.", "hookInstance")
    if _UUID.fullmatch(instance) is None:
        raise BadRequest("hookInstance must be a UUID.", "hookInstance")
    server = _server(wire, client)
    context = service.readers[hook].read(wire.context)
    return HookRequest(
        service_id=service.id,
        hook=hook,
        hook_instance=instance,
        client=client,
        patient_id=context.patient_id,
        encounter_id=context.encounter_id,
        user_type=context.user_type,
        user_id=context.user_id,
        tokens=context.tokens,
        context=wire.context,
        prefetch=wire.prefetch or {},
        fhir_server=server,
        access=_access(wire.fhir_authorization, server, client, context.patient_id),
        size=len(body),
    )


def _hook(wire: _Body, service: WireService) -> str:
    if wire.hook is None:
        raise BadRequest("hook is required.", "hook")
    if wire.hook not in service.readers:
        raise BadRequest(f"hook must be one that this service offers: {', '.join(service.readers)}.", "hook")
    return wire.hook


def _server(wire: _Body, client: Client) -> str | None:
    """The FHIR base that the request names, without a trailing slash."""
    if wire.fhir_server is None:
        if wire.fhir_authorization is not None:  # invariant cds-r-1
            raise BadRequest("fhirServer is required where fhirAuthorization is present.", "fhirServer")
        return None
    server = wire.fhir_server.removesuffix("/")
    if server not in client.fhir_servers and _BASE_URL.fullmatch(server) is None:
        raise BadRequest("fhirServer must be an absolute http or https URL.", "fhirServer")
    return server


def _access(
    authorization: _Authorization | None, server: str | None, client: Client, patient_id: str
) -> FhirAccess | None:
    """None where the server is not on the client's list: then the token is dropped here and goes nowhere (FA-6)."""
    token = _usable_token(authorization, patient_id) if authorization else None
    if server is None or server not in client.fhir_servers:
        return None
    return FhirAccess(server, token)


def _usable_token(authorization: _Authorization, patient_id: str) -> str | None:
    """The bearer token, None where it could not be sent as one; refuses one that was issued for somebody else."""
    token = authorization.access_token
    if token is None:
        raise BadRequest("fhirAuthorization.access_token is required.", "fhirAuthorization.access_token")
    patient = authorization.patient
    if patient is not None and patient.removeprefix("Patient/") != patient_id:
        raise PatientMismatch(
            "fhirAuthorization.patient must be the patient of context.patientId.", "fhirAuthorization.patient"
        )
    bearer = authorization.token_type is None or authorization.token_type.lower() == "bearer"
    return token if bearer and _is_one_word(token) else None


def _is_one_word(token: str) -> bool:
    """What may stand in a header after `Bearer`: visible ASCII."""
    return token != "" and token.isascii() and token.isprintable() and " " not in token
