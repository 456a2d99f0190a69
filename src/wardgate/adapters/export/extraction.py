"""From the files of an export to rows, patient by patient, by the extractor of the hook call (law 9).

Memory holds the resources of one patient and a bounded part of all others; the rest waits on disk, sorted.
"""

import csv
import hashlib
import struct
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from zoneinfo import ZoneInfo

import msgspec

from wardgate.adapters.export.charts import Medicine, Owned, Reader, Unusable, Wants
from wardgate.adapters.export.sorting import Sorter
from wardgate.adapters.export.tables import Cell, row_of
from wardgate.domain.context.ownership import Owner
from wardgate.domain.context.prefetch import PrefetchKey
from wardgate.domain.context.record import Dropped
from wardgate.domain.features.compile import Extractor
from wardgate.domain.features.export import Entry, record_of, types_of
from wardgate.domain.times import parse_instant

_CLOCK = struct.Struct("<d")
_ENTRY_TAG, _CLOCK_TAG = b"e", b"t"
_MEDICINE, _WANTED = b"0", b"1"
_DIGEST_BYTES = 16
_EARLIEST, _LATEST = -5e9, 8e9  # 1811 to 2223

Advance = Callable[[int], None]


class Plan(msgspec.Struct, frozen=True):
    """`as_of`: epoch seconds, for every patient; `dates`: a CSV of patient and time in their place.

    `pseudonym_key` None: rows carry FHIR ids. `bases`: FHIR bases, without trailing slash, of the export's server.
    """

    files: tuple[Path, ...]
    extractor: Extractor
    keys: tuple[PrefetchKey, ...]
    zone: ZoneInfo
    bases: frozenset[str]
    as_of: tuple[float, ...]
    dates: Path | None
    pseudonym_key: bytes | None


class Tally:
    """What came of it: patients and rows, marks by feature, and why something did not count."""

    def __init__(self) -> None:
        self.patients = 0
        self.rows = 0
        self.without_patient = 0
        """Ids that resources name, while there is no Patient resource."""
        self.without_date = 0
        """Patients whom the file of dates does not name."""
        self.dates_of_nobody = 0
        """Dates for patients that are not in the export."""
        self.dropped: Counter[Dropped] = Counter()
        self.marks: Counter[tuple[str, str]] = Counter()
        """By feature and mark; `value` where there is none."""


class Extraction:
    """One run: `collect` first, then `rows`. Close it with its sorter."""

    def __init__(self, plan: Plan, sorter: Sorter) -> None:
        self.reader = Reader(types_of(plan.keys), plan.bases)
        self.tally = Tally()
        self.items = 0
        self._plan = plan
        self._sorter = sorter

    def collect(self, advance: Advance) -> None:
        """Reads all files; `advance` is told how many bytes were read since. Raises Unusable, OSError (disk full)."""
        encode = msgspec.msgpack.Encoder().encode
        if self._plan.dates is not None:
            for patient, at in read_dates(self._plan.dates, self._plan.zone):
                self._add(patient, _CLOCK_TAG + _CLOCK.pack(at))
        with Sorter() as medicines:
            for path in self._plan.files:
                for read in self.reader.read(path, advance):
                    match read:
                        case Owned():
                            self._add(read.patient, _ENTRY_TAG + encode(read.entry))
                        case Medicine():
                            for name in read.names:
                                medicines.add(_digest(name) + _MEDICINE, encode(read.entry))
                        case Wants():
                            medicines.add(_digest(read.name) + _WANTED + read.patient.encode(), b"")
            self._hand_out(medicines)

    def _hand_out(self, medicines: Sorter) -> None:
        """Each Medication to each patient who wants it: of one name, all Medications come before all patients."""
        medicine, entries = b"", list[bytes]()
        for key, values in medicines.groups():
            name, role, patient = key[:_DIGEST_BYTES], key[_DIGEST_BYTES:][:1], key[_DIGEST_BYTES + 1 :]
            if role == _MEDICINE:
                medicine, entries = name, list(values)
            elif name == medicine:
                for entry in entries:
                    self._add(patient.decode(), _ENTRY_TAG + entry)

    def _add(self, patient: str, value: bytes) -> None:
        self._sorter.add(self._key(patient), value)
        self.items += 1

    def _key(self, patient: str) -> bytes:
        """The pseudonym stands first, so that the order of rows says as little as it does."""
        return self._pseudonym(patient) + patient.encode()

    def _pseudonym(self, patient: str) -> bytes:
        key = self._plan.pseudonym_key
        if key is None:
            return b""
        return hashlib.blake2b(patient.encode(), key=key, digest_size=_DIGEST_BYTES).digest()

    def rows(self, advance: Advance) -> Iterator[list[Cell]]:
        """One for each patient and clock; `advance` is told how many of `items` were used."""
        decode = msgspec.msgpack.Decoder(Entry).decode
        names = [spec.name for spec in self._plan.extractor.schema.features]
        for key, values in self._sorter.groups():
            entries: list[Entry] = []
            clocks: list[float] = []
            for value in values:
                if value.startswith(_ENTRY_TAG):
                    entries.append(decode(memoryview(value)[1:]))
                else:
                    clocks.append(_CLOCK.unpack_from(value, 1)[0])
            yield from self._rows_of(key, entries, clocks, names)
            advance(len(entries) + len(clocks))

    def _rows_of(
        self, key: bytes, entries: Sequence[Entry], dates: Sequence[float], names: Sequence[str]
    ) -> Iterator[list[Cell]]:
        plan, tally = self._plan, self.tally
        cut = 0 if plan.pseudonym_key is None else _DIGEST_BYTES
        patient = key[cut:].decode()
        if not any(entry.kind == "Patient" for entry in entries):
            tally.dates_of_nobody += len(dates)
            tally.without_patient += bool(entries)
            return
        record = record_of(Owner(patient, None, plan.bases), entries, plan.keys)
        tally.patients += 1
        tally.dropped.update(record.dropped)
        clocks = plan.as_of if plan.dates is None else sorted(dates)
        tally.without_date += not clocks
        name = key[:cut].hex() if cut else patient
        for clock in clocks:
            vector = plan.extractor.extract(record, clock, plan.zone)
            row = row_of(name, vector, plan.extractor)
            tally.rows += 1
            tally.marks.update(zip(names, (str(mark or "value") for mark in row[4::4]), strict=True))
            yield row


def _digest(name: str) -> bytes:
    return hashlib.blake2b(name.encode("utf-8", "surrogatepass"), digest_size=_DIGEST_BYTES).digest()


def clock_of(text: str, zone: ZoneInfo) -> float | None:
    """Epoch seconds of a time, or of the first instant of a date; None for what is none that a chart can have."""
    at = parse_instant(text, zone)
    return at if at is not None and _EARLIEST < at < _LATEST else None


_COLUMNS = "its first line names the columns, of which two are `patient` (a FHIR id) and `time`"


def read_dates(path: Path, zone: ZoneInfo) -> Iterator[tuple[str, float]]:
    """Patient ids and clocks, in the order of the file. Raises Unusable at the first line that is not sound: a row
    that silently is not there would make another training set."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, strict=True)
            if not {"patient", "time"} <= set(reader.fieldnames or ()):
                raise Unusable(path, "not a table of patients and times", _COLUMNS)
            for row in reader:
                patient = (row["patient"] or "").strip().removeprefix("Patient/")
                at = clock_of(row["time"] or "", zone)
                if not patient or at is None:
                    what = "no patient" if not patient else "not a time"
                    remedy = "write a FHIR id, and a date or a time such as 2026-03-01T08:00:00Z"
                    raise Unusable(path, f"line {reader.line_num}: {what}", remedy)
                yield patient, at
    except (UnicodeDecodeError, csv.Error):
        raise Unusable(path, "not CSV in UTF-8", _COLUMNS) from None
    except OSError as error:
        raise Unusable(path, f"cannot be read ({error.strerror})", _COLUMNS) from None
