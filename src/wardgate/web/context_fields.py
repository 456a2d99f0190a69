"""Reads a hook's context: which fields it must carry, and what of it a prefetch template may use.

The context stays raw JSON. Only ids and references are decoded, so that a draft order which no strict parser
would accept is carried along unread (trap T-7), and unknown fields cost nothing (trap T-6).
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from wardgate.domain.errors import BadRequest
from wardgate.domain.hooks import HOOKS, ContextField
from wardgate.domain.hooks.library import FieldKind
from wardgate.domain.plans import ServicePlan

_ID = re.compile(r"[A-Za-z0-9\-.]{1,64}")  # FHIR R4 §2.24.0.1, "id"
_REFERENCE = re.compile(r"([A-Z][A-Za-z]{0,63})/([A-Za-z0-9\-.]{1,64})")

# CDS Hooks 2.0.1, "Prefetch tokens containing user details"
USER_TOKENS = {
    "Practitioner": "userPractitionerId",
    "PractitionerRole": "userPractitionerRoleId",
    "Patient": "userPatientId",
    "RelatedPerson": "userRelatedPersonId",
}
_COMMON_TOKENS = frozenset({"patientId", "encounterId", "userId", *USER_TOKENS.values()})
_ERROR_PATH = re.compile(r"at `\$\.(patientId|encounterId)`$")
_FIRST_BYTE = {FieldKind.RESOURCE: ord("{"), FieldKind.LIST: ord("["), FieldKind.REFERENCE: ord('"')}
_WANTED = {FieldKind.RESOURCE: "an object", FieldKind.LIST: "an array", FieldKind.REFERENCE: "a string"}

_Fields = Mapping[str, msgspec.Raw]


class _Ids(msgspec.Struct, rename="camel"):
    """What nearly every hook carries; `user_id` may be anything where the hook leaves it free."""

    patient_id: str | None = None
    encounter_id: str | None = None
    user_id: Any = None


_decode_ids = msgspec.json.Decoder(_Ids).decode
_decode_fields = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_decode_text = msgspec.json.Decoder(str).decode


class HookContext(msgspec.Struct, frozen=True):
    """`tokens` holds what templates may name, by field, and the tokens derived from the user.

    Nothing is known of a user whose `userId` is absent, or of another shape than `Type/id`.
    """

    patient_id: str
    encounter_id: str | None
    user_type: str | None
    user_id: str | None
    tokens: Mapping[str, str]


class ContextReader:
    """One service's way to read its hook's context, compiled once.

    A hook of the library demands the fields of its page. Any other hook demands only a patient: its further
    fields are free, and those that a template of the service names become tokens.
    """

    def __init__(self, plan: ServicePlan) -> None:
        definition = HOOKS.get(plan.hook)
        fields = {f.name: f for f in definition.fields} if definition else {}
        declared = frozenset(_declared_tokens(plan))
        self._encounter_required = "encounterId" in fields and fields["encounterId"].required
        self._user_required = "userId" in fields and fields["userId"].required
        self._user_declared = "userId" in declared
        further = [field for name, field in fields.items() if name not in _COMMON_TOKENS]
        self._opaque = tuple(field for field in further if field.required)
        self._extra = tuple(sorted(declared - _COMMON_TOKENS))

    def read(self, context: msgspec.Raw) -> HookContext:
        """Raises BadRequest naming the first field at fault, never its value."""
        ids = _open(context)
        if ids.patient_id is None:
            raise _missing("patientId")
        tokens = {"patientId": _checked(ids.patient_id, "patientId")}
        if ids.encounter_id is not None:
            tokens["encounterId"] = _checked(ids.encounter_id, "encounterId")
        elif self._encounter_required:
            raise _missing("encounterId")
        user_type, user_id = self._user(ids.user_id, tokens)
        if self._opaque or self._extra:
            self._further(_decode_fields(context), tokens)
        return HookContext(ids.patient_id, ids.encounter_id, user_type, user_id, tokens)

    def _user(self, value: object, tokens: dict[str, str]) -> tuple[str | None, str | None]:
        """Strict where a query needs the user; elsewhere a user that nobody can read only narrows the audience."""
        if value is None or value == "":
            if self._user_required:
                raise _missing("userId")
            return None, None
        if not isinstance(value, str):
            if self._user_required or self._user_declared:
                raise _not_text("userId")
            return None, None
        shape = _REFERENCE.fullmatch(value)
        if shape is None:
            if self._user_declared:
                raise BadRequest("context.userId must be `Type/id`.", "context.userId")
            return None, None
        tokens["userId"] = value
        kind, user_id = shape.groups()
        if kind not in USER_TOKENS:
            return None, None
        tokens[USER_TOKENS[kind]] = user_id
        return kind, user_id

    def _further(self, fields: _Fields, tokens: dict[str, str]) -> None:
        for field in self._opaque:
            _require_opaque(fields, field)
        for name in self._extra:
            raw = fields.get(name)
            if raw is not None and not _is_null(raw):
                tokens[name] = _token(name, raw)


def _declared_tokens(plan: ServicePlan) -> Iterable[str]:
    for key in plan.prefetch:
        yield from (token.removeprefix("context.") for token in key.parts[1::2])


def _open(context: msgspec.Raw) -> _Ids:
    if not context or _is_null(context):
        raise BadRequest("context is required.", "context")
    try:
        return _decode_ids(context)
    except msgspec.ValidationError as error:
        path = _ERROR_PATH.search(str(error))
        if path is None:
            raise BadRequest("context must be an object.", "context") from None
        raise _not_text(path.group(1)) from None


def _checked(value: str, name: str) -> str:
    if _ID.fullmatch(value) is None:
        raise BadRequest(f"context.{name} must be a FHIR id: 1 to 64 letters, digits, `-` or `.`.", f"context.{name}")
    return value


def _token(name: str, raw: msgspec.Raw) -> str:
    if memoryview(raw)[0] == ord('"'):
        value = _decode_text(raw)
        if _ID.fullmatch(value) or _REFERENCE.fullmatch(value):
            return value
    raise BadRequest(f"context.{name} must be a FHIR id or `Type/id`.", f"context.{name}")


def _require_opaque(fields: _Fields, field: ContextField) -> None:
    raw = fields.get(field.name)
    if raw is None or _is_null(raw):
        raise _missing(field.name)
    if memoryview(raw)[0] != _FIRST_BYTE[field.kind]:
        raise BadRequest(f"context.{field.name} must be {_WANTED[field.kind]}.", f"context.{field.name}")


def _is_null(raw: msgspec.Raw) -> bool:
    return memoryview(raw)[0] == ord("n")


def _missing(name: str) -> BadRequest:
    return BadRequest(f"context.{name} is required.", f"context.{name}")


def _not_text(name: str) -> BadRequest:
    return BadRequest(f"context.{name} must be a string.", f"context.{name}")
