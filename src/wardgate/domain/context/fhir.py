"""Slim, tolerant shapes of the FHIR resources that features read (R4, with the STU3 spellings).

Every field is optional and unknown fields are skipped, because real charts break the specification
daily. What does not even fit these shapes is decoded a second time, resource by resource
(`context/resources.py`), so that one wrong-typed field never costs the whole Bundle.
"""

from collections.abc import Sequence
from typing import Any

import msgspec


class Code(msgspec.Struct, gc=False):
    """A Coding without its words."""

    system: str | None = None
    code: str | None = None


class Codes(msgspec.Struct, gc=False):
    """A CodeableConcept by which resources are found. Nobody reads its words, so they are not decoded: they are a
    good part of a chart."""

    coding: Sequence[Code] | None = None


class Coding(Code, gc=False):
    display: str | None = None


class CodeableConcept(Codes, gc=False):
    coding: Sequence[Coding] | None = None
    text: str | None = None


class Quantity(msgspec.Struct, gc=False):
    value: float | str | None = None
    comparator: str | None = None
    unit: str | None = None
    system: str | None = None
    code: str | None = None


class Reference(msgspec.Struct, gc=False):
    reference: str | None = None


class Period(msgspec.Struct, gc=False):
    start: str | None = None
    end: str | None = None


class Meta(msgspec.Struct, gc=False):
    lastUpdated: str | None = None


class Component(msgspec.Struct, gc=False):
    """A value, and the codes by which it is found; features also make such of what they work out."""

    code: Codes | None = None
    valueQuantity: Quantity | None = None
    valueCodeableConcept: CodeableConcept | None = None
    valueString: str | None = None
    valueBoolean: bool | None = None
    valueInteger: float | None = None
    # values that no feature can read: that there is one is all that counts (see OTHER_VALUES)
    valueRange: Any = None
    valueRatio: Any = None
    valueDateTime: Any = None
    valueTime: Any = None
    valuePeriod: Any = None
    valueSampledData: Any = None
    valueUnreadable: Any = None
    dataAbsentReason: CodeableConcept | None = None


class OwnComponent(Component, gc=False):
    """Of an Observation, as it came."""

    code: CodeableConcept | None = None


class Resource(msgspec.Struct, gc=False):
    """Observation and Condition share one shape: decoding need not know the type before it starts."""

    resourceType: str = ""
    id: str | None = None
    meta: Meta | None = None
    status: str | None = None
    code: Codes | None = None
    subject: Reference | None = None
    patient: Reference | None = None
    focus: list[Reference] | None = None
    # Observation
    effectiveDateTime: str | None = None
    effectivePeriod: Period | None = None
    effectiveInstant: str | None = None
    issued: str | None = None
    valueQuantity: Quantity | None = None
    valueCodeableConcept: CodeableConcept | None = None
    valueString: str | None = None
    valueBoolean: bool | None = None
    valueInteger: float | None = None
    valueRange: Any = None
    valueRatio: Any = None
    valueDateTime: Any = None
    valueTime: Any = None
    valuePeriod: Any = None
    valueSampledData: Any = None
    valueUnreadable: Any = None
    dataAbsentReason: CodeableConcept | None = None
    component: list[OwnComponent] | None = None
    # Condition; the two statuses are a code in STU3 and a CodeableConcept in R4
    clinicalStatus: CodeableConcept | str | None = None
    verificationStatus: CodeableConcept | str | None = None
    onsetDateTime: str | None = None
    onsetPeriod: Period | None = None
    abatementDateTime: str | None = None
    abatementPeriod: Any = None
    abatementAge: Any = None
    abatementRange: Any = None
    abatementString: Any = None
    abatementBoolean: Any = None
    recordedDate: str | None = None
    assertedDate: str | None = None


class Contained(msgspec.Struct, gc=False):
    """What a resource brings along and refers to as `#id`: of use where it is a Medication."""

    resourceType: str | None = None
    id: str | None = None
    code: CodeableConcept | None = None


class EncounterClass(msgspec.Struct, gc=False):
    """A Coding in STU3 and R4, a CodeableConcept in R5."""

    system: str | None = None
    code: str | None = None
    display: str | None = None
    coding: list[Coding] | None = None


class Attachment(msgspec.Struct, gc=False):
    """`data` is base64 in JSON, never decoded: only its length counts."""

    size: float | str | None = None
    data: msgspec.Raw = msgspec.Raw()


class Content(msgspec.Struct, gc=False):
    attachment: Attachment | None = None


class Participant(msgspec.Struct, gc=False):
    actor: Reference | None = None


class Event(Resource, gc=False):
    """All other types share a longer shape, so that the many Observations of a chart do not pay for it."""

    code: CodeableConcept | None = None  # of a Medication, and of drafts, its words are shown
    type: list[CodeableConcept] | CodeableConcept | None = None  # Encounter; DocumentReference
    contained: list[Contained] | None = None
    # MedicationRequest, MedicationStatement
    medicationCodeableConcept: CodeableConcept | None = None
    medicationReference: Reference | None = None
    intent: str | None = None
    doNotPerform: bool | None = None
    taken: str | None = None  # STU3
    authoredOn: str | None = None
    dateAsserted: str | None = None
    # Encounter
    class_: list[EncounterClass] | EncounterClass | None = msgspec.field(default=None, name="class")
    period: Period | None = None
    # DocumentReference; `indexed` and `created` are STU3
    docStatus: str | None = None
    date: str | None = None
    indexed: str | None = None
    created: str | None = None
    content: list[Content] | None = None
    # what only drafts are: Immunization, DeviceRequest, SupplyRequest, Appointment, Task
    vaccineCode: CodeableConcept | None = None
    codeCodeableConcept: CodeableConcept | None = None
    itemCodeableConcept: CodeableConcept | None = None
    serviceType: list[CodeableConcept] | CodeableConcept | None = None
    participant: list[Participant] | None = None
    for_: Reference | None = msgspec.field(default=None, name="for")


SLIM = frozenset({"Observation", "Condition"})
"""The types that `Resource` is enough for."""

OTHER_VALUES = {
    "valueRange": "a range",
    "valueRatio": "a ratio",
    "valueDateTime": "a date",
    "valueTime": "a time",
    "valuePeriod": "a period",
    "valueSampledData": "a series of samples",
    "valueUnreadable": "a value that cannot be read",
}
"""Elements of a value that no feature can read, and what a card calls them. `valueUnreadable` is no element of FHIR:
it is put in the place of a value whose JSON does not fit (`context/lenient.py`)."""

Document = dict[str, Any]
"""A resource decoded whole: Patient, Encounter and whatever a dotted path reads."""
