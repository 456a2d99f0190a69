"""Outcomes on their way in: rows of a file or a post, pseudonymised at the door, before anything is written anywhere.

    bytes ─► lines ─► row of text ─► checked ─► OutcomeRow

A row that is wrong is named by line and column, never by what stands in it. A label counts only where a service
declares it, so that no text from outside is ever kept.
"""

import csv
import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import tzinfo
from enum import StrEnum

import msgspec

from wardgate.domain.clients import Client
from wardgate.domain.record_names import Named, RecordNames, encounter, event, patient
from wardgate.domain.times import parse_full_instant
from wardgate.records.archive import OutcomeRow

_ID = re.compile(r"[A-Za-z0-9\-.]{1,64}")  # FHIR R4, "Primitive Types": id
_NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_SOURCE = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
_NAMED_ROWS = 100
_LONGEST_LINE = 16 * 1024
_SIGNIFICANT = 5
"""Digits of a value that are kept: more of them would tell a patient apart (law 4). Times are kept to the second."""


class Form(StrEnum):
    CSV = "csv"
    """The first line names the columns."""
    NDJSON = "ndjson"


class BadRow(msgspec.Struct, frozen=True):
    line: int  # from 1
    column: str  # a name of wardgate's own; empty: the line as a whole
    what: str


class BadRows(Exception):
    """Nothing was loaded: `count` rows are wrong, and `rows` names the first hundred."""

    def __init__(self, rows: Sequence[BadRow], count: int) -> None:
        super().__init__(f"{count} rows cannot be read")
        self.rows = tuple(rows)
        self.count = count


@dataclass(frozen=True, slots=True)
class Ground:
    """Whose ids may stand in the rows, and what may be said of them.

    `clients` by name; `client` and `fhir_server` are those of a row that names none; None: each row must. `source`
    names where the rows come from: a correction replaces only what the same source said.
    """

    clients: Mapping[str, Client]
    labels: frozenset[str]
    source: str
    client: str | None = None
    fhir_server: str | None = None


class Unnamed(Exception):
    """What was named for all rows is none of the configuration's: `what` says which."""

    def __init__(self, what: str) -> None:
        super().__init__(what)
        self.what = what


def ground_of(
    clients: Mapping[str, Client], labels: frozenset[str], source: str, client: str | None, fhir_server: str | None
) -> Ground:
    """What is not named is taken from the configuration, where there is but one. Raises Unnamed."""
    if _SOURCE.fullmatch(source) is None:
        raise Unnamed("A source is named in small letters, digits, - and _.")
    if not labels:
        raise Unnamed("No service declares an outcome: add `outcome: {label: …, within: …}` to its file.")
    if client is not None and client not in clients:
        raise Unnamed("No client has this name.")
    if client is None and len(clients) == 1:
        client = next(iter(clients))
    servers = clients[client].fhir_servers if client is not None else frozenset()
    if fhir_server is not None:
        fhir_server = fhir_server.rstrip("/")
        if fhir_server not in (servers or {server for each in clients.values() for server in each.fhir_servers}):
            raise Unnamed("No client has this FHIR server.")
    elif len(servers) == 1:
        fhir_server = next(iter(servers))
    return Ground(clients, labels, source, client, fhir_server)


class _Row(msgspec.Struct):
    patient: str = ""
    encounter: str = ""
    label: str = ""
    value: str | float | bool = ""
    time: str = ""
    client: str = ""
    fhir_server: str = ""
    event: str = ""


_COLUMNS = _Row.__struct_fields__
NO_HEAD = (
    "The first line must name the columns: label, value, time, and patient or encounter; with commas between them,"
    " in UTF-8, each row in a line of its own."
)
_OPEN = (
    "has a quote that is open beyond its end, and takes in the lines up to {}: close it, and write each row in one line"
    " (it is not left out as a bad row is, since those lines would go with it)"
)
_decode = msgspec.json.Decoder(_Row).decode


class _Bad(Exception):
    def __init__(self, column: str, what: str, lasting: bool = False) -> None:
        """`lasting`: what follows cannot be told apart from it, so that leaving it out would lose rows unseen."""
        super().__init__(what)
        self.column = column
        self.what = what
        self.lasting = lasting


class OutcomeReader:
    """One reading of one file or post. `rows` is to be used up; then `digest` and `skipped` hold.

    `skip_bad`: rows that are wrong are left out and counted; otherwise the reading ends with BadRows, after its last
    line, so that all of them are named at once. A quote that is open beyond its line ends the reading in any case.
    """

    def __init__(self, ground: Ground, names: RecordNames, skip_bad: bool = False, until: float = math.inf) -> None:
        """`until`: epoch seconds; nobody knows yet what has become of a patient later than that."""
        self._ground = ground
        self._until = until
        self._names = names
        self._skip_bad = skip_bad
        self._labels = {label: label for label in ground.labels}
        self._hashes = names.hashes()
        self._hash(repr((ground.source, ground.client, ground.fhir_server, skip_bad)).encode())
        self.bad: list[BadRow] = []
        self.skipped = 0
        self.read = 0

    @property
    def digest(self) -> str:
        """Keyed, of the bytes that were read and whose ids they were said to hold: by it a file counts once."""
        return self._hashes[0].hexdigest()

    @property
    def earlier_digests(self) -> tuple[str, ...]:
        """The same under the previous keys of the ring."""
        return tuple([each.hexdigest() for each in self._hashes[1:]])

    def rows(self, lines: Iterable[bytes], form: Form) -> Iterator[OutcomeRow]:
        """`lines` with their ends. Raises BadRows at the end, and NoHeader."""
        read = self._csv(lines) if form is Form.CSV else self._ndjson(lines)
        for number, row in read:
            try:
                if isinstance(row, _Bad):
                    raise row
                made = self._made(row)
            except _Bad as bad:
                self._note(number, bad)
                if bad.lasting:
                    raise BadRows(self.bad, self.skipped) from None
                continue
            self.read += 1
            yield from made
        if self.skipped and not self._skip_bad:
            raise BadRows(self.bad, self.skipped)

    def _note(self, line: int, bad: _Bad) -> None:
        self.skipped += 1
        if len(self.bad) < _NAMED_ROWS or bad.lasting:
            self.bad.append(BadRow(line, bad.column, bad.what))

    def _hash(self, piece: bytes) -> None:
        for each in self._hashes:
            each.update(piece)

    def _hashed(self, lines: Iterable[bytes]) -> Iterator[bytes]:
        for line in lines:
            self._hash(line)
            yield line

    def _ndjson(self, lines: Iterable[bytes]) -> Iterator[tuple[int, "_Row | _Bad"]]:
        for number, line in enumerate(self._hashed(lines), 1):
            if number == 1:
                line = line.removeprefix(b"\xef\xbb\xbf")
            if not line.strip():
                continue
            try:
                row = _decode(line)
                twice = _named_twice(line)
                yield number, row if twice is None else _Bad(twice, "is named more than once")
            except msgspec.ValidationError as error:
                column = _column_of(error)
                yield number, _Bad(column, "is not of its type" if column else "is no JSON object")
            except (msgspec.DecodeError, ValueError, RecursionError):
                yield number, _Bad("", "is no JSON object")

    def _csv(self, lines: Iterable[bytes]) -> Iterator[tuple[int, "_Row | _Bad"]]:
        whole = True

        def texts() -> Iterator[str]:
            nonlocal whole
            for line in self._hashed(lines):
                whole = line.endswith((b"\n", b'"'))
                yield line.decode("utf-8", "surrogateescape")

        reader = csv.reader(texts(), strict=True)
        places: list[tuple[str, int]] | None = None
        while True:
            number = reader.line_num + 1
            try:
                cells = next(reader)
            except StopIteration:
                if places is None:
                    raise NoHeader(NO_HEAD) from None
                return
            except csv.Error:
                cells = None
            if reader.line_num > number:
                yield number, _Bad("", _OPEN.format(reader.line_num), lasting=True)
            elif cells is None:
                yield number, _Bad("", "is not CSV: a quote is open, or a field too long")
            elif places is None:
                places = _places(cells)
                width = len(cells)
            elif cells and not whole:  # half of an id is another patient's
                yield number, _Bad("", "has no end: the file was cut off there, or wants a line break")
            elif cells:
                yield number, _of_cells(cells, places, width)

    def _made(self, row: _Row) -> Iterator[OutcomeRow]:
        """One row for each key of the ring: what is joined may have been decided before the key was changed."""
        label = self._labels.get(row.label)
        if label is None:
            raise _Bad("label", "is not the label of an outcome that a service declares")
        client = self._client(row)
        whose = self._whose(row, client)
        value, at = _number(row.value), _time(row.time, client.zone)
        if at > self._until:  # a slip of the year would count as known for years
            raise _Bad("time", "is in the future")
        happening = () if not row.event else self._names.all_of(event(self._ground.source, row.event))
        subjects = self._names.all_of(whose)
        return iter(
            [
                OutcomeRow(subject, label, value, at, happening[number] if happening else "")
                for number, subject in enumerate(subjects)
            ]
        )

    def _client(self, row: _Row) -> Client:
        name = row.client or self._ground.client
        if name is None:
            raise _Bad("client", "is empty, and none was named for all rows")
        client = self._ground.clients.get(name)
        if client is None:
            raise _Bad("client", "is not the name of a client")
        return client

    def _whose(self, row: _Row, client: Client) -> Named:
        server = row.fhir_server.rstrip("/") or self._ground.fhir_server
        if server is None and client.fhir_servers:
            raise _Bad("fhir_server", "is empty, and none was named for all rows")
        if server is not None and server not in client.fhir_servers:
            raise _Bad("fhir_server", "is not a FHIR server of this client")
        if bool(row.patient) == bool(row.encounter):
            raise _Bad("patient", "give patient or encounter, one of them")
        column, text, make = (
            ("patient", row.patient.removeprefix("Patient/"), patient)
            if row.patient
            else ("encounter", row.encounter.removeprefix("Encounter/"), encounter)
        )
        if _ID.fullmatch(text) is None:
            raise _Bad(column, "is no FHIR id")
        return make(client.name, server, text)


def lines_of(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Lines with their ends, however the bytes were cut. One that is too long comes in pieces, which are no rows."""
    rest = b""
    for chunk in chunks:
        lines = (rest + chunk).split(b"\n")
        rest = lines.pop()
        for line in lines:
            yield line + b"\n"
        while len(rest) > _LONGEST_LINE:
            yield rest[:_LONGEST_LINE]
            rest = rest[_LONGEST_LINE:]
    if rest:
        yield rest


class NoHeader(Exception):
    """The first line of a CSV does not name the columns that are needed, each once; `what` is a sentence."""

    def __init__(self, what: str) -> None:
        super().__init__(what)
        self.what = what


def _places(cells: Sequence[str]) -> list[tuple[str, int]]:
    """Which of our columns stands where; others are not looked at."""
    written = [cell.strip().removeprefix("\ufeff").lower() for cell in cells]
    places = [(name, written.index(name)) for name in _COLUMNS if name in written]
    found = {name for name, _ in places}
    if not {"label", "value", "time"} <= found or not found & {"patient", "encounter"}:
        raise NoHeader(NO_HEAD)
    twice = [name for name in _COLUMNS if written.count(name) > 1]
    if twice:  # which of the two is meant, nobody can say
        raise NoHeader(f"The first line names {' and '.join(twice)} more than once: leave one of each.")
    return places


def _of_cells(cells: Sequence[str], places: Sequence[tuple[str, int]], width: int) -> "_Row | _Bad":
    if len(cells) != width:
        return _Bad("", "has another number of cells than the first line")
    return _Row(**{name: cells[place].strip() for name, place in places})


def _number(value: str | float | bool) -> float:
    if isinstance(value, str) and _NUMBER.fullmatch(value) is None:  # Python takes 1_000, and digits of any script
        raise _Bad("value", "is no number, such as 1 or 0.5")
    number = float(value)
    if not math.isfinite(number):
        raise _Bad("value", "is no finite number")
    return float(f"{number:.{_SIGNIFICANT}g}")


def _time(text: str, zone: tzinfo) -> float:
    at = parse_full_instant(text, zone)
    if at is None:
        raise _Bad("time", "is no date or time such as 2026-03-01 or 2026-03-01T08:00:00Z")
    return float(math.floor(at))


_KEYS = [(name, f'"{name}"'.encode()) for name in _COLUMNS]


def _named_twice(line: bytes) -> str | None:
    """The first column that a row of JSON names twice: which of the two is meant, nobody can say. Hardly any line needs
    the second look."""
    if b"\\u" not in line and not any([line.count(key) > 1 for _, key in _KEYS]):
        return None
    written: list[str] = []

    def noted(pairs: list[tuple[str, object]]) -> None:
        written[:] = [name for name, _ in pairs]  # the outermost object comes last

    json.loads(line, object_pairs_hook=noted)
    return next((name for name in _COLUMNS if written.count(name) > 1), None)


def _column_of(error: msgspec.ValidationError) -> str:
    """msgspec ends with the place, such as `$.value`; of that only a name of our own is kept."""
    named = re.search(r"`\$\.(\w+)`$", str(error))
    return named[1] if named is not None and named[1] in _COLUMNS else ""
