"""Decoding: from the JSON of one prefetch key, or of one page of a search, to resources.

The four states of a key (CDS Hooks 2.0.1, "Prefetch Template"; trap T-3) stay apart: absent (never gets
here), null, an error, and a Bundle without entries. Nothing here raises for what the JSON holds: what
cannot be used is None, and then the key counts as unobtained.

The fast path decodes a whole Bundle once, into slim structs where the key asks for a type that these are enough for;
only what does not fit is looked at twice.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import msgspec

from wardgate.domain.context.fhir import SLIM, Document, Event, Reference, Resource
from wardgate.domain.context.lenient import (
    UNDECODABLE,
    Hopeless,
    Patience,
    Unreadable,
    fields_of,
    items_of,
    lenient_document,
    lenient_resource,
)
from wardgate.domain.context.prefetch import PrefetchKey

UNFOLLOWABLE = ""
"""`Page.next` where there is a next page whose link cannot be read."""


class Page(msgspec.Struct):
    """What one key, or one page of it, holds. Resources in their order, Patients apart and whole, and of each Encounter
    its JSON besides, since the one of the call is read whole.

    `full_urls` are the entries' fullUrls of `patients`, by position, for references inside the same Bundle.
    `next` is the link to the next page, None on the last one. `unreadable` counts what could not be decoded.
    """

    resources: list[Resource]
    patients: list[Document]
    encounters: list[tuple[Resource, msgspec.Raw]]
    full_urls: list[str | None]
    next: str | None = None
    unreadable: int = 0
    urns: dict[str, Event] = {}  # the Medications of this Bundle by their `urn:uuid:` fullUrl
    wholes: dict[int, msgspec.Raw] = {}  # the JSON of resources by identity, where they were decoded one by one


_ABSENT = msgspec.Raw()  # `Raw | None` is no type that msgspec can decode: it expects null then


class _SlimEntry(msgspec.Struct, gc=False):
    resource: Resource | None = None


class _Entry(msgspec.Struct, gc=False):
    resource: Event | None = None


class _Link(msgspec.Struct, gc=False):
    relation: str | None = None
    url: str | None = None


class _SlimEnvelope(msgspec.Struct, gc=False):
    resourceType: str | None = None
    entry: list[_SlimEntry] | None = None
    link: list[_Link] | None = None
    response: msgspec.Raw = _ABSENT
    resource: msgspec.Raw = _ABSENT


class _Envelope(msgspec.Struct, gc=False):
    resourceType: str | None = None
    entry: list[_Entry] | None = None
    link: list[_Link] | None = None
    response: msgspec.Raw = _ABSENT
    resource: msgspec.Raw = _ABSENT


class _RawEntry(msgspec.Struct):
    fullUrl: Any = None
    resource: msgspec.Raw = _ABSENT


class _RawEntries(msgspec.Struct):
    entry: list[_RawEntry]


class _Issue(msgspec.Struct, gc=False):
    severity: str | None = None


class _OperationOutcome(msgspec.Struct):
    issue: list[_Issue]


Bytes = bytes | msgspec.Raw
_slim_envelope: Callable[[Bytes], _SlimEnvelope] = msgspec.json.Decoder(_SlimEnvelope).decode
_envelope: Callable[[Bytes], _Envelope] = msgspec.json.Decoder(_Envelope).decode
_raw_entries: Callable[[Bytes], _RawEntries] = msgspec.json.Decoder(_RawEntries).decode
_raw_entry: Callable[[Bytes], _RawEntry] = msgspec.json.Decoder(_RawEntry).decode
_links: Callable[[Bytes], list[_Link]] = msgspec.json.Decoder(list[_Link]).decode
_outcome: Callable[[Bytes], _OperationOutcome] = msgspec.json.Decoder(_OperationOutcome).decode
_event: Callable[[Bytes], Event] = msgspec.json.Decoder(Event).decode
_document: Callable[[Bytes], Document] = msgspec.json.Decoder(Document).decode
_string: Callable[[Bytes], str] = msgspec.json.Decoder(str).decode
_any: Callable[[Bytes], Any] = msgspec.json.Decoder().decode

# Types that are read whole, and types that are not clinical content at all; the rest needs no second thought.
_APART = frozenset({"Patient", "Encounter", "Medication", "OperationOutcome", ""})
_EVENTS = frozenset({"MedicationRequest", "MedicationStatement", "DocumentReference"})
"""What stands among Observations is decoded once more, or it would be without what features read of it."""
_APART_FROM_LONG = _APART - {"Encounter"}
_APART_FROM_SLIM = _APART | _EVENTS
_URN = "urn:uuid:"
_HARMLESS = frozenset({"warning", "information", "success"})


def decode_value(raw: Bytes, resource_type: str, whole: bool = False) -> Page | None:
    """One prefetch value or one FHIR answer of a key that reads `resource_type`; None: cannot be used.

    `whole`: resource by resource, so that the page also has the JSON of each; at about twice the time.
    """
    try:
        return _second_look(raw, resource_type, whole) if whole else _decoded(raw, resource_type)
    except Hopeless:
        return None


def decode_field(raw: msgspec.Raw) -> Page | None:
    """What a field of the hook's context holds: a Bundle, one resource, or a list of them, of whatever types."""
    kind = _kind(raw)
    try:
        if kind == "Bundle":
            return _decoded(raw, kind)
        resources = [raw] if kind is not None else items_of(raw)
        return _page_of([_RawEntry(resource=resource) for resource in resources], None)
    except (Hopeless, *UNDECODABLE):
        return None


class PrefetchReader:
    """The keys of a service as the fields of one struct, `type`, so that a single pass over a request decodes them."""

    def __init__(self, keys: Iterable[PrefetchKey]) -> None:
        shapes: dict[str, tuple[str, Any]] = {}
        for key in keys:
            shape = (key.resource_type, _shape(key))
            if shapes.setdefault(key.name, shape) != shape:  # two hooks of a service use one name for two things
                shapes[key.name] = _RAW
        self._keys = [(name, kind) for name, (kind, _) in shapes.items()]
        self.type = msgspec.defstruct(
            "Prefetch", [_field(number, name, shape) for number, (name, (_, shape)) in enumerate(shapes.items())]
        )

    def read(self, sent: msgspec.Struct) -> dict[str, Page | msgspec.Raw | None]:
        """By key that was sent, of an instance of `type`: what `decode_value` would make of it, or the JSON of one
        that is read with it; None: this one is, and the pass was not told to keep it."""
        found: dict[str, Page | msgspec.Raw | None] = {}
        for (name, kind), value in zip(self._keys, msgspec.structs.astuple(sent), strict=True):
            if value is None:
                found[name] = _page()
            elif type(value) is msgspec.Raw:
                if value is not _ABSENT:
                    found[name] = value
            elif value is not msgspec.UNSET:
                found[name] = _whole_patient(value) if kind == "Patient" else _plain(value, kind)
        return found


_RAW = ("", msgspec.Raw)


def _shape(key: PrefetchKey) -> Any:
    if key.whole or key.resource_type == "Encounter":
        return msgspec.Raw
    return Document if key.resource_type == "Patient" else _SlimEnvelope if key.resource_type in SLIM else _Envelope


def _field(number: int, name: str, shape: Any) -> tuple[str, Any, Any]:
    """Numbered, since the name of a key need not be one of Python's."""
    if shape is msgspec.Raw:
        return f"key{number}", shape, msgspec.field(default=_ABSENT, name=name)
    return f"key{number}", shape | None | msgspec.UnsetType, msgspec.field(default=msgspec.UNSET, name=name)


def _decoded(raw: Bytes, resource_type: str) -> Page | None:
    if resource_type in ("Patient", "Encounter"):
        page = _whole(raw, resource_type)
        if page is not None:
            return page
    try:
        envelope = _slim_envelope(raw) if resource_type in SLIM else _envelope(raw)
    except UNDECODABLE:
        return _second_look(raw, resource_type)
    if envelope.resourceType == "Bundle":
        return _plain(envelope, resource_type) or _bundle(raw, resource_type, envelope)
    if envelope.resourceType is None:
        return _unwrapped(envelope.response, envelope.resource, resource_type)
    return _single(raw, resource_type) if envelope.resourceType == resource_type else None


def _page(**fields: Any) -> Page:
    return Page([], [], [], [], **fields)


def _whole(raw: Bytes, resource_type: str) -> Page | None:
    """A read of a Patient or an Encounter, decoded whole at once; None: not that, or not so simple."""
    try:
        document = _document(raw)
        if resource_type == "Patient":
            return _whole_patient(document)
        if document.get("resourceType") != resource_type:
            return None
        encounter = _event(raw)
        return Page([encounter], [], [(encounter, msgspec.Raw(raw))], [])
    except UNDECODABLE:
        return None


def _whole_patient(document: Document) -> Page | None:
    return Page([], [document], [], [None]) if document.get("resourceType") == "Patient" else None


def _plain(envelope: _SlimEnvelope | _Envelope, resource_type: str) -> Page | None:
    """The page of a Bundle in which each resource has all that is read of it; None: it takes its JSON besides."""
    if envelope.resourceType != "Bundle":
        return None
    entries: Sequence[_SlimEntry | _Entry] = envelope.entry or ()
    resources = [resource for entry in entries if (resource := entry.resource) is not None]
    types = _APART_FROM_SLIM if resource_type in SLIM else _APART
    others = [resource.resourceType for resource in resources if resource.resourceType != resource_type]
    if (resources and resource_type in types) or not types.isdisjoint(others):
        return None
    return Page(resources, [], [], [], _next(envelope.link))


def _bundle(raw: Bytes, resource_type: str, envelope: _SlimEnvelope | _Envelope) -> Page | None:
    slim = resource_type in SLIM
    types = _APART_FROM_SLIM if slim else _APART
    again = _APART_FROM_SLIM if slim else _APART_FROM_LONG
    entries: Sequence[_SlimEntry | _Entry] = envelope.entry or ()
    found = [(index, resource) for index, entry in enumerate(entries) if (resource := entry.resource) is not None]
    page = _page(next=_next(envelope.link))
    page.resources = [resource for _, resource in found if resource.resourceType not in again]
    try:
        raw_entries = _raw_entries(raw).entry
    except UNDECODABLE:  # a fullUrl that is no text; everything else has been decoded before
        return _second_look(raw, resource_type)
    patience = Patience()
    for index, resource in found:
        if resource.resourceType not in types:
            continue
        if resource.resourceType not in again:  # an Encounter, which is decoded already
            page.encounters.append((resource, raw_entries[index].resource))
        elif not _set_apart(page, resource.resourceType, raw_entries[index], patience):
            return None
    return _with_references(page)


def _set_apart(page: Page, kind: str, entry: _RawEntry, patience: Patience) -> bool:
    """Sort in what is more than a slim resource; False where the server says that the search failed."""
    raw = entry.resource
    patience.spend()
    try:
        if kind == "Patient":
            page.patients.append(lenient_document(raw))
            page.full_urls.append(entry.fullUrl if isinstance(entry.fullUrl, str) else None)
        elif kind == "OperationOutcome":
            return _is_harmless(raw)
        elif kind == "":
            page.unreadable += 1
        else:
            event = lenient_resource(raw, patience)
            page.resources.append(event)
            page.wholes[id(event)] = raw
            if kind == "Encounter":
                page.encounters.append((event, raw))
            elif kind == "Medication" and isinstance(entry.fullUrl, str) and entry.fullUrl.startswith(_URN):
                page.urns[entry.fullUrl] = event
    except Unreadable:
        page.unreadable += 1
    return True


def _with_references(page: Page) -> Page:
    """Inside one Bundle a Medication may be called by its fullUrl; outside of it, only by its id."""
    for url, medication in page.urns.items():
        medication.id = medication.id or url[len(_URN) :]
    if page.urns:
        for resource in page.resources:
            called = resource.medicationReference if isinstance(resource, Event) else None
            medicine = page.urns.get(called.reference or "") if called is not None else None
            if medicine is not None and isinstance(resource, Event):
                resource.medicationReference = Reference(f"Medication/{medicine.id}")
    return page


def _is_harmless(raw: Bytes) -> bool:
    """Epic answers an empty search with an OperationOutcome entry that only warns (PF-2)."""
    try:
        issues = _outcome(raw).issue
    except UNDECODABLE:
        return False
    return bool(issues) and all(issue.severity in _HARMLESS for issue in issues)


def _next(links: list[_Link] | None) -> str | None:
    for link in links or ():
        if link.relation == "next":
            return link.url or UNFOLLOWABLE
    return None


def _single(raw: Bytes, resource_type: str) -> Page | None:
    """One resource of the key's type, where the key is not a Bundle."""
    try:
        if resource_type == "Patient":
            return Page([], [lenient_document(raw)], [], [None])
        resource = lenient_resource(raw)
        whole = msgspec.Raw(raw)
        page = Page([resource], [], [(resource, whole)] if resource_type == "Encounter" else [], [])
        page.wholes[id(resource)] = whole
        return page
    except Unreadable:
        return None


def _unwrapped(response: Bytes, resource: Bytes, resource_type: str, whole: bool = False) -> Page | None:
    """`{response: {status}, resource}`, the prefetch of before 1.0. Never wrapped twice."""
    if not _is_success(response):
        return None
    if _kind(resource) is None:
        return _page() if _is_null(resource) else None
    return decode_value(resource, resource_type, whole)


def _is_success(response: Bytes) -> bool:
    try:
        status = _any(fields_of(response).get("status", msgspec.Raw(b'"200"')))
    except UNDECODABLE:
        return False
    return str(status).strip()[:3] == "200"


def _kind(raw: Bytes) -> str | None:
    """The resourceType, whatever else there is."""
    try:
        return _string(fields_of(raw)["resourceType"])
    except (KeyError, *UNDECODABLE):
        return None


def _second_look(raw: Bytes, resource_type: str, whole: bool = False) -> Page | None:
    """What did not decode as a whole: null, something else than an object, or a misfit somewhere inside."""
    try:
        if _any(raw) is None:
            return _page()
    except UNDECODABLE:
        pass
    try:
        fields = fields_of(raw)
    except UNDECODABLE:
        return None
    kind = _kind(raw)
    if kind == "Bundle":
        return _loose_bundle(fields)
    if kind is None:
        return _unwrapped(fields.get("response", _ABSENT), fields.get("resource", _ABSENT), resource_type, whole)
    return _single(raw, resource_type) if kind == resource_type else None


def _loose_bundle(fields: Mapping[str, msgspec.Raw]) -> Page | None:
    following = _loose_next(fields.get("link"))
    try:
        entries = items_of(fields["entry"]) if "entry" in fields else []
    except UNDECODABLE:
        return _page(next=following) if _is_null(fields["entry"]) else None
    return _page_of([_entry_of(raw) for raw in entries], following)


def _entry_of(raw: Bytes) -> _RawEntry | None:
    try:
        return _raw_entry(raw)
    except UNDECODABLE:
        return None


def _page_of(entries: Sequence[_RawEntry | None], following: str | None) -> Page | None:
    """Resource by resource, whatever each one is; None where one of them says that the search failed."""
    page, patience = _page(next=following), Patience()
    for entry in entries:
        if entry is None:
            patience.spend()
            page.unreadable += 1
            continue
        if entry.resource is _ABSENT or _is_null(entry.resource):
            continue
        kind = _kind(entry.resource) or ""
        if kind in _APART:
            if not _set_apart(page, kind, entry, patience):
                return None
            continue
        try:
            resource = lenient_resource(entry.resource, patience)
        except Unreadable:
            page.unreadable += 1
        else:
            page.resources.append(resource)
            page.wholes[id(resource)] = entry.resource
    return _with_references(page)


def _loose_next(raw: msgspec.Raw | None) -> str | None:
    """Links that cannot be read may hide a next page, so they count as one that cannot be followed."""
    if raw is None or _is_null(raw):
        return None
    try:
        return _next(_links(raw))
    except UNDECODABLE:
        return UNFOLLOWABLE


def _is_null(raw: Bytes) -> bool:
    return bytes(raw).strip() == b"null"
