"""Whose is it? Law 11: a resource of anybody else is dropped and counted, and one that cannot be made sure
does not count either.

A reference may be written as `Patient/1`, `Patient/1/_history/2`, as an absolute URL under a FHIR base of this
client, or as `urn:uuid:` inside a Bundle (FHIR R4, 2.3.0 and Bundle 3.1.6.1). Ids are compared by case.
"""

import re
from collections.abc import Collection, Iterable, Sequence

from wardgate.domain.context.fhir import Document, Event, Participant, Reference, Resource
from wardgate.domain.context.record import Dropped
from wardgate.domain.context.resources import Page

_REFERENCE = re.compile(
    r"(?:(?P<base>https?://[^\s?#]+)/)?(?P<type>[A-Z][A-Za-z]+)/(?P<id>[A-Za-z0-9\-.]{1,256})(?:/_history/[A-Za-z0-9\-.]{1,256})?"
)
_URN = "urn:uuid:"

NO_ALIASES: frozenset[str] = frozenset()


def patient_named(reference: str, bases: Collection[str]) -> str | None:
    """The id of the Patient that is named, relative or under one of `bases`; None: another type or base, or nobody
    that is sure."""
    match = _REFERENCE.fullmatch(reference)
    if match is None or match["type"] != "Patient" or not (match["base"] is None or match["base"] in bases):
        return None
    return match["id"]


class Owner:
    """The patient of one call, and the FHIR bases (no trailing slash) under which her id means her."""

    __slots__ = ("patient_id", "literal", "_server", "_listed")

    def __init__(self, patient_id: str, server: str | None, listed: frozenset[str]) -> None:
        self.patient_id = patient_id
        self.literal = f"Patient/{patient_id}"
        self._server = server
        self._listed = listed

    def verdict(self, resource: Resource, aliases: frozenset[str] = NO_ALIASES) -> Dropped | None:
        """Why this resource does not count; None: it is this patient's. `aliases` are her fullUrls in its Bundle."""
        subject = resource.subject if resource.subject is not None else resource.patient
        if subject is None:  # a medicine belongs to nobody, and a reference to it counts only from what is hers
            return None if resource.resourceType == "Medication" else Dropped.NO_SUBJECT
        cause = self._of(subject, aliases)
        if cause is None and resource.subject is not None and resource.patient is not None:
            cause = self._of(resource.patient, aliases)
        if cause is None and resource.focus and any(self._of(focus, aliases) for focus in resource.focus):
            return Dropped.OTHER_FOCUS
        return cause

    def verdict_on_draft(self, draft: Resource, aliases: frozenset[str] = NO_ALIASES) -> Dropped | None:
        """Of what the context carries: an Appointment is of the patients who take part, a Task is for somebody."""
        if isinstance(draft, Event):
            if draft.resourceType == "Appointment":
                return self._of_all(_patients_in(draft.participant), aliases)
            if draft.resourceType == "Task" and draft.for_ is not None:
                return self._of(draft.for_, aliases)
        return self.verdict(draft, aliases)

    def _of_all(self, references: Sequence[Reference], aliases: frozenset[str]) -> Dropped | None:
        causes = {self._of(reference, aliases) for reference in references} or {Dropped.NO_SUBJECT}
        return Dropped.OTHER_PATIENT if Dropped.OTHER_PATIENT in causes else next(filter(None, causes), None)

    def verdict_on_patient(self, document: Document) -> Dropped | None:
        found = document.get("id")
        if found == self.patient_id:
            return None
        return Dropped.OTHER_PATIENT if isinstance(found, str) else Dropped.NO_SUBJECT

    def aliases(self, page: Page) -> frozenset[str]:
        """The fullUrls under which this Bundle speaks of this patient, and of nobody else."""
        if not page.patients:
            return NO_ALIASES
        hers: set[str] = set()
        others: set[str] = set()
        for url, document in zip(page.full_urls, page.patients, strict=True):
            if url is not None and url.startswith(_URN):
                (hers if self.verdict_on_patient(document) is None else others).add(url)
        return frozenset(hers - others)

    def local(self, reference: Reference) -> Reference:
        """Relative, if it is an absolute one under a base of this client; under another, it names nothing here."""
        text = reference.reference
        if text is None or "://" not in text:
            return reference
        match = _REFERENCE.fullmatch(text)
        if match is None or not self._is_own(match["base"]):
            return Reference()
        return Reference(f"{match['type']}/{match['id']}")

    def _is_own(self, base: str | None) -> bool:
        return base is None or base == self._server or base in self._listed

    def _of(self, reference: Reference, aliases: frozenset[str]) -> Dropped | None:
        text = reference.reference
        if text is None:  # only an identifier: it may be this patient, but that cannot be made sure
            return Dropped.NO_SUBJECT
        if text == self.literal or text in aliases:
            return None
        if text.startswith(_URN):
            return None if text[len(_URN) :] == self.patient_id else Dropped.OTHER_PATIENT
        match = _REFERENCE.fullmatch(text)
        if match is None:  # conditional (`Patient?identifier=`), contained (`#p`), or not a reference at all
            return Dropped.NO_SUBJECT
        same = self._is_own(match["base"]) and match["type"] == "Patient" and match["id"] == self.patient_id
        return None if same else Dropped.OTHER_PATIENT


def _patients_in(participants: Iterable[Participant] | None) -> list[Reference]:
    """Practitioners and rooms take part as well; whoever is named by a type that is not Patient is none."""
    actors = [one.actor for one in participants or () if one.actor is not None and one.actor.reference is not None]
    return [actor for actor in actors if _may_be_patient(actor.reference or "")]


def _may_be_patient(text: str) -> bool:
    match = _REFERENCE.fullmatch(text)
    return match["type"] == "Patient" if match is not None else True
