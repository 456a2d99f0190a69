"""Reading exports: FHIR Bundles and bulk NDJSON, each resource with the patient whose it is.

A file that cannot be read to its end raises `Unusable`: a table over a part of an export must not look like one over
all of it. A resource that cannot be used is counted with its place. Neither says what stands in the file.
"""

import gzip
import io
import re
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from enum import StrEnum
from pathlib import Path
from typing import IO, Any, NamedTuple

import msgspec

from wardgate.domain.context.lenient import UNDECODABLE, items_of
from wardgate.domain.context.ownership import patient_named
from wardgate.domain.features.export import MEDICATION, NOWHERE, UNKNOWN, Entry

MAX_RESOURCE = 32 * 1024 * 1024
"""Bytes of one NDJSON line."""

MAX_BUNDLE = 256 * 1024 * 1024
"""Bytes of one file that is read at once, unpacked."""

SUFFIXES = (".json", ".json.gz", ".ndjson", ".ndjson.gz")
_PLACES = 3
_REPORT_EVERY = 500
_BOM = b"\xef\xbb\xbf"
_URN = "urn:uuid:"
_MEDICATION = re.compile(r"(?:.*/)?Medication/([^/\s]+)(?:/_history/[^/\s]+)?|urn:uuid:([^/\s]+)")
_ID = re.compile(r"[A-Za-z0-9\-.]{1,256}")
_NEVER_SURE = ""


class Unusable(Exception):
    """A file that cannot be read to its end: which, what, and how to mend it."""

    def __init__(self, path: Path, what: str, remedy: str) -> None:
        super().__init__(what)
        self.path = path
        self.what = what
        self.remedy = remedy


class Loss(StrEnum):
    """Why a resource belongs to no patient of the export."""

    NOT_FHIR = "not_fhir"
    TOO_LARGE = "too_large"
    NO_ID = "no_id"  # a Patient or a Medication
    NO_SUBJECT = "no_subject"
    OTHER_SERVER = "other_server"


class Place(NamedTuple):
    """`entry` counts from 1 inside a Bundle; `line` from 1 in NDJSON. 0: neither."""

    path: Path
    line: int = 0
    entry: int = 0


class Losses:
    """How many resources were lost and why, and where the first of each kind stand."""

    def __init__(self) -> None:
        self.counts: Counter[Loss] = Counter()
        self.places: dict[Loss, list[Place]] = {}

    def add(self, loss: Loss, place: Place) -> None:
        self.counts[loss] += 1
        places = self.places.setdefault(loss, [])
        if len(places) < _PLACES:
            places.append(place)


class _Head(msgspec.Struct, gc=False):
    """What says whose a resource is, of whatever type it may be."""

    resourceType: Any = None
    id: Any = None
    subject: Any = None
    patient: Any = None
    medicationReference: Any = None


class _BundleEntry(msgspec.Struct):
    fullUrl: Any = None
    resource: msgspec.Raw = msgspec.Raw()


class _Bundle(msgspec.Struct):
    entry: msgspec.Raw = msgspec.Raw()


_head: Callable[[bytes | msgspec.Raw], _Head] = msgspec.json.Decoder(_Head).decode
_bundle: Callable[[bytes | msgspec.Raw], _Bundle] = msgspec.json.Decoder(_Bundle).decode
_bundle_entry: Callable[[bytes | msgspec.Raw], _BundleEntry] = msgspec.json.Decoder(_BundleEntry).decode


class Owned(NamedTuple):
    """One resource, and the id of the patient whose it may be."""

    patient: str
    entry: Entry


class Medicine(NamedTuple):
    """A Medication is nobody's: it goes to whoever `Wants` it by one of its `names`."""

    names: tuple[str, ...]
    entry: Entry


class Wants(NamedTuple):
    """A patient's resource refers to the Medication of this name."""

    patient: str
    name: str


Read = Owned | Medicine | Wants

Aliases = Mapping[str, str]
"""Ids of Patients by their fullUrl in the same Bundle; `_NEVER_SURE` where it stands for several."""


def files_of(inputs: Iterable[Path]) -> list[Path]:
    """All files to read, each once; of a folder those that end in one of SUFFIXES, by name. Raises Unusable."""
    found: dict[Path, Path] = {}
    for given in inputs:
        if given.is_dir():
            files = [path for path in sorted(given.rglob("*")) if path.name.endswith(SUFFIXES) and path.is_file()]
            if not files:
                raise Unusable(given, "no export in this folder", f"its files end in {', '.join(SUFFIXES)}")
        elif not given.exists():
            raise Unusable(given, "no such file", "name a Bundle, an NDJSON file or a folder of these")
        elif not given.name.endswith(SUFFIXES):
            raise Unusable(given, "its name does not say what it is", f"let it end in {', '.join(SUFFIXES)}")
        else:
            files = [given]
        for path in files:
            found.setdefault(path.resolve(), path)
    return list(found.values())


class Reader:
    """Reads the resources of `kinds`. `bases` are the FHIR bases, without trailing slash, under which an id means a
    patient of this export; `others` counts resources of types that nobody asked for."""

    def __init__(self, kinds: frozenset[str], bases: frozenset[str]) -> None:
        self.losses = Losses()
        self.resources = 0
        self.others = 0
        self._kinds = kinds
        self._bases = bases
        self._bundles = NOWHERE

    def read(self, path: Path, advance: Callable[[int], None]) -> Iterator[Read]:
        """`advance` is told from time to time how many bytes of the file were read since. Raises Unusable."""
        told = 0

        def report() -> None:
            nonlocal told
            advance(raw.tell() - told)
            told = raw.tell()

        try:
            with path.open("rb") as raw:
                packed = path.name.endswith(".gz")
                stream: IO[bytes] = io.BufferedReader(gzip.GzipFile(fileobj=raw)) if packed else raw
                if ".ndjson" in path.suffixes:
                    yield from self._lines(stream, path, report)
                else:
                    yield from self._file(stream, path)
                report()
        except (EOFError, zlib.error, gzip.BadGzipFile):
            raise Unusable(path, "the gzip data is damaged or ends too early", "fetch the file again") from None
        except OSError as error:
            raise Unusable(path, f"cannot be read ({error.strerror})", "mend that, or leave the file out") from None

    def _lines(self, stream: IO[bytes], path: Path, report: Callable[[], None]) -> Iterator[Read]:
        for number, line in enumerate(_bounded_lines(stream), 1):
            if line is None:
                self.losses.add(Loss.TOO_LARGE, Place(path, number))
            elif line := line.removeprefix(_BOM).strip() if number == 1 else line.strip():
                yield from self._resource(line, Place(path, number))
            if number % _REPORT_EVERY == 0:
                report()

    def _file(self, stream: IO[bytes], path: Path) -> Iterator[Read]:
        raw = stream.read(MAX_BUNDLE + 1)
        if len(raw) > MAX_BUNDLE:
            remedy = "export as NDJSON, which is read line by line"
            raise Unusable(path, f"larger than {MAX_BUNDLE >> 20} MiB", remedy)
        raw = raw.removeprefix(_BOM)
        try:
            _head(raw)
        except UNDECODABLE:
            raise Unusable(path, "not a JSON object", "mend or remove it; one resource a line is .ndjson") from None
        yield from self._resource(raw, Place(path))

    def _resource(self, raw: bytes, place: Place) -> Iterator[Read]:
        """One that stands alone, or a Bundle."""
        try:
            head = _head(raw)
        except UNDECODABLE:
            self.losses.add(Loss.NOT_FHIR, place)
            return
        if head.resourceType == "Bundle":
            yield from self._entries(raw, place)
        elif not isinstance(head.resourceType, str):
            self.losses.add(Loss.NOT_FHIR, place)
        elif self._is_wanted(head):
            self.resources += 1
            entry = Entry(head.resourceType, NOWHERE, None, raw)
            if head.resourceType == MEDICATION:
                yield from self._medicine(head, entry, place)
            elif isinstance(owner := self._owner_of(head, {}), Loss):
                self.losses.add(owner, place)
            else:
                yield from _owned(owner, head, entry)

    def _is_wanted(self, head: _Head) -> bool:
        wanted = head.resourceType in self._kinds
        self.others += not wanted
        return wanted

    def _entries(self, raw: bytes, place: Place) -> Iterator[Read]:
        """Those of one Bundle. Where it holds one Patient alone, it is her chart: what names nobody, or cannot be
        read, is kept for her record, which doubts its counts then, as in a hook call."""
        self._bundles += 1
        wanted: list[tuple[_Head | None, _BundleEntry, Place]] = []
        for head, found, at in self._read_entries(raw, place):
            if head is None or self._is_wanted(head):
                wanted.append((head, found, at))
        self.resources += len(wanted)
        patients = [(head, found) for head, found, _ in wanted if head is not None and head.resourceType == "Patient"]
        aliases = _aliases_of(patients)
        only = self._owner_of(patients[0][0], {}) if len(patients) == 1 else None
        for head, found, at in wanted:
            kind = UNKNOWN if head is None else head.resourceType
            url = found.fullUrl if isinstance(found.fullUrl, str) else None
            entry = Entry(kind, self._bundles, url, bytes(found.resource))
            if head is not None and kind == MEDICATION:
                yield from self._medicine(head, entry, at)
                continue
            owner = Loss.NOT_FHIR if head is None else self._owner_of(head, aliases)
            if owner in (Loss.NO_SUBJECT, Loss.NOT_FHIR) and only is not None and not isinstance(only, Loss):
                owner = only
            if isinstance(owner, Loss):
                self.losses.add(owner, at)
            else:
                yield from _owned(owner, head, entry)

    def _medicine(self, head: _Head, entry: Entry, place: Place) -> Iterator[Read]:
        names = [] if entry.full_url is None else [_in_bundle(entry.bundle, entry.full_url)]
        if isinstance(head.id, str):
            names.append(head.id)
        if names:
            yield Medicine(tuple(names), entry)
        else:
            self.losses.add(Loss.NO_ID, place)

    def _read_entries(self, raw: bytes, place: Place) -> Iterator[tuple[_Head | None, _BundleEntry, Place]]:
        """None: a resource that cannot be read. An entry without a resource is a request of a transaction."""
        try:
            entries = _bundle(raw).entry
            items = items_of(entries) if bytes(entries).strip() not in (b"", b"null") else []
        except UNDECODABLE:
            self.losses.add(Loss.NOT_FHIR, place)
            return
        for number, item in enumerate(items, 1):
            at = place._replace(entry=number)
            try:
                entry = _bundle_entry(item)
                if bytes(entry.resource) in (b"", b"null"):
                    continue
                head = _head(entry.resource)
            except UNDECODABLE:
                yield None, _BundleEntry(None, item), at
                continue
            yield head if isinstance(head.resourceType, str) else None, entry, at

    def _owner_of(self, head: _Head, aliases: Aliases) -> "str | Loss":
        if head.resourceType == "Patient":
            return head.id if isinstance(head.id, str) and _ID.fullmatch(head.id) else Loss.NO_ID
        subject = head.subject if head.subject is not None else head.patient
        reference = subject.get("reference") if isinstance(subject, dict) else None
        if not isinstance(reference, str):
            return Loss.NO_SUBJECT
        if (alias := aliases.get(reference)) is not None:
            return alias or Loss.NO_SUBJECT
        if reference.startswith(_URN):
            named = reference.removeprefix(_URN)
            return named if _ID.fullmatch(named) else Loss.NO_SUBJECT
        if (patient := patient_named(reference, self._bases)) is not None:
            return patient
        return Loss.OTHER_SERVER if "://" in reference else Loss.NO_SUBJECT


def _owned(owner: str, head: _Head | None, entry: Entry) -> Iterator[Read]:
    yield Owned(owner, entry)
    called = head.medicationReference if head is not None else None
    reference = called.get("reference") if isinstance(called, dict) else None
    if isinstance(reference, str) and (match := _MEDICATION.fullmatch(reference)) is not None:
        yield Wants(owner, match[1] or match[2])
        if match[2] is not None:
            yield Wants(owner, _in_bundle(entry.bundle, reference))


def _in_bundle(bundle: int, url: str) -> str:
    """A name that no id can be."""
    return f"{bundle} {url}"


def _bounded_lines(stream: IO[bytes]) -> Iterator[bytes | None]:
    """None for a line of more than MAX_RESOURCE bytes, which is never in memory whole."""
    while line := stream.readline(MAX_RESOURCE + 1):
        if len(line) <= MAX_RESOURCE:
            yield line
            continue
        while line and not line.endswith(b"\n"):
            line = stream.readline(MAX_RESOURCE)
        yield None


def _aliases_of(patients: Iterable[tuple[_Head, _BundleEntry]]) -> Aliases:
    aliases: dict[str, str] = {}
    for head, entry in patients:
        url, found = entry.fullUrl, head.id
        if isinstance(url, str) and url.startswith(_URN):
            known = isinstance(found, str) and _ID.fullmatch(found) and aliases.get(url, found) == found
            aliases[url] = found if known else _NEVER_SURE
    return aliases
