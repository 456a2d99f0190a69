"""Which medicines, Encounters, documents and drafts count, when they were, and what their codes are.

They differ from measurements in that the code is the value, that a thing not done is recorded like a thing done, and
that the code of a medicine may stand in another resource.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from math import inf
from operator import attrgetter
from typing import NamedTuple, TypeVar

import msgspec

from wardgate.domain.context.fhir import Attachment, CodeableConcept, Coding, Component, Event, Period, Resource
from wardgate.domain.features.candidates import NEVER, Code, Dated, Findings, Found, Gather, Moment, normal, settle
from wardgate.domain.features.values import is_given, read_number
from wardgate.domain.times import parse_instant

Medicines = Mapping[str, Event]
"""Medication resources by id."""

_CONTAINED = "#"
_MEDICATION = "Medication"
_REFERENCE = re.compile(r"Medication/([^/\s]+)(?:/_history/[^/\s]+)?|urn:uuid:([^/\s]+)")
_SPACES = b" \t\r\n="
_BASE64 = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/-_"

T = TypeVar("T")


class EventKind(NamedTuple):
    """How the resources of one type, or of the hook's context, count."""

    concept: Callable[[Event, Medicines], CodeableConcept | None]
    """All its codes; None where these stand in a resource that is not there."""
    began: Callable[[Event, Moment], float | None]
    recorded: Callable[[Event], str | None] = lambda event: None
    """Since when it is known, where that may be later than its time."""
    is_so: Callable[[Event], bool] = lambda event: True
    """False for what was not, or not to be, done."""
    statuses: frozenset[str] | None = None
    """By default; None: all that a draft may have, or none."""


def events(kind: EventKind, codes: frozenset[Code], statuses: Iterable[str] | None) -> Gather:
    """Gathers what is of a usable status, was really so, and neither begun nor recorded ahead of now."""
    usable = kind.statuses if statuses is None else frozenset(text for text in map(normal, statuses) if text) - NEVER

    def gather(bucket: Sequence[Found], moment: Moment) -> Findings:
        dated: list[Dated] = []
        undated: list[Found] = []
        for holder, event in bucket:
            if not isinstance(event, Event) or not kind.is_so(event) or not moment.has_come(kind.recorded(event)):
                continue
            status = normal(event.status)
            if status in _DEAD if usable is None else status not in usable:
                continue
            at = kind.began(event, moment)
            if at is None:
                undated.append((holder, event))
            elif at <= moment.horizon:
                dated.append((at, holder, event))
        if usable is None or (len(dated) < 2 and len(undated) < 2):
            return dated, undated
        return settle(dated, undated, codes, moment.zone)

    return gather


_DEAD = frozenset({"entered-in-error", "cancelled", "revoked", "stopped"})
"""What an order may also be when it is sent along with drafts, and is none any more."""


def medicines_of(medications: Iterable[Resource]) -> dict[str, Event]:
    return {one.id: one for one in medications if one.id is not None and isinstance(one, Event)}


def found_in(
    kind: EventKind, resources: Iterable[Resource], medicines: Medicines, measured: bool
) -> tuple[list[Found], list[Found]]:
    """Each resource with its code as its value; and those whose code stands in a resource that is not there.

    `measured`: their length is a value as well.
    """
    known: list[Found] = []
    unknown: list[Found] = []
    for event in resources:
        if isinstance(event, Event):
            concept = kind.concept(event, medicines)
            if concept is None:
                unknown.append((Component(), event))
            else:
                length = length_of(event) if measured else None
                known.append((Component(concept, valueCodeableConcept=concept, valueInteger=length), event))
    return known, unknown


# --- codes -----------------------------------------------------------------------------------------------------------


def _medicine(event: Event, medicines: Medicines) -> CodeableConcept | None:
    """The medicine itself, or the Medication that it refers to: contained, or anywhere in this call. References are
    relative where they are to this call's server (`assemble.py`)."""
    if event.medicationCodeableConcept is not None or event.medicationReference is None:
        return event.medicationCodeableConcept or CodeableConcept()
    text = event.medicationReference.reference or ""
    if text.startswith(_CONTAINED):
        inside = (one for one in event.contained or () if one.resourceType == _MEDICATION)
        return next((one.code for one in inside if one.id == text[1:]), None)
    match = _REFERENCE.fullmatch(text)
    medicine = None if match is None else medicines.get(match[1] or match[2])
    return None if medicine is None else medicine.code


def _class_and_type(event: Event, medicines: Medicines) -> CodeableConcept:
    codings: list[Coding] = []
    for one in _listed(event.class_):
        codings += one.coding or [Coding(one.system, one.code, one.display)]
    return _joined(_listed(event.type), codings)


def _type(event: Event, medicines: Medicines) -> CodeableConcept:
    return _joined(_listed(event.type))


def _any_code(event: Event, medicines: Medicines) -> CodeableConcept | None:
    """Of a draft: whatever says what is ordered, given, booked or noted."""
    medicine = _medicine(event, medicines)
    if medicine is None:
        return None
    others = (event.code, event.vaccineCode, event.codeCodeableConcept, event.itemCodeableConcept)
    concepts = [medicine, *(concept for concept in others if concept is not None)]
    return _joined([*concepts, *_listed(event.serviceType), *_listed(event.type)])


def _joined(concepts: Iterable[CodeableConcept], codings: Iterable[Coding] = ()) -> CodeableConcept:
    concepts = list(concepts)
    text = next((concept.text for concept in concepts if concept.text), None)
    return CodeableConcept([*codings, *(coding for one in concepts for coding in one.coding or ())], text)


def _listed(value: list[T] | T | None) -> list[T]:
    return [] if value is None else value if isinstance(value, list) else [value]


# --- time and standing -----------------------------------------------------------------------------------------------


def _first_time(event_times: Callable[[Event], Iterable[str | None]]) -> Callable[[Event, Moment], float | None]:
    """The first that is given decides; where it cannot be read, there is no time."""

    def read(event: Event, moment: Moment) -> float | None:
        text = next(filter(None, event_times(event)), None)
        return None if text is None else parse_instant(text, moment.zone)

    return read


def _span(period: Period | None) -> tuple[str | None, str | None]:
    """By its start: what its end will be was not known while it lasted, and an export knows it (law 9)."""
    return (None, None) if period is None else (period.start, period.end)


def _is_ordered(event: Event) -> bool:
    return event.doNotPerform is not True and normal(event.intent) not in ("proposal", "plan", "option")


def _is_taken(event: Event) -> bool:
    return normal(event.taken) != "n"


def _is_valid(event: Event) -> bool:
    return normal(event.docStatus) != "entered-in-error"


def _is_wanted(event: Event) -> bool:
    return event.doNotPerform is not True


EVENTS: Mapping[str, EventKind] = {
    "MedicationRequest": EventKind(
        _medicine,
        _first_time(lambda event: (event.authoredOn,)),
        is_so=_is_ordered,
        statuses=frozenset({"active"}),
    ),
    "MedicationStatement": EventKind(
        _medicine,
        _first_time(lambda event: (event.effectiveDateTime, *_span(event.effectivePeriod), event.dateAsserted)),
        recorded=attrgetter("dateAsserted"),
        is_so=_is_taken,
        statuses=frozenset({"active", "recorded"}),
    ),
    "Encounter": EventKind(
        _class_and_type,
        _first_time(lambda event: _span(event.period)),
        statuses=frozenset(
            {"arrived", "triaged", "in-progress", "onleave", "finished", "on-hold", "discharged", "completed"}
        ),
    ),
    "DocumentReference": EventKind(
        _type,
        _first_time(lambda event: (event.date, event.indexed, event.created)),
        is_so=_is_valid,
        statuses=frozenset({"current"}),
    ),
    "context": EventKind(_any_code, lambda event, moment: moment.as_of, is_so=_is_wanted),
}
"""By `from`. The statuses that count by default are those of STU3, R4 and R5 together."""


# --- length ----------------------------------------------------------------------------------------------------------


def length_of(document: Event) -> float | None:
    """Bytes of a document, as the first of its contents says or brings along. Its text is not decoded."""
    lengths = (_length(content.attachment) for content in document.content or () if content.attachment is not None)
    return next((length for length in lengths if length is not None), None)


def _length(attachment: Attachment) -> float | None:
    size = attachment.size
    if is_given(size):
        number = read_number(size) if isinstance(size, str) else size
        return number if isinstance(number, float) and 0 <= number < inf else None
    return _decoded_length(bytes(attachment.data).strip())


def _decoded_length(quoted: bytes) -> float | None:
    """Of base64 in a JSON string: three bytes for each four letters."""
    if len(quoted) < 2 or quoted[:1] != b'"':
        return None
    text = quoted[1:-1]
    if b"\\" in text:  # `\/` is a letter, `\n` is a line's end
        try:
            text = msgspec.json.decode(quoted, type=str).encode()
        except (msgspec.MsgspecError, UnicodeError):
            return None
    letters = text.translate(None, _SPACES)
    return float(len(letters) * 3 // 4) if letters and not letters.translate(None, _BASE64) else None
