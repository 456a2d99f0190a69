"""Prefetch templates (CDS Hooks 2.0.1, "Prefetch Template"): parsed once at start, filled once a call."""

import re
from collections.abc import Callable, Mapping
from datetime import date, timedelta
from urllib.parse import quote, unquote

import msgspec

from wardgate.domain.hooks import FieldKind

USER_TOKENS: frozenset[str] = frozenset(
    {"userPractitionerId", "userPractitionerRoleId", "userPatientId", "userRelatedPersonId"}
)
"""Tokens that stand for the id in `context.userId` where the user is of that type (PF-7)."""


LONGEST_URL = 8 * 1024
"""Characters, without the FHIR base: common servers take so much of a request's line. Tokens may hold lists of ids."""


class PrefetchKey(msgspec.Struct, frozen=True):
    """One declared key. `parts` are literal text and token names in turn: text, token, text, ..., text.

    A token is a context field, a user id, or a date: `today()` with the days to add, as in `today()-90`.

    `parameters` are the search's (name, value) pairs as written, percent-decoded, tokens left in place;
    empty for an instance read.
    """

    name: str
    template: str
    resource_type: str
    read: bool  # `Patient/{{context.patientId}}` rather than a search
    parts: tuple[str, ...]
    parameters: tuple[tuple[str, str], ...]
    required: bool
    whole: bool = False  # a feature reads more of these resources than their slim shapes hold


class TemplateError(ValueError):
    """A template that the standard's restricted subset does not allow; the message says what and how to mend it."""


_TOKEN = re.compile(r"\{\{(.*?)\}\}")
_DATE = "today()"
_DATE_TOKEN = re.compile(r"today\(\)(?: ([+-]) (\d{1,5}) days)?")
_REFERENCES = (FieldKind.REFERENCE, FieldKind.REFERENCES)
_CONTEXT_TOKEN = re.compile(r"context\.([A-Za-z][A-Za-z0-9]*)")
_TYPE = re.compile(r"[A-Z][A-Za-z]+")
_PARAMETER = re.compile(r"_?[a-z][A-Za-z0-9-]*")
_ENCODED = re.compile(r"(?:[A-Za-z0-9\-._~!$'()*,;:@/]|%[0-9A-Fa-f]{2})*")
_WRONG_PREFIX = re.compile(r"(?:ne|sa|eb|ap)(?:\d{4}(?:$|[-T%])|\{\{)")
_SORT = re.compile(r"-?_?[a-z][A-Za-z0-9-]*(?:,-?_?[a-z][A-Za-z0-9-]*)*")
_UNDERSCORED = frozenset({"_id", "_lastUpdated", "_tag", "_profile", "_security", "_count", "_sort"})
_OF_ONE_PATIENT = frozenset(
    {
        "Patient",
        "Encounter",
        "Observation",
        "Condition",
        "MedicationRequest",
        "MedicationStatement",
        "DocumentReference",
    }
)
_ENCODINGS = {character: f"%{ord(character):02X}" for character in '| +"<>#[]\\^`?='}
_DOTS = frozenset({".", ".."})
_NAMED = {"Patient": "patientId", "Encounter": "encounterId"}


def parse_template(
    name: str, template: str, hook_tokens: Mapping[str, FieldKind] | None, required: bool, cds_hooks: str = "2.0"
) -> PrefetchKey:
    """`hook_tokens`: the context fields that the hook marks as tokens; None: a hook of nobody's library, any field.

    Raises TemplateError for what clients need not understand (PF-7 to PF-9): a key that one of them answers
    wrongly is worse than one that cannot be written. Dates are understood from CDS Hooks 3.0 on (PF-10).
    """
    parts = _split(template, hook_tokens, cds_hooks)
    path, question, query = template.partition("?")
    if not question:
        return PrefetchKey(name, template, _read_type(path, parts, hook_tokens), True, parts, (), required)
    kind, parameters = _search_type(path), _parameters(query)
    if kind in _OF_ONE_PATIENT and all(is_date(token) for token in parts[1::2]):
        raise TemplateError("a search that names no token asks for everybody; add patient={{context.patientId}}")
    return PrefetchKey(name, template, kind, False, parts, parameters, required)


def is_date(token: str) -> bool:
    """Whether a token of `parts` is a date, which the gateway computes, rather than a value of the context."""
    return token.startswith(_DATE)


def fill(key: PrefetchKey, tokens: Mapping[str, str], today: Callable[[], date]) -> str | None:
    """The URL relative to the FHIR base; None where a token has no value, so that the key cannot be asked.

    Every value is percent-encoded. `.` and `..` match the grammar of FHIR ids and would climb in a path. `today` is
    the date where the client is, asked for only where the key names one. A URL of more than LONGEST_URL characters
    is none that a server takes.
    """
    filled = list(key.parts)
    for index in range(1, len(filled), 2):
        token = filled[index]
        value = _date(token, today()) if is_date(token) else tokens.get(token)
        if not value or len(value) > LONGEST_URL or (key.read and value in _DOTS):
            return None
        filled[index] = quote(value, safe="")
    url = "".join(filled)
    return url if len(url) <= LONGEST_URL else None


def _date(token: str, today: date) -> str:
    return (today + timedelta(days=int(token.removeprefix(_DATE) or 0))).isoformat()


def names_context(key: PrefetchKey) -> str | None:
    """The context field whose very resource this key asks for (`patientId`, `encounterId`), else None."""
    field = _NAMED.get(key.resource_type)
    if field is None or len(key.parts) != 3 or key.parts[1] != field:
        return None
    filters = [name for name, _ in key.parameters if name not in ("_count", "_sort")]
    return field if key.read or filters == ["_id"] else None


def _split(template: str, hook_tokens: Mapping[str, FieldKind] | None, cds_hooks: str) -> tuple[str, ...]:
    parts = _TOKEN.split(template)
    if any("{" in text or "}" in text for text in parts[::2]):
        raise TemplateError("a brace without its partner; tokens are written {{context.patientId}}")
    return tuple(_token(part, hook_tokens, cds_hooks) if index % 2 else part for index, part in enumerate(parts))


def _token(text: str, hook_tokens: Mapping[str, FieldKind] | None, cds_hooks: str) -> str:
    if text in USER_TOKENS:
        return text
    if text != text.strip():
        raise TemplateError("spaces inside a token; write {{context.patientId}} without them")
    if text.startswith(_DATE):
        return _date_token(text, cds_hooks)
    if text.startswith("%"):
        raise TemplateError(
            "a reference to another prefetch key, which is experimental in CDS Hooks 3.0; write the query out"
        )
    match = _CONTEXT_TOKEN.fullmatch(text)
    if match is None:
        raise TemplateError(
            "a token that is neither context.<field> nor a user id; write {{context.<field>}} or one of "
            f"{', '.join(sorted(USER_TOKENS))}"
        )
    if hook_tokens is not None and match[1] not in hook_tokens:
        allowed = ", ".join(f"context.{field}" for field in sorted(hook_tokens))
        raise TemplateError(f"the hook does not mark this context field as a prefetch token; use one of {allowed}")
    return match[1]


def _date_token(text: str, cds_hooks: str) -> str:
    match = _DATE_TOKEN.fullmatch(text)
    if match is None:
        raise TemplateError("not a date that clients understand; write {{today()}} or {{today() - 90 days}}")
    if cds_hooks == "2.0":
        raise TemplateError(
            'a date token, which clients understand from CDS Hooks 3.0 on; set `discovery: {cds_hooks: "3.0"}`, '
            "or leave it out and filter dates by a feature's `within`"
        )
    sign, days = match.groups(default="")
    return f"{_DATE}{sign}{days}"


def _read_type(path: str, parts: tuple[str, ...], hook_tokens: Mapping[str, FieldKind] | None) -> str:
    kind = path.partition("/")[0]
    if not _TYPE.fullmatch(kind) or len(parts) != 3 or (parts[0], parts[2]) != (f"{kind}/", "") or is_date(parts[1]):
        raise TemplateError(
            "neither an instance read nor a search on one type; write Patient/{{context.patientId}} or "
            "Observation?patient={{context.patientId}}&..."
        )
    if parts[1] == "userId":
        raise TemplateError("context.userId holds a type and an id; read Practitioner/{{userPractitionerId}} instead")
    if hook_tokens is not None and hook_tokens.get(parts[1]) in _REFERENCES:
        raise TemplateError(
            f"context.{parts[1]} holds a type and an id; search with it, as in Task?focus={{{{context.{parts[1]}}}}}"
        )
    return kind


def _search_type(path: str) -> str:
    if not _TYPE.fullmatch(path):
        raise TemplateError("a search that is not on one resource type of the FHIR base; write Observation?patient=...")
    return path


def _parameters(query: str) -> tuple[tuple[str, str], ...]:
    pairs: dict[str, str] = {}
    for part in query.split("&"):
        written, equals, value = part.partition("=")
        if not equals or not value:
            raise TemplateError("a search parameter without a name or a value; write name=value, joined by &")
        base = _parameter_name(written)
        if any(_base(known) == base for known in pairs):
            raise TemplateError(
                f"'{base}' stands twice, and clients merge the two into one OR (trap T-12); write it once, "
                "with commas for OR, and let a feature's `within` filter dates"
            )
        _check_value(base, value)
        pairs[written] = unquote(value)
    return tuple(pairs.items())


def _base(written: str) -> str:
    return written.partition(":")[0]


def _parameter_name(written: str) -> str:
    base, colon, modifier = written.partition(":")
    if "{" in base:
        raise TemplateError("a token in the name of a search parameter; tokens belong into values")
    if "." in written or base == "_has":
        raise TemplateError("a chained search parameter; only parameters of the type itself are allowed")
    if colon and modifier != "in":
        raise TemplateError("a modifier other than :in; filter with a feature's `statuses`, `code` or `within` instead")
    if not _PARAMETER.fullmatch(base):
        raise TemplateError("not the name of a search parameter; write it in letters, as the FHIR specification has it")
    if base.startswith("_") and base not in _UNDERSCORED:
        raise TemplateError(f"'{base}' is not in the subset that clients must support; leave it out")
    return base


def _check_value(base: str, value: str) -> None:
    literal = _TOKEN.sub("", value)
    if not _ENCODED.fullmatch(literal):
        bad = next((character for character in literal if character in _ENCODINGS), None)
        remedy = f"write {_ENCODINGS[bad]} for it" if bad is not None else "percent-encode it as UTF-8"
        raise TemplateError(f"'{base}' holds a character that must be percent-encoded in a URL; {remedy}")
    if any(_WRONG_PREFIX.match(alternative) for alternative in value.split(",")):
        raise TemplateError(f"'{base}' has a date prefix other than eq, lt, gt, ge, le; use one of these")
    if base == "_count" and not (value.isascii() and value.isdigit() and int(value) > 0):
        raise TemplateError("_count is a number above 0; write for example _count=50")
    if base == "_sort" and not _SORT.fullmatch(value):
        raise TemplateError("_sort is a list of parameters, each with - for descending; write for example _sort=-date")
