"""FHIR R4 search, as much of it as an EHR's prefetch needs (hl7.org/fhir/R4/search.html).

Strict: a parameter, modifier or prefix that is not supported is an error and not ignored, so that a test
never passes because a filter did nothing.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from wardgate.lab.fhir_store import Resource, Store, patient_of

Pairs = list[tuple[str, str]]

_DATE = re.compile(r"(\d{4})(?:-(\d\d)(?:-(\d\d)(T.+)?)?)?")
_IGNORED = {"_format", "_pretty", "_total"}  # they change how an answer looks, not what is in it
_TOKENS: dict[str, dict[str, tuple[str, ...]]] = {
    "AllergyIntolerance": {
        "category": ("category",),
        "clinical-status": ("clinicalStatus",),
        "code": ("code",),
        "criticality": ("criticality",),
    },
    "Condition": {
        "category": ("category",),
        "clinical-status": ("clinicalStatus",),
        "code": ("code",),
        "verification-status": ("verificationStatus",),
    },
    "DiagnosticReport": {"category": ("category",), "code": ("code",), "status": ("status",)},
    "DocumentReference": {"category": ("category",), "status": ("status",), "type": ("type",)},
    "Encounter": {"class": ("class",), "status": ("status",), "type": ("type",)},
    "Immunization": {"status": ("status",), "vaccine-code": ("vaccineCode",)},
    "Medication": {"code": ("code",), "status": ("status",)},
    "MedicationRequest": {
        "category": ("category",),
        "code": ("medicationCodeableConcept",),
        "intent": ("intent",),
        "status": ("status",),
    },
    "MedicationStatement": {
        "category": ("category",),
        "code": ("medicationCodeableConcept",),
        "status": ("status",),
    },
    "Observation": {
        "category": ("category",),
        "code": ("code",),
        "combo-code": ("code", "component.code"),
        "component-code": ("component.code",),
        "status": ("status",),
    },
    "Patient": {"gender": ("gender",), "identifier": ("identifier",)},
    "Practitioner": {"identifier": ("identifier",)},
    "PractitionerRole": {"role": ("code",), "specialty": ("specialty",)},
    "Procedure": {"category": ("category",), "code": ("code",), "status": ("status",)},
    "ServiceRequest": {
        "category": ("category",),
        "code": ("code",),
        "intent": ("intent",),
        "priority": ("priority",),
        "status": ("status",),
    },
}
"""Each token parameter with the elements that it looks at."""
_DATES: dict[str, dict[str, tuple[str, ...]]] = {
    "AllergyIntolerance": {"date": ("recordedDate",)},
    "Condition": {"onset-date": ("onsetDateTime", "onsetPeriod"), "recorded-date": ("recordedDate",)},
    "DiagnosticReport": {"date": ("effectiveDateTime", "effectivePeriod"), "issued": ("issued",)},
    "DocumentReference": {"date": ("date",)},
    "Encounter": {"date": ("period",)},
    "Immunization": {"date": ("occurrenceDateTime",)},
    "MedicationRequest": {"authoredon": ("authoredOn",)},
    "MedicationStatement": {"effective": ("effectiveDateTime", "effectivePeriod")},
    "Observation": {"date": ("effectiveDateTime", "effectiveInstant", "effectivePeriod")},
    "Patient": {"birthdate": ("birthDate",)},
    "Procedure": {"date": ("performedDateTime", "performedPeriod")},
    "ServiceRequest": {"authored": ("authoredOn",), "occurrence": ("occurrenceDateTime", "occurrencePeriod")},
}
"""Each date parameter with the elements that it looks at: the first that is there counts."""
_NAMES: dict[str, tuple[str, ...]] = {"name": ("family", "given", "text"), "family": ("family",), "given": ("given",)}
_NAMED = {"Patient", "Practitioner"}
_NO_PATIENT = {"Patient", "Practitioner", "PractitionerRole", "Organization", "Location", "Medication"}
_NO_SUBJECT = {"AllergyIntolerance", "Immunization"}
_COMPARE: dict[str, Callable[[datetime, datetime, datetime, datetime], bool]] = {
    # (start, end) of the resource against (start, end) of the parameter; ends are exclusive
    "eq": lambda a, b, x, y: x <= a and b <= y,
    "ne": lambda a, b, x, y: not (x <= a and b <= y),
    "ge": lambda a, b, x, y: b > x,
    "gt": lambda a, b, x, y: b > y,
    "le": lambda a, b, x, y: a < y,
    "lt": lambda a, b, x, y: a < x,
    "sa": lambda a, b, x, y: a >= y,
    "eb": lambda a, b, x, y: b <= x,
}


class Unsupported(ValueError):
    """A parameter that this server does not know; the message names it."""


def supported(kind: str) -> dict[str, str]:
    """The search parameters of a resource type and the type of each, as the CapabilityStatement says them."""
    names = (
        {"_id": "token"} | dict.fromkeys(_TOKENS.get(kind, {}), "token") | dict.fromkeys(_DATES.get(kind, {}), "date")
    )
    if kind in _NAMED:
        names |= dict.fromkeys(_NAMES, "string")
    if kind in _NO_PATIENT:
        return names
    return names | dict.fromkeys(("patient",) if kind in _NO_SUBJECT else ("patient", "subject"), "reference")


def search(store: Store, kind: str, parameters: Pairs) -> list[Resource]:
    """All matches in their order; raises Unsupported. Repeated parameters are and, commas are or."""
    known = supported(kind)
    tests: list[Callable[[Resource], bool]] = []
    patients: set[str] | None = None
    sort = ""
    for name, value in parameters:
        if name in _IGNORED or name == "_count":
            continue
        if name == "_sort":
            sort = value
        elif name not in known:
            raise Unsupported(f"the parameter {name[:64]} of {kind} is not supported; supported: {', '.join(known)}")
        elif name in ("patient", "subject"):
            ids = {_patient_id(item) for item in _alternatives(value)}
            patients = ids if patients is None else patients & ids
        else:
            tests.append(_test(kind, name, value))
    found = [each for each in _candidates(store, kind, patients) if all(test(each) for test in tests)]
    return _sorted(kind, found, sort)


def _candidates(store: Store, kind: str, patients: set[str] | None) -> Iterable[Resource]:
    if patients is None:
        return store.all(kind)
    return [resource for patient in sorted(patients) for resource in store.of_patient(kind, patient)]


def _patient_id(value: str) -> str:
    kind, _, key = value.rpartition("/")
    if kind and kind.rpartition("/")[2] != "Patient":
        raise Unsupported("patient and subject take a patient's id or Patient/id")
    return key


def _test(kind: str, name: str, value: str) -> Callable[[Resource], bool]:
    wanted = list(_alternatives(value))
    if name == "_id":
        return lambda resource: resource["id"] in wanted
    if name in _TOKENS.get(kind, {}):
        return _token_test(_TOKENS[kind][name], wanted)
    if name in _DATES.get(kind, {}):
        return _date_test(_DATES[kind][name], wanted)
    return _name_test(_NAMES[name], wanted)


def _alternatives(value: str) -> Iterator[str]:
    """Split at commas; a backslash makes the next character literal (search.html#escaping)."""
    for part in re.findall(r"(?:[^\\,]|\\.)+", value):
        yield re.sub(r"\\(.)", r"\1", part)


# -- tokens ---------------------------------------------------------------------------------------


def _token_test(elements: tuple[str, ...], wanted: list[str]) -> Callable[[Resource], bool]:
    tokens = [_token(each) for each in wanted]

    def test(resource: Resource) -> bool:
        codings = [coding for element in elements for coding in _codings(_element(resource, element))]
        return any(_matches(coding, token) for coding in codings for token in tokens)

    return test


def _element(resource: Resource, path: str) -> object:
    """The value of an element, or of an element of each item of a list (`component.code`)."""
    name, _, rest = path.partition(".")
    value = resource.get(name)
    if not rest:
        return value
    return [item.get(rest) for item in value if isinstance(item, dict)] if isinstance(value, list) else None


def _token(text: str) -> tuple[str | None, str]:
    """(system, code): system None is any, "" is none at all; code "" is any code of the system."""
    system, bar, code = text.partition("|")
    return (system, code) if bar else (None, text)


def _matches(coding: tuple[str, str], token: tuple[str | None, str]) -> bool:
    system, code = token
    return (system is None or coding[0] == system) and (code in ("", coding[1]))


def _codings(value: object) -> Iterator[tuple[str, str]]:
    """(system, code) of a code, Coding, CodeableConcept, Identifier, or a list of them."""
    if isinstance(value, str):
        yield "", value
    elif isinstance(value, list):
        for item in value:
            yield from _codings(item)
    elif isinstance(value, dict) and "coding" in value:
        yield from _codings(value["coding"])
    elif isinstance(value, dict):
        code = value.get("code", value.get("value"))
        if isinstance(code, str):
            yield value.get("system") or "", code


# -- names ----------------------------------------------------------------------------------------


def _name_test(parts: tuple[str, ...], wanted: list[str]) -> Callable[[Resource], bool]:
    """A part of the name begins with what is wanted, whatever the case (search.html#string)."""
    starts = tuple(each.casefold() for each in wanted)

    def test(resource: Resource) -> bool:
        return any(part.casefold().startswith(starts) for part in _name_parts(resource, parts))

    return test


def _name_parts(resource: Resource, parts: tuple[str, ...]) -> Iterator[str]:
    names = resource.get("name")
    for name in names if isinstance(names, list) else ():
        for part in parts if isinstance(name, dict) else ():
            value = name.get(part)
            yield from (each for each in (value if isinstance(value, list) else [value]) if isinstance(each, str))


# -- dates ----------------------------------------------------------------------------------------


def _date_test(elements: tuple[str, ...], wanted: list[str]) -> Callable[[Resource], bool]:
    ranges = [_comparison(each) for each in wanted]

    def test(resource: Resource) -> bool:
        when = _when(elements, resource)
        return when is not None and any(compare(*when, *span) for compare, span in ranges)

    return test


def _comparison(text: str) -> tuple[Callable[[datetime, datetime, datetime, datetime], bool], Any]:
    prefix = text[:2] if text[:2].isalpha() else "eq"
    span = _span(text[2:] if text[:2].isalpha() else text)
    if prefix not in _COMPARE or span is None:
        raise Unsupported(f"a date is {', '.join(_COMPARE)} and a FHIR date")
    return _COMPARE[prefix], span


def _when(elements: tuple[str, ...], resource: Resource) -> tuple[datetime, datetime] | None:
    for element in elements:
        value = resource.get(element)
        if isinstance(value, str):
            return _span(value)
        if isinstance(value, dict):
            start, end = _span(value.get("start") or ""), _span(value.get("end") or "")
            return (
                start[0] if start else datetime.min.replace(tzinfo=UTC),
                end[1] if end else datetime.max.replace(tzinfo=UTC),
            )
    return None


def _span(text: str) -> tuple[datetime, datetime] | None:
    """First instant and the one after the last of a FHIR date or dateTime; without zone it is UTC."""
    match = _DATE.fullmatch(text)
    if match is None:
        return None
    year, month, day, time = match.groups()
    try:
        if time:
            moment = datetime.fromisoformat(text)
            moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
            return moment, moment + _precision(time)
        start = datetime(int(year), int(month or 1), int(day or 1), tzinfo=UTC)
        if day:
            return start, start + timedelta(days=1)
        following = (start.year + 1, 1) if not month or start.month == 12 else (start.year, start.month + 1)
        return start, datetime(*following, 1, tzinfo=UTC)
    except (ValueError, OverflowError):
        return None


def _precision(time: str) -> timedelta:
    """`T10:00` is that whole minute, `T10:00:00` that second (search.html#date)."""
    if "." in time:
        return timedelta(microseconds=1)
    return timedelta(seconds=1) if re.match(r"T\d\d:\d\d:", time) else timedelta(minutes=1)


def _sorted(kind: str, found: list[Resource], sort: str) -> list[Resource]:
    """By the rules of `_sort`, the last rule first since sorting is stable; what has no value comes last."""
    found.sort(key=lambda resource: resource["id"])
    for rule in reversed([each for each in sort.split(",") if each]):
        name, descending = rule.removeprefix("-"), rule.startswith("-")
        key = _sort_key(kind, name)
        valued = [each for each in found if key(each) is not None]
        rest = [each for each in found if key(each) is None]
        found = sorted(valued, key=key, reverse=descending) + rest
    return found


def _sort_key(kind: str, name: str) -> Callable[[Resource], Any]:
    if name == "_id":
        return lambda resource: resource["id"]
    if name == "_lastUpdated":
        return lambda resource: (resource.get("meta") or {}).get("lastUpdated")
    elements = _DATES.get(kind, {}).get(name)
    if elements is not None:
        return lambda resource: when[0] if (when := _when(elements, resource)) else None
    if name in ("patient", "subject"):
        return patient_of
    raise Unsupported(f"sorting {kind} by {name[:64]} is not supported")
