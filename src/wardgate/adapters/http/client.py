"""The one way out over HTTP: a port of one method, so that the client library can be swapped."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Protocol

import msgspec


class HttpFailure(StrEnum):
    UNREACHABLE = "unreachable"  # no connection, or it broke before a whole answer's head was there
    TIMEOUT = "timeout"
    TRUNCATED = "truncated"  # the body ended before its announced end
    TOO_LARGE = "too_large"


class HttpError(Exception):
    """No whole reply. Carries no text of the library: that may hold a URL with a patient's id."""

    def __init__(self, kind: HttpFailure) -> None:
        super().__init__(kind.value)
        self.kind = kind


class HttpReply(msgspec.Struct, frozen=True):
    """`connection`: the number of the connection that it came over, counted from 1 in the order in which this client
    opened them; None where it cannot tell."""

    status: int
    content_type: str
    body: bytes
    connection: int | None = None


class HttpClient(Protocol):
    async def send(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        body: bytes | None,
        timeout: float | None,
        max_bytes: int,
        oldest: int = 0,
    ) -> HttpReply:
        """One request on a pooled connection; raises HttpError and nothing else.

        Redirects are never followed: a 3xx is a reply like any other (no token goes to another host).
        `timeout` in seconds covers everything from connect to the last byte; None where the caller holds
        the timer. No cookie is kept, no proxy variable is read. A POST is never repeated; a GET may be, once,
        where a pooled connection turns out to be closed or spoilt. A client that numbers its connections uses none
        below `oldest`.
        """
        ...

    def renew(self, url: str) -> int | None:
        """Use none of the connections to the host of `url` that there are now for another request. The number of the
        newest connection; None where the client does not number them, and goes on with all."""
        ...

    async def close(self) -> None: ...
