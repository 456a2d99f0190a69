"""`wardgate features`: the training table of an export, by the extractor of the hook call. Exit 0: written; 1: not."""

import secrets
import signal
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TextIO
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from wardgate import __version__
from wardgate.adapters.export import tables
from wardgate.adapters.export.charts import Unusable, files_of
from wardgate.adapters.export.extraction import Extraction, Plan, clock_of
from wardgate.adapters.export.sorting import Sorter
from wardgate.adapters.files.digest import digest_of
from wardgate.adapters.files.models import Schema, read_schema
from wardgate.cli.check import show_findings
from wardgate.cli.features_view import progress_on, summary
from wardgate.domain.features.compile import compile_schema
from wardgate.domain.features.export import export_keys

STDOUT = Path("-")


class Request(msgspec.Struct, frozen=True):
    """The arguments as they were given. `as_of` are times or one CSV file; none: now."""

    schema: Path
    inputs: tuple[Path, ...]
    as_of: tuple[str, ...] = ()
    out: Path = STDOUT
    zone: str = "UTC"
    fhir_ids: bool = False
    fhir_servers: tuple[str, ...] = ()


class Refused(Exception):
    """The arguments cannot be followed: what is wrong, and how to mend it."""

    def __init__(self, what: str, remedy: str) -> None:
        super().__init__(what)
        self.what = what
        self.remedy = remedy


def run(request: Request, err: TextIO | None = None) -> int:
    err = sys.stderr if err is None else err
    schema, findings = read_schema(request.schema)
    if schema is None:
        show_findings(findings, err)
        return 1
    try:
        with _terminable():
            _write(request, schema, err)
    except (Refused, Unusable) as error:
        where = f"{error.path}: " if isinstance(error, Unusable) else ""
        err.write(f"{where}{error.what} -> {error.remedy}\nnothing was written\n")
        return 1
    except BrokenPipeError:  # whoever read standard output has seen enough
        return 1
    except OSError as error:
        err.write(
            f"cannot write ({error.strerror}) -> make room in the temporary folder (TMPDIR) and beside the table\n"
        )
        return 1
    except KeyboardInterrupt:
        err.write("stopped: nothing was written\n")
        return 130
    return 0


def _write(request: Request, schema: Schema, err: TextIO) -> None:
    plan = _plan(request, schema)
    digest = digest_of(schema.document.data)
    facts = {
        "version": __version__,
        "features": request.schema.name,
        "schema_version": schema.schema.version,
        "features_digest": digest,
        "zone": request.zone,
    }
    with Sorter() as sorter, progress_on(err) as stage:
        extraction = Extraction(plan, sorter)
        extraction.collect(stage("reading", sum(path.stat().st_size for path in plan.files)))
        with _table(request.out, tables.columns_of(plan.extractor), facts) as write:
            for row in extraction.rows(stage("extracting", extraction.items)):
                write(row)
            told = summary(extraction, len(plan.files), schema.schema)
            if not extraction.tally.rows:
                remedy = "an export needs a Patient resource for each patient; see docs/offline.md"
                raise Refused(f"no patient gave a row\n{told}", remedy)
    name = "standard output" if request.out == STDOUT else str(request.out)
    err.write(f"{name}: {extraction.tally.rows:,} rows, schema {schema.schema.version}, {digest}\n{told}")


def _plan(request: Request, schema: Schema) -> Plan:
    """What is asked for, made sure before the first byte of the export is read. Raises Refused, Unusable."""
    if request.out != STDOUT:
        _prove_out(request.out)
    zone = _zone(request.zone)
    as_of, dates = _clocks(request.as_of, zone)
    for server in request.fhir_servers:
        if not server.startswith(("https://", "http://")):
            raise Refused(
                f"{server} is no FHIR base", "write it as its references do, such as https://ehr.example/fhir"
            )
    keys = export_keys(schema.schema)
    return Plan(
        files=tuple(files_of(request.inputs)),
        extractor=compile_schema(schema.schema, keys),
        keys=keys,
        zone=zone,
        bases=frozenset(server.rstrip("/") for server in request.fhir_servers),
        as_of=as_of,
        dates=dates,
        pseudonym_key=None if request.fhir_ids else secrets.token_bytes(32),
    )


def _prove_out(out: Path) -> None:
    if out.suffix not in tables.SUFFIXES:
        raise Refused(f"{out}: not a kind of table", f"let the name end in {', '.join(tables.SUFFIXES)}")
    if (remedy := tables.needs_of(out.suffix)) is not None:
        raise Refused("Parquet needs the package pyarrow", remedy)
    if not out.parent.is_dir():
        raise Refused(f"{out}: there is no folder {out.parent}", "make it first")


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise Refused(f"{name} is no time zone", "write an IANA name such as Europe/Vienna or UTC") from None


def _clocks(given: Sequence[str], zone: ZoneInfo) -> tuple[tuple[float, ...], Path | None]:
    if not given:
        now = datetime.now(UTC)  # noqa: TID251 - the one clock of a run without --as-of
        return (now.replace(microsecond=0).timestamp(),), None
    times = {text: clock_of(text, zone) for text in given}
    clocks = tuple(at for at in times.values() if at is not None)
    if len(clocks) == len(times):
        return clocks, None
    (text, *others) = (text for text, at in times.items() if at is None)
    if clocks or others:
        raise Refused(f"--as-of: {text} is no time", "give times, or one CSV file of patients and times, not both")
    if not Path(text).is_file():
        raise Refused(f"--as-of: {text} is neither a time nor a file", "write a time such as 2026-03-01T08:00:00Z")
    return (), Path(text)


@contextmanager
def _table(out: Path, columns: Sequence[tables.Column], facts: Mapping[str, str]) -> Iterator[tables.Write]:
    if out == STDOUT:
        with tables.csv_on(sys.stdout.buffer, columns, facts) as write:
            yield write
    else:
        with tables.table(out, columns, facts) as write:
            yield write


@contextmanager
def _terminable() -> Iterator[None]:
    """SIGTERM ends the command as Ctrl-C does, so that a half-written table is removed."""

    def stop(number: int, frame: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
