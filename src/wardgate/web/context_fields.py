"""Reads a hook's context: which fields it must carry, and what of it a prefetch template may use.

The context stays raw JSON. Only ids and references are decoded, so that a draft order which no strict parser
would accept is carried along unread (trap T-7), and unknown fields cost nothing (trap T-6).
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from wardgate.domain.context.prefetch import is_date
from wardgate.domain.errors import BadRequest
from wardgate.domain.hooks import HOOKS, ContextField, FieldKind
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
_FIRST_BYTE = {
    FieldKind.ID: ord('"'),
    FieldKind.REFERENCE: ord('"'),
    FieldKind.REFERENCES: ord("["),
    FieldKind.RESOURCE: ord("{"),
    FieldKind.LIST: ord("["),
}
_OF_ONE = {FieldKind.REFERENCES: ord('"'), FieldKind.LIST: ord("{")}
"""Under a former name, one may stand where there is an array now (trap T-14)."""
_WANTED = {
    FieldKind.ID: "a string",
    FieldKind.REFERENCE: "a string",
    FieldKind.REFERENCES: "an array",
    FieldKind.RESOURCE: "an object",
    FieldKind.LIST: "an array",
}

_Fields = Mapping[str, msgspec.Raw]


class _Ids(msgspec.Struct, rename="camel"):
    """What nearly every hook carries; `user_id` may be anything where the hook leaves it free."""

    patient_id: str | None = None
    encounter_id: str | None = None
    user_id: Any = None


_decode_ids = msgspec.json.Decoder(_Ids).decode
_decode_fields = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_decode_text = msgspec.json.Decoder(str).decode
_decode_texts = msgspec.json.Decoder(list[str]).decode


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

    A hook of the library demands the fields of its page, any other one those that its service declares, and a
    patient. Of the rest, what a template of the service names becomes a token.
    """

    def __init__(self, plan: ServicePlan) -> None:
        definition = HOOKS.get(plan.hook)
        fields = {field.name: field for field in (definition.fields if definition else plan.context)}
        named = frozenset(_named_tokens(plan))
        self._encounter_required = "encounterId" in fields and fields["encounterId"].required
        self._user_required = "userId" in fields and fields["userId"].required
        self._user_named = "userId" in named
        further = [field for name, field in fields.items() if name not in _COMMON_TOKENS]
        self._required = tuple(field for field in further if field.required)
        extra = sorted(named - _COMMON_TOKENS)
        self._extra = tuple(fields.get(name) or ContextField(name, FieldKind.REFERENCE, False, True) for name in extra)

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
        if self._required or self._extra:
            self._further(_decode_fields(context), tokens)
        return HookContext(ids.patient_id, ids.encounter_id, user_type, user_id, tokens)

    def _user(self, value: object, tokens: dict[str, str]) -> tuple[str | None, str | None]:
        """Strict where a query needs the user; elsewhere a user that nobody can read only narrows the audience."""
        if value is None or value == "":
            if self._user_required:
                raise _missing("userId")
            return None, None
        if not isinstance(value, str):
            if self._user_required or self._user_named:
                raise _not_text("userId")
            return None, None
        shape = _REFERENCE.fullmatch(value)
        if shape is None:
            if self._user_named:
                raise BadRequest("context.userId must be `Type/id`.", "context.userId")
            return None, None
        tokens["userId"] = value
        kind, user_id = shape.groups()
        if kind not in USER_TOKENS:
            return None, None
        tokens[USER_TOKENS[kind]] = user_id
        return kind, user_id

    def _further(self, fields: _Fields, tokens: dict[str, str]) -> None:
        for field in self._required:
            name, raw = _find(fields, field)
            if raw is None:
                raise _missing(field.name)
            first = memoryview(raw)[0]
            if first != _FIRST_BYTE[field.kind] and (name == field.name or first != _OF_ONE.get(field.kind)):
                raise BadRequest(f"context.{name} must be {_WANTED[field.kind]}.", f"context.{name}")
        for field in self._extra:
            name, raw = _find(fields, field)
            if raw is not None:
                tokens[field.name] = _token(name, raw, field.kind)


def _find(fields: _Fields, field: ContextField) -> tuple[str, msgspec.Raw | None]:
    """The value of a field and the name that it came under; null counts as absent."""
    for name in field.names:
        raw = fields.get(name)
        if raw is not None and not _is_null(raw):
            return name, raw
    return field.name, None


def _named_tokens(plan: ServicePlan) -> Iterable[str]:
    for key in plan.prefetch:
        yield from (token for token in key.parts[1::2] if not is_date(token))


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


def _token(name: str, raw: msgspec.Raw, kind: FieldKind) -> str:
    """An id or `Type/id`; several are joined by commas, which a search reads as OR (3.0, "Prefetch Template")."""
    several = kind is FieldKind.REFERENCES
    try:
        values = _decode_texts(raw) if several and memoryview(raw)[0] == ord("[") else [_decode_text(raw)]
    except msgspec.ValidationError:
        values = [""]
    if all(_ID.fullmatch(value) or _REFERENCE.fullmatch(value) for value in values):
        return ",".join(values)  # "" where there is none: then the key cannot be asked
    wanted = "an array of `Type/id`" if several else "a FHIR id or `Type/id`"
    raise BadRequest(f"context.{name} must be {wanted}.", f"context.{name}")


def _is_null(raw: msgspec.Raw) -> bool:
    return memoryview(raw)[0] == ord("n")


def _missing(name: str) -> BadRequest:
    return BadRequest(f"context.{name} is required.", f"context.{name}")


def _not_text(name: str) -> BadRequest:
    return BadRequest(f"context.{name} must be a string.", f"context.{name}")
