"""The training table: one row for each patient and clock, as CSV, NDJSON or Parquet.

A table appears under its name when it is complete, and not before; only its user may read it.
"""

import csv
import io
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import IO, Any

import msgspec

from wardgate.domain.expressions import Type
from wardgate.domain.features.compile import Extractor
from wardgate.domain.features.vector import FeatureVector

PATIENT, AS_OF, DECEASED = "_patient", "_as_of", "deceased"
"""The names of features begin with a letter, have no dot, and are never `deceased`: no column meets another."""

Cell = float | bool | str | datetime | None
Write = Callable[[Sequence[Cell]], None]

_BATCH = 2048
"""Rows of a Parquet row group."""

SUFFIXES = (".csv", ".ndjson", ".parquet")


class Column(msgspec.Struct, frozen=True):
    name: str
    kind: type[float] | type[bool] | type[str] | type[datetime]


_KINDS: Mapping[Type, type[float] | type[bool] | type[str]] = {
    Type.NUMBER: float,
    Type.BOOLEAN: bool,
    Type.CODE: str,
}


def columns_of(extractor: Extractor) -> tuple[Column, ...]:
    """The key, then value, mark, age in seconds and lateness of each feature."""
    columns = [Column(PATIENT, str), Column(AS_OF, datetime), Column(DECEASED, bool)]
    for spec in extractor.schema.features:
        columns.append(Column(spec.name, _KINDS[spec.yields]))
        columns.append(Column(f"{spec.name}.mark", str))
        columns.append(Column(f"{spec.name}.age", float))
        columns.append(Column(f"{spec.name}.late", bool))
    return tuple(columns)


def row_of(patient: str, vector: FeatureVector, extractor: Extractor) -> list[Cell]:
    """In the order of `columns_of`. A missing value that may be there all the same has the mark `unobtained`; whether
    it is late is empty where no `max_lag` says what late is, or nothing was selected."""
    cells: list[Cell] = [patient, datetime.fromtimestamp(vector.as_of, UTC), vector.deceased]
    for spec in extractor.schema.features:
        found = vector.values[spec.name]
        mark = None if found.mark is None else "unobtained" if found.unobtained else found.mark.value
        late = found.late if spec.max_lag is not None and found.at is not None else None
        cells += (found.value, mark, found.age, late)
    return cells


def needs_of(suffix: str) -> str | None:
    """What must be installed first to write such a table; None where nothing is lacking."""
    lacking = suffix == ".parquet" and find_spec("pyarrow") is None
    return "pip install 'wardgate[parquet]', or write .csv or .ndjson" if lacking else None


@contextmanager
def table(out: Path, columns: Sequence[Column], facts: Mapping[str, str]) -> Iterator[Write]:
    """Writes rows; `facts` stand in Parquet's metadata. After an exception the file is as it was, or is not there."""
    descriptor, name = tempfile.mkstemp(prefix=f".{out.name}-", dir=out.parent)  # mode 0600
    try:
        with os.fdopen(descriptor, "wb") as file:
            with _WRITERS[out.suffix](file, columns, facts) as write:
                yield write
            file.flush()
            os.fsync(file.fileno())
        os.replace(name, out)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


@contextmanager
def csv_on(file: IO[bytes], columns: Sequence[Column], facts: Mapping[str, str]) -> Iterator[Write]:
    """An empty cell is no value; true and false; times in UTC."""
    text = io.TextIOWrapper(file, encoding="utf-8", newline="", write_through=False)
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([column.name for column in columns])
    yield lambda cells: writer.writerow(map(_text, cells))
    text.flush()
    text.detach()


@contextmanager
def _ndjson_on(file: IO[bytes], columns: Sequence[Column], facts: Mapping[str, str]) -> Iterator[Write]:
    names = [column.name for column in columns]
    encode = msgspec.json.Encoder().encode

    def write(cells: Sequence[Cell]) -> None:
        file.write(encode(dict(zip(names, cells, strict=True))))
        file.write(b"\n")

    yield write


@contextmanager
def _parquet_on(file: IO[bytes], columns: Sequence[Column], facts: Mapping[str, str]) -> Iterator[Write]:
    pa: Any = import_module("pyarrow")  # it has no types
    parquet: Any = import_module("pyarrow.parquet")
    types = {float: pa.float64(), bool: pa.bool_(), str: pa.string(), datetime: pa.timestamp("us", tz="UTC")}
    fields = [pa.field(column.name, types[column.kind], nullable=column.name not in _KEY) for column in columns]
    schema = pa.schema(fields, metadata={f"wardgate.{name}": fact for name, fact in facts.items()})
    rows: list[Sequence[Cell]] = []

    with parquet.ParquetWriter(file, schema, compression="zstd") as writer:

        def flush() -> None:
            cells = zip(fields, zip(*rows, strict=True), strict=True)
            arrays = [pa.array(column, type=field.type) for field, column in cells]
            writer.write_table(pa.Table.from_arrays(arrays, schema=schema))
            rows.clear()

        def write(cells: Sequence[Cell]) -> None:
            rows.append(cells)
            if len(rows) == _BATCH:
                flush()

        yield write
        if rows:
            flush()


_KEY = frozenset({PATIENT, AS_OF})
_WRITERS = {".csv": csv_on, ".ndjson": _ndjson_on, ".parquet": _parquet_on}


def _text(cell: Cell) -> str:
    match cell:
        case None:
            return ""
        case bool():
            return "true" if cell else "false"
        case datetime():
            return cell.isoformat().replace("+00:00", "Z")
        case float():
            return repr(cell)
        case _:
            return str(cell)
