"""Records over the admin API: trace, affected, export, the figures of feedback and outcomes, and outcomes coming in.

The desk is blocking, so everything here runs in a thread. What it raises becomes a problem (RFC 9457).
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Generator, Iterator
from contextlib import contextmanager, suppress
from itertools import chain
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Path, Query, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import StreamingResponse
from starlette.requests import ClientDisconnect
from starlette.types import Receive, Scope, Send

from wardgate.domain.admin_tokens import Role
from wardgate.domain.feedback import issued_id
from wardgate.records import tables
from wardgate.records.archive import ArchiveUnavailable, RecordRefused
from wardgate.records.desk import ALWAYS, MONTH, Ambiguous, Loaded, NoTime, RecordsDesk, Span, span_of
from wardgate.records.outcomes import BadRows, Form, NoHeader, Unnamed, lines_of
from wardgate.records.story import Stories
from wardgate.web.admin.access import Access, Principal
from wardgate.web.admin.problems import PROBLEMS, Problem

NDJSON = "application/x-ndjson"
STREAMED = ("/admin/v1/outcomes",)
"""What reads its body piece by piece, within bounds of its own."""
MOST_BYTES = 256 * 1024 * 1024
"""Of one post of outcomes: some three million rows."""
LOADS = 2
"""Posts of outcomes at a time. Each holds a thread and a connection of the store until its last row is here."""
PATIENCE = 30.0
"""Seconds for the next bytes of a post."""
_ROWS_A_TURN = 100
_Uuid = Annotated[str, Path(max_length=200, examples=["0c3a7e1e-6f0e-4d0b-9b3e-0d1f7a4a5b6c"])]
_Service = Annotated[str, Query(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")]
_Release = Annotated[str, Query(pattern=r"^((sha256:)?[0-9a-f]{6,64}|[A-Za-z0-9._-]{1,100}@[A-Za-z0-9.+_-]{1,100})$")]
_Time = Annotated[str | None, Query(max_length=40)]
_Name = Annotated[str | None, Query(max_length=200)]


_ROWS: dict[int | str, dict[str, Any]] = {
    200: {"content": {NDJSON: {}, "text/csv": {}, "application/json": {"schema": {}}}, "description": "A row a line."}
}
_OUTCOMES: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "text/csv": {
                "schema": {"type": "string"},
                "example": "patient,label,value,time\nPatient/123,kidney_failure,1,2026-03-01\n",
            },
            NDJSON: {"schema": {"type": "string"}},
        },
    }
}


_LOAD: dict[int | str, dict[str, Any]] = {
    status: {**PROBLEMS[422], "description": description}
    for status, description in ((408, "The rows did not come in time."), (413, "Too many."), (415, "Of another kind."))
}


def records_routes(access: Access, desk: RecordsDesk | None) -> APIRouter:
    router = APIRouter(prefix="/admin/v1", tags=["records"])
    viewer, ingest = Depends(access.needs(Role.VIEWER)), Depends(access.needs(Role.INGEST))

    loading = 0

    def open_desk() -> RecordsDesk:
        if desk is None:
            raise Problem(503, "This process has no store of records.")
        return desk

    def desk_that_knows(service: str) -> RecordsDesk:
        """What is asked for may be anything: only a name of the configuration's is answered with (law 4)."""
        at = open_desk()
        if not at.knows(service):
            raise Problem(404, "No service of this name is configured: GET /health/services names those that are.")
        return at

    async def asked(ask: Callable[[], Any]) -> Response:
        return _json(await run_in_threadpool(_told, ask))

    def span(since: str | None, until: str | None, usual: float) -> Span:
        try:
            return span_of(since, until, open_desk().now(), usual)
        except NoTime as error:
            raise Problem(422, error.what) from None

    @router.get("/trace/{name}")
    async def trace(name: _Uuid, principal: Annotated[Principal, viewer]) -> Response:
        """The whole story of a card, decision or hookInstance."""
        if issued_id(name) is None:
            raise Problem(422, "Ask for the UUID of a card, of a decision, or the hookInstance of a call.")
        found = await run_in_threadpool(_told, lambda: open_desk().trace(name, principal.name))
        if not found:
            raise Problem(
                404,
                "No record is kept of a card, decision or hookInstance of this name; a new one comes within seconds.",
            )
        return _json(Stories(found))

    @router.get("/affected", responses=_ROWS, response_class=Response)
    async def affected(
        release: _Release,
        principal: Annotated[Principal, viewer],
        since: _Time = None,
        until: _Time = None,
        format: Literal["ndjson", "csv", "summary"] = "ndjson",
    ) -> Response:
        """Everybody who was shown a card of a release: its digest or the beginning of it, or model@version.
        NDJSON begins with the summary."""
        when = span(since, until, ALWAYS)

        def ask() -> Any:
            at = open_desk()
            return at.affected(at.digests(release), when, principal.name)

        summary, rows = await run_in_threadpool(_told, ask)
        if format == "summary":
            return _json({"summary": summary})
        if format == "csv":
            return await _stream(tables.csv_of(rows), "text/csv")
        documents = chain([tables.encode({"summary": summary})], map(tables.encode, rows))
        return await _stream(tables.ndjson(documents), NDJSON)

    @router.get("/decisions", responses=_ROWS, response_class=Response)
    async def decisions(
        principal: Annotated[Principal, viewer], since: _Time = None, until: _Time = None, service: _Service = ""
    ) -> Response:
        """Every decision with `user_action` and `outcome_label`, as NDJSON."""
        when = span(since, until, MONTH)
        rows = await run_in_threadpool(_told, lambda: open_desk().export(when, principal.name, service))
        return await _stream(tables.ndjson(map(tables.exported, rows)), NDJSON)

    @router.get("/feedback", dependencies=[viewer])
    async def feedback(service: _Service, since: _Time = None, until: _Time = None) -> Response:
        """What clinicians made of the cards, by release and arm."""
        when, at = span(since, until, MONTH), desk_that_knows(service)

        def ask() -> Any:
            releases, unmatched = at.feedback_figures(service, when), at.unmatched(service, when)
            return {"service": service, "span": when, "releases": releases, "unmatched": unmatched}

        return await asked(ask)

    @router.get("/outcomes", dependencies=[viewer])
    async def outcomes(service: _Service, since: _Time = None, until: _Time = None) -> Response:
        """What became of the patients, by release, arm and band."""
        when, at = span(since, until, MONTH), desk_that_knows(service)
        return await asked(lambda: {"service": service, "span": when, "releases": at.outcome_figures(service, when)})

    @router.post("/outcomes", dependencies=[ingest], openapi_extra=_OUTCOMES, responses=_LOAD)
    async def load(
        request: Request,
        source: Annotated[str, Query(max_length=64)] = "post",
        client: _Name = None,
        fhir_server: _Name = None,
        skip_bad: bool = False,
    ) -> Response:
        """Outcomes as CSV or NDJSON: all rows or none, and each post once."""
        nonlocal loading
        form = _form(request)
        at = open_desk()
        if loading >= LOADS:
            raise Problem(503, f"{LOADS} posts of outcomes are under way: send it again when one has ended.")
        chunks = _Chunks(request.stream(), asyncio.get_running_loop())

        def ask() -> Loaded:
            return at.load_outcomes(_paced(lines_of(chunks)), form, at.ground(source, client, fhir_server), skip_bad)

        loading += 1
        try:
            return _json(await run_in_threadpool(_told, ask))
        finally:
            loading -= 1

    return router


class _Chunks:
    """The body of a request, for a thread; raises Problem where it is too large, or does not come."""

    def __init__(self, stream: AsyncIterator[bytes], loop: asyncio.AbstractEventLoop) -> None:
        self._stream = stream
        self._loop = loop
        self._read = 0

    def __iter__(self) -> Iterator[bytes]:
        while True:
            coming = asyncio.run_coroutine_threadsafe(self._next(), self._loop)
            try:
                chunk = coming.result(PATIENCE)
            except ClientDisconnect:
                raise Problem(400, "The request broke off.") from None
            except TimeoutError:
                coming.cancel()
                raise Problem(408, "The rows did not come in time: send them faster, or in several posts.") from None
            if chunk is None:
                return
            self._read += len(chunk)
            if self._read > MOST_BYTES:
                raise Problem(413, f"A post holds {MOST_BYTES} bytes at most: send the rows in several.")
            yield chunk

    async def _next(self) -> bytes | None:
        return await anext(self._stream, None)


def _paced(lines: Iterator[bytes]) -> Iterator[bytes]:
    """The interpreter is handed over every so often, so that no hook call waits long for it (law 1)."""
    for number, line in enumerate(lines):
        if number % _ROWS_A_TURN == 0:
            time.sleep(0)
        yield line


def _form(request: Request) -> Form:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    forms = {
        "text/csv": Form.CSV,
        NDJSON: Form.NDJSON,
        "application/ndjson": Form.NDJSON,
        "application/jsonl": Form.NDJSON,
    }
    if kind not in forms:
        raise Problem(415, f"Send text/csv or {NDJSON}.")
    return forms[kind]


def _told(ask: Callable[[], Any]) -> Any:
    with _troubles():
        return ask()


@contextmanager
def _troubles() -> Iterator[None]:
    try:
        yield
    except ArchiveUnavailable as error:
        raise Problem(503, error.trouble.sentence) from None
    except RecordRefused:
        raise Problem(422, "The store of records does not take these rows.") from None
    except BadRows as error:
        more = {"bad": error.count, "rows": [{"line": r.line, "column": r.column, "what": r.what} for r in error.rows]}
        raise Problem(422, "Nothing was loaded: some rows cannot be read.", more) from None
    except (NoHeader, Unnamed, Ambiguous) as error:
        raise Problem(422, error.what) from None


async def _stream(pieces: Iterator[bytes], content_type: str) -> Response:
    """Its first piece is had before the answer begins, so that what is down is told with a status. What breaks later
    breaks the stream off."""
    left = tables.chunks(pieces)
    first = await run_in_threadpool(_told, lambda: next(left, b""))
    return _Stream(first, left, content_type)


class _Stream(StreamingResponse):
    """What its pieces do at their end, which may be to write to a store that hangs, they do in a thread, also where the
    client hangs up before: in the loop, every hook call would wait for it (law 1)."""

    def __init__(self, first: bytes, left: Generator[bytes], content_type: str) -> None:
        super().__init__(chain([first], left), media_type=content_type)
        self._left = left

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            with suppress(Exception):  # the end could not be noted; the beginning was
                await run_in_threadpool(self._left.close)


def _json(document: Any) -> Response:
    return Response(tables.encode(document), media_type="application/json")
