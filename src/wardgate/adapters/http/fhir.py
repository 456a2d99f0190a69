"""FHIR reads (R4, 3.1.0 RESTful API): one GET each, with the token of the call and for nobody else."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from wardgate.adapters.http.client import HttpClient, HttpError
from wardgate.domain.hooks import FhirAccess


class ReadFailure(StrEnum):
    """Why a read came to nothing: a closed list, for counters."""

    UNREACHABLE = "unreachable"
    TIMEOUT = "timeout"
    TRUNCATED = "truncated"
    TOO_LARGE = "too_large"
    REDIRECT = "redirect"
    NOT_ALLOWED = "not_allowed"  # 401 and 403: the token does not reach this far
    STATUS = "status"
    NOT_JSON = "not_json"
    OFF_SERVER = "off_server"  # never sent: the URL is not under the server that the token is for


@dataclass(frozen=True, slots=True)
class FhirReaderOptions:
    max_bytes: int = 2 * 1024 * 1024
    """Of one answer, as of a whole request (`limits.body`); a page of a search is a few hundred KB at most."""


def _uncounted(failure: ReadFailure) -> None:
    """Where nobody counts."""


_ACCEPT = "application/fhir+json, application/json;q=0.9"
_OPEN = {"Accept": _ACCEPT}


class HttpFhirReader:
    """Meets `gateway.ports.FhirReader`. Bodies of errors are not looked at: they may hold anything."""

    def __init__(
        self,
        http: HttpClient,
        failed: Callable[[ReadFailure], None] = _uncounted,
        options: FhirReaderOptions | None = None,
    ) -> None:
        self._http = http
        self._failed = failed
        self._max_bytes = (options or FhirReaderOptions()).max_bytes

    async def read(self, access: FhirAccess, url: str, timeout: float) -> bytes | None:
        if not url.startswith((f"{access.server}/", f"{access.server}?")):
            self._failed(ReadFailure.OFF_SERVER)
            return None
        headers = _OPEN if access.token is None else {"Accept": _ACCEPT, "Authorization": f"Bearer {access.token}"}
        try:
            reply = await self._http.send("GET", url, headers, None, timeout, self._max_bytes)
        except HttpError as error:
            self._failed(ReadFailure(error.kind.value))
            return None
        failure = _failure(reply.status, reply.content_type)
        if failure is not None:
            self._failed(failure)
            return None
        return reply.body


def _failure(status: int, content_type: str) -> ReadFailure | None:
    if status == 200:
        # Servers write application/fhir+json, application/json+fhir, text/json, or nothing at all.
        kind = content_type.partition(";")[0].strip().lower()
        return None if not kind or "json" in kind else ReadFailure.NOT_JSON
    if status in (401, 403):
        return ReadFailure.NOT_ALLOWED
    return ReadFailure.REDIRECT if 300 <= status < 400 else ReadFailure.STATUS
