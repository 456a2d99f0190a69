"""From what an export holds of one patient to her record: as a hook call that asked for all of it (law 9).

Each resource is put into a searchset Bundle of its type and decoded, assigned and made one of each by the very code
that reads a prefetch. An export answers every key: what is not in it is missing, not unobtained.
"""

from collections.abc import Iterable, Sequence

import msgspec

from wardgate.domain.context.assemble import Answer, assemble
from wardgate.domain.context.ownership import Owner
from wardgate.domain.context.prefetch import PrefetchKey
from wardgate.domain.context.record import KeyState, PatientRecord
from wardgate.domain.context.resources import Page, decode_value
from wardgate.domain.features.evaluated import reads_whole
from wardgate.domain.features.schema import FeatureSchema
from wardgate.domain.features.sources import CONTEXT, PATIENT, SOURCES

NOWHERE = 0
"""`Entry.bundle` of what stood in no Bundle."""

UNKNOWN = ""
"""`Entry.kind` of what may be of any type."""


class Entry(msgspec.Struct, frozen=True, array_like=True):
    """One resource as it stood in the export, whole. `full_url` holds inside its Bundle only."""

    kind: str
    bundle: int
    full_url: str | None
    raw: bytes


def export_keys(schema: FeatureSchema) -> tuple[PrefetchKey, ...]:
    """One key for each type that the schema reads, and the Patient: each asks for all that there is.

    None asks for what only a call has, its Encounter and what its context carries: features of these are unobtained.
    """
    kinds = {spec.source for spec in schema.features if spec.source in SOURCES and not spec.reads_document}
    whole = reads_whole(schema)
    return tuple(
        PrefetchKey(kind, "", kind, False, (), (), True, whole) for kind in (PATIENT, *sorted(kinds - {CONTEXT}))
    )


def types_of(keys: Iterable[PrefetchKey]) -> frozenset[str]:
    """The types of all resources that bear on the answers of these keys."""
    types = frozenset(key.resource_type for key in keys)
    return types if types.isdisjoint(_REFERRING) else types | {MEDICATION}


MEDICATION = "Medication"
_REFERRING = frozenset({"MedicationRequest", "MedicationStatement"})
"""What may say which medicine it means in a resource of its own."""


def record_of(owner: Owner, entries: Sequence[Entry], keys: Iterable[PrefetchKey]) -> PatientRecord:
    """`entries` are all that may be this patient's; whose each one is, is decided here once more (law 11)."""
    answers = [Answer(key, _pages(key, entries), KeyState.OBTAINED) for key in keys]
    return assemble(answers, owner, None, wrong_patient=False)


def _pages(key: PrefetchKey, entries: Sequence[Entry]) -> list[Page]:
    """One for each Bundle, with the Patient and the Medications in it, whose fullUrls the others may name."""
    kind, by_bundle = key.resource_type, dict[int, list[Entry]]()
    for entry in entries:
        if entry.kind in (kind, UNKNOWN):
            by_bundle.setdefault(entry.bundle, []).append(entry)
    for entry in entries:
        if entry.kind == MEDICATION and kind in _REFERRING:
            by_bundle.setdefault(entry.bundle, []).append(entry)
        elif entry.kind == PATIENT != kind and entry.bundle != NOWHERE and entry.bundle in by_bundle:
            by_bundle[entry.bundle].append(entry)
    return [page for each in by_bundle.values() for page in _decoded(key, each)]


def _decoded(key: PrefetchKey, entries: Sequence[Entry]) -> list[Page]:
    """A Bundle with more misfits than a call has time for is read entry by entry: an export has time."""
    page = decode_value(_bundle(entries), key.resource_type, key.whole)
    if page is not None:
        return [page]
    pages = (decode_value(_bundle([entry]), key.resource_type, key.whole) for entry in entries)
    return [page if page is not None else Page([], [], [], [], unreadable=1) for page in pages]


def _bundle(entries: Iterable[Entry]) -> bytes:
    return b'{"resourceType":"Bundle","type":"searchset","entry":[%b]}' % b",".join(
        b'{"fullUrl":%b,"resource":%b}' % (msgspec.json.encode(entry.full_url), entry.raw) for entry in entries
    )
