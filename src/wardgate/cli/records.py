"""Two ways to the records: over a gateway's admin listener, or in the store itself, offline.

Both say the same things and are on the same access log: there the principal of the admin API, here the user of the
operating system.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Protocol, TypeVar
from urllib.parse import quote

import msgspec

from wardgate.cli.admin import Admin, CannotAsk, Refused
from wardgate.cli.principal import principal
from wardgate.records import tables
from wardgate.records.archive import AffectedRow, ArchiveUnavailable, RecordRefused
from wardgate.records.desk import (
    ALWAYS,
    MONTH,
    AffectedSummary,
    Ambiguous,
    Loaded,
    NoTime,
    RecordsDesk,
    span_of,
)
from wardgate.records.outcomes import BadRow, BadRows, Form, NoHeader, Unnamed, lines_of
from wardgate.records.story import Stories, Story

if TYPE_CHECKING:
    from wardgate.bootstrap.configured import Configured

_T = TypeVar("_T")
_CHUNK = 64 * 1024
_KINDS = {Form.CSV: "text/csv", Form.NDJSON: "application/x-ndjson"}


class Records(Protocol):
    """Each method raises CannotAsk; so do the iterators."""

    def trace(self, name: str, action: str = "trace") -> tuple[Story, ...]: ...

    def affected(
        self, release: str, since: str | None, until: str | None
    ) -> tuple[AffectedSummary, Iterator[AffectedRow]]: ...

    def export(self, since: str | None, until: str | None, service: str) -> Iterator[bytes]: ...

    def load(self, file: IO[bytes], form: Form, named: Mapping[str, str | None], skip_bad: bool) -> Loaded:
        """`named`: source, client and fhir_server for all rows. Raises BadRows besides."""
        ...


class _Line(msgspec.Struct):
    summary: AffectedSummary


class Remote:
    def __init__(self, admin: Admin) -> None:
        self._admin = admin

    def trace(self, name: str, action: str = "trace") -> tuple[Story, ...]:
        try:
            return _decoded(self._admin.get(f"/admin/v1/trace/{quote(name, safe='')}"), Stories).stories
        except Refused as refused:
            if refused.status in (404, 422) and "detail" in refused.more:  # said by the route itself
                return ()
            raise

    def affected(
        self, release: str, since: str | None, until: str | None
    ) -> tuple[AffectedSummary, Iterator[AffectedRow]]:
        lines = self._admin.lines("/admin/v1/affected", {"release": release, "since": since, "until": until})
        summary = _decoded(next(lines, b""), _Line).summary
        return summary, (_decoded(line, AffectedRow) for line in lines)

    def export(self, since: str | None, until: str | None, service: str) -> Iterator[bytes]:
        asked = {"since": since, "until": until, "service": service or None}
        return self._admin.lines("/admin/v1/decisions", asked)

    def load(self, file: IO[bytes], form: Form, named: Mapping[str, str | None], skip_bad: bool) -> Loaded:
        asked = {**named, "skip_bad": "true" if skip_bad else None}
        try:
            reply = self._admin.post("/admin/v1/outcomes", asked, _chunks(file), _KINDS[form])
        except Refused as refused:
            if "bad" in refused.more:
                rows = msgspec.convert(refused.more["rows"], list[BadRow])
                raise BadRows(rows, int(refused.more["bad"])) from None
            raise
        return _decoded(reply, Loaded)


def _decoded(raw: bytes, kind: type[_T]) -> _T:
    try:
        return msgspec.json.decode(raw, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError):
        what = "What answers there is no admin listener of wardgate, or of another version."
        raise CannotAsk(what, "Name it with --admin URL.") from None


class Local:
    def __init__(self, desk: RecordsDesk) -> None:
        self._desk = desk
        self._principal = principal()

    def trace(self, name: str, action: str = "trace") -> tuple[Story, ...]:
        with _told():
            return self._desk.trace(name, self._principal, action)

    def affected(
        self, release: str, since: str | None, until: str | None
    ) -> tuple[AffectedSummary, Iterator[AffectedRow]]:
        with _told():
            span = span_of(since, until, self._desk.now(), ALWAYS)
            summary, rows = self._desk.affected(self._desk.digests(release), span, self._principal)
        return summary, _telling(rows)

    def export(self, since: str | None, until: str | None, service: str) -> Iterator[bytes]:
        with _told():
            span = span_of(since, until, self._desk.now(), MONTH)
            rows = self._desk.export(span, self._principal, service)
        return _telling(map(tables.exported, rows))

    def load(self, file: IO[bytes], form: Form, named: Mapping[str, str | None], skip_bad: bool) -> Loaded:
        with _told():
            ground = self._desk.ground(named["source"] or "file", named["client"], named["fhir_server"])
            return self._desk.load_outcomes(lines_of(_chunks(file)), form, ground, skip_bad)


def reached(admin: str | None, config: Path | None) -> Records:
    """The store of `config` itself where it is named, else the gateway's. Raises CannotAsk."""
    if config is None:
        return Remote(Admin(admin, "Or read the store itself with --config FILE."))
    if admin is not None:
        raise CannotAsk("--admin and --config are two ways to the same records.", "Name one of them.")
    from wardgate.cli.captures import NoCapture, configured_from

    try:
        configured = configured_from(config)
    except NoCapture as error:
        raise CannotAsk(error.what, error.remedy) from None
    return opened(configured)


def opened(configured: "Configured") -> Records:
    """The store of a configuration; it is asked nothing yet. Raises CannotAsk."""
    if not configured.secrets.pseudonym:
        raise CannotAsk(
            "The names in these records were made with a key that their gateway drew for itself.",
            "Ask the gateway with --admin URL; with `pseudonym_key` named, its store can be read offline.",
        )
    from wardgate.bootstrap.records import open_desk

    return Local(open_desk(configured))


@contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except ArchiveUnavailable as error:
        raise CannotAsk(error.trouble.sentence, "") from None
    except RecordRefused:
        raise CannotAsk("The store of records does not take these rows.", "") from None
    except (NoTime, Ambiguous) as error:
        raise CannotAsk(error.what, "") from None
    except (NoHeader, Unnamed) as error:
        raise CannotAsk(error.what, "") from None


def _telling(rows: Iterator[_T]) -> Iterator[_T]:
    with _told():
        yield from rows


def _chunks(file: IO[bytes]) -> Iterator[bytes]:
    while chunk := file.read(_CHUNK):
        yield chunk
